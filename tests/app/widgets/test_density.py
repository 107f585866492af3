"""Very many points: counts in bins, mixed colours, what is told about them."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from app.shell.theme import LIGHT, SERIES, theme
from app.widgets import export
from app.widgets.plot import Axis, ScatterPlot
from app.widgets.plot.density import FAINT, Cloud
from app.widgets.plot.scale import View
from app.widgets.plot.scatter import AT_ONCE_UP_TO, DENSITY_ABOVE
from tests.app.widgets.pixels import shot

AXES = (Axis(), Axis())
RED_BLUE = {"left": "#ff0000", "right": "#0000ff"}


@pytest.fixture
def points(qtbot: QtBot) -> ScatterPlot:
    made = ScatterPlot("Clusters", x=Axis("x₁"), y=Axis("x₂"))
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    return made


def test_bins_count_as_a_histogram_does() -> None:
    rng = np.random.default_rng(0)
    x, y, labels = rng.normal(size=70_000), rng.normal(size=70_000), rng.integers(0, 3, 70_000)
    share = rng.random(70_000)
    view = View(-0.7, 1.3, -2.0, 0.5)  # most rows lie outside
    bins = Cloud(x, y, labels, dict.fromkeys("abc", "accent"), share).binned(view, (17, 23), AXES)
    for group in range(3):
        own = labels == group
        limits = ((view.y0, view.y1), (view.x0, view.x1))
        counts, _, _ = np.histogram2d(y[own], x[own], bins=(17, 23), range=limits)
        sure, _, _ = np.histogram2d(y[own], x[own], bins=(17, 23), range=limits, weights=share[own])
        assert np.array_equal(bins.counts[group], counts)
        assert bins.sure is not None and bins.sure[group] == pytest.approx(sure)
    across, up = bins.middles()
    assert bins.near(across[3], up[5]).tolist() == bins.counts[:, 5, 3].tolist()


def test_the_nearest_bin_with_rows_is_told() -> None:
    cloud = Cloud([0.05, 0.95, 0.95], [0.05, 0.05, 0.95], [0, 1, 1], RED_BLUE)
    bins = cloud.binned(View(0, 1, 0, 1), (10, 10), AXES)
    assert bins.near(0.05, 0.05).tolist() == [1, 0]
    assert bins.near(0.25, 0.35).tolist() == [1, 0]  # two and three bins away
    assert bins.near(0.75, -0.1).tolist() == [0, 1]
    assert bins.near(0.5, 0.5) is None and bins.near(-9.0, 9.0) is None and bins.near(9.0, 0.5) is None


def test_rows_without_a_place_are_left_out() -> None:
    cloud = Cloud([0.5, np.nan, 0.5, np.inf, -1.0], [0.5, 0.5, np.nan, 0.5, 10.0], [0, 0, 0, 0, 1], RED_BLUE)
    assert cloud.extent(AXES) == (-1.0, 0.5, 0.5, 10.0)
    assert cloud.binned(View(0, 1, 0, 1), (2, 2), AXES).counts.sum() == 1
    logs = (Axis(log=True), Axis(log=True))
    assert cloud.extent(logs) == (np.log10(0.5), np.log10(0.5), np.log10(0.5), np.log10(0.5))
    assert Cloud([], [], [], {}).extent(AXES) is None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="2 x, 1 y"):
        Cloud([0, 1], [0], [0, 0], RED_BLUE)
    with pytest.raises(ValueError, match="labels 0 to 2 for 2 colours"):
        Cloud([0, 1], [0, 1], [0, 2], RED_BLUE)
    with pytest.raises(ValueError, match="1 shares"):
        Cloud([0, 1], [0, 1], [0, 1], RED_BLUE, [1.0])


def test_colours_mix_by_count_and_opacity_grows_with_it() -> None:
    x = np.repeat([0.25, 0.75], [4, 100])
    labels = np.array([0, 0, 1, 1] + [1] * 100)
    cloud = Cloud(x, np.full(104, 0.5), labels, RED_BLUE)
    pixels = cloud.image(cloud.binned(View(0, 1, 0, 1), (1, 4), AXES), LIGHT)[0]
    half = round(255 * 0.5 ** (1 / 2.2))
    assert pixels[1, :3].tolist() == [half, 0, half]  # two of each
    assert pixels[3, :3].tolist() == [0, 0, 255] and pixels[3, 3] == 255  # the fullest
    assert pixels[1, 3] == round(255 * (FAINT + (1 - FAINT) * np.log(5) / np.log(101)))
    assert pixels[0].tolist() == [0, 0, 0, 0]
    cloud.visible = [True, False]
    pixels = cloud.image(cloud.binned(View(0, 1, 0, 1), (1, 4), AXES), LIGHT)[0]
    assert pixels[1].tolist() == [255, 0, 0, 255] and pixels[3, 3] == 0


def test_what_the_share_leaves_is_muted() -> None:
    cloud = Cloud([0.1, 0.6], [0.5, 0.5], [0, 0], {"a": "#ff0000"}, [0.0, 1.0])
    pixels = cloud.image(cloud.binned(View(0, 1, 0, 1), (1, 2), AXES), LIGHT)[0]
    muted = QColor(LIGHT.muted)
    assert pixels[0, :3].tolist() == [muted.red(), muted.green(), muted.blue()]
    assert pixels[1, :3].tolist() == [255, 0, 0]


def test_many_points_become_their_density(points: ScatterPlot) -> None:
    rng = np.random.default_rng(0)
    points.set_points("a", rng.normal(-3, 1, DENSITY_ABOVE), rng.normal(size=DENSITY_ABOVE))
    assert not points.is_density()
    points.set_points("b", rng.normal(3, 1, 5000), rng.normal(size=5000))
    assert points.is_density() and points.count() == DENSITY_ABOVE + 5000
    image = shot(points)
    for x, colour in ((-3, SERIES[0]), (3, SERIES[1])):
        seen, wanted = image.pixelColor(points.at(x, 0)), QColor(colour)
        assert abs(seen.hue() - wanted.hue()) < 20
    assert image.pixelColor(points.at(-3, 0)).lightness() < image.pixelColor(points.at(-3, 2.2)).lightness()
    assert [entry.name for entry in points.entries()] == ["a", "b"]
    points.toggle("b")
    assert points.bounds()[1] < 3
    points.toggle("b")
    points.set_points("b", [3], [3])
    points.set_points("a", [0], [0])
    assert not points.is_density() and len(points.table()) == 2
    assert shot(points).pixelColor(points.at(0, 0)).saturation() > 50


def test_one_point_is_seen_beside_thousands(points: ScatterPlot) -> None:
    points.set_points("", np.repeat([0.0, 1.0], [DENSITY_ABOVE, 1]), np.repeat([0.0, 1.0], [DENSITY_ABOVE, 1]))
    for mode in ("light", "dark"):
        theme().set_mode(mode)
        image = shot(points)
        colour, ground = QColor(strongest(image, points.at(1, 1))), QColor(theme().tokens.panel)
        assert abs(colour.lightness() - ground.lightness()) > 10 and colour.saturation() > 40


def grid(points: ScatterPlot, rows: int = 1000) -> None:
    """Two groups: one left, one right of 0."""
    x = np.concatenate([np.full(rows, -1.0), np.full(rows, 1.0)])
    points.set_density(x, x, np.repeat([0, 1], rows), RED_BLUE)


def strongest(image: QImage, at: QPoint) -> str:
    """The most saturated colour around a pixel."""
    near = [image.pixelColor(at.x() + dx, at.y() + dy) for dx in range(-2, 3) for dy in range(-2, 3)]
    return max(near, key=lambda colour: colour.saturation()).name()


def test_density_takes_the_place_of_points_and_back(points: ScatterPlot) -> None:
    points.set_points("a", [0, 1], [0, 1])
    grid(points)
    assert points.is_density() and points.count() == 2000 and points.bounds() == (-1, 1, -1, 1)
    assert [entry.name for entry in points.entries()] == ["left", "right"]
    points.keep([])
    assert points.is_density()  # it has no name to be kept by
    image = shot(points)
    assert strongest(image, points.at(-1, -1)) == "#ff0000" and strongest(image, points.at(1, 1)) == "#0000ff"
    points.set_points("a", [0, 1], [0, 1])
    assert not points.is_density() and points.count() == 2
    grid(points)
    points.clear()
    assert points.is_empty() and not points.is_density()


def test_switching_a_group_off_outlives_new_rows_and_keeps_the_view(points: ScatterPlot) -> None:
    grid(points)
    points.grab()
    points.set_view(View(-2, 2, -2, 2))
    points.toggle("left")
    points.toggle("nobody")
    grid(points, rows=500)
    assert [entry.visible for entry in points.entries()] == [False, True]
    assert points.view() == View(-2, 2, -2, 2)
    image = shot(points)
    assert strongest(image, points.at(-1, -1)) != "#ff0000" and strongest(image, points.at(1, 1)) == "#0000ff"


def test_hover_tells_how_many_of_each_group(points: ScatterPlot) -> None:
    x = np.zeros(1300)
    points.set_density(x, x, np.repeat([0, 1, 2], [1000, 299, 1]), {"a": SERIES[0], "b": SERIES[1], "c": SERIES[2]})
    points.set_outline("frame", [[-1, -1], [1, 1]])
    points.grab()
    found = points.reading(QPointF(points.at(0, 0)))
    assert found.lines[1:] == ("1300 rows here", "a: 1000", "b: 299", "c: 1")
    assert found.lines[0].startswith("x₁ = ") and points.reading(QPointF(points.at(0.5, 0))) is None
    points.set_density(x[:9], x[:9], np.arange(9), {f"g{n}": "accent" for n in range(9)})
    points.grab()
    assert points.reading(QPointF(points.at(0, 0))).lines[-1] == "3 more groups"


def test_bins_follow_the_view(points: ScatterPlot) -> None:
    x = np.linspace(0, 1, 5000)
    points.set_density(x, x, np.zeros(5000, dtype=int), {"a": "accent"})
    points.grab()
    whole = len(points.table())
    points.set_view(View(0.0, 0.01, 0.0, 0.01))
    points.grab()
    table = points.table()
    assert list(table.headers) == ["x₁", "x₂", "a"]
    assert 50 <= sum(row[2] for row in table.rows()) <= 51 and len(table) < whole
    assert all(0 <= row[0] <= 0.0101 and 0 <= row[1] <= 0.0101 for row in table.rows())


def test_very_many_rows_are_counted_once_the_view_rests(points: ScatterPlot, qtbot: QtBot) -> None:
    rows = AT_ONCE_UP_TO + 1
    x = np.linspace(0, 1, rows)
    points.set_density(x, x, np.zeros(rows, dtype=int), {"a": "accent"})
    points.grab()
    first = points._bins[1]
    assert first.counts.sum() == rows
    for step in range(1, 6):
        points.set_view(View(0.0, 1.0 / step, 0.0, 1.0))
        points.grab()
        assert points._bins[1] is first  # the old image moves with the axes
    assert points._image.mapRectToParent(points._image.boundingRect()).width() == pytest.approx(
        first.view.x1 - first.view.x0
    )
    qtbot.waitUntil(points._is_counted)
    assert points._bins[1].counts.sum() == pytest.approx(rows / 5, rel=0.02)
    points.set_view(View(0.0, 0.5, 0.0, 1.0))
    export.image(points, scale=1.0)  # a file does not wait
    assert points._bins[1].counts.sum() == pytest.approx(rows / 2, rel=0.02)


def test_density_in_words_before_it_is_painted(points: ScatterPlot) -> None:
    points.axes = (Axis("x", "cm", log=True), Axis("y"))
    points.set_density([1, 10, 100, 0], [1, 2, 3, 4], [0, 0, 1, 1], {"a": "accent", "": "muted"})
    assert points.summary() == "Density of 4 rows: y against x (cm). a: 2 rows."
    table = points.table()
    assert list(table.headers) == ["x (cm)", "y", "a", "rows"]
    assert [row[0] for row in table.rows()] == pytest.approx([1, 10, 100], rel=0.03)  # the middles of coarse bins
    assert [row[2:] for row in table.rows()] == [(1, 0), (1, 0), (0, 1)]
    points.grab()
    points.axes = (Axis("x", "cm"), Axis("y"))
    points.grab()
    assert points._bins[1].counts.sum() == 4
