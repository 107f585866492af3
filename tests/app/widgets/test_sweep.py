"""What must hold for all widgets at once, looked at in the gallery's windows."""

import gc
from collections.abc import Iterator

import pytest
from PySide6.QtCore import SIGNAL, QCoreApplication, QEvent, Qt, QTranslator
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QApplication,
    QCheckBox,
    QComboBox,
    QFrame,
    QLabel,
    QLineEdit,
    QPushButton,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.shell.text import language
from app.shell.theme import DARK, LIGHT, theme
from app.widgets.card import Card
from app.widgets.empty import EmptyState
from app.widgets.form import ConfigForm
from app.widgets.grid import CardGrid
from app.widgets.labels import ElidedLabel, Label
from app.widgets.numbers import NumbersPanel
from app.widgets.plot import Plot
from app.widgets.rail import NavRail, PageBar
from app.widgets.runs_table import RunsTable
from tests.app import gallery
from tests.app.widgets.pixels import array, count


class Brackets(QTranslator):
    """Stands for any language: puts what it translates into brackets, and makes it two fifths longer."""

    def translate(self, context: str, source: str, disambiguation: str | None = None, n: int = -1) -> str:  # type: ignore[override]
        if context != "theodolite" or not source:
            return ""
        return "⟦" + source + "·" * round(0.4 * len(source)) + "⟧"

    def isEmpty(self) -> bool:
        return False


@pytest.fixture
def brackets(qapp: QApplication) -> Iterator[Brackets]:
    translator = Brackets()
    yield translator
    qapp.removeTranslator(translator)
    language().changed.emit()


@pytest.fixture(params=["plane", "more", "empty"])
def window(request: pytest.FixtureRequest, qtbot: QtBot) -> QWidget:
    made = gallery.window(request.param)
    qtbot.addWidget(made)
    made.resize(1600, 1000)
    with qtbot.waitExposed(made):
        made.show()
    form = made.findChild(ConfigForm)
    form.unfold()
    QCoreApplication.processEvents()
    return made


def focusable(window: QWidget) -> list[QWidget]:
    found = []
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or not widget.isEnabled() or widget.focusPolicy() == Qt.FocusPolicy.NoFocus:
            continue
        if isinstance(widget.parent(), QComboBox) or widget.objectName().startswith("qt_"):
            continue
        found.append(widget)
    return found


def test_whatever_takes_the_focus_has_a_name(window: QWidget) -> None:
    nameless = []
    for widget in focusable(window):
        face = QAccessible.queryAccessibleInterface(widget)
        name = face.text(QAccessible.Text.Name) if face is not None else ""
        if not (name or widget.accessibleName()):
            nameless.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
    assert nameless == []


def test_buttons_of_a_card_have_different_names(window: QWidget) -> None:
    for card in window.findChildren(Card):
        names = [button.accessibleName() for button in card.findChildren(QAbstractButton) if button.isVisible()]
        assert len(names) == len(set(names)), names


def test_tab_key_reaches_everything(window: QWidget) -> None:
    chain, widget = set(), window
    while True:
        widget = widget.nextInFocusChain()
        chain.add(widget)
        if widget is window:
            break
    wanted = [found for found in focusable(window) if found.focusPolicy() & Qt.FocusPolicy.TabFocus]
    assert len(wanted) > 15
    assert [type(found).__name__ for found in wanted if found not in chain] == []


def test_plots_speak(window: QWidget) -> None:
    for plot in window.findChildren(Plot):
        if plot.isVisible():
            assert len(plot.describe()) > 20
            assert plot.accessibleDescription() == plot.describe()


def texts(window: QWidget) -> list[tuple[str, str]]:
    """Words that the product's own widgets show, with where they stand."""
    found = []
    for kind in (Card, NavRail, PageBar, NumbersPanel, RunsTable, ConfigForm, EmptyState):
        for owner in [*window.findChildren(kind), *([window] if isinstance(window, kind) else [])]:
            for widget in [owner, *owner.findChildren(QWidget)]:
                found += [(f"{kind.__name__}/{type(widget).__name__}", text) for text in shown(widget) if text.strip()]
    return found


