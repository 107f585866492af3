from unittest.mock import patch

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from app.shell.theme import LIGHT, SERIES, theme
from app.widgets import export
from app.widgets.plot import Axis, BarPlot, ScatterPlot
from app.widgets.plot.scale import View
from app.widgets.plot.spots import Stamps
from tests.app.widgets.pixels import shot


@pytest.fixture
def points(qtbot: QtBot) -> ScatterPlot:
    made = ScatterPlot("Clusters", x=Axis("x₁"), y=Axis("x₂"))
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    return made


@pytest.fixture
def bars(qtbot: QtBot) -> BarPlot:
    made = BarPlot("F1", y=Axis("F1", "%"))
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    return made


def test_points_are_drawn_in_their_groups_colour(points: ScatterPlot) -> None:
    points.set_points("a", [0, 1], [0, 1])
    points.set_points("b", [0, 1], [1, 0])
    image = shot(points)
    near = image.pixelColor(points.at(1, 1))
    assert abs(near.red() - QColor(SERIES[0]).red()) < 40 and near.blue() > near.red()
    other = image.pixelColor(points.at(0, 1))
    assert other.red() > other.blue()
    assert [entry.symbol for entry in points.entries()] == ["o", "s"]


def test_lengths_must_agree(points: ScatterPlot) -> None:
    with pytest.raises(ValueError, match="a: 2 x, 1 y"):
        points.set_points("a", [0, 1], [0])
    with pytest.raises(ValueError, match="1 labels"):
        points.set_points("a", [0, 1], [0, 1], labels=["only one"])


def test_hover_and_click_find_the_nearest_point(points: ScatterPlot, qtbot: QtBot) -> None:
    points.set_points("runs", [0, 1, np.nan], [0, 1, 2], labels=["0427", "0428", "0429"])
    points.grab()
    found = points.reading(QPointF(points.at(1, 1)) + QPointF(4, -3))
    assert found.lines == ("runs · 0428", "x₁ = 1, x₂ = 1")
    assert points.reading(QPointF(points.at(0.5, 0.5))) is None
    with qtbot.waitSignal(points.picked) as heard:
        qtbot.mouseClick(points.viewport(), Qt.MouseButton.LeftButton, pos=points.at(0, 0))
    assert heard.args == ["runs", 0]


def test_sizes_are_diameters(points: ScatterPlot) -> None:
    points.set_points("a", [0, 1, 2, 3], [0, 0, 0, 1], sizes=[4, 20, 0, 4])
    image = shot(points)
    for x, inside, outside in ((0, 0, 4), (1, 7, 12)):
        at = points.at(x, 0)
        assert image.pixelColor(at.x() + inside, at.y()).blue() > image.pixelColor(at.x() + inside, at.y()).red() + 40
        assert image.pixelColor(at.x() + outside, at.y()).lightness() > 200
    assert image.pixelColor(points.at(2, 0)).lightness() > 200  # size 0 is not drawn
    assert [len(item.data) for item in points._spots["a"].items()] == [1, 2]  # two classes, the larger below
    points.set_points("a", [0, 1], [0, 0], sizes=12.0)
    points.grab()
    assert [item.opts["size"] for item in points._spots["a"].items()] == [12.0]
    with pytest.raises(ValueError, match="a: 3 x, 2 sizes"):
        points.set_points("a", [0, 1, 2], [0, 0, 0], sizes=[1, 2])


def test_sizes_reach_files(points: ScatterPlot) -> None:
    points.set_points("a", [0, 1], [0, 1], sizes=[4, 24])
    points.grab()
    found = export.image(points, light=True, scale=1.0)
    at = points.at(1, 1)
    assert found.pixelColor(at.x() + 10, at.y()).blue() > found.pixelColor(at.x() + 10, at.y()).red() + 40


