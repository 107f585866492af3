import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.shell.theme import LIGHT, theme
from app.widgets.rail import NavRail, PageBar
from tests.app.widgets.pixels import count

TABS = [
    ("landscape", "Landscape", "landscape", "Training"),
    ("mixtures", "Mixtures", "mixtures", "Data"),
    ("tails", "Tails", "tails", "Training"),
    ("compare", "Compare", "compare", "All runs"),
]


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    made = QWidget()
    row = QHBoxLayout(made)
    rail = NavRail()
    for key, text, icon, group in TABS:
        rail.add(key, text, icon, group)
    row.addWidget(rail)
    row.addWidget(QWidget(), 1)
    qtbot.addWidget(made)
    made.resize(1280, 700)
    made.show()
    return made


@pytest.fixture
def rail(window: QWidget) -> NavRail:
    return window.findChild(NavRail)


def test_tabs_stand_in_their_groups(rail: NavRail) -> None:
    assert rail.ids() == ["landscape", "tails", "mixtures", "compare"]
    heads = [label.text() for label in rail.findChildren(QLabel) if label.property("role") == "group"]
    assert heads == ["TRAINING", "DATA", "ALL RUNS"]


def test_click_asks_for_a_tab(rail: NavRail, qtbot: QtBot) -> None:
    with qtbot.waitSignal(rail.chosen) as heard:
        qtbot.mouseClick(rail.button("mixtures"), Qt.MouseButton.LeftButton)
    assert heard.args == ["mixtures"] and rail.current() == "mixtures"


def test_only_one_is_marked(rail: NavRail) -> None:
    rail.set_current("landscape")
    rail.set_current("tails")
    assert [key for key in rail.ids() if rail.button(key).isChecked()] == ["tails"]
    image = rail.button("tails").grab().toImage()
    assert count(image, LIGHT.soft) > 500 and count(image, LIGHT.accent) > 20
    with pytest.raises(KeyError):
        rail.set_current("nowhere")


def test_arrow_keys_walk_around(rail: NavRail, qtbot: QtBot) -> None:
    rail.set_current("landscape")
    with qtbot.waitSignal(rail.chosen) as heard:
        qtbot.keyClick(rail.button("landscape"), Qt.Key.Key_Down)
    assert heard.args == ["tails"]
    with qtbot.waitSignal(rail.chosen) as heard:
        qtbot.keyClick(rail.button("landscape"), Qt.Key.Key_Up)
    assert heard.args == ["compare"]


def test_narrow_window_leaves_the_icons(window: QWidget, rail: NavRail, qtbot: QtBot) -> None:
    wide = rail.width()
    assert not rail.compact() and wide >= 150
    window.resize(1024, 700)
    qtbot.waitUntil(lambda: rail.width() < 70)
    assert rail.compact()
    button = rail.button("landscape")
    assert (button.text(), button.toolTip(), button.accessibleName()) == ("", "Landscape", "Landscape")
    window.resize(1280, 700)
    qtbot.waitUntil(lambda: rail.width() == wide)
    assert rail.button("landscape").text() == "Landscape"


def test_no_name_is_clipped_at_any_font_size(window: QWidget, rail: NavRail, qtbot: QtBot) -> None:
    rail.set_current("landscape")
    for button in (rail.button(key) for key in rail.ids()):
        assert button.sizeHint().width() <= button.width()
    assert theme().scale == 1.0


def test_pages(qtbot: QtBot) -> None:
    bar = PageBar([("plane", "Plane"), ("hessian", "Hessian")])
    qtbot.addWidget(bar)
    bar.show()
    assert bar.current() == "plane"
    with qtbot.waitSignal(bar.chosen) as heard:
        qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(1).center())
    assert heard.args == ["hessian"]
    bar.set_current("plane")
    assert bar.current() == "plane" and bar.accessibleTabName(1) == "Hessian"
    with qtbot.waitSignal(bar.chosen):
        qtbot.keyClick(bar, Qt.Key.Key_Right)
    with pytest.raises(KeyError):
        bar.set_current("nowhere")
