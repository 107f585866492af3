"""The legend above a plot: it never covers data, wraps when narrow, and each entry can be switched off."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF

from app.shell.theme import CAPTION, Tokens, theme

DASHES: tuple[tuple[float, ...], ...] = (
    (), (7, 3), (2, 2.5), (7, 2.5, 2, 2.5), (12, 4), (4, 2, 1.5, 2, 1.5, 2),
)  # fmt: skip
SYMBOLS = ("circle", "square", "triangle", "diamond", "down", "cross")
SAMPLE = 20.0


@dataclass(frozen=True)
class Entry:
    """One line of the legend.

    Attributes:
        name: what is shown and what is toggled. colour: "#rrggbb" or a token's name. dash: pen pattern. symbol: or "".
        line: whether a line is drawn. visible: shown or switched off.
    """

    name: str
    colour: str
    dash: tuple[float, ...] = ()
    symbol: str = ""
    line: bool = True
    visible: bool = True


def pen(colour: QColor, width: float = 1.6, dash: tuple[float, ...] = ()) -> QPen:
    """A pen in pixels with a dash pattern in pixels."""
    made = QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.RoundJoin)
    if dash:
        made.setDashPattern([length / width for length in dash])
    return made


def symbol(name: str, centre: QPointF, radius: float) -> QPainterPath:
    """The outline of a data symbol about a point, in pixels."""
    path = QPainterPath()
    x, y, r = centre.x(), centre.y(), radius
    if name == "circle":
        path.addEllipse(centre, r, r)
    elif name == "square":
        path.addRect(QRectF(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r))
    elif name == "cross":
        for dx, dy in ((r, r), (r, -r)):
            path.moveTo(x - dx, y - dy)
            path.lineTo(x + dx, y + dy)
    else:
        corners = {
            "triangle": [(0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            "down": [(0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
            "diamond": [(0, -1.3), (1.1, 0), (0, 1.3), (-1.1, 0)],
            "star": _STAR,
        }[name]
        path.addPolygon(QPolygonF([QPointF(x + a * r, y + b * r) for a, b in corners]))
        path.closeSubpath()
    return path


_STAR = [
    (0, -1.5), (0.37, -0.5), (1.43, -0.46), (0.59, 0.19), (0.88, 1.21), (0, 0.62), (-0.88, 1.21), (-0.59, 0.19),
    (-1.43, -0.46), (-0.37, -0.5),
]  # fmt: skip


def layout(entries: list[Entry], width: float) -> tuple[list[tuple[Entry, QRectF]], float]:
    """Where each entry goes within a width in pixels, and the height of all; names longer than the width elide."""
    metrics = QFontMetricsF(theme().font(CAPTION))
    height = metrics.height() + 4
    placed, x, y = [], 0.0, 0.0
    for entry in entries:
        wide = min(width, SAMPLE + 6 + metrics.horizontalAdvance(entry.name) + 2)
        if x > 0 and x + wide > width:
            x, y = 0.0, y + height
        placed.append((entry, QRectF(x, y, wide, height)))
        x += wide + 14
    return placed, (y + height if placed else 0.0)


def paint(painter: QPainter, placed: list[tuple[Entry, QRectF]], at: QPointF, look: Tokens) -> None:
    """Draw the laid-out entries with their top left corner at a point."""
    font = theme().font(CAPTION)
    metrics = QFontMetricsF(font)
    painter.setFont(font)
    for entry, box in placed:
        rect = box.translated(at)
        colour = look.colour(entry.colour, 1.0 if entry.visible else 0.3)
        middle = QPointF(rect.left() + SAMPLE / 2, rect.center().y())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if entry.line:
            painter.setPen(pen(colour, 2.0, entry.dash))
            painter.drawLine(QLineF(rect.left(), middle.y(), rect.left() + SAMPLE, middle.y()))
        if entry.symbol:
            painter.setPen(pen(colour, 1.4))
            painter.setBrush(Qt.BrushStyle.NoBrush if entry.symbol == "cross" else colour)
            painter.drawPath(symbol(entry.symbol, middle, 3.4))
            painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(look.colour("text" if entry.visible else "muted"))
        words = rect.adjusted(SAMPLE + 6, 0, 0, 0)
        text = metrics.elidedText(entry.name, Qt.TextElideMode.ElideRight, words.width() + 1)
        painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)