def test_groups_come_and_go_under_the_users_view(points: ScatterPlot) -> None:
    for name in "abc":
        points.set_points(name, [0, 1], [0, 1])
    points.set_outline("a", [[0, 0], [9, 9]])
    points.grab()
    chosen = View(0.2, 0.4, 0.2, 0.4)
    points.set_view(chosen)
    colours = {entry.name: entry.colour for entry in points.entries()}
    points.remove("a")
    points.remove("nobody")
    points.grab()
    assert [entry.name for entry in points.entries()] == ["b", "c"] and points.bounds() == (0, 1, 0, 1)
    points.toggle("c")
    points.set_points("c", [5, 6], [5, 6])  # replaced, and still switched off
    points.set_points("d", [0, 1], [0, 1])
    assert points.entries()[-1].colour == colours["a"]  # the free colour
    points.keep(["c"])
    assert points.view() == chosen and [entry.visible for entry in points.entries()] == [False]
    points.fit_view()
    assert points.view() != chosen
    points.set_view(chosen)
    points.clear()
    points.set_points("c", [5, 6], [5, 6])
    assert points.view() != chosen and points.grab()


def test_what_did_not_change_is_not_built_again(points: ScatterPlot) -> None:
    points.set_points("a", [0, 1], [0, 1])
    points.set_points("b", [0, 1], [1, 0])
    points.grab()
    before = {name: spots.items()[0] for name, spots in points._spots.items()}
    with patch.object(Stamps, "setData", autospec=True) as filled:
        points.set_view(View(0, 1, 0, 1))
        points.set_points("b", [0, 1], [1, 0.5])
        points.grab()
    assert [call.args[0] for call in filled.call_args_list] == [before["b"]]
    theme().set_mode("dark")
    points.grab()
    assert points._spots["a"].items()[0] is not before["a"]


def test_named_places_on_both_axes(points: ScatterPlot) -> None:
    points.axes = (Axis("family", names=("EEE", "VVV")), Axis("clusters", whole=True))
    points.set_points("", [1, 2], [3, 4])
    points.grab()
    assert points.across.found.labels == ["EEE", "VVV"]
    assert points.reading(QPointF(points.at(2, 4))).lines == ("family = VVV, clusters = 4",)
    assert list(points.table().rows()) == [("EEE", 3.0), ("VVV", 4.0)]


def test_outlines_belong_to_the_bounds(points: ScatterPlot) -> None:
    angle = np.linspace(0, 2 * np.pi, 100)
    points.set_points("eigenvalues", [0.1], [0.2])
    points.set_outline("unit circle", np.stack([np.cos(angle), np.sin(angle)], axis=1), "bad")
    assert points.bounds() == pytest.approx((-1, 1, -1, 1), abs=0.01)
    image = shot(points)
    assert image.pixelColor(points.at(-1, 0)).red() > 150
    points.set_outline("unit circle", None)
    assert points.bounds() == pytest.approx((0.1, 0.1, 0.2, 0.2))


def test_group_toggles(points: ScatterPlot) -> None:
    points.set_points("a", [0, 1], [0, 1])
    points.set_points("b", [5], [5])
    points.toggle("b")
    assert points.bounds() == (0, 1, 0, 1)
    points.toggle("nobody")


def test_points_as_table_and_words(points: ScatterPlot) -> None:
    points.set_points("a", [0, 1], [0, 1], labels=["p", "q"])
    points.set_points("b", [5], [5])
    table = points.table()
    assert list(table.headers) == ["group", "x₁", "x₂", "name"]
    assert list(table.rows())[1] == ("a", 1.0, 1.0, "q")
    assert "a: 2 points, x₁ 0 to 1, x₂ 0 to 1." in points.describe()
    points.clear()
    assert points.is_empty() and points.table().columns == ()


def test_log_axes_leave_out_what_has_no_logarithm(points: ScatterPlot) -> None:
    points.set_points("a", [-1, 1, 100], [1, 10, 100])
    points.set_axes(Axis("x", log=True), Axis("y", log=True))
    assert points.bounds() == (0, 2, 1, 2)
    points.grab()


def test_bars_have_the_right_heights(bars: BarPlot) -> None:
    bars.set_bars(["a", "b"], [10.0, 40.0])
    image = shot(bars)
    for index, value in ((0, 10.0), (1, 40.0)):
        below, above = bars.at(index, value - 1.5), bars.at(index, value + 2.5)
        assert image.pixelColor(below).blue() > 150 and image.pixelColor(below).red() < 150
        assert image.pixelColor(above).red() > 200
    assert bars.view().y0 == 0


