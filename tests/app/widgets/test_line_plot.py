import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.shell.theme import DARK, LIGHT, SERIES, theme
from app.widgets.plot import Axis, LinePlot
from app.widgets.plot.scale import View
from tests.app.widgets.pixels import count, shot

X = np.linspace(0, 10, 101)


@pytest.fixture
def plot(qtbot: QtBot) -> LinePlot:
    made = LinePlot("Loss", x=Axis("epoch"), y=Axis("loss", "nats"))
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    return made


def painted(plot: LinePlot) -> QImage:
    return shot(plot)


def test_empty_plot_says_so(plot: LinePlot) -> None:
    assert plot.is_empty()
    painted(plot)
    assert plot.table().columns == ()


def test_first_data_is_told_once(plot: LinePlot, qtbot: QtBot) -> None:
    with qtbot.waitSignal(plot.filled, check_params_cb=lambda full: full is True):
        plot.set_series("a", X, X)
    with qtbot.assertNotEmitted(plot.filled):
        plot.set_series("b", X, -X)
    with qtbot.waitSignal(plot.filled, check_params_cb=lambda full: full is False):
        plot.clear()


def test_curve_is_drawn_where_the_data_are(plot: LinePlot) -> None:
    plot.set_series("a", X, X)
    image = painted(plot)
    for x in (2.0, 5.0, 8.0):
        at = plot.at(x, x)
        area = (at.x() - 3, at.y() - 3, at.x() + 4, at.y() + 4)
        assert count(image, SERIES[0], area) > 3
    away = plot.at(2.0, 8.0)
    assert count(image, SERIES[0], (away.x() - 3, away.y() - 3, away.x() + 4, away.y() + 4)) == 0


def test_lengths_must_agree(plot: LinePlot) -> None:
    with pytest.raises(ValueError, match="a: 101 x and 3 y"):
        plot.set_series("a", X, [1, 2, 3])
    with pytest.raises(ValueError, match="b"):
        plot.append("b", [1, 2], [1])


def test_gaps_are_not_bridged(plot: LinePlot) -> None:
    y = np.zeros(101)
    y[40:60] = np.nan
    plot.set_series("a", X, y)
    image = painted(plot)
    middle, side = plot.at(5.0, 0.0), plot.at(2.0, 0.0)
    assert count(image, SERIES[0], (middle.x() - 3, middle.y() - 3, middle.x() + 4, middle.y() + 4)) == 0
    assert count(image, SERIES[0], (side.x() - 3, side.y() - 3, side.x() + 4, side.y() + 4)) > 3


def test_view_holds_all_data_and_the_band(plot: LinePlot) -> None:
    plot.set_series("a", X, X, band=(X - 5, X + 7))
    view = plot.view()
    assert view.y0 < -5 and view.y1 > 17
    assert view.x0 < 0 and view.x1 > 10


def test_log_axis_leaves_out_what_has_no_logarithm(plot: LinePlot) -> None:
    plot.set_series("a", X, X - 1)
    plot.set_log(y=True)
    assert plot.axes[1].log
    assert plot.view().y0 > -2.1
    painted(plot)
    assert "The y axis is logarithmic." in plot.describe()
    plot.choices()[1][2](False)
    assert not plot.axes[1].log


def test_legend_entry_toggles_its_curve(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_series("a", X, X)
    plot.set_series("b", X, 100 * X)
    painted(plot)
    high = plot.view().y1
    box = plot.legend.place_of("b")
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=box.center().toPoint())
    assert [entry.visible for entry in plot.entries()] == [True, False]
    assert plot.view().y1 < high / 5
    painted(plot)
    box = plot.legend.place_of("b")
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=box.center().toPoint())
    assert [entry.visible for entry in plot.entries()] == [True, True]


def test_curves_are_told_apart_without_colour(plot: LinePlot) -> None:
    for name in "abcdef":
        plot.set_series(name, X, X)
    few = plot.entries()
    assert len({(entry.dash, entry.symbol) for entry in few}) == 6
    dense = np.linspace(0, 1, 5000)
    for name in "abcdef":
        plot.set_series(name, dense, dense)
    assert len({(entry.dash, entry.symbol) for entry in plot.entries()}) == 6
    painted(plot)


