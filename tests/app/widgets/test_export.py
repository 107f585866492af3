import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSizeF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.shell.theme import DARK, LIGHT, SERIES, theme
from app.widgets import export
from app.widgets.plot import Axis, BarPlot, HeatMap, LinePlot, Plot, ScatterPlot
from app.widgets.plot.scale import View
from tests.app.widgets.pixels import colours, difference

X = np.linspace(0, 1, 200)


def made(kind: str) -> Plot:
    if kind == "line":
        line = LinePlot("Loss", x=Axis("t"), y=Axis("loss", "nats"))
        line.set_series("train", X, X**2, band=(X**2 - 0.1, X**2 + 0.1))
        line.set_series("test", X, 1 - X)
        return line
    if kind == "heat":
        heat = HeatMap("Plane", x=Axis("α"), y=Axis("β"), value=Axis("loss"))
        heat.set_field(X[::10], X[::10], 0.1 + np.add.outer(X[::10], X[::10] ** 2))
        return heat
    if kind == "scatter":
        scatter = ScatterPlot("Clusters", x=Axis("x₁"), y=Axis("x₂"))
        scatter.set_points("a", X, np.sin(9 * X))
        return scatter
    bars = BarPlot("F1", y=Axis("F1", "%"))
    bars.set_bars(["one", "two"], [10.0, 20.0])
    return bars


@pytest.fixture(params=["line", "heat", "scatter", "bars"])
def plot(request: pytest.FixtureRequest, qtbot: QtBot) -> Plot:
    found = made(request.param)
    qtbot.addWidget(found)
    found.resize(360, 260)
    return found


def rendered(svg: bytes, width: int = 720, height: int = 520) -> QImage:
    renderer = QSvgRenderer(svg)
    assert renderer.isValid()
    image = QImage(width, height, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.white)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer.render(painter)
    painter.end()
    return image


def test_png_has_the_asked_size_and_is_not_blank(plot: Plot, tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    export.save(plot, path, scale=2.0, title="Loss", notes="run 0427")
    image = QImage(str(path))
    assert (image.width(), image.height()) == (720, 520)
    assert colours(image) > 10
    assert image.text("Description") == "run 0427"
    assert image.dotsPerMeterX() == pytest.approx(2 * 96 / 0.0254, rel=0.01)


def test_svg_renders_to_the_same_picture(plot: Plot) -> None:
    data = export.svg(plot, title="Loss", notes="run 0427")
    assert b"<title>Loss</title>" in data
    assert b"run 0427" in data
    again = rendered(data)
    assert colours(again) > 10
    assert difference(again, export.image(plot, scale=2.0)) < 6


def test_svg_keeps_lines_as_lines_without_needing_screen_pixels(qtbot: QtBot) -> None:
    plot = made("line")
    qtbot.addWidget(plot)
    plot.resize(360, 260)
    text = export.svg(plot).decode()
    assert "non-scaling-stroke" not in text  # drawing programs ignore it and would draw bands
    assert max(path.count("L") for path in re.findall(r' d="([^"]+)"', text)) >= 199
    assert "<image" not in text
    assert ">loss (nats)<" in text  # words stay words


def test_svg_has_nothing_outside_the_plot_area(qtbot: QtBot) -> None:
    plot = made("line")
    qtbot.addWidget(plot)
    plot.resize(360, 260)
    plot.set_series("wild", X, 1e6 * np.sin(40 * X))
    plot.set_view(View(0, 1, 0, 1))
    text = export.svg(plot).decode()
    ends = [end for path in re.findall(r' d="([^"]+)"', text) for end in re.findall(r"([-\d.e]+),([-\d.e]+)", path)]
    x, y = np.array(ends, dtype=float).T  # in pixels of the plot area
    assert len(x) > 400
    assert (x.min(), y.min()) >= (-1.01, -1.01)
    assert (x.max(), y.max()) <= (plot.area().width() + 1.01, plot.area().height() + 1.01)


def test_pdf_is_one_page_of_the_pictures_size(plot: Plot, tmp_path: Path) -> None:
    path = tmp_path / "plot.pdf"
    export.save(plot, path, title="Loss")
    data = path.read_bytes()
    assert data.startswith(b"%PDF") and data.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", data)) == 1
    box = re.search(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)\s*\]", data)
    assert box is not None
    assert float(box[1]) == pytest.approx(360 * 72 / 96, abs=1)
    assert float(box[2]) == pytest.approx(260 * 72 / 96, abs=1)
    assert len(data) > 3000


def test_light_files_from_a_dark_screen(plot: Plot) -> None:
    theme().set_mode("dark")
    dark = export.image(plot)
    light = export.image(plot, light=True)
    assert dark.pixelColor(1, 1).name() == DARK.panel
    assert light.pixelColor(1, 1).name() == LIGHT.panel
    assert b'fill="' + LIGHT.panel.encode() in export.svg(plot, light=True)
    assert export.image(plot) == dark  # the screen's colours were not touched


def test_any_print_size(plot: Plot) -> None:
    image = export.image(plot, size=QSizeF(1000, 400), scale=1.0)
    assert (image.width(), image.height()) == (1000, 400)
    assert colours(image) > 10


def test_csv_reads_back(plot: Plot, tmp_path: Path) -> None:
    path = tmp_path / "plot.csv"
    export.save(plot, path, notes="run 0427\nseed 0")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["# run 0427", "# seed 0"]
    rows = list(csv.reader(io.StringIO("\n".join(lines[2:]))))
    table = plot.table()
    assert rows[0] == list(table.headers)
    assert len(rows) - 1 == len(table)
    last = [
        float(cell) for cell, value in zip(rows[-1], list(table.rows())[-1], strict=True) if isinstance(value, float)
    ]
    np.testing.assert_array_equal(last, [value for value in list(table.rows())[-1] if isinstance(value, float)])


def test_widgets_that_are_no_plots_are_saved_as_images(qtbot: QtBot, tmp_path: Path) -> None:
    label = QLabel("words")
    qtbot.addWidget(label)
    label.resize(80, 30)
    export.save(label, tmp_path / "label.png")
    assert colours(QImage(str(tmp_path / "label.png"))) > 2
    assert rendered(export.svg(label), 160, 60) is not None
    with pytest.raises(export.NothingToTell):
        export.save(label, tmp_path / "label.csv")


def test_empty_plot_has_no_numbers(qtbot: QtBot) -> None:
    plot = LinePlot()
    qtbot.addWidget(plot)
    with pytest.raises(export.NothingToTell):
        export.numbers(plot)


@pytest.mark.parametrize("name", ["nowhere/plot.png", "plot.jpeg", "plot"])
def test_failure_says_what_to_do(name: str, qtbot: QtBot, tmp_path: Path) -> None:
    plot = made("bars")
    qtbot.addWidget(plot)
    with pytest.raises(export.ExportFailed, match="was not saved"):
        export.save(plot, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_copy_puts_the_picture_on_the_clipboard(plot: Plot) -> None:
    export.copy(plot)
    image = QGuiApplication.clipboard().image()
    assert image.width() == 720
    assert colours(image) > 10


def test_curve_has_its_colour_in_the_file(qtbot: QtBot) -> None:
    plot = made("line")
    qtbot.addWidget(plot)
    assert SERIES[0] in export.svg(plot).decode()
    assert QColor(SERIES[1]).name() in export.svg(plot).decode()
