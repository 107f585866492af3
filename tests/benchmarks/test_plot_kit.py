"""How fast the plot kit paints; numbers mean something on an idle machine only."""

import statistics
import time

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.widgets.plot import HeatMap, LinePlot, Plot, ScatterPlot

pytestmark = pytest.mark.benchmark


def milliseconds(plot: Plot, frames: int = 20) -> float:
    """Median CPU time of painting one frame anew."""
    spent = []
    for _ in range(frames):
        plot.refresh()
        start = time.process_time()
        plot.repaint()
        spent.append(1000 * (time.process_time() - start))
    return statistics.median(spent)


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
    plot.set_live(True)
    found = milliseconds(shown(plot, qtbot))
    print(f"10 x {points}: {found:.1f} ms")
    assert found < limit


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
