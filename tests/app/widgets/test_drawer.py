"""Numbers stand beside the pictures in a wide window and come out of a drawer in a narrow one."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.shell.theme import theme, tokens
from app.widgets.drawer import NumbersSide
from app.widgets.numbers import Number, NumbersPanel
from engine.studies.contract import Measure

LOSS = Measure("loss", "Loss", "L", "nat", "How wrong it is.", "own")


class Tab(QWidget):
    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.left, self.middle, self.below = QPushButton("left"), QLabel("middle"), QLabel("below")
        self.side = NumbersSide(self, NumbersPanel(), self.below)
        for widget, stretch in ((self.left, 0), (self.middle, 1), (self.side, 0)):
            row.addWidget(widget, stretch)


@pytest.fixture
def tab(qtbot: QtBot) -> Tab:
    made = Tab()
    qtbot.addWidget(made)
    made.resize(1300, 500)
    with qtbot.waitExposed(made):
        made.show()
    return made


def narrow(tab: Tab) -> None:
    tab.resize(1000, 500)
    QApplication.processEvents()


def test_wide_window_shows_the_numbers_beside_the_pictures(tab: Tab) -> None:
    side = tab.side
    assert not side.folded and not side.handle.isVisible() and side.numbers.isVisible()
    assert side.sheet.geometry() == side.geometry() and side.geometry().right() == tab.width() - 1
    assert tab.middle.geometry().right() < side.x()
    wide = side.width()
    tab.resize(1500, 500)
    QApplication.processEvents()
    assert side.width() > wide and side.sheet.geometry() == side.geometry()


def test_narrow_window_folds_them_into_a_drawer(tab: Tab, qtbot: QtBot) -> None:
    narrow(tab)
    side = tab.side
    assert side.folded and side.width() < 60 and side.handle.isVisible()
    assert not side.numbers.isVisible() and not tab.below.isVisible()
    room = tab.middle.width()
    qtbot.mouseClick(side.handle, Qt.MouseButton.LeftButton)
    assert side.numbers.isVisible() and tab.below.isVisible()
    assert side.sheet.geometry().right() < side.x() and side.sheet.height() == tab.height()
    assert tab.middle.width() == room, "pictures are not laid out anew"
    qtbot.mouseClick(side.handle, Qt.MouseButton.LeftButton)
    assert not side.numbers.isVisible()


def test_keys_open_and_close_it(tab: Tab, qtbot: QtBot) -> None:
    narrow(tab)
    side = tab.side
    side.handle.setFocus()
    assert side.handle.focusPolicy() & Qt.FocusPolicy.TabFocus
    qtbot.keyClick(side.handle, Qt.Key.Key_Space)
    assert side.numbers.view.hasFocus()
    qtbot.keyClick(side.numbers.view, Qt.Key.Key_Escape)
    assert not side.numbers.isVisible() and side.handle.hasFocus()
    qtbot.keyClick(side.handle, Qt.Key.Key_Space)
    side.handle.setFocus()
    qtbot.keyClick(side.handle, Qt.Key.Key_Escape)
    assert not side.numbers.isVisible()


def test_it_remembers_nothing(tab: Tab) -> None:
    narrow(tab)
    tab.side.open_drawer()
    tab.resize(1300, 500)
    QApplication.processEvents()
    assert tab.side.numbers.isVisible() and tab.side.sheet.geometry() == tab.side.geometry()
    narrow(tab)
    assert not tab.side.numbers.isVisible()


def test_handle_says_how_many_and_the_first(tab: Tab) -> None:
    narrow(tab)
    handle = tab.side.handle
    assert handle.accessibleName() == "Numbers" and handle.toolTip() == "Show the numbers"
    tab.side.numbers.set_numbers([Number(LOSS, 0.25), Number(LOSS, 0.5, dims=(("split", "test"),))])
    assert handle.accessibleName() == "Numbers · 2   Loss 0.2500 nat"
    tab.side.numbers.set_numbers([Number(LOSS, 0.125), Number(LOSS, 0.5, dims=(("split", "test"),))])
    assert handle.accessibleName() == "Numbers · 2   Loss 0.1250 nat"
    tab.side.open_drawer()
    assert handle.toolTip() == "Hide the numbers"


def test_handle_shows_that_something_is_to_be_read(tab: Tab) -> None:
    narrow(tab)
    handle = tab.side.handle

    def warned() -> int:
        image = handle.grab().toImage()
        wanted = QColor(tokens().warn)
        pixels = (image.pixelColor(x, y) for x in range(image.width()) for y in range(60))
        return sum(abs(p.red() - wanted.red()) + abs(p.green() - wanted.green()) < 24 for p in pixels)

    assert warned() == 0
    tab.side.set_warned(True)
    assert warned() > 5


def test_window_is_at_least_as_high_as_the_numbers_need(tab: Tab) -> None:
    assert tab.minimumSizeHint().height() >= tab.side.sheet.minimumSizeHint().height() > 80
    tab.below.setMinimumHeight(300)
    QApplication.processEvents()
    assert tab.minimumSizeHint().height() > 300


def test_larger_letters_widen_it(tab: Tab) -> None:
    before = tab.side.width()
    theme().set_scale(1.4)
    try:
        QApplication.processEvents()
        assert tab.side.width() > before
    finally:
        theme().set_scale(1.0)
