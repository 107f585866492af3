"""A vertical line that the user drags along the x axis, and named shaded parts of that axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QKeyEvent, QPen
from PySide6.QtWidgets import QGraphicsRectItem

from app.shell.theme import Tokens
from app.widgets.plot import legend
from app.widgets.plot.scale import Axis, View

GRAB = 6.0  # pixels from the line to where it can be taken
GRIP = 10.0  # pixels: the dot in its middle
FINE = 100  # steps of a handle that is not on whole numbers, over its whole range


@dataclass(frozen=True)
class Handle:
    """Where a line to drag stands.

    Attributes:
        value: in the axis' unit. name: what it chooses. whole: on integers only. low, high: how far it can go.
    """

    value: float
    name: str
    whole: bool
    low: float
    high: float

    def placed(self, x: float) -> float:
        """The place that it may take nearest to x."""
        low, high = self.low, self.high
        if self.whole:
            x = float(round(x)) if math.isfinite(x) else self.value
            low, high = (
                (math.ceil(low) if math.isfinite(low) else low),
                (math.floor(high) if math.isfinite(high) else high),
            )
        return min(max(x, low), high)

    def stepped(self, steps: int) -> float:
        """The place so many steps further."""
        span = self.high - self.low
        step = 1.0 if self.whole or not math.isfinite(span) else span / FINE
        return self.placed(self.value + steps * step)


class HandleLine(pg.InfiniteLine):
    """The line on the screen: in the accent's colour, with a dot to take it by."""

    def __init__(self) -> None:
        super().__init__(angle=90)
        self.addMarker("o", 0.5, GRIP)
        self.setZValue(900)

    def show_handle(self, handle: Handle | None, axis: Axis, look: Tokens, ratio: float, *, hot: bool) -> None:
        """Stand where the handle stands; ``hot``: it would be taken by a press now."""
        place = np.nan if handle is None else float(axis.scaled(np.array([handle.value]))[0])
        self.setVisible(bool(np.isfinite(place)))
        self.setValue(place if np.isfinite(place) else 0.0)
        self.setPen(legend.pen(look.colour("accent"), 2.4 if hot else 1.6, ratio=ratio))


@dataclass(frozen=True)
class Span:
    """A part of the x axis from x0 to x1, in its unit."""

    x0: float
    x1: float
    colour: str


class SpanItem(QGraphicsRectItem):
    """A part of the x axis, shaded behind the curves."""

    def __init__(self) -> None:
        super().__init__()
        self.setPen(QPen(Qt.PenStyle.NoPen))
        self.setZValue(-50)

    def show_span(self, span: Span, axis: Axis, view: View, look: Tokens) -> None:
        """Lie where the span lies, cut to the view because not every file format clips."""
        ends = np.nan_to_num(axis.scaled(np.array([span.x0, span.x1])), nan=-np.inf)
        left, right = np.clip(np.sort(ends), view.x0, view.x1).tolist()
        self.setRect(QRectF(left, view.y0, right - left, view.y1 - view.y0))
        self.setBrush(look.colour(span.colour, 0.16))


def steps_of(event: QKeyEvent) -> int:
    """How many steps a key moves a handle: ``[`` and ``]``, or Alt with an arrow; 0 for all other keys."""
    alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
    return {
        Qt.Key.Key_BracketLeft: -1, Qt.Key.Key_BracketRight: 1,
        Qt.Key.Key_Left: -1 if alt else 0, Qt.Key.Key_Right: 1 if alt else 0,
    }.get(Qt.Key(event.key()), 0)  # fmt: skip
