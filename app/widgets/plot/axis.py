"""An axis of pyqtgraph with few, well-worded ticks, a calm grid and the theme's colours."""

from __future__ import annotations

import math
from dataclasses import replace
from html import escape
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from app.shell.theme import CAPTION, Tokens, theme
from app.widgets.plot.scale import Axis, Ticks, ticks

MARK, GAP = 4, 3  # pixels: length of a tick, and from there to its label
NAME_WIDTH, NAME_ROOM = 120.0, 56.0  # pixels: the longest name beside an axis, the least room of one below
OVERHANG = 60  # pixels by which the labels at the ends may reach beyond the axis


def fit(axis: Axis, low: float, high: float, length: float, *, upright: bool) -> Ticks:
    """As many ticks as fit into a length in pixels without touching."""
    metrics = QFontMetricsF(theme().font(CAPTION))
    if axis.names:
        return _fit_names(axis, low, high, length, metrics, upright)
    if upright:
        return ticks(axis, low, high, max(2, int(length / (metrics.height() * 2.4))))
    for most in (8, 7, 6, 5, 4, 3, 2):
        found = ticks(axis, low, high, most)
        widest = max((metrics.horizontalAdvance(label) for label in found.labels), default=0.0)
        if len(found.labels) * (widest + 18) <= length:
            return found
    return ticks(axis, low, high, 1)


def _fit_names(axis: Axis, low: float, high: float, length: float, metrics: QFontMetricsF, upright: bool) -> Ticks:
    """All categories where they fit, shortened where that is enough, else only some."""
    if upright:
        most, room = length / (metrics.height() * 1.15), NAME_WIDTH
    else:
        between = length / max(high - low, 1e-9)
        every = max(1, math.ceil(NAME_ROOM / max(between, 1e-9)))
        seen = max(1, sum(low <= n <= high for n in range(1, len(axis.names) + 1)))
        most, room = math.ceil(seen / every), every * between - 8
    found = ticks(axis, low, high, max(1, int(most)))
    words = [metrics.elidedText(label, Qt.TextElideMode.ElideMiddle, room) for label in found.labels]
    return replace(found, labels=words)


class TickAxis(pg.AxisItem):
    """An axis whose ticks, title and room are set together.

    Attributes:
        found: the ticks shown.
    """

    def __init__(self, side: str, *, grid: bool = False) -> None:
        super().__init__(side, maxTickLength=MARK)
        self.found = Ticks([], [], [])
        self.setZValue(-200)  # the grid lies below the plot area
        self.setGrid(255 if grid else False)
        self.setStyle(
            autoExpandTextSpace=False, autoReduceTextSpace=False, hideOverlappingLabels=True, maxTextLevel=0,
            tickTextOffset=GAP,
        )  # fmt: skip
        self._said: tuple[object, ...] = ()
        self._faint = QPen()

    def show_ticks(self, found: Ticks, title: str, length: float, look: Tokens) -> float:
        """Set ticks and title for an axis of a length in pixels; returns the room taken across it in pixels."""
        self.found = found
        metrics = QFontMetricsF(theme().font(CAPTION))
        words = " ".join(part for part in (title, found.factor) if part)
        words = metrics.elidedText(words, Qt.TextElideMode.ElideRight, max(40.0, length))
        said = (words, look, theme().scale)
        if said != self._said:
            self._said = said
            self._faint = QPen(_between(look.colour("panel"), look.colour("line"), 0.75), 1)
            self.setPen(QPen(look.colour("edge"), 1))
            self.setTickPen(QPen(look.colour("edge"), 1))
            self.setTextPen(QPen(look.colour("muted")))
            self.setStyle(tickFont=theme().font(CAPTION, tabular=True))
            self.label.setFont(theme().font(CAPTION))
            self.setLabel(escape(words), color=look.muted)
            self.showLabel(bool(words))
        self.setTicks([list(zip(found.places, found.labels, strict=True)), [(place, "") for place in found.minor]])
        wide = self.orientation in ("left", "right")
        text = max((metrics.horizontalAdvance(label) for label in found.labels), default=0.0)
        room = MARK + GAP + (text if wide else metrics.height()) + (metrics.height() + 4 if words else 2)
        (self.setWidth if wide else self.setHeight)(round(room))
        return float(round(room))

    def labelString(self) -> str:
        return f"<span style='color: {self.labelStyle.get('color', '')}'>{self.labelText}</span>"

    def boundingRect(self) -> QRectF:
        return super().boundingRect().adjusted(-OVERHANG, -OVERHANG, OVERHANG, OVERHANG)

    def paint(self, painter: QPainter, _option: Any, _widget: Any = None) -> None:
        # Not by way of a QPicture: files have another resolution, at which it would change the size of words.
        self.resizeEvent()
        specs = self.generateDrawSpecs(painter)
        if specs is not None:
            self.drawPicture(painter, *specs)

    def generateDrawSpecs(self, painter: QPainter) -> Any:
        specs = super().generateDrawSpecs(painter)
        if specs is None or self.grid is False:
            return specs
        line, lines, words = specs
        out = pg.Point(-1, 0) if self.orientation == "left" else pg.Point(0, 1)
        marks = []
        for index, (_, far, near) in enumerate(lines):
            major = index < len(self.found.places)
            if major:
                marks.append((self._faint, far, near))
            marks.append((self.tickPen(), near, near + out * (MARK if major else MARK / 2)))
        return line, marks, words


def _between(one: QColor, other: QColor, share: float) -> QColor:
    """A mixed colour: a transparent one takes ten times as long to draw."""
    ends = ((one.redF(), other.redF()), (one.greenF(), other.greenF()), (one.blueF(), other.blueF()))
    return QColor.fromRgbF(*(a + (b - a) * share for a, b in ends))
