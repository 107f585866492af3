"""All tests of tabs begin in the light theme at the usual font size."""

from collections.abc import Iterator

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
