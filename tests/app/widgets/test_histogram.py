import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QPoint, QPointF
from pytestqt.qtbot import QtBot

from app.shell.theme import LIGHT, SERIES
from app.widgets.plot import Axis, HistogramPlot
from app.widgets.plot.histogram import MOST_BINS, bin_count
from tests.app.widgets.pixels import count, shot

SAMPLE = np.random.default_rng(0).chisquare(5, 999)


@pytest.fixture
def plot(qtbot: QtBot) -> HistogramPlot:
    made = HistogramPlot("Null distribution", x=Axis("−2 log λ"))
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    return made


@pytest.mark.parametrize("rows", [2, 10, 1000, 30_000])
def test_bins_are_those_of_numpy(rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=rows)
    assert abs(bin_count(values) - (len(np.histogram_bin_edges(values, "auto")) - 1)) <= 1


def test_bins_stay_few() -> None:
    assert bin_count(np.array([3.0])) == 1
    assert bin_count(np.full(64, 3.0)) == 7
    assert bin_count(np.append(np.random.default_rng(0).normal(size=1000), 1e9)) == MOST_BINS


def test_all_values_are_counted(plot: HistogramPlot) -> None:
    plot.set_values([*SAMPLE, np.nan, np.inf])
    plot.grab()
    rows = list(plot.table().rows())
    assert sum(row[2] for row in rows) == 999 and rows[0][0] == SAMPLE.min() and rows[-1][1] == SAMPLE.max()
    assert list(plot.table().headers) == ["from", "to", "count"]
    plot.set_values(SAMPLE, bins=5)
    assert len(plot.table()) == 5
    found = plot.reading(QPointF(plot.at(rows[0][0] + 0.1, 1)))
    assert found.lines[0].split(": ")[1] == str(int(np.histogram(SAMPLE, 5)[0][0]))
    plot.set_values([np.nan])
    assert plot.is_empty() and plot.describe() == "Nothing is shown yet."


def test_the_observed_value_is_seen_wherever_it_is(plot: HistogramPlot) -> None:
    plot.set_values(SAMPLE)
    assert not plot.entries()
    plot.set_marks([60.0], "observed", "bad")
    plot.set_marks([11.07], "5 % level")
    image, area = shot(plot), plot.area()
    for value, colour in ((60.0, LIGHT.bad), (11.07, SERIES[1])):
        at = plot.at(value, 0).x()
        assert area.left() < at < area.right()
        assert count(image, colour, (at - 2, int(area.top()) + 3, at + 3, int(area.top()) + 23)) > 10
    assert [entry.name for entry in plot.entries()] == ["999 values", "observed", "5 % level"]
    text = plot.describe()
    assert text.startswith("Histogram of 999 values of −2 log λ: ") and "observed at 60." in text
    plot.set_marks([], "observed")
    assert plot.bounds()[1] == SAMPLE.max()
    plot.set_marks([np.nan], "nothing")
    plot.grab()
    assert plot.bounds()[1] == SAMPLE.max()
    plot.clear()
    assert plot.is_empty() and plot.entries() == []


def test_bars_thinner_than_a_pixel_are_seen_beside_a_far_mark(qtbot: QtBot) -> None:
    plot = HistogramPlot("Ratio")
    qtbot.addWidget(plot)
    plot.resize(260, 200)
    plot.show()
    plot.set_values(np.linspace(3, 9, 99))
    plot.set_marks([350.0], "this table")
    plot.grab()
    bars = [item for item in plot._items if isinstance(item, pg.BarGraphItem)]
    assert (np.asarray(bars[0].opts["x1"]) > np.asarray(bars[0].opts["x0"])).all()
    image = plot.grab().toImage()
    colours = {image.pixelColor(plot.at(6.0, 1.0) + QPoint(dx, 0)).name() for dx in range(-2, 3)}
    ground = image.pixelColor(plot.at(100.0, 1.5)).name()
    assert colours - {ground}
