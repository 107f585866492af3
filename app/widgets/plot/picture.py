"""The base of all plots: a pyqtgraph view laid out by the theme, with words, read-out, keyboard and files."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QLineF, QPoint, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QGraphicsGridLayout, QGraphicsView, QSizePolicy, QWidget

from app.shell.text import live, tr
from app.shell.theme import Tokens, theme, tokens
from app.widgets.plot.axis import TickAxis, fit
from app.widgets.plot.files import outlined, painting
from app.widgets.plot.legend import Entry, Legend
from app.widgets.plot.readout import paint_readout
from app.widgets.plot.redraw import redraw
from app.widgets.plot.scale import Axis, Ticks, View, padded
from app.widgets.plot.table import Table

log = logging.getLogger(__name__)

TOP, RIGHT, LEFT = 8.0, 12.0, 6.0
_KEYBOARD = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
_MOVES = {
    Qt.Key.Key_Left: (-0.1, 0.0), Qt.Key.Key_Right: (0.1, 0.0), Qt.Key.Key_Up: (0.0, 0.1), Qt.Key.Key_Down: (0.0, -0.1),
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What the pointer tells: lines of text, and the points they speak of, in pixels with their colour."""

    lines: tuple[str, ...]
    marks: tuple[tuple[QPointF, str], ...] = ()


