import re

import pytest
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QToolButton
from pytestqt.qtbot import QtBot

from app.shell import icons
from app.shell.theme import DARK, LIGHT, theme

NEEDED = [
    "landscape",
    "tails",
    "rnn",
    "odenet",
    "mixtures",
    "documents",
    "reconstruction",
    "language",
    "roft",
    "interview",
    "compare",
    "runs",
    "play",
    "stop",
    "cancel",
    "pause",
    "folder",
    "save",
    "expand",
    "collapse",
    "more",
    "reset",
    "copy",
    "table",
    "search",
    "settings",
    "sun",
    "moon",
    "warning",
    "error",
    "info",
    "check",
    "add",
    "remove",
    "open",
    "upload",
    "down",
    "up",
    "left",
    "right",
    "close",
    "delete",
    "log",
    "help",
    "good",
]


def ink(image: QImage) -> set[str]:
    """The colours of the opaque pixels."""
    image = image.convertToFormat(QImage.Format.Format_ARGB32)
    found = set()
    for y in range(image.height()):
        for x in range(image.width()):
            colour = image.pixelColor(x, y)
            if colour.alpha() == 255:
                found.add(colour.name())
    return found


def test_all_needed_icons_are_there() -> None:
    assert set(NEEDED) <= set(icons.names())


@pytest.mark.parametrize("name", icons.names())
def test_icon_keeps_to_the_grid(name: str, qapp: QApplication) -> None:
    source = (icons.FOLDER / f"{name}.svg").read_text()
    assert 'viewBox="0 0 18 18"' in source
    assert 'stroke-width="1.4"' in source
    assert not re.search(r"#[0-9a-fA-F]{3}", source)  # tinted at run time only
    renderer = QSvgRenderer(source.replace("currentColor", "#000000").encode())
    assert renderer.isValid()
    image = icons.pixmap(name, "text", 54).toImage()
    edge = [image.pixelColor(x, y).alpha() for x in range(54) for y in (0, 53)]
    assert ink(image), "draws nothing"
    assert max(edge) < 128, "runs over its edge"


def test_tint_follows_the_theme(qtbot: QtBot) -> None:
    button = QToolButton()
    button.setIcon(icons.icon("stop", "accent"))
    qtbot.addWidget(button)
    button.show()
    before = button.icon().pixmap(QSize(36, 36)).toImage()
    theme().set_mode("dark")
    after = button.icon().pixmap(QSize(36, 36)).toImage()
    assert ink(before) == {LIGHT.accent}
    assert ink(after) == {DARK.accent}


def test_checked_and_disabled_differ() -> None:
    icon = icons.icon("landscape", "text", "accent")
    size = QSize(36, 36)
    assert ink(icon.pixmap(size, QIcon.Mode.Normal, QIcon.State.On).toImage()) == {LIGHT.accent}
    assert ink(icon.pixmap(size, QIcon.Mode.Normal, QIcon.State.Off).toImage()) == {LIGHT.text}
    dim = icon.pixmap(size, QIcon.Mode.Disabled, QIcon.State.Off).toImage()
    assert max(dim.pixelColor(x, y).alpha() for x in range(36) for y in range(36)) < 200


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_pixels_are_made_for_the_screen(ratio: float) -> None:
    found = icons.pixmap("play", "muted", 18, ratio)
    assert found.width() == round(18 * ratio)
    assert found.deviceIndependentSize().width() == pytest.approx(18)


def test_copies_survive_their_maker() -> None:
    kept = [QIcon(icons.icon(name)) for name in icons.names() for _ in range(3)]
    again = [QIcon(icon) for icon in kept]
    del kept
    for icon in again:
        icon.addPixmap(icons.pixmap("play"))  # detaches, which clones the engine
        assert not icon.pixmap(QSize(18, 18), 2.0).isNull()


def test_unknown_name() -> None:
    with pytest.raises(KeyError):
        icons.icon("no such icon")


def test_draw_into_a_rectangle(qapp: QApplication) -> None:
    image = QImage(60, 40, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    icons.draw(painter, "stop", QRectF(0, 0, 60, 40), QColor("#ff0000"))
    painter.end()
    assert ink(image) == {"#ff0000"}
    assert image.pixelColor(2, 20).alpha() == 0  # square, in the middle
