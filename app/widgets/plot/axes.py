"""Painting the frame of a plot: grid, ticks, labels, axis titles."""

from __future__ import annotations

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen

from app.shell.theme import CAPTION, Tokens, theme
from app.widgets.plot.frame import Frame
from app.widgets.plot.scale import Axis, Ticks, ticks

GAP = 5.0


def fit(axis: Axis, low: float, high: float, length: float, *, upright: bool) -> Ticks:
    """As many ticks as fit into a length in pixels without touching."""
    metrics = QFontMetricsF(theme().font(CAPTION))
    if upright:
        return ticks(axis, low, high, max(2, int(length / (metrics.height() * 2.4))))
    for most in (8, 7, 6, 5, 4, 3, 2):
        found = ticks(axis, low, high, most)
        widest = max((metrics.horizontalAdvance(label) for label in found.labels), default=0.0)
        if len(found.labels) * (widest + 18) <= length:
            return found
    return ticks(axis, low, high, 1)


def label_width(found: Ticks) -> float:
    """The width in pixels of the widest label."""
    metrics = QFontMetricsF(theme().font(CAPTION))
    return max((metrics.horizontalAdvance(label) for label in found.labels), default=0.0)


def paint_grid(painter: QPainter, frame: Frame, across: Ticks, up: Ticks) -> None:
    """Faint lines at the ticks, behind the data."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QPen(frame.look.colour("line", 0.75), 1))
    area = frame.area
    for place in across.places:
        x = float(frame.x(place))
        painter.drawLine(QLineF(x, area.top(), x, area.bottom()))
    for place in up.places:
        y = float(frame.y(place))
        painter.drawLine(QLineF(area.left(), y, area.right(), y))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)


def paint_axes(
    painter: QPainter, frame: Frame, axes: tuple[Axis, Axis], found: tuple[Ticks, Ticks], left: float
) -> None:
    """Axis lines, tick marks, labels and titles; ``left`` is where the widget begins, in pixels."""
    look, area = frame.look, frame.area
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QPen(look.colour("edge"), 1))
    painter.drawLine(area.bottomLeft(), area.bottomRight())
    painter.drawLine(area.topLeft(), area.bottomLeft())
    for places, size in ((found[0].places, 4), (found[0].minor, 2)):
        for place in places:
            x = float(frame.x(place))
            painter.drawLine(QLineF(x, area.bottom(), x, area.bottom() + size))
    for places, size in ((found[1].places, 4), (found[1].minor, 2)):
        for place in places:
            y = float(frame.y(place))
            painter.drawLine(QLineF(area.left() - size, y, area.left(), y))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _paint_labels(painter, frame, found)
    _paint_titles(painter, frame, axes, found, left, look)


def _paint_labels(painter: QPainter, frame: Frame, found: tuple[Ticks, Ticks]) -> None:
    font = theme().font(CAPTION, tabular=True)
    metrics = QFontMetricsF(font)
    painter.setFont(font)
    painter.setPen(frame.look.colour("muted"))
    area = frame.area
    for place, label in zip(found[0].places, found[0].labels, strict=True):
        box = QRectF(float(frame.x(place)) - 60, area.bottom() + GAP, 120, metrics.height())
        painter.drawText(box, int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop), label)
    half = metrics.height() / 2
    for place, label in zip(found[1].places, found[1].labels, strict=True):
        y = min(max(float(frame.y(place)), area.top() + half - 4), area.bottom() - half + 6)
        box = QRectF(area.left() - GAP - 121, y - half, 120, 2 * half)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), label)


def _paint_titles(
    painter: QPainter, frame: Frame, axes: tuple[Axis, Axis], found: tuple[Ticks, Ticks], left: float, look: Tokens
) -> None:
    metrics = QFontMetricsF(theme().font(CAPTION))
    area = frame.area
    painter.setPen(look.colour("muted"))
    words = [
        " ".join(part for part in (axis.title(), tick.factor) if part) for axis, tick in zip(axes, found, strict=True)
    ]
    across = metrics.elidedText(words[0], Qt.TextElideMode.ElideRight, area.width())
    box = QRectF(area.left(), area.bottom() + GAP + metrics.height() + 2, area.width(), metrics.height())
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), across)
    if words[1]:
        up = metrics.elidedText(words[1], Qt.TextElideMode.ElideRight, area.height())
        painter.save()
        painter.translate(QPointF(left + metrics.height() / 2, area.center().y()))
        painter.rotate(-90)
        side = QRectF(-area.height() / 2, -metrics.height() / 2, area.height(), metrics.height())
        painter.drawText(side, int(Qt.AlignmentFlag.AlignCenter), up)
        painter.restore()


def margins(axes: tuple[Axis, Axis], up: Ticks, across: Ticks) -> tuple[float, float]:
    """The room left of and below the plot area, in pixels."""
    metrics = QFontMetricsF(theme().font(CAPTION))
    left = label_width(up) + GAP + 3 + (metrics.height() + 3 if axes[1].title() or up.factor else 0)
    below = GAP + metrics.height() + (metrics.height() + 4 if axes[0].title() or across.factor else 2)
    return left, below
