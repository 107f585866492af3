import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from app.widgets.plot import Axis, HeatMap
from app.widgets.plot.colours import lut
from app.widgets.plot.scale import View
from tests.app.widgets.pixels import shot

SIDE = np.linspace(-1, 1, 21)
FIELD = 1 + np.add.outer(SIDE**2, SIDE**2)


@pytest.fixture
def plot(qtbot: QtBot) -> HeatMap:
    made = HeatMap("Plane", x=Axis("α"), y=Axis("β"), value=Axis("loss", "nats"), cursor=True, contour_count=0)
    qtbot.addWidget(made)
    made.resize(420, 320)
    made.show()
    return made


def test_shapes_must_fit(plot: HeatMap) -> None:
    for field in (FIELD[:3], FIELD.T[:, :2], np.empty((0, 0))):
        with pytest.raises(ValueError, match="shape"):
            plot.set_field(SIDE, SIDE, field)


def test_colours_lie_where_the_values_are(plot: HeatMap) -> None:
    tilted = np.repeat(SIDE[None, :], 21, axis=0) + 0.0 * SIDE[:, None]  # grows with x only
    plot.set_field(SIDE, SIDE, tilted)
    image = shot(plot)
    for x, index in ((-1.0, 0), (1.0, 255)):
        seen = image.pixelColor(plot.at(x, 0.1))
        wanted = QColor(*lut("viridis")[index].tolist())
        assert (
            abs(seen.red() - wanted.red()) + abs(seen.green() - wanted.green()) + abs(seen.blue() - wanted.blue()) < 30
        )


def test_y_points_up(plot: HeatMap) -> None:
    plot.set_field(SIDE, SIDE, np.repeat(SIDE[:, None], 21, axis=1))
    image = shot(plot)
    assert image.pixelColor(plot.at(0, 0.95)).lightness() > image.pixelColor(plot.at(0, -0.95)).lightness()


def test_missing_cells_are_hatched(plot: HeatMap) -> None:
    field = FIELD.copy()
    field[12:, 12:] = np.nan
    plot.set_smooth(False)
    plot.set_field(SIDE, SIDE, field)
    image = shot(plot)
    at = plot.at(0.7, 0.7)
    seen = {image.pixelColor(at.x() + dx, at.y() + dy).name() for dx in range(8) for dy in range(8)}
    assert len(seen) > 1  # lines on a ground
    assert all(QColor(name).saturation() < 60 for name in seen)  # and no colour of the map
    assert "81 values are missing." in plot.describe()


def test_field_of_nothing_but_gaps(plot: HeatMap) -> None:
    plot.set_field(SIDE, SIDE, np.full((21, 21), np.nan))
    plot.grab()
    assert "441 values are missing." in plot.describe()


def test_log_colours(plot: HeatMap) -> None:
    field = 10.0 ** np.repeat(SIDE[None, :] * 3, 21, axis=0)
    field[0, 0] = 0.0
    plot.set_field(SIDE, SIDE, field)
    plot.set_log(True)
    image = shot(plot)
    middle = image.pixelColor(plot.at(0.0, 0.2))
    wanted = QColor(*lut("viridis")[127].tolist())
    assert abs(middle.red() - wanted.red()) + abs(middle.green() - wanted.green()) < 30
    assert {"0.01", "1", "100"} <= set(plot.bar.found.labels)
    value = plot.reading(QPointF(plot.at(1, 0))).lines[1]
    assert value == "loss = 1000"  # the value itself, not its logarithm


def test_fixed_levels_compare_fields(plot: HeatMap) -> None:
    plot.set_field(SIDE, SIDE, FIELD)
    plot.set_levels(0.0, 100.0)
    dark = shot(plot).pixelColor(plot.at(0.9, 0.9))
    plot.follow_levels()
    assert shot(plot).pixelColor(plot.at(0.9, 0.9)).lightness() > dark.lightness() + 20


