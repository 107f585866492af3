"""Axes without a window: names and units, ranges, linear and logarithmic ticks, data to pixels and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.shell.text import MINUS, number, power, short, tr


@dataclass(frozen=True)
class Axis:
    """What an axis says.

    Attributes:
        label: English name or symbol of the quantity. unit: "" when dimensionless. log: base-10 logarithmic.
        names: the categories at 1, 2, ... n, already in the user's language. whole: only integers mean something.
    """

    label: str = ""
    unit: str = ""
    log: bool = False
    names: tuple[str, ...] = ()
    whole: bool = False

    def title(self) -> str:
        """The axis title and the column's header: "eigenvalue λ (nats)"."""
        return f"{tr(self.label)} ({self.unit})" if self.unit else tr(self.label)

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Values as they lie along the axis: log10 on a logarithmic one, where values <= 0 become NaN."""
        values = np.asarray(values, dtype=float)
        if not self.log:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values > 0, np.log10(values), np.nan)

    def unscaled(self, position: float) -> float:
        """The inverse of ``scaled`` for one position."""
        return 10.0 ** min(300.0, position) if self.log else position

    def word(self, value: float, digits: int = 4) -> str:
        """A value as it is read off: the name of its category, else the number."""
        if self.names and math.isfinite(value) and value == int(value) and 1 <= value <= len(self.names):
            return self.names[int(value) - 1]
        counted = self.whole and math.isfinite(value) and value == int(value)  # no digit of a count is rounded away
        return number(int(value)) if counted else short(value, digits)

    def column(self, values: np.ndarray) -> Any:
        """Values (n,) as a table shows them: names where there are some."""
        return [self.word(value) for value in values.tolist()] if self.names else values


@dataclass(frozen=True)
class Ticks:
    """Positions along the axis with their labels.

    Attributes:
        places: scaled positions. labels: as many texts. minor: positions of ticks without a label.
        factor: what the labels are to be multiplied by, as text ("×10⁻⁵"), or "".
    """

    places: list[float]
    labels: list[str]
    minor: list[float]
    factor: str = ""


def nice_step(span: float, most: int) -> float:
    """The smallest step of 1, 2 or 5 times a power of ten that gives at most ``most`` intervals over ``span`` > 0."""
    raw = span / max(1, most)
    base = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 2, 5):
        if factor * base >= raw * (1 - 1e-9):
            return factor * base
    return 10 * base


def _multiples(low: float, high: float, step: float) -> list[int]:
    return list(range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1))


def linear_ticks(low: float, high: float, most: int, *, whole: bool = False) -> Ticks:
    """Ticks of a linear axis from low to high, at most about ``most``; ``whole``: at integers only."""
    if (
        not (math.isfinite(low) and math.isfinite(high))
        or high <= low
        or (high - low) <= 1e-12 * max(abs(low), abs(high))
    ):
        return Ticks([], [], [])
    if whole:
        step = max(1.0, nice_step(high - low, most))
        places = [n * step for n in _multiples(low, high, step)]
        return Ticks(places, [number(round(place)) for place in places], [])
    step = nice_step(high - low, most)
    counts = _multiples(low, high, step)
    while len(counts) < 2 and most < 12:  # one tick alone tells no scale
        most += 1
        step = nice_step(high - low, most)
        counts = _multiples(low, high, step)
    places = [n * step for n in counts]
    biggest = max(abs(low), abs(high))
    exponent = math.floor(math.log10(biggest))
    shift = exponent if exponent >= 5 or exponent <= -4 else 0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9) + shift)
    labels = [f"{n * step / 10.0**shift:.{min(decimals, 12)}f}" for n in counts]
    labels = [text.replace("-", MINUS) if float(text) else text.replace("-", "") for text in labels]
    return Ticks(places, labels, [], f"×{power(shift)}" if shift else "")


def log_ticks(low: float, high: float, most: int) -> Ticks:
    """Ticks of a logarithmic axis whose range is given in powers of ten."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return Ticks([], [], [])
    decades = _multiples(low, high, 1)
    if len(decades) < 2:
        return _within_a_decade(low, high, most)
    stride = max(1, round(nice_step(high - low, max(2, most))))
    shown = [n for n in decades if n % stride == 0]
    words = all(-4 <= n <= 4 for n in shown)
    labels = [f"{10.0**n:.{max(0, -n)}f}" if words else power(n) for n in shown]
    minor: list[float] = [n for n in decades if n % stride]
    if stride == 1 and len(decades) <= 6:
        fine = (n + math.log10(k) for n in range(math.floor(low), math.ceil(high)) for k in range(2, 10))
        minor = [place for place in fine if low <= place <= high]
    return Ticks([float(n) for n in shown], labels, minor)


