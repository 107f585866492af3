"""All widget tests begin in the light theme at the usual font size."""

from collections.abc import Iterator

import pyqtgraph
import pytest
from PySide6.QtWidgets import QApplication

from app.shell.theme import install, theme


@pytest.fixture(scope="session")
def dressed(qapp: QApplication) -> None:
    install(qapp, "light")
    pyqtgraph.setConfigOption("mouseRateLimit", 0)  # a test's mouse is faster than a hand


@pytest.fixture(autouse=True)
def light(dressed: None) -> Iterator[None]:
    theme().set_mode("light")
    theme().set_scale(1.0)
    yield
    theme().set_mode("light")
    theme().set_scale(1.0)
