"""One curve: its data, which may grow, and how it is painted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPainterPath

from app.widgets.plot import legend
from app.widgets.plot.frame import Frame, polygon, runs, thinned
from app.widgets.plot.scale import Axis

DASHED_UP_TO = 1200  # a dashed pen walks along every vertex
SMOOTH_UP_TO = 20000
SYMBOLS_UP_TO = 400


class Growing:
    """A float array that doubles its room, so that appending a point costs no copy of the rest."""

    def __init__(self, values: Any = ()) -> None:
        self._data = np.array(values, dtype=float).reshape(-1)
        self._count = len(self._data)

    def extend(self, values: np.ndarray) -> None:
        """Append values (n,)."""
        needed = self._count + len(values)
        if needed > len(self._data):
            grown = np.empty(max(needed, 2 * len(self._data), 256))
            grown[: self._count] = self._data[: self._count]
            self._data = grown
        self._data[self._count : needed] = values
        self._count = needed

    @property
    def values(self) -> np.ndarray:
        """What has been stored, (n,); a view."""
        return self._data[: self._count]


@dataclass
class Series:
    """A named curve.

    Attributes:
        colour: "#rrggbb" or a token's name. rank: its place, which chooses dash and symbol.
        band: lower and upper end of an interval about y, each (n,), or None.
        points: draw symbols. line: draw the line. steps: the value holds until the next x. width: in pixels.
    """

    name: str
    colour: str
    rank: int
    x: Growing
    y: Growing
    band: tuple[np.ndarray, np.ndarray] | None = None
    points: bool = False
    line: bool = True
    steps: bool = False
    width: float = 1.6
    visible: bool = True
    _scaled: tuple[Any, np.ndarray, np.ndarray, bool] | None = field(default=None, repr=False)

    def scaled(self, axes: tuple[Axis, Axis]) -> tuple[np.ndarray, np.ndarray, bool]:
        """x and y as they lie along the axes, and whether x never decreases; kept until data or axes change."""
        key = (len(self.x.values), axes[0].log, axes[1].log)
        if self._scaled is None or self._scaled[0] != key:
            x, y = axes[0].scaled(self.x.values), axes[1].scaled(self.y.values)
            rising = bool(np.all(np.diff(x) >= 0)) if len(x) > 1 else True
            self._scaled = (key, x, y, rising)
        return self._scaled[1:]

    def dash(self, several: bool) -> tuple[float, ...]:
        """The pen's pattern: a lone curve is solid, so are curves too dense for dashes."""
        if not several or self.points or len(self.x.values) > DASHED_UP_TO:
            return ()
        return legend.DASHES[self.rank % len(legend.DASHES)]

    def symbol(self, several: bool) -> str:
        """The symbol that tells it apart, or ""."""
        dense = several and self.rank > 0 and len(self.x.values) > DASHED_UP_TO
        return legend.SYMBOLS[self.rank % len(legend.SYMBOLS)] if self.points or dense else ""

    def entry(self, several: bool) -> legend.Entry:
        """Its line in the legend."""
        return legend.Entry(self.name, self.colour, self.dash(several), self.symbol(several), self.line, self.visible)


def paint(painter: QPainter, frame: Frame, one: Series, axes: tuple[Axis, Axis], several: bool) -> None:
    """Draw one curve; what lies outside the plot area is left out, because not every file format clips."""
    x, y, rising = one.scaled(axes)
    if rising and len(x) > 2:
        first, last = np.searchsorted(x, (frame.view.x0, frame.view.x1))
        part = slice(max(0, int(first) - 1), min(len(x), int(last) + 1))
    else:
        part = slice(0, len(x))
    colour = frame.look.colour(one.colour)
    if one.band is not None and len(one.band[0]) == len(x):
        _paint_band(painter, frame, one, axes, x[part], part)
    px, py = frame.x(x[part]), frame.y(y[part])
    good = np.isfinite(px) & np.isfinite(py)
    if one.line:
        width = 1.0 if frame.live else one.width
        painter.setPen(legend.pen(colour, width, one.dash(several)))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        _paint_line(painter, frame, px, py, good, rising, one.steps)
    name = one.symbol(several)
    if name:
        keep = _spaced(px[good], py[good], frame) if one.line and len(px) > 60 else slice(None, None)
        _paint_symbols(painter, frame, name, px[good][keep], py[good][keep], one)


def _paint_line(
    painter: QPainter, frame: Frame, px: np.ndarray, py: np.ndarray, good: np.ndarray, rising: bool, steps: bool
) -> None:
    columns = max(50, int(frame.area.width())) * (2 if frame.vector else 1)
    for start, end in runs(good):
        x, y = px[start:end], py[start:end]
        if steps:
            x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
        if rising:
            x, y = thinned(x, y, columns)
        if frame.vector:
            x, y = _cut(x, y, frame)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, len(x) <= SMOOTH_UP_TO)
        if len(x) == 1:
            painter.drawEllipse(QPointF(float(x[0]), float(y[0])), 1.5, 1.5)
        else:
            painter.drawPolyline(polygon(x, y))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)


def _cut(x: np.ndarray, y: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Keep a vector line from running far outside the area: some viewers ignore clipping."""
    area = frame.area
    return np.clip(x, area.left() - 1, area.right() + 1), np.clip(y, area.top() - 1, area.bottom() + 1)


def _spaced(px: np.ndarray, py: np.ndarray, frame: Frame) -> np.ndarray:
    """Indices of points about 70 px apart along x, so that symbols on a dense curve stay readable."""
    slots = np.floor((px - frame.area.left()) / 70.0).astype(np.int64)
    return np.flatnonzero(np.concatenate(([True], slots[1:] != slots[:-1])))


def _paint_symbols(painter: QPainter, frame: Frame, name: str, px: np.ndarray, py: np.ndarray, one: Series) -> None:
    inside = (px >= frame.area.left() - 4) & (px <= frame.area.right() + 4)
    inside &= (py >= frame.area.top() - 4) & (py <= frame.area.bottom() + 4)
    px, py = px[inside], py[inside]
    painter.setPen(legend.pen(frame.look.colour("panel"), 1.0))
    painter.setBrush(frame.look.colour(one.colour))
    if name == "cross":
        painter.setPen(legend.pen(frame.look.colour(one.colour), 1.4))
        painter.setBrush(Qt.BrushStyle.NoBrush)
    radius = 3.2 if len(px) <= SYMBOLS_UP_TO else 2.2
    path = QPainterPath()
    for x, y in zip(px.tolist(), py.tolist(), strict=True):
        path.addPath(legend.symbol(name, QPointF(x, y), radius))
    path.setFillRule(Qt.FillRule.WindingFill)
    painter.drawPath(path)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _paint_band(
    painter: QPainter, frame: Frame, one: Series, axes: tuple[Axis, Axis], x: np.ndarray, part: slice
) -> None:
    assert one.band is not None
    low, high = (frame.y(axes[1].scaled(end[part])) for end in one.band)
    px = frame.x(x)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(frame.look.colour(one.colour, 0.18))
    area = frame.area
    for start, end in runs(np.isfinite(px) & np.isfinite(low) & np.isfinite(high)):
        across = np.concatenate((px[start:end], px[start:end][::-1]))
        edge = np.clip(np.concatenate((high[start:end], low[start:end][::-1])), area.top() - 1, area.bottom() + 1)
        painter.drawPolygon(polygon(across, edge))
    painter.setBrush(Qt.BrushStyle.NoBrush)