def test_negative_bars_hang_from_zero(bars: BarPlot) -> None:
    bars.set_bars(["a", "b"], [-10.0, 20.0])
    image = shot(bars)
    assert bars.view().y0 < -10
    assert image.pixelColor(bars.at(0, -5)).red() < 150
    assert image.pixelColor(bars.at(0, 5)).red() > 200


def test_groups_and_intervals(bars: BarPlot) -> None:
    bars.set_bars(["a", "b"], {"FUNSD": [10, 20], "XFUND": [30, np.nan]}, {"FUNSD": ([8, 18], [12, 60])})
    assert bars.view().y1 > 60
    bars.grab()
    assert [entry.name for entry in bars.entries()] == ["FUNSD", "XFUND"]
    found = bars.reading(QPointF(bars.at(-0.2, 5)))
    assert found.lines == ("a · FUNSD: 10",)
    bars.toggle("XFUND")
    assert bars.bounds() == (-0.6, 1.6, 0.0, 60.0)
    with pytest.raises(ValueError, match="FUNSD: 1 values for 2 labels"):
        bars.set_bars(["a", "b"], {"FUNSD": [1]})


def test_interval_whiskers_are_seen(bars: BarPlot) -> None:
    bars.set_bars(["a"], [10.0], ([5.0], [20.0]))
    image = shot(bars)
    at = bars.at(0, 15)
    seen = [image.pixelColor(at.x() + dx, at.y()) for dx in range(-2, 3)]
    assert min(colour.lightness() for colour in seen) < QColor(LIGHT.muted).lightness()


def test_histogram(bars: BarPlot) -> None:
    counts, edges = np.histogram(np.random.default_rng(0).normal(size=1000), bins=20)
    bars.set_histogram(edges, {"steps": counts, "fit": counts // 2})
    bars.grab()
    assert bars.bounds() == (edges[0], edges[-1], 0.0, float(counts.max()))
    assert list(bars.table().headers) == ["from", "to", "steps", "fit"]
    middle = QPointF(bars.at((edges[9] + edges[10]) / 2, 1))
    assert bars.reading(middle).lines[0].endswith(f"steps: {counts[9]}")
    with pytest.raises(ValueError, match="counts between"):
        bars.set_histogram(edges, counts[:3])


def test_bars_as_table_and_words(bars: BarPlot) -> None:
    bars.set_bars(["text", "all"], {"FUNSD": [10, 20]}, {"FUNSD": ([8, 18], [12, 22])})
    assert list(bars.table().headers) == ["name", "FUNSD", "FUNSD lower", "FUNSD upper"]
    assert list(bars.table().rows())[1] == ("all", 20.0, 18.0, 22.0)
    assert bars.describe() == "Bars of F1 (%). FUNSD: text 10, all 20."
    bars.clear()
    assert bars.is_empty()


def test_many_labels_are_thinned_not_overlapped(bars: BarPlot) -> None:
    bars.set_bars([f"category {i}" for i in range(100)], np.arange(100.0))
    found = bars.ticks_across(bars.view(), 5)
    assert 3 <= len(found.labels) <= 6
    bars.grab()


def test_a_few_thousand_points_are_drawn_as_dots(points: ScatterPlot) -> None:
    points.set_points("a", np.linspace(0, 1, 5000), np.zeros(5000))
    points.set_points("b", [0.5], [1.0])
    image = shot(points)
    at = points.at(0.25, 0.0)
    assert image.pixelColor(at).blue() > image.pixelColor(at).red() + 30


def test_symbols_can_be_named_and_small_ones_have_no_rim(qtbot: QtBot) -> None:
    plot = ScatterPlot("dots")
    qtbot.addWidget(plot)
    plot.set_points("a", [0, 1], [0, 1], symbol="t", sizes=8.0)
    plot.set_points("b", [0, 1], [1, 0], symbol="t", sizes=3.0)
    plot.resize(300, 200)
    plot.grab()
    assert [entry.symbol for entry in plot.entries()] == ["t", "t"]
    large, small = (plot._spots[name].items()[0] for name in "ab")
    assert large.opts["symbol"] == "t"
    assert small.opts["symbol"] == "o"
    assert small.opts["pen"].style() == Qt.PenStyle.NoPen
    assert large.opts["pen"].style() != Qt.PenStyle.NoPen