def test_lone_curve_is_solid_and_needs_no_legend(plot: LinePlot) -> None:
    plot.set_series("a", X, X)
    painted(plot)
    assert not plot.legend.isVisible()
    assert plot.entries()[0].dash == ()


def test_colours_stay_when_a_curve_goes(plot: LinePlot) -> None:
    for name in "abc":
        plot.set_series(name, X, X)
    colours = {entry.name: entry.colour for entry in plot.entries()}
    plot.remove("b")
    assert {entry.name: entry.colour for entry in plot.entries()} == {k: v for k, v in colours.items() if k != "b"}
    plot.set_series("d", X, X)
    assert plot.entries()[-1].colour == colours["b"]  # the free colour


def test_marks(plot: LinePlot) -> None:
    plot.set_series("a", X, X)
    plot.set_marks([2.5, 7.5], "eigenvalues")
    plot.set_marks([5.0], "limit", upright=False, colour="bad")
    image = painted(plot)
    area = plot.area()
    at = plot.at(7.5, 0)
    assert count(image, SERIES[1], (at.x() - 2, int(area.top()) + 5, at.x() + 3, int(area.top()) + 25)) > 10
    level = plot.at(0, 5.0)
    assert count(image, LIGHT.bad, (int(area.left()) + 5, level.y() - 2, int(area.left()) + 40, level.y() + 3)) > 10
    assert [entry.name for entry in plot.entries()] == ["a", "eigenvalues", "limit"]
    plot.set_marks([], "limit")
    assert [entry.name for entry in plot.entries()] == ["a", "eigenvalues"]


def test_marks_out_of_view_or_without_logarithm_are_not_drawn(plot: LinePlot) -> None:
    plot.set_series("a", X + 1, X + 1)
    plot.set_log(x=True)
    plot.set_marks([-1.0, 1e9], "odd")
    assert count(painted(plot).copy(60, 60, 200, 150), SERIES[1]) == 0


def test_append_is_painted_at_the_next_tick(plot: LinePlot, qtbot: QtBot) -> None:
    for step in range(1000):
        plot.append("loss", step, 1.0 / (step + 1))
    assert len(plot.data("loss")[0]) == 1000
    qtbot.waitUntil(lambda: plot.describe().find("1000 points") > 0, timeout=2000)
    plot.append("loss", np.arange(1000, 1003), np.zeros(3))
    x, y = plot.data("loss")
    assert x[-1] == 1002 and y[-1] == 0 and len(x) == 1003


def test_live_data_are_drawn_cheaply_until_they_rest(plot: LinePlot, qtbot: QtBot) -> None:
    for name in "ab":  # several curves of one picture are not yet a stream
        plot.set_series(name, X, X)
    painted(plot)
    assert not plot.live and plot.accessibleDescription()
    for step in range(3):
        plot.set_series("a", X, X + step)
        painted(plot)
    assert plot.live and plot._drawn["a"].line.opts["pen"].widthF() == 1.0
    assert "last 10." in plot.accessibleDescription()  # words of the first picture
    qtbot.waitUntil(lambda: not plot.live, timeout=2000)
    painted(plot)
    assert plot._drawn["a"].line.opts["pen"].widthF() > 1.0 and "last 12." in plot.accessibleDescription()


def test_noise_gets_a_thin_pen_and_a_smooth_curve_a_wide_one(plot: LinePlot) -> None:
    x = np.arange(2000.0)
    plot.set_series("smooth", x, np.sin(x / 300))
    plot.set_series("noise", x, np.random.default_rng(0).normal(size=2000))
    painted(plot)
    assert plot._drawn["smooth"].line.opts["pen"].widthF() > 1.5 and plot._drawn["noise"].line.opts["pen"].widthF() == 1
    start = time.process_time()
    plot.viewport().repaint()
    assert time.process_time() - start < 0.15  # it was seconds
    plot.set_view(View(0, 10, -3, 3))  # a few points of it fill the picture now
    painted(plot)
    assert plot._drawn["noise"].line.opts["pen"].widthF() > 1.5


