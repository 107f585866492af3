"""The base of all plots: lays out axes and legend, pans and zooms, shows values under the pointer, speaks as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QLineF, QPoint, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.shell.theme import Tokens, theme, tokens
from app.widgets.plot import axes as axis_paint
from app.widgets.plot import legend
from app.widgets.plot.frame import Frame
from app.widgets.plot.readout import paint_readout
from app.widgets.plot.redraw import redraw
from app.widgets.plot.scale import Axis, Ticks, View, padded
from app.widgets.plot.table import Table


@dataclass(frozen=True)
class Reading:
    """What the pointer tells: lines of text, and the points they speak of, in pixels with their colour."""

    lines: tuple[str, ...]
    marks: tuple[tuple[QPointF, str], ...] = ()


class Plot(QWidget):
    """A picture with two axes; subclasses paint the data and describe them.

    Signals:
        view_changed: the visible range changed by the user.
        filled: there is something to show now (True), or nothing any more.
    """

    view_changed = Signal()
    filled = Signal(bool)
    margin_top, margin_right = 8.0, 12.0
    frame_grid = True
    keep_aspect = False

    def __init__(self, name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.axes = (Axis(), Axis())
        self.live = False
        self._view: View | None = None
        self._cache: QPixmap | None = None
        self._frame: Frame | None = None
        self._pointer: QPointF | None = None
        self._drag: tuple[QPointF, View] | None = None
        self._box: QRectF | None = None
        self._places: list[tuple[legend.Entry, QRectF]] = []
        self._stale = True
        self._by_keyboard = self._full = False
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(180, 140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme().changed.connect(self.refresh)

    # What subclasses answer ------------------------------------------------------------------------------------------
    def bounds(self) -> tuple[float, float, float, float] | None:
        """x0, x1, y0, y1 of all data in scaled coordinates; None without data."""
        return None

    def entries(self) -> list[legend.Entry]:
        """The legend; one entry or none draws no legend."""
        return []

    def paint_data(self, painter: QPainter, frame: Frame) -> None:
        """Draw the data; the painter is clipped to the plot area."""

    def ticks_across(self, view: View, most: int) -> Ticks | None:
        """Ticks of the x axis where they are words; None has numbers."""
        return None

    def side_width(self) -> float:
        """Room at the right for ``paint_side``, in pixels."""
        return 0.0

    def paint_side(self, painter: QPainter, frame: Frame, side: QRectF) -> None:
        """Draw what stands right of the plot area."""

    def reading(self, frame: Frame, at: QPointF) -> Reading | None:
        """What to tell about a pixel."""
        return None

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
    def set_axes(self, x: Axis, y: Axis) -> None:
        """Name the axes and choose their scales; the view starts anew when a scale changes."""
        if (x.log, y.log) != (self.axes[0].log, self.axes[1].log):
            self._view = None
        self.axes = (x, y)
        self.refresh()

    def view(self) -> View:
        """What is seen now, in scaled coordinates."""
        if self._view is not None:
            return self._view
        found = self.bounds()
        if found is None:
            return View(0.0, 1.0, 0.0, 1.0)
        return self.roomy(*found)

    def roomy(self, x0: float, x1: float, y0: float, y1: float) -> View:
        """The view that shows all of these bounds."""
        return View(*padded(x0, x1, 0.03), *padded(y0, y1, 0.06))

    def set_view(self, view: View | None) -> None:
        """Show a part of the plane; None follows the data."""
        self._view = view
        self.refresh()
        self.view_changed.emit()

    def reset_view(self) -> None:
        """Follow the data again."""
        self.set_view(None)

    def refresh(self) -> None:
        """Paint anew soon: something changed that the cached picture does not show."""
        self._cache = None
        self._stale = True
        full = not self.is_empty()
        if full != self._full:
            self._full = full
            self.filled.emit(full)
        self.update()

    def refresh_soon(self) -> None:
        """Paint anew at the shared timer's next tick; for data that keep arriving."""
        redraw().request(self._arrive)

    def _arrive(self) -> None:
        self.refresh()
        if self.isVisible():
            self._render()  # here, where the timer watches how long it takes, and not in the paint event

    def _render(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        if self._cache is None or self._cache.devicePixelRatio() != ratio:
            self._cache = QPixmap((QSizeF(self.size()) * ratio).toSize())
            self._cache.setDevicePixelRatio(ratio)
            self._cache.fill(Qt.GlobalColor.transparent)
            painter = QPainter(self._cache)
            self._frame = self.draw(painter, QSizeF(self.size()), tokens())
            painter.end()
            if not self.live:
                self.describe()
        return self._cache

    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return self.bounds() is None

    def describe(self) -> str:
        """Set and return the accessible description, made from the data of this moment."""
        if self._stale:
            self._stale = False
            self.setAccessibleDescription(self.summary())
        return self.accessibleDescription()

    # Painting --------------------------------------------------------------------------------------------------------
    def draw(self, painter: QPainter, size: QSizeF, look: Tokens, *, vector: bool = False) -> Frame:
        """Paint the whole picture into a size in pixels with the colours given; screen and files both come here."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        entries = self.entries()
        placed, top = legend.layout(entries, size.width() - 2 * self.margin_right) if len(entries) > 1 else ([], 0.0)
        top += self.margin_top if not placed else 6.0
        view, side = self.view(), self.side_width()
        body = QRectF(0, top, size.width() - side - self.margin_right, size.height() - top)
        up = axis_paint.fit(self.axes[1], view.y0, view.y1, body.height() - 40, upright=True)
        across = self.ticks_across(view, max(2, int((body.width() - 60) / 64)))
        if across is None:
            across = axis_paint.fit(self.axes[0], view.x0, view.x1, body.width() - 60, upright=False)
        left, below = axis_paint.margins(self.axes, up, across)
        area = body.adjusted(left + 2, 0, 0, -below)
        if area.width() < 20 or area.height() < 20:
            area = QRectF(area.left(), area.top(), max(20.0, area.width()), max(20.0, area.height()))
        if self.keep_aspect:
            area = _squared(area, view)
        # Whole pixels keep thin lines sharp.
        area = QRectF(round(area.left()), round(area.top()), round(area.width()), round(area.height()))
        frame = Frame(area, view, look, self.live, vector)
        if self.frame_grid:
            axis_paint.paint_grid(painter, frame, across, up)
        painter.save()
        painter.setClipRect(area)
        self.paint_data(painter, frame)
        painter.restore()
        axis_paint.paint_axes(painter, frame, self.axes, (across, up), area.left() - left)
        if side:
            self.paint_side(painter, frame, QRectF(area.right() + 10, area.top(), side - 10, area.height()))
        if placed:
            self._places = [(entry, box.translated(area.left(), 0)) for entry, box in placed]
            shift = min(area.left(), max(0.0, size.width() - max(box.right() for _, box in placed) - 4))
            self._places = [(entry, box.translated(shift, 0)) for entry, box in placed]
            legend.paint(painter, placed, QPointF(shift, 0), look)
        else:
            self._places = []
        return frame

    def paintEvent(self, _event: QPaintEvent) -> None:
        cached = self._render()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, cached)
        self.paint_over(painter)
        painter.end()

    def paint_over(self, painter: QPainter) -> None:
        """Draw what follows the pointer and the focus, above the cached picture."""
        frame = self._frame
        if frame is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._box is not None:
            painter.setPen(QPen(frame.look.colour("accent"), 1))
            painter.setBrush(frame.look.colour("accent", 0.12))
            painter.drawRect(self._box)
        elif self._pointer is not None and self._drag is None and frame.area.contains(self._pointer):
            found = self.reading(frame, self._pointer)
            if found is not None:
                self.paint_cross(painter, frame, self._pointer)
                paint_readout(painter, frame, self._pointer, found.lines, found.marks)
        if self.hasFocus() and self._by_keyboard:
            painter.setPen(QPen(frame.look.colour("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)

    def paint_cross(self, painter: QPainter, frame: Frame, at: QPointF) -> None:
        """The thin line under the pointer."""
        painter.setPen(QPen(frame.look.colour("muted", 0.7), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QLineF(at.x(), frame.area.top(), at.x(), frame.area.bottom()))

    # Events ----------------------------------------------------------------------------------------------------------
    def sizeHint(self) -> QSize:
        return QSize(360, 260)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._cache = None
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.LanguageChange):
            self.refresh()
        super().changeEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._pointer = None
        self.update()
        super().leaveEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.describe()
        self._by_keyboard = event.reason() in _KEYBOARD
        super().focusInEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._frame is None:
            return super().mousePressEvent(event)
        for entry, box in self._places:
            if box.contains(event.position()):
                self.toggle(entry.name)
                return None
        if self._frame.area.contains(event.position()):
            self._drag = (event.position(), self.view())
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self._box = QRectF(event.position(), event.position())
        return None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pointer = event.position()
        if self._frame is not None and self._drag is not None:
            start, view = self._drag
            if self._box is not None:
                self._box = QRectF(start, event.position()).normalized() & self._frame.area
            elif (event.position() - start).manhattanLength() > 3 or self._view is not None:
                shift = event.position() - start
                self.set_view(view.moved(-shift.x() / self._frame.area.width(), shift.y() / self._frame.area.height()))
        over = any(box.contains(event.position()) for _, box in self._places)
        self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        box, self._box, self._drag = self._box, None, None
        if box is not None and self._frame is not None and box.width() > 4 and box.height() > 4:
            x0, y1 = self._frame.inverse(box.topLeft())
            x1, y0 = self._frame.inverse(box.bottomRight())
            self.set_view(View(x0, x1, y0, y1))
        self.update()
        super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._drag = None
        self.reset_view()
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:
        wanted = self.hasFocus() or bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if not wanted or self._frame is None or not self._frame.area.contains(event.position()):
            event.ignore()  # an unfocused plot lets its page scroll
            return
        area = self._frame.area
        at = (
            (event.position().x() - area.left()) / area.width(),
            (area.bottom() - event.position().y()) / area.height(),
        )
        self.set_view(self.view().zoomed(0.999 ** event.angleDelta().y(), at))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {
            Qt.Key.Key_Left: (-0.1, 0.0), Qt.Key.Key_Right: (0.1, 0.0),
            Qt.Key.Key_Up: (0.0, 0.1), Qt.Key.Key_Down: (0.0, -0.1),
        }  # fmt: skip
        key = Qt.Key(event.key())
        if key in moves:
            self.set_view(self.view().moved(*moves[key]))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.set_view(self.view().zoomed(0.8))
        elif key == Qt.Key.Key_Minus:
            self.set_view(self.view().zoomed(1.25))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_0):
            self.reset_view()
        else:
            super().keyPressEvent(event)

    def area(self) -> QRectF:
        """The plot area of the last painting, in pixels of the widget."""
        return QRectF(self._frame.area) if self._frame is not None else QRectF()

    def at(self, x: float, y: float) -> QPoint:
        """The pixel of a scaled point at the last painting."""
        return self._frame.point(x, y).toPoint() if self._frame is not None else QPoint()


_KEYBOARD = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)


def _squared(area: QRectF, view: View) -> QRectF:
    """The largest part of an area in which one unit is as long across as up, kept in the middle."""
    ratio = (view.x1 - view.x0) / (view.y1 - view.y0)
    width, height = area.width(), area.height()
    if width / height > ratio:
        width = height * ratio
    else:
        height = width / ratio
    return QRectF(area.left() + (area.width() - width) / 2, area.top() + (area.height() - height) / 2, width, height)
