"""The line that a user drags along the x axis, and shaded parts of that axis."""

import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from app.shell.theme import LIGHT
from app.widgets import export
from app.widgets.plot import Axis, LinePlot
from app.widgets.plot.handle import Handle
from tests.app.widgets.pixels import count, shot

X = np.arange(1.0, 11.0)


@pytest.fixture
def plot(qtbot: QtBot) -> LinePlot:
    made = LinePlot("Scree", x=Axis("axis"), y=Axis("eigenvalue"))
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    made.set_series("eigenvalues", X, 1 / X)
    return made


def heard(plot: LinePlot) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    plot.handle_moved.connect(lambda x: found.append(("moved", x)))
    plot.handle_dropped.connect(lambda x: found.append(("dropped", x)))
    return found


def middle(plot: LinePlot, x: float) -> QPoint:
    return QPoint(plot.at(x, 0).x(), round(plot.area().center().y()))


def test_places_and_steps() -> None:
    whole = Handle(3.0, "q", True, 1.5, 7.9)
    assert [whole.placed(x) for x in (-5, 2.4, 2.6, 100, math.inf)] == [2, 2, 3, 7, 3]
    assert (whole.stepped(1), whole.stepped(-9)) == (4, 2)
    smooth = Handle(0.5, "t", False, 0.0, 2.0)
    assert (smooth.placed(0.777), smooth.stepped(1), smooth.stepped(-100)) == (0.777, pytest.approx(0.52), 0.0)
    endless = Handle(0.5, "t", False, -math.inf, math.inf)
    assert (endless.placed(1e9), endless.stepped(2)) == (1e9, 2.5)


def test_dragging_moves_in_whole_steps_and_drops_once(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_handle(4, "kept axes")
    plot.grab()
    told, view = heard(plot), plot.view()
    port = plot.viewport()
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=middle(plot, 4) + QPoint(5, 0))
    for x in (4.2, 5.2, 6.9, 30.0):
        qtbot.mouseMove(port, middle(plot, x))
    assert plot.reading(QPointF(middle(plot, 10))).lines == ("kept axes = 10",)
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=middle(plot, 7))
    assert told == [("moved", 5), ("moved", 7), ("moved", 10), ("dropped", 10)]
    assert plot.handle_place() == 10 and plot.view() == view  # and the view was not panned


def test_beside_the_handle_a_drag_pans(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_handle(4)
    plot.grab()
    told, view, port = heard(plot), plot.view(), plot.viewport()
    assert plot.cursor_over(QPointF(middle(plot, 4)) + QPointF(5, 0)) == Qt.CursorShape.SplitHCursor
    assert plot.cursor_over(QPointF(middle(plot, 4)) + QPointF(9, 0)) == Qt.CursorShape.ArrowCursor
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=middle(plot, 6))
    qtbot.mouseMove(port, middle(plot, 7))
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=middle(plot, 7))
    assert told == [] and plot.view().x0 < view.x0


def test_keys_step_it_and_say_so(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_handle(9, "kept axes", low=2, high=10)
    told, view = heard(plot), plot.view()
    for key, modifier in (
        (Qt.Key.Key_BracketRight, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_BracketRight, Qt.KeyboardModifier.NoModifier),  # at its end: nothing happens
        (Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier),
        (Qt.Key.Key_BracketLeft, Qt.KeyboardModifier.NoModifier),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier),
    ):
        qtbot.keyClick(plot, key, modifier)
    assert told == [(kind, x) for x in (10, 9, 8, 9) for kind in ("moved", "dropped")]
    assert "kept axes is at 9; press [ or ] to move it." in plot.accessibleDescription()
    assert plot.view() == view
    qtbot.keyClick(plot, Qt.Key.Key_Left)  # without Alt it pans
    assert plot.view() != view and plot.handle_place() == 9
    plot.set_handle(None)
    qtbot.keyClick(plot, Qt.Key.Key_BracketLeft)
    assert plot.handle_place() is None and len(told) == 8


