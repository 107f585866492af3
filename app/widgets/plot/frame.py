"""The geometry of one painting of a plot: where data lie in pixels, and how arrays become polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPolygonF
from shiboken6 import VoidPtr

from app.shell.theme import Tokens
from app.widgets.plot.scale import View

FAR = 1e6  # pixels beyond which a coordinate is cut; painters lose digits out there


@dataclass(frozen=True)
class Frame:
    """Maps scaled coordinates to pixels.

    Attributes:
        area: the plot area in pixels. view: what it shows. look: the colours. live: data still arrive.
        vector: the painter keeps shapes (SVG, PDF).
    """

    area: QRectF
    view: View
    look: Tokens
    live: bool = False
    vector: bool = False

    def x(self, values: np.ndarray | float) -> np.ndarray:
        """Scaled x to pixels."""
        share = (np.asarray(values, dtype=float) - self.view.x0) / (self.view.x1 - self.view.x0)
        return np.clip(self.area.left() + share * self.area.width(), -FAR, FAR)

    def y(self, values: np.ndarray | float) -> np.ndarray:
        """Scaled y to pixels; y points up."""
        share = (np.asarray(values, dtype=float) - self.view.y0) / (self.view.y1 - self.view.y0)
        return np.clip(self.area.bottom() - share * self.area.height(), -FAR, FAR)

    def point(self, x: float, y: float) -> QPointF:
        """One scaled point in pixels."""
        return QPointF(float(self.x(x)), float(self.y(y)))

    def inverse(self, point: QPointF) -> tuple[float, float]:
        """A pixel in scaled coordinates."""
        fx = (point.x() - self.area.left()) / max(1.0, self.area.width())
        fy = (self.area.bottom() - point.y()) / max(1.0, self.area.height())
        view = self.view
        return view.x0 + fx * (view.x1 - view.x0), view.y0 + fy * (view.y1 - view.y0)


def polygon(x: np.ndarray, y: np.ndarray) -> QPolygonF:
    """Two arrays (n,) in pixels as a polygon, without a Python loop."""
    count = len(x)
    shape = QPolygonF()
    shape.resize(count)
    if count:
        memory = np.frombuffer(cast(Any, VoidPtr)(shape.data(), count * 16, True), dtype=np.float64).reshape(-1, 2)
        memory[:, 0] = x
        memory[:, 1] = y
    return shape


def runs(finite: np.ndarray) -> list[tuple[int, int]]:
    """The stretches [start, end) in which a boolean array is true."""
    if finite.all():
        return [(0, len(finite))] if len(finite) else []
    edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def thinned(x: np.ndarray, y: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Keep the lowest and highest point of each pixel column: a line drawn through them looks the same.

    Args:
        x: (n,) non-decreasing. y: (n,), may hold NaN; a column of nothing else stays a gap.
        columns: how many pixel columns x spans.

    Returns:
        At most 4 * columns points: the first, the lowest, the highest and the last of each column.
    """
    if len(x) <= 4 * columns or len(x) < 8:
        return x, y
    edges = x[0] + (x[-1] - x[0]) * np.arange(columns) / columns
    starts = np.unique(np.searchsorted(x, edges))
    starts = starts[starts < len(x)]
    ends = np.concatenate((starts[1:], [len(x)])) - 1
    low, high = np.fmin.reduceat(y, starts), np.fmax.reduceat(y, starts)
    ends_x, ends_y = (x[starts], x[ends]), (y[starts], y[ends])
    middle = (ends_x[0] + ends_x[1]) / 2
    # An extreme at an end of its column stays there, so that smooth lines stay smooth.
    low_x, high_x = (
        np.where(extreme == ends_y[0], ends_x[0], np.where(extreme == ends_y[1], ends_x[1], middle))
        for extreme in (low, high)
    )
    swap = low_x > high_x
    first, second = np.where(swap, high, low), np.where(swap, low, high)
    # A missing first or last point must not hide what else its column holds.
    start_y = np.where(np.isnan(ends_y[0]), first, ends_y[0])
    end_y = np.where(np.isnan(ends_y[1]), second, ends_y[1])
    kept_x = np.stack([ends_x[0], np.minimum(low_x, high_x), np.maximum(low_x, high_x), ends_x[1]], axis=1)
    kept_y = np.stack([start_y, first, second, end_y], axis=1)
    return kept_x.ravel(), kept_y.ravel()