def test_contours_are_drawn_and_can_be_switched_off(plot: HeatMap) -> None:
    plot.set_field(SIDE, SIDE, FIELD)
    bare = shot(plot)
    switch = next(call for text, _, call in plot.choices() if "Contour" in text)
    switch(True)
    lined = shot(plot)
    at, across = plot.at(0, 0.03), plot.at(1, 0.03)
    differ = sum(bare.pixelColor(x, at.y()) != lined.pixelColor(x, at.y()) for x in range(at.x(), across.x()))
    assert differ >= 6
    switch(False)
    assert shot(plot) == bare


def test_click_drag_and_arrows_move_the_cursor(plot: HeatMap, qtbot: QtBot) -> None:
    plot.set_field(SIDE, SIDE, FIELD)
    plot.grab()
    with qtbot.waitSignal(plot.moved) as heard:
        qtbot.mousePress(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.at(0.5, -0.25))
    assert heard.args == [pytest.approx(0.5, abs=0.02), pytest.approx(-0.25, abs=0.02)]
    assert plot.cursor_place() == (pytest.approx(0.5, abs=0.02), pytest.approx(-0.25, abs=0.02))
    qtbot.mouseRelease(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.at(0.5, -0.25))
    plot.set_cursor(0.0, 0.0)
    with qtbot.waitSignal(plot.moved) as heard:
        qtbot.keyClick(plot, Qt.Key.Key_Right)
    assert heard.args == [pytest.approx(0.1), pytest.approx(0.0)]
    with qtbot.waitSignal(plot.moved) as heard:
        qtbot.keyClick(plot, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert heard.args == [pytest.approx(0.1), pytest.approx(1.0)]
    qtbot.keyClick(plot, Qt.Key.Key_Up)
    assert plot.cursor_place()[1] == 1.0  # stays on the grid


def test_cursor_is_drawn(plot: HeatMap) -> None:
    plot.set_field(SIDE, SIDE, FIELD)
    before = shot(plot)
    plot.set_cursor(0.3, 0.3)
    assert shot(plot) != before


def test_without_cursor_a_drag_pans(qtbot: QtBot) -> None:
    plot = HeatMap()
    qtbot.addWidget(plot)
    plot.resize(300, 250)
    plot.show()
    plot.set_field(SIDE, SIDE, FIELD)
    plot.grab()
    before, start = plot.view(), plot.at(0, 0)
    qtbot.mousePress(plot.viewport(), Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(plot.viewport(), plot.at(0.4, 0))
    qtbot.mouseRelease(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.at(0.4, 0))
    assert plot.view().x0 < before.x0
    qtbot.keyClick(plot, Qt.Key.Key_0)
    assert plot.view() == before


def test_path_and_star(plot: HeatMap) -> None:
    plot.set_field(SIDE, SIDE, FIELD)
    bare = shot(plot)
    plot.set_path([[-0.8, -0.8], [0.0, 0.0], [0.5, 0.8]])
    plot.set_star(0.5, -0.5)
    image = shot(plot)
    assert image.pixelColor(plot.at(0, 0)).lightness() > 240
    assert image.pixelColor(plot.at(0.5, -0.5)).name() == "#ffd54a"
    plot.set_path(None)
    plot.set_star(None)
    assert shot(plot) == bare


def test_reading_tells_the_grid_point(plot: HeatMap) -> None:
    field = FIELD.copy()
    field[0, 0] = np.nan
    plot.set_field(SIDE, SIDE, field)
    plot.grab()
    found = plot.reading(QPointF(plot.at(0.51, -0.29)))
    assert found.lines == ("α = 0.5, β = −0.3", "loss = 1.34")
    assert plot.reading(QPointF(plot.at(-1, -1))).lines[1] == "loss = no value"


def test_aspect_is_kept(qtbot: QtBot) -> None:
    plot = HeatMap(keep_aspect=True)
    qtbot.addWidget(plot)
    plot.resize(600, 200)
    plot.set_field(SIDE, SIDE, FIELD)
    plot.grab()
    assert plot.area().width() == pytest.approx(plot.area().height(), abs=2)
    plot.set_view(View(0, 2, 0, 1))
    plot.grab()
    assert plot.area().width() == pytest.approx(2 * plot.area().height(), abs=3)


def test_summary_and_table(plot: HeatMap) -> None:
    plot.set_field(SIDE, SIDE, FIELD)
    text = plot.describe()
    assert "Field of loss (nats) over α and β, 21 by 21 values." in text
    assert "Lowest 1 at (0, 0), highest 3." in text
    table = plot.table()
    assert list(table.headers) == ["α", "β", "loss (nats)"]
    assert len(table) == 441
    rows = list(table.rows())
    assert rows[1][:2] == (pytest.approx(-0.9), -1.0)
    assert rows[-1] == (1.0, 1.0, 3.0)


def test_coarse_field_is_replaced_by_a_finer_one(plot: HeatMap) -> None:
    plot.set_field([-1, 1], [-1, 1], [[1, 2], [2, 3]])
    assert plot.view() == View(-2, 2, -2, 2)  # a cell reaches half a step beyond its point
    plot.set_field(SIDE, SIDE, FIELD)
    assert plot.view().x1 == pytest.approx(1.05)
    plot.clear()
    assert plot.is_empty()
    plot.grab()
    assert plot.describe() == "Nothing is shown yet."


def test_diverging_map_is_white_at_zero(qtbot: QtBot) -> None:
    plot = HeatMap(colour_map="diverging", contour_count=5)
    qtbot.addWidget(plot)
    plot.resize(300, 260)
    plot.set_field(SIDE, SIDE, np.repeat(SIDE[None, :], 21, axis=0) * 2 + 1)
    image = shot(plot)
    assert image.pixelColor(plot.at(-0.46, 0.35)).lightness() > 215
    left, right = image.pixelColor(plot.at(-1, 0.35)), image.pixelColor(plot.at(1, 0.35))
    assert left.blue() > left.red() and right.red() > right.blue()


def test_figures_stand_in_cells_that_have_room(qtbot: QtBot) -> None:
    plot = HeatMap("Confusion", value=Axis("rows", whole=True), contour_count=0, smooth=False, figures=True)
    qtbot.addWidget(plot)
    plot.resize(420, 320)
    plot.show()
    plot.set_field([1, 2], [1, 2, 3], [[50, 0], [2, 48], [np.nan, 12_345]])
    shot(plot)
    assert plot.figures.texts() == ["50", "0", "2", "48", "12\u202f345"]
    inks = {item.text(): item.brush().color().name() for item in plot.figures._items}
    assert inks["12\u202f345"] == "#10151f" and inks["0"] == "#ffffff"  # on yellow, and on violet
    for item, (x, y) in zip(plot.figures._items, [(1, 1), (2, 1), (1, 2), (2, 2), (2, 3)], strict=True):
        centre = item.mapToScene(item.boundingRect().center())
        assert (centre - plot.point(x, y)).manhattanLength() < 2
    plot.set_field(np.arange(60), [1], np.full((1, 60), 1000.0))
    shot(plot)
    assert plot.figures.texts() == []  # cells of some pixels
    plot.clear()
    shot(plot)
    assert not plot.figures._items


def test_no_line_of_many_cells_is_lost(qtbot: QtBot) -> None:
    plot = HeatMap("Who stays together", contour_count=0, smooth=False)
    qtbot.addWidget(plot)
    plot.resize(300, 240)
    plot.show()
    plot.set_levels(0, 1)
    for row in (100, 701, 1302):
        field = np.zeros((2000, 2000))
        field[row] = 1.0
        field[:, row] = 1.0
        plot.set_field(np.arange(2000), np.arange(2000), field)
        image = shot(plot)
        ground = image.pixelColor(plot.at(1700, 1700)).name()
        near = [plot.at(1700, row) + QPoint(0, dy) for dy in (-2, -1, 0, 1, 2)]
        beside = [plot.at(row, 1700) + QPoint(dx, 0) for dx in (-2, -1, 0, 1, 2)]
        assert any(image.pixelColor(at).name() != ground for at in near)
        assert any(image.pixelColor(at).name() != ground for at in beside)