def test_the_program_moves_it_in_silence_and_not_out_of_the_users_hand(plot: LinePlot, qtbot: QtBot) -> None:
    told = heard(plot)
    plot.set_handle(4.4, "q", low=3)
    assert plot.handle_place() == 4 and told == []
    plot.grab()
    qtbot.mousePress(plot.viewport(), Qt.MouseButton.LeftButton, pos=middle(plot, 4))
    qtbot.mouseMove(plot.viewport(), middle(plot, 6))
    plot.set_handle(3, "q", high=8)
    assert plot.handle_place() == 6
    qtbot.mouseMove(plot.viewport(), middle(plot, 9))
    qtbot.mouseRelease(plot.viewport(), Qt.MouseButton.LeftButton, pos=middle(plot, 9))
    assert told[-1] == ("dropped", 8)
    qtbot.mousePress(plot.viewport(), Qt.MouseButton.LeftButton, pos=middle(plot, 8))
    plot.clear()
    qtbot.mouseRelease(plot.viewport(), Qt.MouseButton.LeftButton, pos=middle(plot, 8))
    assert told[-1] == ("dropped", 8) and plot.handle_place() is None


def test_handle_is_seen_named_and_in_files(plot: LinePlot) -> None:
    bare = [entry.name for entry in plot.entries()]
    plot.set_handle(5, "kept axes")
    image = shot(plot)
    at = middle(plot, 5)
    assert count(image, LIGHT.accent, (at.x() - 6, at.y() - 6, at.x() + 7, at.y() + 7)) > 60  # the dot
    top = int(plot.area().top())
    assert count(image, LIGHT.accent, (at.x() - 2, top + 4, at.x() + 3, top + 24)) >= 20
    assert [entry.name for entry in plot.entries()] == [*bare, "kept axes"]
    found = export.image(plot, light=True, scale=1.0)
    assert count(found, LIGHT.accent, (at.x() - 2, top + 4, at.x() + 3, top + 24)) >= 20
    plot.axes = (Axis("axis", log=True), Axis("eigenvalue"))
    plot.grab()
    assert plot._bar.value() == pytest.approx(np.log10(5))
    plot.set_handle(-1, low=-5, high=5)  # has no place on a logarithmic axis
    plot.grab()
    assert not plot._bar.isVisible() and plot.reading(QPointF(middle(plot, 5))).lines[0] != "axis = −1"


def test_handle_without_curves(qtbot: QtBot) -> None:
    plot = LinePlot()
    qtbot.addWidget(plot)
    plot.set_handle(0.3, whole=False)
    plot.resize(300, 200)
    plot.grab()
    assert plot.handle_place() == 0.3 and plot.is_empty()
    assert plot.reading(QPointF(plot.at(0.3, 0.5))).lines == ("x = 0.3",)


def test_spans_lie_behind_the_curves(plot: LinePlot) -> None:
    bare = shot(plot)
    plot.set_span("burn-in", -4, 3)
    plot.set_span("window", 8, 6, "accent")
    image = shot(plot)
    y = round(plot.area().top()) + 8
    for x in (2.5, 6.5, 7.5):
        assert image.pixelColor(plot.at(x, 0).x(), y) != bare.pixelColor(plot.at(x, 0).x(), y)
    assert image.pixelColor(plot.at(4.5, 0).x(), y) == bare.pixelColor(plot.at(4.5, 0).x(), y)
    assert image.pixelColor(plot.at(2.5, 0).x(), y) != image.pixelColor(plot.at(7, 0).x(), y)
    assert [entry.name for entry in plot.entries()] == ["eigenvalues", "burn-in", "window"]
    assert plot.bounds()[0] == 1  # a span does not stretch the view
    assert "burn-in: from −4 to 3." in plot.describe()
    svg = export.svg(plot, light=True).decode()
    left, right = plot.area().left(), plot.area().right()
    assert left > 0 and right < 400 and "fill-opacity" in svg
    plot.set_span("burn-in", None)
    plot.set_span("nobody", None)
    plot.axes = (Axis("axis", log=True), Axis("eigenvalue"))
    plot.set_span("window", -1, 2, "accent")
    shown = plot._shades["window"]
    plot.grab()
    assert shown.rect().left() == plot.view().x0 and shown.rect().right() == pytest.approx(np.log10(2))
    plot.clear()
    plot.grab()
    assert plot._shades == {} and plot.entries() == []
