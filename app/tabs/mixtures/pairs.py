"""The pair plot: a few columns against each other in small panels, histograms on the diagonal; a click enlarges one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.shell.text import short, tr
from app.shell.theme import CAPTION, Tokens, theme, tokens
from app.tabs.mixtures.colours import cluster_colour
from app.tabs.mixtures.picture import Array, ellipse
from app.widgets.plot import Table
from engine.studies.mixture.kinds import Fitted

MOST = 5  # columns
SHOWN = 1500  # rows in a panel
BINS = 24
LEFT, BELOW, GAP, EDGE = 46.0, 34.0, 6.0, 8.0  # pixels


@dataclass(frozen=True)
class Pairs:
    """What the panels show.

    Attributes:
        names: d columns. rows: (m, d). colours: (m,) of each row, "#rrggbb". weights (G,), means (G, d),
        covariances (G, d, d): of these columns. legend: name and colour of each group.
    """

    names: tuple[str, ...]
    rows: Array
    colours: NDArray[np.str_]
    weights: Array
    means: Array
    covariances: Array
    legend: tuple[tuple[str, str], ...] = ()


def pairs_of(
    found: Fitted, names: list[str], colours: NDArray[np.str_], at: NDArray[np.intp],
    mixture: tuple[Array, Array, Array], legend: tuple[tuple[str, str], ...],
) -> Pairs:  # fmt: skip
    """The pairs of the columns ``names``.

    Args:
        colours: of the rows ``at``, which are thinned to SHOWN. mixture: weights, means and covariances of all columns.
    """
    columns = [found.names.index(name) for name in names]
    every = max(1, -(-len(at) // SHOWN))
    weights, means, covariances = mixture
    rows = np.asarray(found.x)[at[::every]][:, columns]
    shapes = covariances[:, columns][:, :, columns]
    return Pairs(tuple(names), rows, colours[::every], weights, means[:, columns], shapes, legend)


class PairPlot(QWidget):
    """Panels below the diagonal; arrow keys move between them, Return opens one.

    Signals:
        picked: names of the columns across and up of the panel that was clicked.
    """

    picked = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pairs: Pairs | None = None
        self._ranges: list[tuple[float, float]] = []
        self._chosen: tuple[int, int] | None = None  # row and column of the panel with the keyboard's frame
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(240, 200)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme().changed.connect(self.update)

    def show_pairs(self, pairs: Pairs | None) -> None:
        """Draw these; None takes everything away."""
        if pairs is None or self._pairs is None or pairs.names != self._pairs.names:
            self._chosen = None
        self._pairs = pairs
        self._ranges = [] if pairs is None else [_range(column) for column in pairs.rows.T]
        names = "" if pairs is None else ", ".join(pairs.names)
        self.setAccessibleDescription(
            tr("Small scatters of {names} against each other; Return enlarges one.", names=names)
        )
        self.update()

    def panels(self) -> list[tuple[int, int]]:
        """Row and column of each scatter."""
        d = 0 if self._pairs is None else len(self._pairs.names)
        return [(row, column) for row in range(d) for column in range(row)]

    def panel(self, row: int, column: int, size: QSizeF | None = None) -> QRectF:
        """Where a panel lies, in pixels."""
        found = QSizeF(self.size()) if size is None else size
        d = 1 if self._pairs is None else len(self._pairs.names)
        width = (found.width() - LEFT - EDGE - (d - 1) * GAP) / d
        height = (found.height() - BELOW - EDGE - (d - 1) * GAP) / d
        return QRectF(LEFT + column * (width + GAP), EDGE + row * (height + GAP), width, height)

    # Painting --------------------------------------------------------------------------------------------------------
    def draw(self, painter: QPainter, size: QSizeF, look: Tokens, *, vector: bool = False) -> None:
        """Paint into a size in pixels; files come from here too."""
        pairs = self._pairs
        if pairs is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme().font(CAPTION - 1))
        for row in range(len(pairs.names)):
            self._histogram(painter, self.panel(row, row, size), row, look)
            for column in range(row):
                self._scatter(painter, self.panel(row, column, size), row, column, look)
        self._scales(painter, size, look)
        self._names(painter, size, look)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        self.draw(painter, QSizeF(self.size()), tokens())
        if self._chosen is not None and self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(tokens().colour("accent"), 2))
            painter.drawRect(self.panel(*self._chosen))

    def _frame(self, painter: QPainter, area: QRectF, look: Tokens) -> None:
        painter.setPen(QPen(look.colour("line"), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(area)

    def _scatter(self, painter: QPainter, area: QRectF, row: int, column: int, look: Tokens) -> None:
        pairs = self._pairs
        assert pairs is not None
        self._frame(painter, area, look)
        x = _along(pairs.rows[:, column], self._ranges[column], area.left(), area.right())
        y = _along(pairs.rows[:, row], self._ranges[row], area.bottom(), area.top())
        known = np.isfinite(x) & np.isfinite(y)
        painter.save()
        painter.setClipRect(area)
        for colour in np.unique(pairs.colours):
            at = np.flatnonzero(known & (pairs.colours == colour))
            pen = QPen(look.colour(str(colour), 0.75), 3.0)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawPoints(QPolygonF([QPointF(a, b) for a, b in zip(x[at].tolist(), y[at].tolist(), strict=True)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for k in np.flatnonzero(pairs.weights > 0).tolist():
            both = np.ix_([column, row], [column, row])
            curve = ellipse(pairs.means[k][[column, row]], pairs.covariances[k][both], 2.0, 49)
            across = _along(curve[:, 0], self._ranges[column], area.left(), area.right()).tolist()
            up = _along(curve[:, 1], self._ranges[row], area.bottom(), area.top()).tolist()
            painter.setPen(QPen(look.colour(cluster_colour(k)), 1.3))
            painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(across, up, strict=True)]))
        painter.restore()

    def _histogram(self, painter: QPainter, area: QRectF, index: int, look: Tokens) -> None:
        """Counts of a column, stacked by colour, below its name."""
        pairs = self._pairs
        assert pairs is not None
        self._frame(painter, area, look)
        metrics = QFontMetricsF(painter.font())
        top = metrics.height() + 6
        column, limits = pairs.rows[:, index], self._ranges[index]
        kinds = np.unique(pairs.colours)
        counts = np.array([np.histogram(column[pairs.colours == c], BINS, limits)[0] for c in kinds], dtype=float)
        room = max(1.0, area.height() - top - 2)
        scale, base = room / max(1.0, counts.sum(axis=0).max()), np.zeros(BINS)
        painter.setPen(Qt.PenStyle.NoPen)
        for colour, count in zip(kinds, counts, strict=True):
            painter.setBrush(look.colour(str(colour), 0.8))
            for b in np.flatnonzero(count).tolist():
                low = area.bottom() - scale * (base[b] + count[b])
                wide = area.width() / BINS
                painter.drawRect(QRectF(area.left() + b * wide + 0.5, low, max(0.5, wide - 0.5), scale * count[b]))
            base += count
        painter.setPen(look.colour("text"))
        name = metrics.elidedText(pairs.names[index], Qt.TextElideMode.ElideRight, area.width() - 8)
        painter.drawText(area.adjusted(4, 3, -4, 0), Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter, name)

    def _scales(self, painter: QPainter, size: QSizeF, look: Tokens) -> None:
        """The ends of each column's range, below the last row and left of the first column."""
        pairs = self._pairs
        assert pairs is not None
        d = len(pairs.names)
        metrics = QFontMetricsF(painter.font())
        painter.setPen(look.colour("muted"))
        for index in range(d):
            low, high = (short(end, 3) for end in self._ranges[index])
            below = self.panel(d - 1, index, size)
            line = QRectF(below.left(), below.bottom() + 3, below.width(), metrics.height())
            if metrics.horizontalAdvance(low + high) + 8 < line.width():
                painter.drawText(line, Qt.AlignmentFlag.AlignLeft, low)
                painter.drawText(line, Qt.AlignmentFlag.AlignRight, high)
            if index == 0:
                continue
            beside = self.panel(index, 0, size)
            line = QRectF(0, beside.top(), LEFT - 4, beside.height())
            painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, high)
            painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, low)

    def _names(self, painter: QPainter, size: QSizeF, look: Tokens) -> None:
        """The legend, in the corner that the panels leave free."""
        pairs = self._pairs
        assert pairs is not None
        if len(pairs.names) < 3 or len(pairs.legend) < 2:
            return
        metrics = QFontMetricsF(painter.font())
        corner = self.panel(0, 1, size)
        height, room = metrics.height() + 3, self.panel(1, len(pairs.names) - 1, size).bottom() - corner.top()
        for row, (name, colour) in enumerate(pairs.legend[: int(room / height)]):
            middle = corner.top() + (row + 0.5) * height
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.colour(colour))
            painter.drawEllipse(QPointF(size.width() - EDGE - 4, middle), 4, 4)
            painter.setPen(look.colour("text"))
            line = QRectF(corner.left(), middle - height / 2, size.width() - EDGE - 14 - corner.left(), height)
            painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)

    # The card --------------------------------------------------------------------------------------------------------
    def table(self) -> Table:
        """The rows of the panels."""
        if self._pairs is None:
            return Table([])
        return Table(list(self._pairs.names), list(self._pairs.rows.T))

    # Events ----------------------------------------------------------------------------------------------------------
    def _at(self, place: QPointF) -> tuple[int, int] | None:
        return next((one for one in self.panels() if self.panel(*one).contains(place)), None)

    def _open(self, panel: tuple[int, int]) -> None:
        assert self._pairs is not None
        self.picked.emit(self._pairs.names[panel[1]], self._pairs.names[panel[0]])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        found = self._at(event.position())
        if found is not None and event.button() == Qt.MouseButton.LeftButton:
            self._open(found)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        over = self._at(event.position()) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def event(self, event: object) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QHelpEvent.Type.ToolTip:
            found, pairs = self._at(QPointF(event.pos())), self._pairs
            if found is not None and pairs is not None:
                words = {"up": pairs.names[found[0]], "across": pairs.names[found[1]]}
                QToolTip.showText(event.globalPos(), tr("{up} against {across}: a click enlarges it", **words), self)
            return True
        return super().event(event)  # type: ignore[arg-type]

    def focusInEvent(self, event: QFocusEvent) -> None:
        if self._chosen is None and self.panels():
            self._chosen = self.panels()[0]
        super().focusInEvent(event)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Down: (1, 0), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Left: (0, -1)}
        step = steps.get(Qt.Key(event.key()))
        if self._chosen is not None and step is not None:
            wanted = (self._chosen[0] + step[0], self._chosen[1] + step[1])
            self._chosen = wanted if wanted in self.panels() else self._chosen
            self.update()
        elif self._chosen is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._open(self._chosen)
        else:
            super().keyPressEvent(event)


def _range(column: Array) -> tuple[float, float]:
    """The ends of a column with a little room; (0, 1) where nothing is known."""
    known = column[np.isfinite(column)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room


def _along(values: Array, limits: tuple[float, float], first: float, last: float) -> Array:
    """Values as pixels between two ends."""
    return np.asarray(first + (values - limits[0]) / (limits[1] - limits[0]) * (last - first))
