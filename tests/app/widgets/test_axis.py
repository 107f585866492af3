"""Axes, legend and their layout around the plot area."""

import gc
import sys

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QPointF, QSizeF
from PySide6.QtGui import QColor, QFontMetricsF
from pytestqt.qtbot import QtBot

from app.shell.theme import CAPTION, DARK, LIGHT, theme, tokens
from app.widgets.plot import Axis, HeatMap, LinePlot
from tests.app.widgets.pixels import shot

X = np.linspace(0, 10, 50)


@pytest.fixture
def plot(qtbot: QtBot) -> LinePlot:
    made = LinePlot("Loss", x=Axis("epoch"), y=Axis("loss <L>", "nats"))
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    return made


def test_ticks_and_titles_are_those_of_the_scale(plot: LinePlot) -> None:
    plot.set_series("a", X, 1e-5 * X)
    shot(plot)
    assert float(plot.up.found.labels[0]) == 0 and plot.up.found.factor == "×10⁻⁴"
    assert "loss &lt;L&gt; (nats) ×10⁻⁴" in plot.up.labelString()
    assert plot.up.label.toPlainText() == "loss <L> (nats) ×10⁻⁴"
    assert "−" not in "".join(plot.across.found.labels)


def test_labels_at_the_ends_of_an_axis_are_drawn(plot: LinePlot) -> None:
    plot.set_series("a", X, X)
    plot.set_view(plot.view().__class__(0.0, 10.0, 0.0, 10.0))
    image = shot(plot)
    muted = QColor(LIGHT.muted)
    for at in (plot.at(0, 0), plot.at(10, 0)):
        dark = [
            image.pixelColor(at.x() + dx, at.y() + dy)
            for dx in range(-8, 9) for dy in range(8, 20) if image.rect().contains(at.x() + dx, at.y() + dy)
        ]  # fmt: skip
        assert min(colour.lightness() for colour in dark) < muted.lightness() + 60


def test_grid_lies_below_the_data(plot: LinePlot) -> None:
    plot.set_series("a", X, np.full(50, 2.0), colour="#b3372f")
    plot.set_view(plot.view().__class__(0.0, 10.0, 0.0, 4.0))
    image = shot(plot)
    at = plot.at(5.0, 2.0)
    reds = [
        image.pixelColor(at.x(), at.y() + dy).red() - image.pixelColor(at.x(), at.y() + dy).blue() for dy in (-1, 0, 1)
    ]
    assert max(reds) > 100


def test_theme_switch_recolours_axes_legend_and_grid(plot: LinePlot) -> None:
    plot.set_series("a", X, X)
    plot.set_series("b", X, -X)
    shot(plot)
    theme().set_mode("dark")
    shot(plot)
    assert plot.up.textPen().color().name() == DARK.muted
    assert plot.up.pen().color().name() == DARK.edge
    assert DARK.muted in plot.up.labelString()
    assert plot.legend.items[0][1].opts["color"].name() == DARK.text


def test_larger_font_needs_more_room(plot: LinePlot) -> None:
    plot.set_series("a", X, X)
    shot(plot)
    before = plot.area()
    theme().set_scale(1.6)
    shot(plot)
    assert plot.area().left() > before.left() and plot.area().bottom() < before.bottom()


@pytest.mark.parametrize("width", [220, 400, 900])
def test_legend_wraps_above_the_data_and_never_covers_them(plot: LinePlot, width: int) -> None:
    for index in range(9):
        plot.set_series(f"a curve with a name, number {index}", X, X * index)
    plot.resize(width, 300)
    shot(plot)
    places = [plot.legend.place_of(name) for name in plot.names()]
    assert all(place.bottom() <= plot.area().top() for place in places)
    assert all(place.left() >= -0.5 and place.right() <= width + 0.5 for place in places)
    rows = {round(place.top()) for place in places}
    assert len(rows) == {220: 9, 400: 5, 900: 3}.get(width) or 2 <= len(rows) <= 9
    for index, place in enumerate(places):
        assert not any(place.adjusted(1, 1, -1, -1).intersects(other) for other in places[index + 1 :])


