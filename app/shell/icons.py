"""The line icons: drawn once as SVG, tinted with the theme's colours when they are painted."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.shell.theme import tokens

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "icons"
GRID = 18


@cache
def names() -> tuple[str, ...]:
    """All icons there are."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.svg")))


@cache
def _source(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text(encoding="utf-8")


@cache
def _pixels(name: str, colour: str, alpha: int, width: int, height: int) -> QPixmap:
    """The icon in one colour at a size in device pixels; kept, because the same few are painted again and again."""
    image = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setOpacity(alpha / 255)
    side = min(width, height)
    QSvgRenderer(_source(name).replace("currentColor", colour).encode()).render(
        painter, QRectF((width - side) / 2, (height - side) / 2, side, side)
    )
    painter.end()
    return QPixmap.fromImage(image)


def draw(painter: QPainter, name: str, rect: QRectF, colour: QColor) -> None:
    """Paint an icon sharply at any device pixel ratio, as vectors on printers and SVG."""
    side = min(rect.width(), rect.height())
    centre = rect.center()
    square = QRectF(centre - QPointF(side / 2, side / 2), centre + QPointF(side / 2, side / 2))
    QSvgRenderer(_source(name).replace("currentColor", colour.name()).encode()).render(painter, square)


class _Engine(QIconEngine):
    """Looks the colour up at paint time, so that a switch of the theme needs no new icons."""

    def __init__(self, name: str, role: str, on: str) -> None:
        super().__init__()
        self._name, self._role, self._on = name, role, on

    def _colour(self, mode: QIcon.Mode, state: QIcon.State) -> QColor:
        if mode == QIcon.Mode.Disabled:
            return tokens().colour("muted", 0.5)
        return tokens().colour(self._on if state == QIcon.State.On else self._role)

    def _make(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        colour = self._colour(mode, state)
        return _pixels(self._name, colour.name(), colour.alpha(), max(1, size.width()), max(1, size.height()))

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        ratio = painter.device().devicePixelRatioF()
        painter.drawPixmap(rect, self._make(rect.size() * ratio, mode, state))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return self._make(size, mode, state)

    def scaledPixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float) -> QPixmap:
        pixmap = QPixmap(self._make(size, mode, state))
        pixmap.setDevicePixelRatio(scale)
        return pixmap

    def clone(self) -> QIconEngine:
        return _Engine(self._name, self._role, self._on)

    def key(self) -> str:
        return "theodolite"


def icon(name: str, role: str = "muted", on: str = "accent") -> QIcon:
    """An icon that follows the theme.

    Args:
        name: one of ``names()``; KeyError otherwise. role: the token that colours it. on: the token when checked.
    """
    if name not in names():
        raise KeyError(name)
    return QIcon(_Engine(name, role, on))


def pixmap(name: str, role: str = "muted", size: int = GRID, ratio: float = 1.0) -> QPixmap:
    """An icon as pixels of today's theme, ``size`` in device-independent px."""
    colour = tokens().colour(role)
    found = QPixmap(_pixels(name, colour.name(), colour.alpha(), round(size * ratio), round(size * ratio)))
    found.setDevicePixelRatio(ratio)
    return found
