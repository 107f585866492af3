"""The legend above a plot: it never covers data, wraps when narrow, and each entry can be switched off."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import pyqtgraph as pg
from pyqtgraph.graphicsItems.ScatterPlotItem import drawSymbol
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QGraphicsGridLayout

from app.shell.theme import CAPTION, Tokens, theme

DASHES: tuple[tuple[float, ...], ...] = (
    (), (7, 3), (2, 2.5), (7, 2.5, 2, 2.5), (12, 4), (4, 2, 1.5, 2, 1.5, 2),
)  # fmt: skip
SYMBOLS = ("o", "s", "t1", "d", "t", "x")
SIZE = 7.0
SAMPLE, BEFORE, GAP = 20.0, 6.0, 14.0  # pixels: the sample, before the name, after it


@dataclass(frozen=True)
class Entry:
    """One line of the legend.

    Attributes:
        name: what is shown and what is toggled. colour: "#rrggbb" or a token's name. dash: pen pattern in pixels.
        symbol: one of pyqtgraph's, or "". line: whether a line is drawn. visible: shown or switched off.
    """

    name: str
    colour: str
    dash: tuple[float, ...] = ()
    symbol: str = ""
    line: bool = True
    visible: bool = True


def pen(colour: QColor, width: float = 1.6, dash: tuple[float, ...] = (), *, ratio: float = 1.0) -> QPen:
    """A cosmetic pen (its width does not follow the axes) with a dash pattern in pixels.

    Args:
        ratio: the screen's own pixels a pixel; cosmetic pens count the former.
    """
    made = QPen(colour, width * ratio, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.RoundJoin)
    made.setCosmetic(True)
    if dash:
        made.setDashPattern([length / width for length in dash])
    return made


def symbol_style(name: str, colour: QColor, rim: QColor) -> tuple[QPen, QBrush]:
    """Pen and brush of a data symbol: filled with a thin rim, or strokes where it has no inside."""
    if name == "x":
        return pen(colour, 1.0), QBrush(colour)
    return pen(rim, 0.8), QBrush(colour)


class Sample(pg.ItemSample):
    """The piece of line and the symbol before a name."""

    def __init__(self, entry: Entry, look: Tokens) -> None:
        super().__init__(entry)
        self.look = look
        height = QFontMetricsF(theme().font(CAPTION)).height()
        self.setFixedWidth(SAMPLE)
        self.setFixedHeight(height)

    def boundingRect(self) -> QRectF:
        return QRectF(0, 0, SAMPLE, self.height())

    def paint(self, painter: QPainter, *_: Any) -> None:
        entry, middle = self.item, self.height() / 2
        colour = self.look.colour(entry.colour, 1.0 if entry.visible else 0.3)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if entry.line:
            stroke = pen(colour, 2.0, entry.dash)
            stroke.setCosmetic(False)
            painter.setPen(stroke)
            painter.drawLine(QLineF(0, middle, SAMPLE, middle))
        if entry.symbol:
            painter.translate(SAMPLE / 2, middle)
            drawSymbol(painter, entry.symbol, SIZE + 1, QPen(Qt.PenStyle.NoPen), QBrush(colour))

    def mouseClickEvent(self, event: Any) -> None:
        event.ignore()  # the plot hears of every click


class Legend(pg.LegendItem):
    """pyqtgraph's legend in rows of its own; the user cannot drag it over the data."""

    def __init__(self) -> None:
        super().__init__(frame=False, sampleType=Sample)
        self.setFlag(self.GraphicsItemFlag.ItemIgnoresTransformations, False)  # files have another resolution
        self._shown: tuple[object, ...] = ()

    def show_entries(self, entries: list[Entry], width: float, look: Tokens) -> float:
        """Lay the entries out within a width in pixels; returns the height taken. A single entry is not shown."""
        entries = entries if len(entries) > 1 else []
        shown = (tuple(entries), width, look, theme().scale)
        if shown != self._shown:
            self._shown = shown
            self._fill(entries, width, look)
        self.setVisible(bool(entries))
        return self.rowCount * self._row_height() if entries else 0.0

    def _row_height(self) -> float:
        return QFontMetricsF(theme().font(CAPTION)).height() + 2

    def _fill(self, entries: list[Entry], width: float, look: Tokens) -> None:
        metrics = QFontMetricsF(theme().font(CAPTION))
        self.clear()
        self.layout = QGraphicsGridLayout()
        self.layout.setContentsMargins(0, 0, 0, 0)
        self.layout.setSpacing(0)
        self.setLayout(self.layout)
        names = [metrics.elidedText(e.name, Qt.TextElideMode.ElideRight, width - SAMPLE - BEFORE - 2) for e in entries]
        wide = [SAMPLE + BEFORE + GAP + metrics.horizontalAdvance(name) for name in names]
        columns = max(1, len(wide))
        while columns > 1 and sum(max(wide[column::columns]) for column in range(columns)) > width + GAP:
            columns -= 1
        self.columnCount, self.rowCount = columns, -(-len(entries) // columns)
        for entry, name in zip(entries, names, strict=True):
            self.opts["labelTextColor"] = look.colour("text" if entry.visible else "muted")
            self.opts["labelTextSize"] = f"{theme().px(CAPTION)}px"
            self.addItem(Sample(entry, look), escape(name))
        for column in range(columns if entries else 0):
            self.layout.setColumnFixedWidth(2 * column, SAMPLE + BEFORE)
            self.layout.setColumnFixedWidth(2 * column + 1, max(wide[column::columns]) - SAMPLE - BEFORE)
        self.layout.activate()
        self.resize(self.layout.preferredSize())

    def _addItemToLayout(self, sample: Sample, label: pg.LabelItem) -> None:
        label.item.document().setDocumentMargin(0)
        label.item.setFont(theme().font(CAPTION))
        label.updateMin()
        row, column = divmod(len(self.items) - 1, self.columnCount)
        self.layout.setRowFixedHeight(row, self._row_height())
        self.layout.addItem(sample, row, 2 * column, Qt.AlignmentFlag.AlignVCenter)
        self.layout.addItem(label, row, 2 * column + 1, Qt.AlignmentFlag.AlignVCenter)

    def updateSize(self) -> None:
        """The size follows from ``show_entries``."""

    def place_of(self, name: str) -> QRectF:
        """Where an entry is, in the scene's pixels; empty when it has none."""
        for sample, label in self.items:
            if sample.item.name == name:
                return self.mapRectToScene(sample.geometry() | label.geometry())
        return QRectF()

    def entry_at(self, at: QPointF) -> str | None:
        """The name of the entry at a point of the scene."""
        names = (sample.item.name for sample, _ in self.items) if self.isVisible() else ()
        return next((name for name in names if self.place_of(name).contains(at)), None)

    def mouseDragEvent(self, event: Any) -> None:
        event.ignore()

    def hoverEvent(self, event: Any) -> None:
        """Claims no drags."""