def test_theme_switch_repaints_in_the_new_colours(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_series("a", X, X)
    before = painted(plot)
    theme().set_mode("dark")
    after = painted(plot)
    assert before != after
    muted = QColor(DARK.muted).name()
    assert any(after.pixelColor(x, y).name() == muted for x in range(60) for y in range(300))


def test_hover_tells_the_nearest_values(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_series("train", X, X)
    plot.set_series("test", X, 2 * X)
    painted(plot)
    found = plot.reading(QPointF(plot.at(4.02, 5)))
    assert found is not None
    assert found.lines == ("epoch = 4", "train: 4", "test: 8")
    assert len(found.marks) == 2
    quiet = painted(plot)
    qtbot.mouseMove(plot.viewport(), plot.at(4, 5))
    assert painted(plot) != quiet


def test_hover_on_a_lone_curve_names_the_axes(plot: LinePlot) -> None:
    plot.set_series("", X, X)
    painted(plot)
    assert plot.reading(QPointF(plot.at(3, 3))).lines == ("epoch = 3", "loss = 3")


def test_hover_on_a_path_takes_the_nearest_point(plot: LinePlot) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    plot.set_series("", np.cos(angle), np.sin(angle))
    painted(plot)
    found = plot.reading(QPointF(plot.at(0, -1)))
    assert found.lines[1].startswith("loss = −1")


def test_drag_pans_and_double_click_resets(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_series("a", X, X)
    painted(plot)
    before = plot.view()
    start = plot.at(5, 5)
    qtbot.mousePress(plot.viewport(), Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(plot.viewport(), start + QPoint(60, 0))
    with qtbot.waitSignal(plot.view_changed):
        qtbot.mouseMove(plot.viewport(), start + QPoint(80, 10))
    qtbot.mouseRelease(plot.viewport(), Qt.MouseButton.LeftButton, pos=start + QPoint(80, 10))
    moved = plot.view()
    assert moved.x0 < before.x0 and moved.y0 > before.y0
    assert moved.x1 - moved.x0 == pytest.approx(before.x1 - before.x0)
    qtbot.mouseDClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=start)
    assert plot.view() == before


def test_click_without_moving_changes_nothing(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_series("a", X, X)
    painted(plot)
    with qtbot.assertNotEmitted(plot.view_changed):
        qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.at(5, 5))


def test_shift_drag_zooms_into_the_box(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_series("a", X, X)
    painted(plot)
    a, b = plot.at(2, 6), plot.at(6, 2)
    qtbot.mousePress(plot.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, pos=a)
    qtbot.mouseMove(plot.viewport(), b)
    painted(plot)
    qtbot.mouseRelease(plot.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, pos=b)
    view = plot.view()
    assert (view.x0, view.x1, view.y0, view.y1) == pytest.approx((2, 6, 2, 6), abs=0.1)


def wheel(plot: LinePlot, at: QPoint, ctrl: bool) -> QWheelEvent:
    modifiers = Qt.KeyboardModifier.ControlModifier if ctrl else Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(
        QPointF(at), QPointF(plot.mapToGlobal(at)), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, modifiers,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(plot.viewport(), event)
    return event


def test_wheel_zooms_only_when_asked(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_series("a", X, X)
    painted(plot)
    before = plot.view()
    plot.clearFocus()
    assert not wheel(plot, plot.at(5, 5), ctrl=False).isAccepted()  # left to the page
    assert plot.view() == before
    assert wheel(plot, plot.at(5, 5), ctrl=True).isAccepted()
    assert plot.view().x1 - plot.view().x0 < before.x1 - before.x0


def test_keyboard_moves_zooms_and_resets(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_series("a", X, X)
    before = plot.view()
    for key, check in (
        (Qt.Key.Key_Right, lambda v: v.x0 > before.x0),
        (Qt.Key.Key_Up, lambda v: v.y0 > before.y0),
        (Qt.Key.Key_Plus, lambda v: v.x1 - v.x0 < before.x1 - before.x0),
        (Qt.Key.Key_Minus, lambda v: v.x1 - v.x0 == pytest.approx(before.x1 - before.x0)),
        (Qt.Key.Key_Home, lambda v: v == before),
    ):
        qtbot.keyClick(plot, key)
        assert check(plot.view()), key


def test_new_scale_forgets_the_old_view(plot: LinePlot) -> None:
    plot.set_series("a", X + 1, X + 1)
    plot.set_view(View(0, 1, 0, 1))
    plot.set_log(x=True)
    assert plot.view().x1 == pytest.approx(np.log10(11), abs=0.1)


def test_focus_ring_only_for_the_keyboard(plot: LinePlot, qtbot: QtBot) -> None:
    plot.set_series("a", X, X)
    with qtbot.waitActive(plot):
        plot.activateWindow()
    plot.clearFocus()
    plot.setFocus(Qt.FocusReason.TabFocusReason)
    ringed = count(painted(plot), LIGHT.accent, (0, 50, 4, 250))
    plot.clearFocus()
    plot.setFocus(Qt.FocusReason.MouseFocusReason)
    assert ringed > 100
    assert count(painted(plot), LIGHT.accent, (0, 50, 4, 250)) == 0


def test_accessible_words(plot: LinePlot) -> None:
    plot.set_series("train", X, X)
    painted(plot)
    assert plot.accessibleName() == "Loss"
    assert plot.accessibleDescription() == (
        "Curves of loss (nats) over epoch. train: 101 points, from 0 to 10, last 10."
    )
    plot.set_series("train", [1.0], [np.nan])
    assert "train: no values." in plot.describe()


def test_table_is_wide_for_one_x_and_long_otherwise(plot: LinePlot) -> None:
    plot.set_series("a", X, X)
    assert list(plot.table().headers) == ["epoch", "loss (nats)"]
    plot.set_series("b", X, 2 * X)
    table = plot.table()
    assert list(table.headers) == ["epoch", "a", "b"]
    np.testing.assert_array_equal(table.columns[2], 2 * X)
    plot.set_series("c", [1.0], [2.0], band=([1.5], [2.5]))
    table = plot.table()
    assert list(table.headers) == ["series", "epoch", "loss (nats)", "lower", "upper"]
    assert [row[0] for row in table.rows()].count("a") == 101
    assert list(table.rows())[-1] == ("c", 1.0, 2.0, 1.5, 2.5)


def test_steps_and_points_are_drawn(plot: LinePlot) -> None:
    plot.set_series("a", [0, 1, 2], [0, 1, 0], steps=True)
    plot.set_series("b", [0, 1, 2], [1, 0, 1], line=False, points=True)
    image = painted(plot)
    half = plot.at(0.5, 0.0)  # the step holds its value until the next x
    assert count(image, SERIES[0], (half.x() - 2, half.y() - 3, half.x() + 3, half.y() + 3)) > 3
    between = plot.at(0.5, 0.5)  # points have no line between them
    assert count(image, SERIES[1], (between.x() - 4, between.y() - 4, between.x() + 4, between.y() + 4)) == 0
    dot = plot.at(2.0, 1.0)
    assert count(image, SERIES[1], (dot.x() - 4, dot.y() - 4, dot.x() + 4, dot.y() + 4)) > 8


def test_single_point_is_seen(plot: LinePlot) -> None:
    plot.set_series("a", [3.0], [4.0])
    at = None
    image = painted(plot)
    at = plot.at(3.0, 4.0)
    assert count(image, SERIES[0], (at.x() - 4, at.y() - 4, at.x() + 4, at.y() + 4)) > 2


def test_tiny_widget_paints(plot: LinePlot) -> None:
    plot.setMinimumSize(1, 1)
    plot.set_series("a", X, X)
    plot.resize(20, 12)
    painted(plot)
