"""How values are distributed: counts between edges, with reference lines such as the value observed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from PySide6.QtWidgets import QWidget

from app.shell.text import number, short, tr
from app.shell.theme import SERIES, Tokens
from app.widgets.plot.bars import BarPlot
from app.widgets.plot.legend import Entry
from app.widgets.plot.marks import Marks
from app.widgets.plot.scale import Axis

MOST_BINS = 200


class HistogramPlot(BarPlot):
    """The distribution of one sample."""

    def __init__(
        self, name: str = "", parent: QWidget | None = None, *, x: Axis | None = None, y: Axis | None = None
    ) -> None:
        self._sample = np.empty(0)
        self._marks = Marks()
        super().__init__(name, parent, x=x, y=y or Axis("count", whole=True))

    def set_values(self, values: Any, bins: int | Literal["auto"] = "auto") -> None:
        """Show a sample (n,); values that are not finite are left out.

        Args:
            bins: how many, or "auto" for the larger number of Sturges (1926) and of Freedman and Diaconis (1981).
        """
        found = np.asarray(values, dtype=float).reshape(-1)
        self._sample = found[np.isfinite(found)]
        if not len(self._sample):
            super().clear()
            return
        counts, edges = np.histogram(self._sample, bin_count(self._sample) if bins == "auto" else bins)
        self.set_histogram(edges, counts)

    def set_marks(self, values: Sequence[float], name: str = "", colour: str = SERIES[1]) -> None:
        """Draw vertical reference lines, replacing those of the same name; the view makes room for them."""
        self._marks.set(values, name, True, colour)
        self.refresh()

    def clear(self) -> None:
        """Take the sample and the reference lines away."""
        self._sample = np.empty(0)
        self._marks.clear()
        super().clear()

    def bounds(self) -> tuple[float, float, float, float] | None:
        found = super().bounds()
        places = [value for values in self._marks.upright().values() for value in values if math.isfinite(value)]
        if found is None or not places:
            return found
        room = 0.04 * (max(found[1], *places) - min(found[0], *places))  # a line at the very edge is not seen
        return min(found[0], min(places) - room), max(found[1], max(places) + room), *found[2:]

    def entries(self) -> list[Entry]:
        named = self._marks.entries()
        head = Entry(tr("{n} values", n=number(len(self._sample))), SERIES[0], symbol="s", line=False)
        return [head, *named] if named and len(self._sample) else []

    def show_data(self, look: Tokens) -> None:
        super().show_data(look)
        self._marks.show(self.box, self.axes, look, self._ratio)

    def summary(self) -> str:
        name = self.axes[0].title() or tr("value")
        if not len(self._sample):
            return tr("Nothing is shown yet.")
        words = {
            "n": number(len(self._sample)), "median": short(float(np.median(self._sample))),
            "low": short(float(self._sample.min())), "high": short(float(self._sample.max())),
        }  # fmt: skip
        parts = [tr("Histogram of {n} values of {name}: {low} to {high}, median {median}.", name=name, **words)]
        for mark, values in self._marks.upright().items():
            said = ", ".join(short(value) for value in values)
            parts.append(tr("{name} at {values}.", name=mark or tr("line"), values=said))
        return " ".join(parts)


def bin_count(values: np.ndarray) -> int:
    """How many bins suit a sample (n,) of finite values, 1 to 200."""
    low, quarter, rest, high = np.quantile(values, [0.0, 0.25, 0.75, 1.0])
    sturges = math.log2(len(values)) + 1
    width = 2 * (rest - quarter) / len(values) ** (1 / 3)
    return max(1, min(MOST_BINS, math.ceil(max(sturges, (high - low) / width if width > 0 else 0.0))))