def _within_a_decade(low: float, high: float, most: int) -> Ticks:
    round_ones = [(n, k) for n in range(math.floor(low), math.ceil(high)) for k in (1, 2, 5)]
    inside = [(n, k) for n, k in round_ones if low <= n + math.log10(k) <= high]
    if len(inside) >= 3 and all(-4 <= n <= 3 for n, _ in inside):
        labels = [f"{k * 10.0**n:.{max(0, -n)}f}" for n, k in inside]
        return Ticks([n + math.log10(k) for n, k in inside], labels, [])
    linear = linear_ticks(10.0**low, 10.0**high, most)
    kept = [(math.log10(place), label) for place, label in zip(linear.places, linear.labels, strict=True) if place > 0]
    return Ticks([place for place, _ in kept], [label for _, label in kept], [], linear.factor)


def name_ticks(names: Sequence[str], low: float, high: float, most: int) -> Ticks:
    """A tick at every category seen, or at each second, third ... so that there are at most about ``most``."""
    seen = [n for n in range(1, len(names) + 1) if low <= n <= high]
    every = max(1, -(-len(seen) // max(1, most)))
    shown = [n for n in seen if (n - 1) % every == 0]
    return Ticks([float(n) for n in shown], [names[n - 1] for n in shown], [])


def ticks(axis: Axis, low: float, high: float, most: int) -> Ticks:
    """The axis' ticks over a scaled range."""
    if axis.names:
        return name_ticks(axis.names, low, high, most)
    if not axis.log:
        return linear_ticks(low, high, most, whole=axis.whole)
    return _whole_log_ticks(max(low, 0.0), high, most) if axis.whole else log_ticks(low, high, most)


def _whole_log_ticks(low: float, high: float, most: int) -> Ticks:
    if len(_multiples(low, high, 1)) > 1:
        return log_ticks(low, high, most)
    found = linear_ticks(10.0**low, 10.0**high, most, whole=True)
    return replace(found, places=[math.log10(place) for place in found.places])


def padded(low: float, high: float, margin: float = 0.04) -> tuple[float, float]:
    """A range with room at both ends; a single point gets a range around it."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    if high <= low:
        room = abs(low) * 0.1 or 1.0
        return low - room, low + room
    room = (high - low) * margin
    return low - room, high + room


@dataclass(frozen=True)
class View:
    """What part of the plane is seen, in scaled coordinates."""

    x0: float
    x1: float
    y0: float
    y1: float

    def moved(self, dx: float, dy: float) -> View:
        """Shifted by fractions of its own size."""
        sx, sy = (self.x1 - self.x0) * dx, (self.y1 - self.y0) * dy
        return View(self.x0 + sx, self.x1 + sx, self.y0 + sy, self.y1 + sy)

    def zoomed(self, factor: float, at: tuple[float, float] = (0.5, 0.5)) -> View:
        """Scaled by ``factor`` about a point given in fractions; stops before doubles run out of digits."""
        cx, cy = self.x0 + (self.x1 - self.x0) * at[0], self.y0 + (self.y1 - self.y0) * at[1]
        found = View(*(c + (v - c) * factor for c, v in ((cx, self.x0), (cx, self.x1), (cy, self.y0), (cy, self.y1))))
        good = found.x1 - found.x0 > 1e-10 * max(abs(cx), 1e-290) and found.y1 - found.y0 > 1e-10 * max(abs(cy), 1e-290)
        return found if good and math.isfinite(found.x1 - found.x0) and math.isfinite(found.y1 - found.y0) else self