class Plot(pg.GraphicsView):
    """A picture with two axes; subclasses keep the data, show them as items and describe them.

    Attributes:
        live: data keep arriving, so that painting must be cheap and words can wait.

    Signals:
        view_changed: the visible range changed by the user.
        filled: there is something to show now (True), or nothing any more.
        broke: painting raised this exception; None when it paints again.
    """

    view_changed = Signal()
    filled = Signal(bool)
    broke = Signal(object)
    grid = True
    keep_aspect = False

    def __init__(
        self, name: str = "", parent: QWidget | None = None, *, x: Axis | None = None, y: Axis | None = None
    ) -> None:
        """``name`` is English, for those who do not see the picture."""
        super().__init__(parent, useOpenGL=False, background=None)
        self._name = name
        self.live, self._painted = False, -math.inf
        self._axes = (x or Axis(), y or Axis())
        self._view: View | None = None
        self._shown = View(0.0, 1.0, 0.0, 1.0)
        self._area = QRectF()
        self._look, self._ratio = tokens(), 1.0
        self._pointer: QPointF | None = None
        self._stale = self._wordless = True
        self._by_keyboard = self._full = self._to_file = self._broken = False
        self._said = ""
        self.setMinimumSize(180, 140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCacheMode(QGraphicsView.CacheModeFlag.CacheNone)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.NoViewportUpdate)  # ``refresh`` says when
        self.viewport().setAutoFillBackground(False)
        self.viewport().setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the view itself takes the focus
        self._build()
        theme().changed.connect(self.refresh)
        live(self._say_name)

    def _say_name(self) -> None:
        self.setAccessibleName(tr(self._name))

    def _build(self) -> None:
        self.box = pg.ViewBox(enableMenu=False)
        self.across, self.up = TickAxis("bottom", grid=self.grid), TickAxis("left", grid=self.grid)
        # The parts of a PlotItem without its menus, forms and buttons, which cards have in a better place.
        self.item, self.grid_layout = pg.GraphicsWidget(), QGraphicsGridLayout()
        self.item.setLayout(self.grid_layout)
        self.grid_layout.setSpacing(0)
        for part, row, column in ((self.up, 0, 0), (self.box, 0, 1), (self.across, 1, 1)):
            self.grid_layout.addItem(part, row, column)
        for axis in (self.across, self.up):
            axis.linkToView(self.box)
        self.box.disableAutoRange()
        self.box.setDefaultPadding(0.0)
        self.box.border = None
        self.box.borderRect.hide()
        self.box.background.hide()
        self.box.sigRangeChangedManually.connect(self._moved_by_hand)
        self.legend = Legend()
        self.legend.setParentItem(self.item)
        self.setCentralItem(self.item)
        self.scene().sigMouseClicked.connect(self._clicked)

    # What subclasses answer ------------------------------------------------------------------------------------------
    def bounds(self) -> tuple[float, float, float, float] | None:
        """x0, x1, y0, y1 of all data in scaled coordinates; None without data."""
        return None

    def entries(self) -> list[Entry]:
        """The legend; one entry or none draws no legend."""
        return []

    def show_data(self, look: Tokens) -> None:
        """Bring the items up to date with the data, the view and the colours."""

    def ticks_across(self, view: View, most: int) -> Ticks | None:
        """Ticks of the x axis where they are words; None has numbers."""
        return None

    def show_side(self, look: Tokens, height: float) -> float:
        """Lay out what stands right of the plot area, of a height in pixels; returns its width."""
        return 0.0

    def laid_out(self, look: Tokens) -> None:
        """The plot area has its place: put what stands beside it."""

    def reading(self, at: QPointF) -> Reading | None:
        """What to tell about a pixel."""
        return None

    def clicked(self, at: QPointF) -> None:
        """The user clicked a pixel of the plot area."""

    def over_files(self) -> list[Any]:
        """Items that belong to the screen and not into files."""
        return []

    def table(self) -> Table:
        """The plotted numbers."""
        return Table([])

    def summary(self) -> str:
        """The picture in words, for those who do not see it."""
        return ""

    def toggle(self, name: str) -> None:
        """Switch a legend entry on or off."""

    def choices(self) -> list[tuple[str, bool, Callable[[bool], None]]]:
        """What can be switched in this picture: text, whether it is on, what switches it."""
        return []

    # State -----------------------------------------------------------------------------------------------------------
    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The x and the y axis."""
        return self._axes

    @axes.setter
    def axes(self, axes: tuple[Axis, Axis]) -> None:
        self.set_axes(*axes)

    def set_axes(self, x: Axis, y: Axis) -> None:
        """Name the axes and choose their scales; the view starts anew when a scale changes."""
        if (x.log, y.log) != (self._axes[0].log, self._axes[1].log):
            self._view = None
        self._axes = (x, y)
        self.refresh()

    def view(self) -> View:
        """What is seen now, in scaled coordinates."""
        if self._view is not None:
            return self._view
        found = self.bounds()
        return View(0.0, 1.0, 0.0, 1.0) if found is None else self.roomy(*found)

    def roomy(self, x0: float, x1: float, y0: float, y1: float) -> View:
        """The view that shows all of these bounds."""
        return View(*padded(x0, x1, 0.03), *padded(y0, y1, 0.06))

    def set_view(self, view: View | None) -> None:
        """Show a part of the plane; None follows the data."""
        self._view = view
        self.refresh()
        self.view_changed.emit()

    def fit_view(self) -> None:
        """Show all, and follow the data again; new data alone leave what the user chose to see."""
        self.set_view(None)

    def _moved_by_hand(self, *_: object) -> None:
        (x0, x1), (y0, y1) = self.box.viewRange()
        self.set_view(View(x0, x1, y0, y1))

    def refresh(self) -> None:
        """Paint anew soon: the data, the view or the look changed."""
        self._stale = self._wordless = True
        full = not self.is_empty()
        if full != self._full:
            self._full = full
            self.filled.emit(full)
        if self._broken:
            redraw().request(self._try_again)
        self.viewport().update()

    def refresh_soon(self) -> None:
        """Paint anew at the shared timer's next tick; for data that keep arriving."""
        redraw().request(self._arrive)

    def _arrive(self) -> None:
        self.refresh()
        if self.isVisible():
            self.viewport().repaint()  # here, where the timer watches how long it takes

    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return self.bounds() is None

    def describe(self) -> str:
        """Set and return the accessible description, made from the data of this moment."""
        if self._wordless:
            self._wordless = False
            self.setAccessibleDescription(self.summary())
        return self.accessibleDescription()

    # Layout ----------------------------------------------------------------------------------------------------------
    def _sync(self, look: Tokens, size: QSizeF, ratio: float = 1.0) -> None:
        """Bring everything shown up to date for a look, a size in pixels and the screen's pixels a pixel."""
        self._stale = False
        self._ratio = ratio
        self._look, self._shown = look, self.view()
        view = self._shown
        self.item.setGeometry(QRectF(0, 0, size.width(), size.height()))
        self._lay_out(look, size, view)
        self.box.setRange(xRange=(view.x0, view.x1), yRange=(view.y0, view.y1), padding=0)
        self.box.rbScaleBox.setPen(QPen(look.colour("accent"), 0))
        self.box.rbScaleBox.setBrush(look.colour("accent", 0.12))
        self.show_data(look)
        if not self.live:
            self.describe()

    def _lay_out(self, look: Tokens, size: QSizeF, view: View) -> None:
        top = self.legend.show_entries(self.entries(), size.width() - RIGHT - LEFT - 4, look)
        top = top + 8 if top else TOP
        side = self.show_side(look, size.height() - top - 44)
        height = size.height() - top - 44
        found = fit(self.axes[1], view.y0, view.y1, height, upright=True)
        left = self.up.show_ticks(found, self.axes[1].title(), height, look)
        width = max(1.0, size.width() - LEFT - left - side - RIGHT)
        if self.keep_aspect:
            width = min(width, height * (view.x1 - view.x0) / (view.y1 - view.y0))
        words = self.ticks_across(view, max(2, int(width / 64)))
        found = words or fit(self.axes[0], view.x0, view.x1, width, upright=False)
        below = self.across.show_ticks(found, self.axes[0].title(), width, look)
        margins = [LEFT, top, RIGHT, 4.0]
        if self.keep_aspect:
            free = QSizeF(size.width() - LEFT - left - side - RIGHT, size.height() - top - below - 4)
            ratio = (view.x1 - view.x0) / (view.y1 - view.y0)
            wide, high = max(0.0, free.width() - free.height() * ratio), max(0.0, free.height() - free.width() / ratio)
            for index, more in enumerate((wide, high, wide, high)):
                margins[index] += more / 2
        self.grid_layout.setContentsMargins(*map(round, margins))
        self.grid_layout.activate()
        self._area = self.box.mapRectToScene(self.box.rect())
        self.laid_out(look)
        self.legend.setPos(min(self._area.left(), max(LEFT, size.width() - self.legend.rect().width())), 5)

    def area(self) -> QRectF:
        """The plot area in pixels of the widget."""
        return QRectF(self._area)

    def pixels(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Scaled points (n,) in pixels of the widget."""
        area, view = self._area, self._shown
        across = area.left() + (np.asarray(x, dtype=float) - view.x0) / (view.x1 - view.x0) * area.width()
        return across, area.bottom() - (np.asarray(y, dtype=float) - view.y0) / (view.y1 - view.y0) * area.height()

    def point(self, x: float, y: float) -> QPointF:
        """One scaled point in pixels of the widget."""
        return QPointF(*(float(np.clip(part, -1e6, 1e6)) for part in self.pixels(x, y)))

    def at(self, x: float, y: float) -> QPoint:
        """The pixel of a scaled point."""
        return self.point(x, y).toPoint()

    def place(self, at: QPointF) -> tuple[float, float]:
        """A pixel in scaled coordinates."""
        area, view = self._area, self._shown
        fx = (at.x() - area.left()) / max(1.0, area.width())
        fy = (area.bottom() - at.y()) / max(1.0, area.height())
        return view.x0 + fx * (view.x1 - view.x0), view.y0 + fy * (view.y1 - view.y0)

    # Painting --------------------------------------------------------------------------------------------------------
    def draw(self, painter: QPainter, size: QSizeF, look: Tokens, *, vector: bool = False) -> None:
        """Paint the whole picture into a size in pixels with the colours given; all files come from here.

        ``vector`` changes nothing: files of pixels and of shapes get the same outlines.
        """
        self._to_file = True
        try:
            self._sync(look, size)
        finally:
            self._to_file = False
        hidden = [item for item in self.over_files() if item.isVisible()]
        for item in hidden:
            item.hide()
        self.scene().prepareForPaint()
        painter.setRenderHints(self.renderHints() | QPainter.RenderHint.Antialiasing)
        page = QRectF(QPointF(), size)
        with outlined(self.box, smooth=bool(self.renderHints() & QPainter.RenderHint.SmoothPixmapTransform)):
            self.scene().render(painter, page, page)
        for item in hidden:
            item.show()
        self._stale = True  # the screen has its own size and look
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._broken:
            return
        try:
            if self._stale or self._ratio != self.devicePixelRatioF():
                self._sync(tokens(), QSizeF(self.viewport().size()), self.devicePixelRatioF())
            super().paintEvent(event)
            with painting(self.viewport()) as painter:
                self._paint_over(painter)
            self._painted = time.monotonic() if self._full else -math.inf
        except Exception as error:  # one of ours, of a subclass or of an item: it must not come back at every frame
            self._broken = True
            if repr(error) != self._said:
                self._said = repr(error)
                log.exception("the picture %r failed", self.accessibleName())
            self.broke.emit(error)

    def _try_again(self) -> None:
        self._broken = False
        self.grab()
        if not self._broken:
            self.broke.emit(None)

    def _paint_over(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._pointer is not None and self._area.contains(self._pointer):
            found = self.reading(self._pointer)
            if found is not None:
                self.paint_cross(painter, self._pointer)
                paint_readout(painter, self._area, self._look, self._pointer, found.lines, found.marks)
        if self.hasFocus() and self._by_keyboard:
            painter.setPen(QPen(self._look.colour("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)

    def paint_cross(self, painter: QPainter, at: QPointF) -> None:
        """The thin line under the pointer."""
        painter.setPen(QPen(self._look.colour("muted", 0.7), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QLineF(at.x(), self._area.top(), at.x(), self._area.bottom()))

    # Events ----------------------------------------------------------------------------------------------------------
    def close(self) -> bool:
        return QGraphicsView.close(self)  # pyqtgraph's own would take the scene away, and a card may be shown again

    def sizeHint(self) -> QSize:
        return QSize(360, 260)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._stale = True

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.LanguageChange):
            self.refresh()
        super().changeEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._point_to(None)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.describe()
        self._by_keyboard = event.reason() in _KEYBOARD
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.viewport().update()

    def _point_to(self, at: QPointF | None) -> None:
        self._pointer = at
        self.viewport().update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._point_to(None)
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)  # draws the box to zoom into
        self.box.setMouseMode(self.box.RectMode if shift else self.box.PanMode)
        super().mousePressEvent(event)
        event.setAccepted(event.button() == Qt.MouseButton.LeftButton)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        self.viewport().setCursor(self.cursor_over(event.position()))
        self._point_to(None if event.buttons() else event.position())

    def cursor_over(self, at: QPointF) -> Qt.CursorShape:
        """What the pointer looks like at a pixel."""
        over = self.legend.entry_at(at) is not None
        return Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        event.setAccepted(event.button() == Qt.MouseButton.LeftButton)
        self.viewport().update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.fit_view()
        event.accept()

    def _clicked(self, event: Any) -> None:
        at = event.scenePos()
        if event.button() != Qt.MouseButton.LeftButton:
            return
        name = self.legend.entry_at(at)
        if name is not None:
            self.toggle(name)
        elif self._area.contains(at):
            self.clicked(QPointF(at))

    def wheelEvent(self, event: QWheelEvent) -> None:
        wanted = self.hasFocus() or bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        area, at = self._area, event.position()
        if not wanted or not area.contains(at):
            event.ignore()  # an unfocused plot lets its page scroll
            return
        about = ((at.x() - area.left()) / area.width(), (area.bottom() - at.y()) / area.height())
        self.set_view(self.view().zoomed(0.999 ** event.angleDelta().y(), about))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _MOVES:
            self.set_view(self.view().moved(*_MOVES[key]))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.set_view(self.view().zoomed(0.8))
        elif key == Qt.Key.Key_Minus:
            self.set_view(self.view().zoomed(1.25))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_0):
            self.fit_view()
        else:
            QWidget.keyPressEvent(self, event)