def test_layout_of_files_does_not_stay_on_the_screen(plot: LinePlot) -> None:
    plot.set_series("a", X, X)
    shot(plot)
    before = plot.area()
    plot._sync(tokens(), QSizeF(1000, 700))
    assert plot.area().width() > 800
    plot.refresh()
    shot(plot)
    assert plot.area() == before


def test_uneven_grid_is_drawn_at_its_true_places(qtbot: QtBot) -> None:
    plot = HeatMap(contour_count=0)
    qtbot.addWidget(plot)
    plot.resize(400, 300)
    x = np.array([-1.0, -0.5, 0.0, 0.2, 1.0])
    y = np.array([-1.0, 0.0, 1.0])
    plot.set_field(x, y, np.repeat(x[None, :], 3, axis=0))  # the value is the place
    plot.set_levels(-1.0, 1.0)
    even = HeatMap(contour_count=0)
    qtbot.addWidget(even)
    even.resize(400, 300)
    fine = np.linspace(-1, 1, 101)
    even.set_field(fine, y, np.repeat(fine[None, :], 3, axis=0))
    even.set_levels(-1.0, 1.0)
    one, other = shot(plot), shot(even)
    for place in (-0.9, -0.25, 0.1, 0.6, 0.95):
        a, b = one.pixelColor(plot.at(place, 0.1)), other.pixelColor(even.at(place, 0.1))
        assert abs(a.red() - b.red()) + abs(a.green() - b.green()) + abs(a.blue() - b.blue()) < 24


def test_uneven_grid_keeps_cells_and_gaps(qtbot: QtBot) -> None:
    plot = HeatMap(contour_count=0, smooth=False)
    x = np.array([0.0, 1.0, 4.0])
    z = np.array([[0.0, 1.0, 2.0], [0.0, np.nan, 2.0], [0.0, 1.0, 2.0]])
    qtbot.addWidget(plot)
    plot.set_field(x, np.arange(3.0), z)
    assert plot._field is not None
    cells = plot._field.even(smooth=False)
    assert set(np.unique(cells[np.isfinite(cells)])) == {0.0, 1.0, 2.0}
    blended = plot._field.even(smooth=True)
    assert np.isnan(cells).any() and np.isnan(blended).any()
    assert np.isfinite(blended[0]).all()  # the row beyond the gap's neighbours is whole


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None has no reference count from Python 3.12 on")
def test_repaints_of_the_kit_lose_no_reference_to_none(plot: LinePlot) -> None:
    plot.set_series("b", X, -X, band=(-X - 1, -X + 1))
    plot.set_marks([3.0], "mark")

    def frames(count: int) -> None:
        for frame in range(count):
            plot.set_series("a", X, np.sin(X + frame), points=True)
            plot.viewport().repaint()
            QCoreApplication.processEvents()
        gc.collect()

    frames(20)  # caches fill
    before = sys.getrefcount(None)
    frames(200)
    assert sys.getrefcount(None) - before > -100


def test_names_are_shortened_or_thinned_and_never_overlap(qtbot: QtBot) -> None:
    names = tuple(f"features.{n}.convolution" for n in range(12))
    plot = HeatMap(x=Axis("layer", names=names), y=Axis("layer", names=names), smooth=False, contour_count=0)
    qtbot.addWidget(plot)
    plot.set_field(np.arange(1, 13), np.arange(1, 13), np.eye(12))
    for width in (260, 420, 900, 2200):
        plot.resize(width, 320)
        shot(plot)
        metrics = QFontMetricsF(theme().font(CAPTION))
        labels = plot.across.found.labels
        middles = np.array([plot.at(x, 1).x() for x in plot.across.found.places])
        halves = np.array([metrics.horizontalAdvance(label) / 2 for label in labels])
        assert labels and np.all(np.diff(middles) >= halves[1:] + halves[:-1])
        assert len(plot.up.found.labels) >= 10 and plot.area().left() < 170
    assert labels == list(names)
    assert plot.reading(QPointF(plot.at(3, 1))).lines[0] == f"layer = {names[2]}, layer = {names[0]}"
    assert list(plot.table().rows())[1] == (names[1], names[0], 0.0)
    assert f"at ({names[1]}, {names[0]})" in plot.describe()
