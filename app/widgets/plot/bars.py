"""Bars: values by category, side by side for several series, with intervals; and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from app.shell.text import short, tr
from app.shell.theme import SERIES, Tokens
from app.widgets.plot import legend
from app.widgets.plot.legend import Entry
from app.widgets.plot.picture import Plot, Reading
from app.widgets.plot.scale import Axis, Ticks, View
from app.widgets.plot.table import Table


class BarPlot(Plot):
    """Bars that start at zero."""

    def __init__(
        self, name: str = "", parent: QWidget | None = None, *, x: Axis | None = None, y: Axis | None = None
    ) -> None:
        self._labels: list[str] = []
        self._edges: np.ndarray | None = None
        self._values: dict[str, np.ndarray] = {}
        self._ends: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._hidden: set[str] = set()
        self._items: list[Any] = []
        super().__init__(name, parent, x=x, y=y)

    def set_bars(
        self, labels: Sequence[str], values: Mapping[str, Any] | Any,
        intervals: Mapping[str, tuple[Any, Any]] | tuple[Any, Any] | None = None,
    ) -> None:  # fmt: skip
        """Show one bar for each label, or one for each label and series.

        Args:
            labels: n categories. values: (n,), or series name -> (n,). NaN draws no bar.
            intervals: lower and upper ends (n,), for each series where there are several.

        Raises:
            ValueError: a series has not one value for each label.
        """
        named = values if isinstance(values, Mapping) else {"": values}
        ends = intervals if isinstance(intervals, Mapping) else {} if intervals is None else {"": intervals}
        found = {name: np.array(column, dtype=float).reshape(-1) for name, column in named.items()}
        for name, column in found.items():
            if len(column) != len(labels):
                raise ValueError(f"{name}: {len(column)} values for {len(labels)} labels")
        self._labels, self._values, self._edges = [str(label) for label in labels], found, None
        self._ends = {name: (np.array(a, dtype=float), np.array(b, dtype=float)) for name, (a, b) in ends.items()}
        self.refresh()

    def set_histogram(self, edges: Any, counts: Mapping[str, Any] | Any) -> None:
        """Show counts (n,) between edges (n + 1,) on a number axis; several series lie over each other."""
        named = counts if isinstance(counts, Mapping) else {"": counts}
        self._edges = np.array(edges, dtype=float)
        self._values = {name: np.array(column, dtype=float) for name, column in named.items()}
        for name, column in self._values.items():
            if len(column) != len(self._edges) - 1:
                raise ValueError(f"{name}: {len(column)} counts between {len(self._edges)} edges")
        self._labels, self._ends = [], {}
        self.refresh()

    def clear(self) -> None:
        """Take all bars away."""
        self._labels, self._values, self._ends, self._edges = [], {}, {}, None
        self.refresh()

    def _seen(self) -> dict[str, np.ndarray]:
        return {name: column for name, column in self._values.items() if name not in self._hidden}

    def bounds(self) -> tuple[float, float, float, float] | None:
        columns = [
            *self._seen().values(),
            *(end for name, ends in self._ends.items() if name in self._seen() for end in ends),
        ]
        numbers = np.concatenate(columns) if columns else np.empty(0)
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            return None
        low, high = min(0.0, float(numbers.min())), max(0.0, float(numbers.max()))
        if self._edges is not None:
            return float(self._edges[0]), float(self._edges[-1]), low, high
        return -0.6, len(self._labels) - 0.4, low, high

    def roomy(self, x0: float, x1: float, y0: float, y1: float) -> View:
        room = ((y1 - y0) or 1.0) * 0.06
        return View(x0, x1, y0 - (room if y0 < 0 else 0.0), y1 + (room if y1 > 0 or y1 == y0 else 0.0))

    def entries(self) -> list[Entry]:
        return [
            Entry(name, self._colour(name), symbol="s", line=False, visible=name not in self._hidden)
            for name in self._values
        ]

    def toggle(self, name: str) -> None:
        self._hidden ^= {name}
        self.refresh()

    def ticks_across(self, view: View, most: int) -> Ticks | None:
        if self._edges is not None:
            return None
        every = max(1, -(-len(self._labels) // max(1, most)))
        places = [i for i in range(0, len(self._labels), every) if view.x0 <= i <= view.x1]
        return Ticks([float(i) for i in places], [self._labels[i] for i in places], [])

    def _colour(self, name: str) -> str:
        return SERIES[list(self._values).index(name) % len(SERIES)]

    def _slots(self) -> list[tuple[str, int, float, float]]:
        """Series, index, left and right end of each bar in x."""
        shown = list(self._seen())
        if self._edges is not None:
            ends = list(zip(self._edges[:-1].tolist(), self._edges[1:].tolist(), strict=True))
            return [(name, i, a, b) for name in shown for i, (a, b) in enumerate(ends)]
        width = 0.72 / max(1, len(shown))
        return [
            (name, i, i - 0.36 + k * width, i - 0.36 + (k + 1) * width)
            for k, name in enumerate(shown) for i in range(len(self._labels))
        ]  # fmt: skip

    def show_data(self, look: Tokens) -> None:
        for item in self._items:
            self.box.removeItem(item)
        slots, view = self._slots(), self._shown
        shade = 0.55 if self._edges is not None and len(self._seen()) > 1 else 0.92
        pixel = (view.x1 - view.x0) / max(1.0, self._area.width())
        narrowest = min((high - low for _, _, low, high in slots), default=0.0)
        gap = (0.5 if self._edges is not None else 1.0) * pixel if narrowest > 3 * pixel else 0.0  # none eats a bar
        self._items = []
        for name, values in self._seen().items():
            ends = np.array([(low, high) for owner, _, low, high in slots if owner == name]).reshape(-1, 2)
            good = np.isfinite(values)
            # Cut to the view, because not every file format clips.
            left, right = np.clip(ends[good] + [gap, -gap], view.x0, view.x1).T
            bottom, top = np.clip([np.minimum(values[good], 0), np.maximum(values[good], 0)], view.y0, view.y1)
            brush = look.colour(self._colour(name), shade)
            self._items.append(pg.BarGraphItem(x0=left, x1=right, y0=bottom, y1=top, pen=None, brush=brush))
            if name in self._ends:
                self._items.append(self._whiskers(ends.mean(axis=1), *self._ends[name], look))
        if view.y0 < 0:
            self._items.append(
                pg.InfiniteLine(0.0, angle=0, pen=legend.pen(look.colour("muted"), 1.0, ratio=self._ratio))
            )
        for item in self._items:
            self.box.addItem(item, ignoreBounds=True)

    def _whiskers(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, look: Tokens) -> pg.ErrorBarItem:
        good = np.isfinite(low) & np.isfinite(high)
        beam = 8 * (self._shown.x1 - self._shown.x0) / max(1.0, self._area.width())
        height = (high - low)[good]
        pen = legend.pen(look.colour("text"), 1.2, ratio=self._ratio)
        return pg.ErrorBarItem(x=x[good], y=(low + high)[good] / 2, height=height, beam=beam, pen=pen)

    def reading(self, at: QPointF) -> Reading | None:
        x, _ = self.place(at)
        lines = []
        for name, index, low, high in self._slots():
            if low <= x < high:
                place = self._labels[index] if self._labels else f"{short(low, 3)} – {short(high, 3)}"
                head = " · ".join(part for part in (place, name) if part)
                lines.append(f"{head}: {self.axes[1].word(float(self._values[name][index]))}")
        return Reading(tuple(lines)) if lines else None

    def paint_cross(self, painter: QPainter, at: QPointF) -> None:
        """The bar itself shows what is read."""

    def table(self) -> Table:
        head = self.axes[1].title() or tr("value")
        names = [name or head for name in self._values]
        columns: list[Any] = list(self._values.values())
        for name, (low, high) in self._ends.items():
            names += [" ".join(part for part in (name, word) if part) for word in (tr("lower"), tr("upper"))]
            columns += [low, high]
        if self._edges is not None:
            return Table([tr("from"), tr("to"), *names], [self._edges[:-1], self._edges[1:], *columns])
        return Table([self.axes[0].title() or tr("name"), *names], [self._labels, *columns]) if columns else Table([])

    def summary(self) -> str:
        parts = [tr("Bars of {y}.", y=self.axes[1].title() or tr("value"))]
        for name, column in self._values.items():
            pairs = list(zip(self._labels, column.tolist(), strict=True)) if self._labels else []
            said = ", ".join(f"{label} {short(value)}" for label, value in pairs[:20])
            parts.append(f"{name}: {said}." if name and said else said + "." if said else "")
        return " ".join(part for part in parts if part)
