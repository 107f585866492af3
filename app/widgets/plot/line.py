"""Curves: several series with a legend, intervals, reference lines, spans, a handle to drag, log axes, live data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QWidget

from app.shell.text import short, tr
from app.shell.theme import SERIES, Tokens
from app.widgets.plot.handle import GRAB, Handle, HandleLine, Span, SpanItem, steps_of
from app.widgets.plot.legend import Entry
from app.widgets.plot.marks import Marks
from app.widgets.plot.picture import Plot, Reading
from app.widgets.plot.scale import Axis
from app.widgets.plot.series import Drawn, Growing, Series
from app.widgets.plot.table import Table

LIVE_S = 0.5  # seconds from painting to data that follow at once


class LinePlot(Plot):
    """Curves over a common x axis.

    Signals:
        handle_moved: the user drags the handle, which is now at this x. handle_dropped: they have put it there.
    """

    handle_moved = Signal(float)
    handle_dropped = Signal(float)

    def __init__(
        self, name: str = "", parent: QWidget | None = None, *, x: Axis | None = None, y: Axis | None = None
    ) -> None:
        self._series: dict[str, Series] = {}
        self._drawn: dict[str, Drawn] = {}
        self._marks = Marks()
        self._spans: dict[str, Span] = {}
        self._shades: dict[str, SpanItem] = {}
        self._handle: Handle | None = None
        self._held = self._hot = False
        super().__init__(name, parent, x=x, y=y)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(round(1000 * LIVE_S))
        self._rest.timeout.connect(self._arrived)
        self._bar = HandleLine()
        self.box.addItem(self._bar, ignoreBounds=True)

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
        self._came_in()
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
        self._came_in()
        self.refresh_soon()

    def _came_in(self) -> None:
        """Data that follow painted ones at once are live: while they come, curves are drawn with the thinnest pen."""
        if self.live or time.monotonic() - self._painted < LIVE_S:
            self.live = True
            self._rest.start()
        self._painted = -math.inf  # what came now is not painted yet

    def _arrived(self) -> None:
        self.live = False
        self.refresh()

    def remove(self, name: str) -> None:
        """Take a curve away."""
        self._series.pop(name, None)
        self.refresh()

    def clear(self) -> None:
        """Take all curves, reference lines, spans and the handle away."""
        self._series.clear()
        self._marks.clear()
        self._spans.clear()
        self._handle, self._held = None, False
        self._view = None
        self.refresh()

    def set_marks(
        self, values: Sequence[float], name: str = "", *, upright: bool = True, colour: str = SERIES[1]
    ) -> None:
        """Draw reference lines at these x (or y, when not upright), replacing those of the same name."""
        self._marks.set(values, name, upright, colour)
        self.refresh()

    def set_span(self, name: str, x0: float | None, x1: float = 0.0, colour: str = "muted") -> None:
        """Shade the part of the x axis from x0 to x1 behind the curves, named in the legend; None takes it away."""
        if x0 is None:
            self._spans.pop(name, None)
        else:
            self._spans[name] = Span(float(x0), float(x1), colour)
        self.refresh()

    def set_handle(
        self, x: float | None, name: str = "", *, whole: bool = True, low: float | None = None,
        high: float | None = None,
    ) -> None:  # fmt: skip
        """Put a vertical line somewhere that the user can drag, or step with ``[`` and ``]``; None takes it away.

        Nobody is told. While the user holds the line it stays with them.

        Args:
            name: what it chooses. whole: on integers only. low, high: its limits; None is where the curves end.
        """
        if x is None:
            self._handle, self._held = None, False
        else:
            found = self.bounds() or (-np.inf, np.inf, 0.0, 0.0)
            ends = [self.axes[0].unscaled(end) if np.isfinite(end) else end for end in found[:2]]
            handle = Handle(float(x), name, whole, ends[0] if low is None else low, ends[1] if high is None else high)
            at = self._handle.value if self._held and self._handle is not None else handle.value
            self._handle = replace(handle, value=handle.placed(at))
        self.refresh()

    def handle_place(self) -> float | None:
        """Where the handle is."""
        return None if self._handle is None else self._handle.value

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
        found += self._marks.entries()
        found += [Entry(name, span.colour, symbol="s", line=False) for name, span in self._spans.items()]
        return found + ([Entry(self._handle.name, "accent")] if self._handle is not None and self._handle.name else [])

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
        self._marks.show(self.box, self.axes, look, self._ratio)
        for name in self._shades.keys() - self._spans.keys():
            self.box.removeItem(self._shades.pop(name))
        for name, span in self._spans.items():
            if name not in self._shades:
                self._shades[name] = SpanItem()
                self.box.addItem(self._shades[name], ignoreBounds=True)
            self._shades[name].show_span(span, self.axes[0], self._shown, look)
        self._bar.show_handle(self._handle, self.axes[0], look, self._ratio, hot=self._hot or self._held)

    def reading(self, at: QPointF) -> Reading | None:
        x, _ = self.place(at)
        if self._handle is not None and (self._held or self._is_near(at)):
            name = self._handle.name or self.axes[0].label or "x"
            return Reading((f"{name} = {self.axes[0].word(self._handle.value)}",))
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

    # The handle ------------------------------------------------------------------------------------------------------
    def _is_near(self, at: QPointF) -> bool:
        if self._handle is None or not self._bar.isVisible() or not self._area.contains(at):
            return False
        return abs(self.point(self._bar.value(), 0.0).x() - at.x()) <= GRAB

    def _put(self, x: float) -> None:
        assert self._handle is not None
        if x != self._handle.value:
            self._handle = replace(self._handle, value=x)
            self.refresh()
            self.handle_moved.emit(x)

    def cursor_over(self, at: QPointF) -> Qt.CursorShape:
        return Qt.CursorShape.SplitHCursor if self._held or self._is_near(at) else super().cursor_over(at)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._held = event.button() == Qt.MouseButton.LeftButton and self._is_near(event.position())
        if not self._held:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        near = self._is_near(event.position()) and not event.buttons()
        if near != self._hot:
            self._hot = near
            self.refresh()
        if not self._held or self._handle is None:
            super().mouseMoveEvent(event)
            return
        self._point_to(event.position())
        self._put(self._handle.placed(self.axes[0].unscaled(self.place(event.position())[0])))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        held, self._held = self._held, False
        if not held:
            super().mouseReleaseEvent(event)
        elif self._handle is not None:
            self.refresh()
            self.handle_dropped.emit(self._handle.value)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = steps_of(event)
        if self._handle is None or not steps:
            super().keyPressEvent(event)
            return
        x = self._handle.stepped(steps)
        if x != self._handle.value:
            self._put(x)
            self.describe()  # now, so that a screen reader says it
            self.handle_dropped.emit(x)

    # Words -----------------------------------------------------------------------------------------------------------
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
        for name, span in self._spans.items():
            ends = {"a": short(span.x0), "b": short(span.x1)}
            parts.append(tr("{name}: from {a} to {b}.", name=name, **ends))
        if self._handle is not None:
            place = self.axes[0].word(self._handle.value)
            parts.insert(1, tr("{name} is at {x}; press [ or ] to move it.", name=self._handle.name or "x", x=place))
        return " ".join(parts)
