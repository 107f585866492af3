"""A picture that came from the session, and what lies under its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QSizeF
from PySide6.QtGui import QImage


@dataclass(frozen=True)
class Hit:
    """What lies under the pointer.

    Attributes:
        item: its number in the scene. primitive: its cell, triangle, segment or point. position: data coordinates.
    """

    item: int
    primitive: int
    position: tuple[float, float, float]


class Picture:
    """A picture that came from the session, for a widget of ``size``."""

    def __init__(self, frame: dict[str, Any], size: QSizeF) -> None:
        self.size = size
        self.frame = frame
        pixels = np.ascontiguousarray(frame["image"])
        height, width = pixels.shape[:2]
        shown = QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGBA8888_Premultiplied)
        self.image = shown.copy()  # owns its pixels

    def hit(self, at: QPointF) -> Hit | None:
        """What was drawn at a place; None for nothing or in a coarse picture."""
        if "item" not in self.frame:
            return None
        rows, columns = self.frame["item"].shape
        row, column = int(at.y() / self.size.height() * rows), int(at.x() / self.size.width() * columns)
        if not (0 <= row < rows and 0 <= column < columns) or self.frame["item"][row, column] < 0:
            return None
        x, y, z = (float(value) for value in self.frame["position"][row, column])
        return Hit(int(self.frame["item"][row, column]), int(self.frame["primitive"][row, column]), (x, y, z))
