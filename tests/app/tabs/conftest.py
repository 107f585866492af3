"""All tests of tabs begin in the light theme at the usual font size; finished runs of the Mixtures tab, made once."""

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

from app.shell.theme import install, theme


@pytest.fixture(scope="session")
def dressed(qapp: QApplication) -> None:
    install(qapp, "light")


@pytest.fixture(autouse=True)
def light(dressed: None) -> Iterator[None]:
    theme().set_mode("light")
    yield
    theme().set_mode("light")


@pytest.fixture(scope="session")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from tests.app.tabs.mixtures_runs import pipeline

    return pipeline(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def model(readers: dict[str, Any]) -> Any:
    from app.tabs.mixtures.model import MixturesModel

    found = MixturesModel()
    found.show({stage: reader.id for stage, reader in readers.items()})
    for stage, reader in readers.items():
        found.read(stage, reader)
    return found
