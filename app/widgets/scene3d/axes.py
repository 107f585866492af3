"""Paints the box around a scene: walls and grid lines behind the picture, ticks and titles beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen, QPolygonF

from app.shell.theme import CAPTION, Tokens, theme
from app.widgets.plot.scale import Ticks, linear_ticks

AXES = "xyz"
MARGIN = (40.0, 24.0, 34.0, 34.0)  # pixels for ticks and titles left, above, right and below the scene
_GAP = 7.0
_MOST = {"x": 5, "y": 5, "z": 4}


def ticks_of(box: Sequence[Sequence[float]]) -> dict[str, Ticks]:
    """Ticks of the three axes over ((low, high) per axis)."""
    return {axis: linear_ticks(low, high, _MOST[axis]) for axis, (low, high) in zip(AXES, box, strict=True)}


def paint_walls(painter: QPainter, lines: Mapping[str, Any], look: Tokens) -> None:
    """The three walls that stand behind the scene, with grid lines at the ticks."""
    painter.setPen(QPen(look.colour("edge"), 1))
    painter.setBrush(look.colour("bg", 0.55))
    for wall in lines["walls"]:
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in wall]))
    painter.setPen(QPen(look.colour("line"), 1))
    painter.drawLines([QLineF(*line.reshape(4)) for line in np.asarray(lines["grid"])])


def paint_labels(
    painter: QPainter, lines: Mapping[str, Any], ticks: Mapping[str, Ticks], titles: Sequence[str], look: Tokens
) -> None:
    """Numbers at the ticks and a title along each axis, outside the box."""
    font = theme().font(CAPTION, tabular=True)
    metrics = QFontMetricsF(font)
    painter.setFont(font)
    for axis, title in zip(AXES, titles, strict=True):
        places, own = lines["ticks"][axis], ticks[axis]
        out = np.asarray(places["out"])
        words = {round(place, 12): label for place, label in zip(own.places, own.labels, strict=True)}
        reach = 0.0
        painter.setPen(look.colour("muted"))
        for value, at in zip(places["values"], places["at"], strict=True):
            text = words.get(round(float(value), 12), "")
            reach = max(reach, _write(painter, metrics, text, np.asarray(at), out, _GAP))
        head = f"{title} {own.factor}".strip()
        painter.setPen(look.colour("text"))
        where = lines["titles"][axis]
        beyond = 0.0 if axis == "z" else reach + 4  # the upright axis has its title above its end
        _write(painter, metrics, head, np.asarray(where["at"]), np.asarray(where["out"]), _GAP + beyond)


def _write(painter: QPainter, metrics: QFontMetricsF, text: str, at: Any, out: Any, gap: float) -> float:
    """Write a text whose nearest side is ``gap`` away from a point; returns how far it reaches beyond."""
    width, height = metrics.horizontalAdvance(text), metrics.height()
    across = abs(out[0]) * width / 2 + abs(out[1]) * height / 2
    centre = at + out * (gap + across)
    left = max(2.0, centre[0] - width / 2 - 1)
    box = QRectF(left, centre[1] - height / 2, width + 2, height)
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)
    return float(2 * across)
