"""All tests of the shell begin in the light theme at the usual font size."""

import importlib
from collections.abc import Iterator
from types import ModuleType

import pytest
from PySide6.QtWidgets import QApplication

import engine.studies
from app.shell.theme import install, theme
from engine.artifacts import kinds
from engine.studies import catalogue
from tests.engine.runs.conftest import STUDIES


@pytest.fixture(scope="session")
def dressed(qapp: QApplication) -> None:
    install(qapp, "light")


@pytest.fixture(autouse=True)
def light(dressed: None) -> Iterator[None]:
    theme().set_mode("light")
    theme().set_scale(1.0)
    yield
    theme().set_mode("light")
    theme().set_scale(1.0)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The configs of the tiny study, which this process and its workers find among the others."""
    monkeypatch.setenv("THEODOLITE_STUDIES", str(STUDIES))
    monkeypatch.setattr(engine.studies, "__path__", [*engine.studies.__path__, str(STUDIES)])
    caches = (catalogue.configs, catalogue.pipelines, catalogue.measures, kinds.kinds)
    for cached in caches:
        cached.cache_clear()
    yield importlib.import_module("engine.studies.fake.config")
    for cached in caches:
        cached.cache_clear()
