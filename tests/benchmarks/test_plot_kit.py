"""How fast the plot kit paints; numbers mean something on an idle machine only."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from pytestqt.qtbot import QtBot

from app.shell.theme import SERIES
from app.widgets.plot import HeatMap, LinePlot, Plot, ScatterPlot

pytestmark = pytest.mark.benchmark


def cpu(call: Callable[[], object], times: int = 20) -> float:
    """Median CPU time of a call in milliseconds."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        call()
        spent.append(1000 * (time.process_time() - start))
    return statistics.median(spent)


def milliseconds(plot: Plot) -> float:
    """Median CPU time of painting one frame anew."""

    def frame() -> None:
        plot.refresh()
        plot.repaint()

    return cpu(frame)


def shown(plot: Plot, qtbot: QtBot) -> Plot:
    qtbot.addWidget(plot)
    plot.resize(1000, 600)
    with qtbot.waitExposed(plot):
        plot.show()
    return plot


@pytest.mark.parametrize(("points", "limit"), [(1_000, 33), (10_000, 33), (100_000, 33)])
def test_ten_live_curves(qtbot: QtBot, points: int, limit: float) -> None:
    plot = LinePlot()
    rng = np.random.default_rng(0)
    for index in range(10):
        plot.append(f"{index}", np.arange(points), np.cumsum(rng.normal(size=points)))
    shown(plot, qtbot)
    steps = iter(range(points, points + 1000))

    def frame() -> None:
        step = next(steps)
        for index in range(10):
            plot.append(f"{index}", step, rng.normal())
        plot.refresh()
        plot.repaint()

    found = cpu(frame)
    print(f"10 x {points}: {found:.1f} ms")
    assert found < limit


@pytest.mark.parametrize("points", [300, 1_000, 3_000])
def test_noise_under_the_pointer(qtbot: QtBot, points: int) -> None:
    plot = LinePlot()
    rng = np.random.default_rng(0)
    for index in range(4):
        plot.set_series(f"{index}", np.arange(points), rng.normal(size=points))
    shown(plot, qtbot)
    places = iter(range(200, 900, 10))

    def frame() -> None:
        plot._point_to(QPointF(next(places), 300))
        plot.repaint()

    found = cpu(frame)
    print(f"hover over 4 x {points} of noise: {found:.1f} ms")
    assert found < 33


def test_append_to_a_million_points(qtbot: QtBot) -> None:
    plot = LinePlot()
    plot.append("loss", np.arange(1_000_000), np.random.default_rng(0).normal(size=1_000_000))
    shown(plot, qtbot)
    spent = []
    for step in range(20):
        start = time.process_time()
        plot.append("loss", 1_000_000 + step, 0.0)
        plot.refresh()
        plot.repaint()
        spent.append(1000 * (time.process_time() - start))
    print(f"append to 1e6: {statistics.median(spent):.1f} ms")
    assert statistics.median(spent) < 50


def test_field(qtbot: QtBot) -> None:
    plot = HeatMap()
    shown(plot, qtbot)
    side = np.linspace(-1, 1, 201)
    start = time.process_time()
    plot.set_field(side, side, np.add.outer(side**2, np.sin(5 * side)))
    built = 1000 * (time.process_time() - start)
    found = milliseconds(plot)
    print(f"201 x 201: set {built:.1f} ms, paint {found:.1f} ms")
    assert built < 60 and found < 30


@pytest.mark.parametrize("points", [3_000, 20_000, 200_000])
def test_scatter(qtbot: QtBot, points: int) -> None:
    plot = ScatterPlot()
    rng = np.random.default_rng(0)
    plot.set_points("", rng.normal(size=points), rng.normal(size=points))
    found = milliseconds(shown(plot, qtbot))
    print(f"{points} points: {found:.1f} ms")
    assert found < 60


@pytest.mark.parametrize("points", [2_000, 20_000])
def test_sized_points_replaced_at_every_frame(qtbot: QtBot, points: int) -> None:
    plot = ScatterPlot()
    shown(plot, qtbot)
    rng = np.random.default_rng(0)
    x, y, sizes = rng.normal(size=points), rng.normal(size=points), rng.uniform(3, 14, points)

    def frame() -> None:
        for group in range(4):
            plot.set_points(f"{group}", x[group::4], y[group::4], sizes=sizes[group::4])
        plot.repaint()

    found = cpu(frame)
    print(f"{points} points of different sizes: {found:.1f} ms")
    assert found < 60


def test_a_million_points_while_the_view_moves(qtbot: QtBot) -> None:
    plot = ScatterPlot()
    shown(plot, qtbot)
    rng = np.random.default_rng(0)
    rows = 1_000_000
    labels = rng.integers(0, 6, rows)
    x, y = rng.normal(size=(2, rows)) + labels
    share = rng.random(rows)
    colours = {f"cluster {group}": SERIES[group] for group in range(6)}

    def new(share: np.ndarray | None) -> None:
        plot.set_density(x, y, labels, colours, share)
        plot.repaint()

    def moved() -> None:
        plot.set_view(plot.view().zoomed(0.97))
        plot.repaint()

    def counted() -> None:
        moved()
        plot._count_again()
        plot.repaint()

    found = {"new rows": cpu(partial(new, None)), "with shares": cpu(partial(new, share))}
    new(None)
    found |= {"moved": cpu(moved), "moved and counted again": cpu(counted)}
    print(", ".join(f"{name} {spent:.1f} ms" for name, spent in found.items()))
    assert found["moved"] < 33 and max(found.values()) < 60
