"""Reference lines across a plot area at values of x or of y."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg

from app.shell.theme import Tokens
from app.widgets.plot import legend
from app.widgets.plot.legend import Entry
from app.widgets.plot.scale import Axis


@dataclass(frozen=True)
class Mark:
    """A reference line across the plot at one value of x or of y."""

    value: float
    name: str
    upright: bool
    colour: str


class Marks:
    """All reference lines of a plot area, and the items that show them."""

    def __init__(self) -> None:
        self._marks: list[Mark] = []
        self._lines: list[pg.InfiniteLine] = []

    def set(self, values: Sequence[float], name: str, upright: bool, colour: str) -> None:
        """Replace the lines of a name."""
        self._marks = [mark for mark in self._marks if mark.name != name]
        self._marks += [Mark(float(value), name, upright, colour) for value in values]

    def clear(self) -> None:
        """Take all away."""
        self._marks.clear()

    def upright(self) -> dict[str, list[float]]:
        """The values of x by name."""
        found: dict[str, list[float]] = {}
        for mark in self._marks:
            if mark.upright:
                found.setdefault(mark.name, []).append(mark.value)
        return found

    def entries(self) -> list[Entry]:
        """Their lines in the legend, one a name."""
        named = {mark.name: mark for mark in self._marks if mark.name}
        return [Entry(name, mark.colour) for name, mark in named.items()]

    def show(self, box: pg.ViewBox, axes: tuple[Axis, Axis], look: Tokens, ratio: float) -> None:
        """Bring the items up to date; what has no place on a logarithmic axis is hidden."""
        places = [float(axes[0 if m.upright else 1].scaled(np.array([m.value]))[0]) for m in self._marks]
        while len(self._lines) > len(places):
            box.removeItem(self._lines.pop())
        while len(self._lines) < len(places):
            self._lines.append(pg.InfiniteLine())
            box.addItem(self._lines[-1], ignoreBounds=True)
        for line, mark, place in zip(self._lines, self._marks, places, strict=True):
            line.setVisible(bool(np.isfinite(place)))
            line.setAngle(90 if mark.upright else 0)
            line.setValue(place if np.isfinite(place) else 0.0)
            line.setPen(legend.pen(look.colour(mark.colour), 1.2, ratio=ratio))