def shown(widget: QWidget) -> list[str]:
    if isinstance(widget, QLabel | QPushButton | QCheckBox):
        return [widget.text()]
    if isinstance(widget, QTabBar):
        return [widget.tabText(index) for index in range(widget.count())]
    if isinstance(widget, QComboBox):
        return [widget.itemText(index) for index in range(widget.count())]
    if isinstance(widget, QLineEdit):
        return [widget.placeholderText()]
    return [widget.toolTip()] if isinstance(widget, QAbstractButton) else []


# Names and figures, which no language changes.
PROPER = ("Theodolite", "MLP 64-64-10, run 0427", "Phase IV-B", "SHA-256", *gallery.WARNINGS)  # or given translated


def test_every_word_follows_the_language(window: QWidget, brackets: Brackets, qapp: QApplication) -> None:
    qapp.installTranslator(brackets)
    language().changed.emit()
    QCoreApplication.processEvents()
    plain = [pair for pair in texts(window) if "⟦" not in pair[1].upper() and not pair[1].startswith(PROPER)]
    assert plain == []
    qapp.removeTranslator(brackets)
    language().changed.emit()
    assert [pair for pair in texts(window) if "⟦" in pair[1]] == []


def clipped(window: QWidget) -> list[str]:
    """Labels and buttons that are too narrow for their words."""
    found = []
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or isinstance(widget, ElidedLabel):
            continue
        if isinstance(widget, Label) and widget.wordWrap():
            needed = widget.heightForWidth(widget.width())
            if widget.height() < needed - 1:
                found.append(f"{type(widget).__name__} {widget.text()!r}: {widget.height()} px high, needs {needed}")
        elif isinstance(widget, QLabel | QPushButton | QCheckBox) and widget.text():
            needed = widget.minimumSizeHint().width()
            if widget.width() < needed - 1:
                found.append(f"{type(widget).__name__} {widget.text()!r}: {widget.width()} px wide, needs {needed}")
    return found


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_no_word_is_clipped(window: QWidget, scale: float, qtbot: QtBot) -> None:
    theme().set_scale(scale)
    for panel in window.findChildren(QFrame):  # side panels have the width that the window gives them
        if panel.minimumWidth() == panel.maximumWidth() and panel.minimumWidth() > 200:
            panel.setFixedWidth(round(panel.width() * scale))
    QCoreApplication.processEvents()
    window.grab()
    assert clipped(window) == []


def test_longer_words_are_not_clipped(window: QWidget, brackets: Brackets, qapp: QApplication) -> None:
    qapp.installTranslator(brackets)
    language().changed.emit()
    for _ in range(3):
        QCoreApplication.processEvents()
    window.grab()
    assert clipped(window) == []


def test_dark_leaves_no_light_behind(window: QWidget) -> None:
    theme().set_mode("dark")
    QCoreApplication.processEvents()
    image = window.grab().toImage()
    assert count(image, LIGHT.panel) < 0.005 * image.width() * image.height()
    assert count(image, DARK.bg) > 1000 and count(image, DARK.panel) > 10000


def test_light_leaves_no_dark_behind(window: QWidget) -> None:
    theme().set_mode("dark")
    QCoreApplication.processEvents()
    theme().set_mode("light")
    QCoreApplication.processEvents()
    pixels = array(window.grab().toImage())
    dark = (pixels[..., :3].sum(axis=-1) < 140).mean()
    assert dark < 0.06  # words, icons and the deep end of the colour map


def test_narrow_window_scrolls_and_keeps_minimum_heights(window: QWidget) -> None:
    window.resize(1024, 700)
    QCoreApplication.processEvents()
    assert window.width() <= 1100
    for grid in window.findChildren(CardGrid):
        for card in grid.shown():
            assert card.height() >= 200
    for area in window.findChildren(QAbstractScrollArea):
        if area.isVisible():
            assert area.width() > 20 and area.height() > 20


def test_a_window_that_goes_takes_its_connections_along(qtbot: QtBot) -> None:
    def listeners() -> tuple[int, int]:
        return theme().receivers(SIGNAL("changed()")), language().receivers(SIGNAL("changed()"))

    gallery.window("more").deleteLater()  # whatever is made once is made now
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    before = listeners()
    for _ in range(3):
        made = gallery.window("more")
        made.deleteLater()
        del made
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
    assert listeners() == before
