"""One curve: its data, which may grow, and the items of pyqtgraph that show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF

from app.shell.theme import Tokens
from app.widgets.plot import legend
from app.widgets.plot.scale import Axis, View

DASHED_UP_TO = 400  # a dashed pen walks along every vertex
WIDE_UP_TO = 3000  # points
ROUGH_FROM = 120  # turns up and down; on noise a wide pen costs up to 200 times a thin one
SMOOTH_UP_TO = 20000
WHOLE_UP_TO = 5000
SYMBOLS_UP_TO = 400
SPACED = 70.0  # pixels between the symbols of a dense curve


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
        rising: x never decreases. whole: all points are finite. extent: x0, x1, y0, y1 of the finite points, or None.
    """

    def __init__(self, logs: tuple[bool, bool]) -> None:
        self.logs = logs
        self._x, self._y = Growing(), Growing()
        self.rising = self.whole = True
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
        self.whole = self.whole and bool(good.all())
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
        points: draw symbols. line: draw the line. steps: the value holds until the next x.
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


class Drawn:
    """The items of one curve in a plot area."""

    def __init__(self, box: pg.ViewBox) -> None:
        self.line, self.dots = pg.PlotDataItem(), pg.ScatterPlotItem()
        self._ends = (pg.PlotCurveItem(), pg.PlotCurveItem())
        self.fill = pg.FillBetweenItem(*self._ends)
        for z, item in enumerate((self.fill, self.line, self.dots)):
            item.setZValue(10 * z)
            box.addItem(item, ignoreBounds=True)

    def remove(self, box: pg.ViewBox) -> None:
        """Take the items out of the plot area."""
        for item in (self.fill, self.line, self.dots):
            box.removeItem(item)

    def show(self, one: Series, axes: tuple[Axis, Axis], look: Tokens, area: QRectF, view: View, plain: bool,
             several: bool, ratio: float = 1.0) -> None:  # fmt: skip
        """Bring the items up to date; ``plain``: data keep arriving, so that drawing must be cheap."""
        banded = one.band is not None and len(one.band[0]) == len(one.x.values)
        self.fill.setVisible(one.visible and banded)
        self.line.setVisible(one.visible)
        self.dots.setVisible(one.visible)
        if not one.visible:
            return
        along, colour = one.along(axes), look.colour(one.colour)
        self._show_line(one, along, area, view, plain, several, colour, ratio)
        self._show_band(one, axes, along, colour)
        name = one.symbol(several)
        keep = _symbols_at(one, along, view, area.width()) if name else _alone(along)
        size = 4.0 if not name else legend.SIZE if len(keep) <= SYMBOLS_UP_TO else 4.5
        if not len(keep) and not len(self.dots.data):
            return
        pen, brush = legend.symbol_style(name, colour, look.colour("panel"))
        self.dots.setData(along.x[keep], along.y[keep], symbol=name or "o", size=size, pen=pen, brush=brush)

    def _show_line(self, one: Series, along: Along, area: QRectF, view: View, plain: bool, several: bool,
                   colour: Any, ratio: float) -> None:  # fmt: skip
        x, y = along.x, along.y
        if not one.line or not len(x):
            self.line.setData([], [])
            return
        if along.rising:  # only what is seen, and its neighbours outside
            first, last = np.searchsorted(x, (view.x0, view.x1))
            part = slice(max(0, int(first) - 1), int(last) + 1)
            x, y = x[part], y[part]
        if one.steps:
            x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
        # pyqtgraph keeps the lowest and the highest of each group: one group a pixel looks like the whole. Powers of
        # two, because each change of the group's size costs a drawing of its own.
        group = 1
        while along.rising and len(x) > WHOLE_UP_TO and len(x) > group * max(50.0, area.width()):
            group *= 2
        self.line.setDownsampling(ds=group, auto=False, method="peak")
        wide = not plain and len(x) <= WIDE_UP_TO and _turns(y, area, view) < ROUGH_FROM
        self.line.setData(
            x, y, connect="all" if along.whole else "finite", antialias=not plain and len(x) <= SMOOTH_UP_TO,
            pen=legend.pen(colour, 1.6 if wide else 1.0, one.dash(several), ratio=ratio if wide else 1.0),
        )  # fmt: skip

    def _show_band(self, one: Series, axes: tuple[Axis, Axis], along: Along, colour: Any) -> None:
        if one.band is None or not self.fill.isVisible():
            return
        low, high = (axes[1].scaled(end) for end in one.band)
        gap = ~(np.isfinite(along.x) & np.isfinite(low) & np.isfinite(high))
        for item, end in zip(self._ends, (low, high), strict=True):
            item.setData(along.x, np.where(gap, np.nan, end), connect="finite")
        self.fill.setBrush(colour.red(), colour.green(), colour.blue(), 46)


def _turns(y: np.ndarray, area: QRectF, view: View) -> int:
    """How often a curve (n,) turns back up or down by more than half a pixel."""
    step = np.diff(y) * (area.height() / (view.y1 - view.y0))
    step = step[np.abs(step) > 0.5]
    return int(np.count_nonzero(step[1:] * step[:-1] < 0))


def _symbols_at(one: Series, along: Along, view: View, width: float) -> np.ndarray:
    """Indices of the points that get a symbol: all, or on a dense line those about ``SPACED`` pixels apart."""
    if one.line and along.rising and along.whole and len(along.x) > 60:
        count = max(2, int(width / SPACED))
        middles = view.x0 + (view.x1 - view.x0) * (np.arange(count) + 0.5) / count
        found = np.unique(np.searchsorted(along.x, middles))
        return found[found < len(along.x)]
    good = np.flatnonzero(np.isfinite(along.x) & np.isfinite(along.y))
    if one.line and len(good) > 60:
        slots = np.floor((along.x[good] - view.x0) / (view.x1 - view.x0) * width / SPACED)
        good = good[np.concatenate(([True], slots[1:] != slots[:-1]))]
    return good


def _alone(along: Along) -> np.ndarray:
    """Indices of the points without neighbours: they make no line, but must be seen."""
    if along.whole and len(along.x) != 1:
        return np.empty(0, dtype=int)
    good = np.pad(np.isfinite(along.x) & np.isfinite(along.y), 1)
    return np.flatnonzero(good[1:-1] & ~good[:-2] & ~good[2:])
