"""Outlines for files: cut to the plot area, with pens that grow with the resolution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QRectF, QSizeF
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.shell.theme import SERIES
from app.widgets import export
from app.widgets.plot import BarPlot, HeatMap, LinePlot, ScatterPlot
from app.widgets.plot.files import STROKED, cut
from app.widgets.plot.scale import View
from tests.app.widgets.pixels import array, count

AREA = QRectF(0, 0, 100, 50)


def strokes(x: np.ndarray, y: np.ndarray, connect: np.ndarray) -> np.ndarray:
    """The drawn segments (n, 4)."""
    drawn = np.flatnonzero(connect[:-1])
    return np.stack([x[drawn], y[drawn], x[drawn + 1], y[drawn + 1]], axis=1)


def test_what_is_inside_stays_as_it_is() -> None:
    x, y, connect = cut(np.array([1.0, 50.0, 99.0]), np.array([1.0, 40.0, 2.0]), AREA)
    assert (x.tolist(), y.tolist(), connect.tolist()) == ([1, 50, 99], [1, 40, 2], [1, 1, 0])


def test_lines_end_at_the_edge_with_their_slope() -> None:
    x, y, connect = cut(np.array([50.0, 50.0 + 1e6]), np.array([25.0, 25.0 + 1e6]), AREA)
    assert x.tolist() == pytest.approx([50, 76]) and y.tolist() == pytest.approx([25, 51])
    assert connect.tolist() == [1, 0]


def test_gaps_stay_gaps() -> None:
    x, y, connect = cut(np.arange(5.0), np.array([1.0, 2.0, np.nan, 4.0, 5.0]), AREA)
    assert strokes(x, y, connect).tolist() == [[0, 1, 1, 2], [3, 4, 4, 5]]


def test_nothing_in_view_draws_nothing() -> None:
    for x, y in (([], []), ([5.0], [5.0]), ([-50.0, -20.0], [5.0, 5.0]), ([np.nan, 3.0], [1.0, 1.0])):
        assert len(cut(np.array(x), np.array(y), AREA)[0]) == 0


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_cutting_agrees_with_looking_at_points(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    px, py = rng.uniform(-150, 250, n), rng.uniform(-100, 150, n)
    drawn = strokes(*cut(px, py, AREA))
    assert (drawn[:, ::2] >= -1.001).all() and (drawn[:, ::2] <= 101.001).all()
    assert (drawn[:, 1::2] >= -1.001).all() and (drawn[:, 1::2] <= 51.001).all()
    # The length inside, once by the cut and once by walking along the line in small steps.
    share = np.linspace(0, 1, 4001)
    x = px[:-1, None] + share * np.diff(px)[:, None]
    y = py[:-1, None] + share * np.diff(py)[:, None]
    inside = (x >= -1) & (x <= 101) & (y >= -1) & (y <= 51)
    walked = float((inside.mean(axis=1) * np.hypot(np.diff(px), np.diff(py))).sum())
    found = float(np.hypot(drawn[:, 2] - drawn[:, 0], drawn[:, 3] - drawn[:, 1]).sum())
    assert found == pytest.approx(walked, abs=0.3 * n)


def test_lines_are_as_wide_in_print_as_on_the_screen(qtbot: QtBot) -> None:
    plot = LinePlot()
    qtbot.addWidget(plot)
    plot.set_series("", [0, 1], [0.5, 0.5])
    thick = []
    for scale in (1.0, 4.0):
        image = export.image(plot, scale=scale, size=QSizeF(300, 200))
        column = array(image)[:, int(200 * scale), :3]
        thick.append(int((np.abs(column - array(image)[2, 2, :3]).sum(axis=1) > 150).sum()))
    assert 5 <= thick[1] <= 4 * thick[0] + 2  # a pen of the screen's pixels would stay at 1 or 2


def test_every_item_is_back_on_the_screen(qtbot: QtBot) -> None:
    plot = LinePlot()
    qtbot.addWidget(plot)
    x = np.linspace(0, 1, 30)
    plot.set_series("a", x, x, band=(x - 1, x + 1), points=True)
    plot.set_marks([0.5], "mark")
    before = plot.grab().toImage()
    number = len(plot.scene().items())
    export.svg(plot)
    items = [item for item in plot.box.allChildren() if isinstance(item, STROKED)]
    assert len(items) >= 4 and all(item.opacity() == 1 for item in items)
    assert len(plot.scene().items()) == number
    assert plot.grab().toImage() == before


def test_zoomed_fields_and_bars_do_not_spill(qtbot: QtBot) -> None:
    heat, bars, points = HeatMap(contour_count=0), BarPlot(), ScatterPlot()
    side = np.linspace(-1, 1, 11)
    heat.set_field(side, side, np.add.outer(side, side))
    heat.set_view(View(-0.2, 0.2, -0.2, 0.2))
    bars.set_bars(["a", "b"], [10.0, -10.0], ([5.0, -20.0], [20.0, -5.0]))
    bars.set_view(View(-0.2, 1.2, -2, 2))
    points.set_points("", side, side)
    points.set_view(View(-0.5, 0.5, -0.5, 0.5))
    for plot in (heat, bars, points):
        qtbot.addWidget(plot)
        image = export.image(plot, scale=1.0, size=QSizeF(300, 200))
        plot._sync(plot._look, QSizeF(300, 200))
        area = plot.area().toRect()
        ground = array(image)[1, 1, :3]
        above = array(image)[: area.top() - 4, area.left() + 4 : area.right() - 4, :3]
        assert np.abs(above - ground).sum() == 0
        inside = array(image)[area.top() + 3 : area.bottom() - 3, area.left() + 3 : area.right() - 3, :3]
        assert (np.abs(inside - ground).sum(axis=-1) > 60).any()


def test_the_cursor_stays_on_the_screen(qtbot: QtBot) -> None:
    plot = HeatMap(cursor=True)
    qtbot.addWidget(plot)
    side = np.linspace(-1, 1, 11)
    plot.set_field(side, side, np.add.outer(side, side))
    bare: QImage = export.image(plot)
    plot.set_cursor(0.1, 0.3)
    assert export.image(plot) == bare
    assert plot._cross[0].isVisible()


def test_symbols_are_drawn_in_files(qtbot: QtBot) -> None:
    plot = LinePlot()
    qtbot.addWidget(plot)
    plot.set_series("a", [0, 1, 2], [0, 1, 0], line=False, points=True)
    image = export.image(plot, scale=2.0, size=QSizeF(300, 200))
    plot._sync(plot._look, QSizeF(300, 200))
    at = 2 * plot.at(1, 1)
    assert count(image, SERIES[0], (at.x() - 8, at.y() - 8, at.x() + 8, at.y() + 8)) > 40
