"""What the window remembers, and what a test run does not."""

import pytest
from PySide6.QtCore import QByteArray, QSettings

from app.shell.settings import Settings


@pytest.fixture(autouse=True)
def empty_store():
    QSettings("Theodolite", "Theodolite").clear()
    yield
    QSettings("Theodolite", "Theodolite").clear()


def test_values_are_there_at_the_next_start(qapp):
    first = Settings()
    assert (first.theme, first.dock_height, first.geometry) == ("system", 190, QByteArray())
    first.theme, first.dock_height, first.geometry = "dark", 240, QByteArray(b"xyz")
    first.language = "zh_CN"
    again = Settings()
    assert (again.theme, again.dock_height, again.geometry) == ("dark", 240, QByteArray(b"xyz"))
    assert again.language == "zh_CN"


def test_a_self_test_neither_reads_nor_keeps(qapp):
    Settings().theme = "dark"
    fresh = Settings(persistent=False)
    assert fresh.theme == "system"
    fresh.theme = "light"
    assert fresh.theme == "light" and Settings().theme == "dark"


def test_rubbish_in_the_store_is_no_error(qapp):
    store = QSettings("Theodolite", "Theodolite")
    for key, value in (("theme", "purple"), ("dock_height", "high"), ("geometry", 7), ("language", "tlh")):
        store.setValue(key, value)
    store.sync()
    settings = Settings()
    assert (settings.theme, settings.dock_height, settings.geometry) == ("system", 190, QByteArray())
    assert settings.language == "system"
