"""One curve: its data, which may grow, and how it is painted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen

from app.widgets.plot import legend
from app.widgets.plot.frame import Frame, polygon, runs, thinned
from app.widgets.plot.scale import Axis

DASHED_UP_TO = 400  # a dashed pen walks along every vertex
# Joining the pieces of a wide line costs 50 times the drawing once neighbours turn back and forth, so that longer
# lines are drawn piece by piece, and very long ones with the thinnest pen.
JOINED_UP_TO = 300
WIDE_UP_TO = 3000
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


class Along:
    """A curve in scaled coordinates, kept up to date as it grows.

    Attributes:
        rising: x never decreases. extent: x0, x1, y0, y1 of the finite points, or None.
    """

    def __init__(self, logs: tuple[bool, bool]) -> None:
        self.logs = logs
        self._x, self._y = Growing(), Growing()
        self.rising = True
        self.extent: tuple[float, float, float, float] | None = None

    @property
    def x(self) -> np.ndarray:
        return self._x.values

    @property
    def y(self) -> np.ndarray:
        return self._y.values

    def extend(self, x: np.ndarray, y: np.ndarray, axes: tuple[Axis, Axis]) -> None:
        """Take in what is new at the ends of the raw arrays (n,)."""
        done = len(self.x)
        if done == len(x):
            return
        new_x, new_y = axes[0].scaled(x[done:]), axes[1].scaled(y[done:])
        joined = new_x if done == 0 else np.concatenate((self.x[-1:], new_x))
        self.rising = self.rising and bool(np.all(joined[1:] >= joined[:-1]))
        self._x.extend(new_x)
        self._y.extend(new_y)
        good = np.isfinite(new_x) & np.isfinite(new_y)
        if not good.any():
            return
        new_x, new_y = new_x[good], new_y[good]
        low = [float(new_x.min()), float(new_y.min())]
        high = [float(new_x.max()), float(new_y.max())]
        if self.extent is not None:
            low = [min(low[0], self.extent[0]), min(low[1], self.extent[2])]
            high = [max(high[0], self.extent[1]), max(high[1], self.extent[3])]
        self.extent = (low[0], high[0], low[1], high[1])


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
    _along: Along | None = field(default=None, repr=False)

    def along(self, axes: tuple[Axis, Axis]) -> Along:
        """The data as they lie along the axes; only what was appended since the last call is looked at."""
        if self._along is None or self._along.logs != (axes[0].log, axes[1].log):
            self._along = Along((axes[0].log, axes[1].log))
        self._along.extend(self.x.values, self.y.values, axes)
        return self._along

    def extent(self, axes: tuple[Axis, Axis]) -> tuple[float, float, float, float] | None:
        """x0, x1, y0, y1 of the finite points and of the interval, in scaled coordinates; None without any."""
        found = self.along(axes).extent
        if found is None or self.band is None:
            return found
        ends = np.concatenate([axes[1].scaled(end) for end in self.band])
        ends = ends[np.isfinite(ends)]
        if not len(ends):
            return found
        return found[0], found[1], min(found[2], float(ends.min())), max(found[3], float(ends.max()))

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
    along = one.along(axes)
    x, y, rising = along.x, along.y, along.rising
    if rising and len(x) > 2:
        first, last = np.searchsorted(x, (frame.view.x0, frame.view.x1))
        part = slice(max(0, int(first) - 1), min(len(x), int(last) + 1))
    else:
        part = slice(0, len(x))
    colour = frame.look.colour(one.colour)
    if one.band is not None and len(one.band[0]) == len(x):
        _paint_band(painter, frame, one, axes, x[part], part)
    x, y = x[part], y[part]
    if rising and one.line:
        x, y = thinned(x, y, max(50, int(frame.area.width())) * (2 if frame.vector else 1))
    px, py = frame.x(x), frame.y(y)
    good = np.isfinite(px) & np.isfinite(py)
    if one.line:
        width = 1.0 if frame.live else one.width
        painter.setPen(legend.pen(colour, width, one.dash(several)))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        _paint_line(painter, frame, px, py, good, one.steps)
    name = one.symbol(several)
    if name:
        keep = _spaced(px[good], py[good], frame) if one.line and len(px) > 60 else slice(None, None)
        _paint_symbols(painter, frame, name, px[good][keep], py[good][keep], one)


def _paint_line(painter: QPainter, frame: Frame, px: np.ndarray, py: np.ndarray, good: np.ndarray, steps: bool) -> None:
    wide = painter.pen()
    thin = QPen(wide)
    thin.setWidthF(1.0)
    for start, end in runs(good):
        x, y = px[start:end], py[start:end]
        if steps:
            x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
        if frame.vector:
            x, y = _cut(x, y, frame)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, len(x) <= SMOOTH_UP_TO)
        painter.setPen(wide if frame.vector or len(x) <= WIDE_UP_TO else thin)
        if len(x) == 1:
            painter.drawEllipse(QPointF(float(x[0]), float(y[0])), 1.5, 1.5)
        elif frame.vector or painter.pen().widthF() == 1.0 or len(x) <= JOINED_UP_TO:
            painter.drawPolyline(polygon(x, y))
        else:
            pairs: Any = polygon(np.repeat(x, 2)[1:-1], np.repeat(y, 2)[1:-1])
            painter.drawLines(pairs)
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
