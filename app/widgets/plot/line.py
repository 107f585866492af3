"""Curves: several series with a legend, intervals, reference lines, log axes, live data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QWidget

from app.shell.text import short, tr
from app.shell.theme import SERIES, Tokens
from app.widgets.plot import legend
from app.widgets.plot.legend import Entry
from app.widgets.plot.picture import Plot, Reading
from app.widgets.plot.scale import Axis
from app.widgets.plot.series import Drawn, Growing, Series
from app.widgets.plot.table import Table


@dataclass(frozen=True)
class Mark:
    """A reference line across the plot at one value of x or of y."""

    value: float
    name: str
    upright: bool
    colour: str


class LinePlot(Plot):
    """Curves over a common x axis."""

    def __init__(
        self, name: str = "", parent: QWidget | None = None, *, x: Axis | None = None, y: Axis | None = None
    ) -> None:
        self._series: dict[str, Series] = {}
        self._drawn: dict[str, Drawn] = {}
        self._marks: list[Mark] = []
        self._lines: list[pg.InfiniteLine] = []
        super().__init__(name, parent, x=x, y=y)

    # Data ------------------------------------------------------------------------------------------------------------
    def set_series(
        self, name: str, x: Any, y: Any, *, band: tuple[Any, Any] | None = None, points: bool = False,
        line: bool = True, steps: bool = False, colour: str = "",
    ) -> None:  # fmt: skip
        """Add or replace a curve.

        Args:
            name: its name in the legend. x, y: (n,) each; what is not finite leaves a gap. band: two (n,), an interval.
            points: with symbols. line: with a line. steps: the value holds until the next x.
            colour: "#rrggbb" or a token's name; "" takes the next series colour.

        Raises:
            ValueError: the arrays differ in length.
        """
        xs, ys = Growing(x), Growing(y)
        if len(xs.values) != len(ys.values):
            raise ValueError(f"{name}: {len(xs.values)} x and {len(ys.values)} y")
        old = self._series.get(name)
        rank = old.rank if old else self._free_rank()
        ends = (np.array(band[0], dtype=float), np.array(band[1], dtype=float)) if band else None
        self._series[name] = Series(
            name, colour or SERIES[rank % len(SERIES)], rank, xs, ys, ends, points, line, steps,
            visible=old.visible if old else True,
        )  # fmt: skip
        self.refresh()

    def append(self, name: str, x: Any, y: Any) -> None:
        """Add points to a curve that may not exist yet; the picture follows at the shared timer's next tick.

        Args:
            x, y: numbers or arrays (n,).
        """
        if name not in self._series:
            rank = self._free_rank()
            self._series[name] = Series(name, SERIES[rank % len(SERIES)], rank, Growing(), Growing())
        xs, ys = np.atleast_1d(np.asarray(x, dtype=float)), np.atleast_1d(np.asarray(y, dtype=float))
        if xs.shape != ys.shape:
            raise ValueError(f"{name}: {xs.shape} x and {ys.shape} y")
        self._series[name].x.extend(xs)
        self._series[name].y.extend(ys)
        self.refresh_soon()

    def set_live(self, live: bool) -> None:
        """While data arrive, curves are drawn with the thinnest pen."""
        self.live = live
        self.refresh()

    def remove(self, name: str) -> None:
        """Take a curve away."""
        self._series.pop(name, None)
        self.refresh()

    def clear(self) -> None:
        """Take all curves and reference lines away."""
        self._series.clear()
        self._marks.clear()
        self._view = None
        self.refresh()

    def set_marks(
        self, values: Sequence[float], name: str = "", *, upright: bool = True, colour: str = SERIES[1]
    ) -> None:
        """Draw reference lines at these x (or y, when not upright), replacing those of the same name."""
        self._marks = [mark for mark in self._marks if mark.name != name]
        self._marks += [Mark(float(value), name, upright, colour) for value in values]
        self.refresh()

    def names(self) -> list[str]:
        """The curves, in order."""
        return list(self._series)

    def data(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """x and y of a curve; KeyError when there is none of that name."""
        return self._series[name].x.values, self._series[name].y.values

    def _free_rank(self) -> int:
        taken = {one.rank for one in self._series.values()}
        return next(rank for rank in range(len(taken) + 1) if rank not in taken)

    def _shown_series(self) -> list[Series]:
        return [one for one in self._series.values() if one.visible]

    # Plot ------------------------------------------------------------------------------------------------------------
    def bounds(self) -> tuple[float, float, float, float] | None:
        extents = [one.extent(self.axes) for one in self._shown_series()]
        found = [extent for extent in extents if extent is not None]
        if not found:
            return None
        low_x, high_x, low_y, high_y = zip(*found, strict=True)
        return float(min(low_x)), float(max(high_x)), float(min(low_y)), float(max(high_y))

    def entries(self) -> list[Entry]:
        several = len(self._series) > 1
        found = [one.entry(several) for one in self._series.values()]
        named = {mark.name: mark for mark in self._marks if mark.name}
        return found + [Entry(name, mark.colour) for name, mark in named.items()]

    def toggle(self, name: str) -> None:
        if name in self._series:
            self._series[name].visible = not self._series[name].visible
            self.refresh()

    def choices(self) -> list[tuple[str, bool, Callable[[bool], None]]]:
        return [
            (tr("Logarithmic x axis"), self.axes[0].log, lambda on: self.set_log(x=on)),
            (tr("Logarithmic y axis"), self.axes[1].log, lambda on: self.set_log(y=on)),
        ]

    def set_log(self, *, x: bool | None = None, y: bool | None = None) -> None:
        """Switch axes between linear and logarithmic; None leaves an axis as it is."""
        wanted = (self.axes[0].log if x is None else x, self.axes[1].log if y is None else y)
        self.set_axes(replace(self.axes[0], log=wanted[0]), replace(self.axes[1], log=wanted[1]))

    def show_data(self, look: Tokens) -> None:
        several = len(self._series) > 1
        for name in [name for name in self._drawn if name not in self._series]:
            self._drawn.pop(name).remove(self.box)
        for name, one in self._series.items():
            if name not in self._drawn:
                self._drawn[name] = Drawn(self.box)
            self._drawn[name].show(one, self.axes, look, self._area, self._shown, self.live, several, self._ratio)
        self._show_marks(look)

    def _show_marks(self, look: Tokens) -> None:
        places = [float(self.axes[0 if m.upright else 1].scaled(np.array([m.value]))[0]) for m in self._marks]
        while len(self._lines) > len(places):
            self.box.removeItem(self._lines.pop())
        while len(self._lines) < len(places):
            self._lines.append(pg.InfiniteLine())
            self.box.addItem(self._lines[-1], ignoreBounds=True)
        for line, mark, place in zip(self._lines, self._marks, places, strict=True):
            line.setVisible(bool(np.isfinite(place)))
            line.setAngle(90 if mark.upright else 0)
            line.setValue(place if np.isfinite(place) else 0.0)
            line.setPen(legend.pen(look.colour(mark.colour), 1.2, ratio=self._ratio))

    def reading(self, at: QPointF) -> Reading | None:
        x, _ = self.place(at)
        lines: list[str] = []
        marks: list[tuple[QPointF, str]] = []
        for one in self._shown_series():
            index = self._nearest(one, at, x)
            if index is None:
                continue
            along = one.along(self.axes)
            if not lines:
                lines.append(f"{self.axes[0].label or 'x'} = {short(float(one.x.values[index]))}")
            value = short(float(one.y.values[index]))
            lines.append(f"{one.name}: {value}" if len(self._series) > 1 else f"{self.axes[1].label or 'y'} = {value}")
            marks.append((self.point(float(along.x[index]), float(along.y[index])), one.colour))
        return Reading(tuple(lines), tuple(marks)) if lines else None

    def _nearest(self, one: Series, at: QPointF, x: float) -> int | None:
        along = one.along(self.axes)
        good = np.flatnonzero(np.isfinite(along.x) & np.isfinite(along.y))
        if not len(good):
            return None
        if along.rising:
            place = int(np.searchsorted(along.x[good], x))
            near = [good[i] for i in (place - 1, place) if 0 <= i < len(good)]
            return int(min(near, key=lambda i: abs(along.x[i] - x)))
        px, py = self.pixels(along.x[good], along.y[good])
        return int(good[np.argmin((px - at.x()) ** 2 + (py - at.y()) ** 2)])

    def table(self) -> Table:
        shown = list(self._series.values())
        if not shown:
            return Table([])
        head_x, head_y = (axis.title() or default for axis, default in zip(self.axes, ("x", "y"), strict=True))
        first = shown[0].x.values
        if all(one.band is None and np.array_equal(one.x.values, first) for one in shown):
            names = [head_y] if len(shown) == 1 else [one.name for one in shown]
            return Table([head_x, *names], [first, *(one.y.values for one in shown)])
        columns = [
            np.concatenate([np.full(len(one.x.values), one.name, dtype=object) for one in shown]),
            np.concatenate([one.x.values for one in shown]),
            np.concatenate([one.y.values for one in shown]),
        ]
        headers = [tr("series"), head_x, head_y]
        if any(one.band is not None for one in shown):
            headers += [tr("lower"), tr("upper")]
            for end in (0, 1):
                parts = [one.band[end] if one.band is not None else np.full(len(one.x.values), np.nan) for one in shown]
                columns.append(np.concatenate(parts))
        return Table(headers, columns)

    def summary(self) -> str:
        parts = [tr("Curves of {y} over {x}.", y=self.axes[1].title() or "y", x=self.axes[0].title() or "x")]
        parts += [
            tr("The {axis} axis is logarithmic.", axis=name) for name, a in zip("xy", self.axes, strict=True) if a.log
        ]
        for one in self._series.values():
            y = one.y.values[np.isfinite(one.y.values)]
            if not len(y):
                parts.append(tr("{name}: no values.", name=one.name))
                continue
            low, high, last = (short(float(v)) for v in (y.min(), y.max(), y[-1]))
            text = tr(
                "{name}: {n} points, from {low} to {high}, last {last}.",
                name=one.name,
                n=len(y),
                low=low,
                high=high,
                last=last,
            )
            parts.append(text)
        return " ".join(parts)
