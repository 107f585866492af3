"""The main window on a real windowing system: shown by a server, driven by keys, read back as pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.shell.settings import Settings
from app.shell.theme import install
from app.window import MainWindow

pytestmark = pytest.mark.window


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[MainWindow]:
    """The main window, exposed by the server, with its first tab in it."""
    install(qapp, "light")
    window = MainWindow(tmp_path / "runs", Settings(persistent=False))
    qtbot.addWidget(window)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    qtbot.waitUntil(lambda: window.current_tab != "" and bool(window.status.devices), timeout=60_000)
    yield window
    window.close_for_good()


def colours(image: QImage) -> int:
    """How many colours a coarse grid over a picture meets."""
    return len({image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)})


def test_server_shows_what_the_window_paints(window: MainWindow, qtbot: QtBot) -> None:
    assert QGuiApplication.platformName() == "xcb"
    handle = window.windowHandle()
    screen = handle.screen()
    seen = screen.grabWindow(int(window.winId())).toImage()
    assert seen.size() == window.size()
    assert colours(seen) > 10
    grabbed = window.grab().toImage()
    assert colours(grabbed) > 10


@pytest.mark.parametrize("size", [(1024, 700), (1280, 800), (1880, 1000)])
def test_window_takes_the_size_that_the_server_gives(window: MainWindow, qtbot: QtBot, size: tuple[int, int]) -> None:
    window.resize(*size)
    qtbot.waitUntil(lambda: window.size() == QSize(*size))
    assert window.centralWidget().rect().contains(window.status.geometry())
    assert window.status.isVisible()


def test_tab_key_reaches_widgets_and_comes_round(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(window.isActiveWindow)
    seen = []
    for _ in range(200):
        qtbot.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Tab)
        focus = QApplication.focusWidget()
        if focus is not None and focus in seen:
            break
        seen.append(focus)
    named = [one for one in seen if one is not None]
    assert len(named) >= 8
    assert all(window.isAncestorOf(one) for one in named)


def test_copying_goes_through_the_servers_clipboard(window: MainWindow, qtbot: QtBot) -> None:
    QGuiApplication.clipboard().clear()
    window.copy_python()
    qtbot.waitUntil(lambda: "engine" in QGuiApplication.clipboard().text())
