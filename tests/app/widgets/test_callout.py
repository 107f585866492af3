import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.shell.theme import theme
from app.widgets.callout import HIGH, LOW, Callout
from app.widgets.labels import Label

LINES = [f"Warning number {n}: something that a reader of these numbers should know about them." for n in range(1, 6)]


@pytest.fixture
def host(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    made.resize(260, 600)
    column = QVBoxLayout(made)
    column.addWidget(Callout())
    column.addStretch(1)
    made.show()
    return made


def seen(host: QWidget) -> list[str]:
    return [label.text() for label in host.findChildren(Label) if label.isVisible()]


def test_without_a_word_it_is_not_there(host: QWidget) -> None:
    callout = host.findChild(Callout)
    assert not callout.isVisible()
    callout.set_lines(["Phase IV-B"])
    assert callout.isVisible() and seen(host) == ["Phase IV-B"]
    assert not host.findChild(QPushButton).isVisible()
    callout.set_lines([])
    assert not callout.isVisible()


def test_two_are_shown_and_the_others_on_demand(host: QWidget, qtbot: QtBot) -> None:
    callout, more = host.findChild(Callout), host.findChild(QPushButton)
    callout.set_lines(LINES)
    assert seen(host) == LINES[:2] and more.text() == "and 3 more"
    low = callout.height()
    more.setFocus()
    qtbot.keyClick(more, Qt.Key.Key_Space)
    assert seen(host) == LINES and more.text() == "Show fewer" and more.isChecked()
    qtbot.waitUntil(lambda: callout.height() > low)
    callout.set_lines([*LINES, "one more"])  # while the run goes on
    assert len(seen(host)) == 6
    qtbot.mouseClick(more, Qt.MouseButton.LeftButton)
    assert seen(host) == LINES[:2] and more.text() == "and 4 more"
    qtbot.mouseClick(more, Qt.MouseButton.LeftButton)
    callout.set_lines(LINES[:2])
    callout.set_lines(LINES)
    assert seen(host) == LINES[:2]  # folded again when there was nothing left to fold


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_it_never_takes_all_the_room(host: QWidget, qtbot: QtBot, scale: float) -> None:
    theme().set_scale(scale)
    callout, more = host.findChild(Callout), host.findChild(QPushButton)
    callout.set_lines([line * 9 for line in LINES])
    frame = 40 * scale + more.sizeHint().height()
    qtbot.waitUntil(lambda: callout.height() <= LOW * scale + frame)
    more.click()
    qtbot.waitUntil(lambda: LOW * scale < callout.height() <= HIGH * scale + frame)
    assert host.minimumSizeHint().width() < 260


def test_short_sentences_take_no_more_than_they_need(host: QWidget, qtbot: QtBot) -> None:
    callout = host.findChild(Callout)
    callout.set_lines(["short", "too"])
    qtbot.waitUntil(lambda: callout.height() < 80)
    host.resize(QSize(180, 600))
    callout.set_lines(LINES[:2])
    qtbot.waitUntil(lambda: callout.height() > 100)
    labels = [label for label in host.findChildren(Label) if label.isVisible()]
    assert all(label.height() >= label.heightForWidth(label.width()) for label in labels)
