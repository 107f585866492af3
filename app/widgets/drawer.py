"""The right side of a tab: the numbers, beside the pictures where the window is wide, else in a drawer over them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QKeyEvent, QMoveEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QFrame, QSizePolicy, QVBoxLayout, QWidget

from app.shell.icons import icon
from app.shell.text import live, tr
from app.shell.theme import CAPTION, RADIUS, SPACE_2, SPACE_3, theme, tokens
from app.widgets.labels import restyle
from app.widgets.numbers import NumbersPanel

WINDOW = 1280  # px: narrower windows have a drawer
TAB, WIDTH, WIDEST = 1106, 262, 360  # px: a tab in such a window, and how wide the numbers are there and at most
STRIP = 30


class Handle(QAbstractButton):
    """A strip along the edge that says what is in the drawer, from top to bottom."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.warned = False
        self._lead = self._words = ""
        theme().changed.connect(self.update)

    def set_words(self, lead: str, words: str) -> None:
        """Show these: how many there are, and the first of them."""
        self._lead, self._words = lead, words
        self.setAccessibleName(f"{lead}   {words}".strip())
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        look = tokens()
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(look.colour("accent" if self.hasFocus() or self.isChecked() else "line"))
            painter.setBrush(look.colour("soft" if self.isChecked() else "hover" if self.underMouse() else "panel"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
            side = theme().px(14)
            left = (self.width() - side) // 2
            role = "accent" if self.isChecked() else "muted"
            icon("right" if self.isChecked() else "left", role).paint(painter, left, SPACE_2, side, side)
            top = SPACE_2 + side + SPACE_2
            if self.warned:
                icon("warning", "warn").paint(painter, left, top, side, side)
                top += side + SPACE_2
            painter.translate(self.width(), top)
            painter.rotate(90)
            self._write(painter, self.height() - top - SPACE_2)

    def _write(self, painter: QPainter, room: float) -> None:
        bold, plain = theme().font(CAPTION, bold=True), theme().font(CAPTION, tabular=True)
        painter.setFont(bold)
        painter.setPen(tokens().colour("accent" if self.isChecked() else "text"))
        middle = int(Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(QRectF(0, 0, room, self.width()), middle, self._lead)
        used = QFontMetricsF(bold).horizontalAdvance(self._lead) + SPACE_3
        painter.setFont(plain)
        painter.setPen(tokens().colour("muted"))
        text = QFontMetricsF(plain).elidedText(self._words, Qt.TextElideMode.ElideRight, max(0.0, room - used))
        painter.drawText(QRectF(used, 0, max(0.0, room - used), self.width()), middle, text)


class NumbersSide(QWidget):
    """Stands in the row of a tab. The numbers lie in a frame over the tab, at this place or, as a drawer, beside it."""

    def __init__(self, tab: QWidget, numbers: NumbersPanel, *below: QWidget) -> None:
        """``below``: what stands under the numbers."""
        super().__init__(tab)
        self._tab = tab
        self.numbers = numbers
        self.sheet = QFrame(tab)
        self._column = QVBoxLayout(self.sheet)
        self._column.setSpacing(SPACE_3 - 2)
        self._column.addWidget(numbers, 1)
        for widget in below:
            self._column.addWidget(widget)
        self._folded: bool | None = None
        self._width = 0
        self.handle = Handle(self)
        self.handle.toggled.connect(self._turned)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        for watched in (tab, self.sheet, self.handle):
            watched.installEventFilter(self)
        numbers.model.dataChanged.connect(self._tell)
        numbers.model.modelReset.connect(self._tell)
        live(self._tell)
        theme().changed.connect(self._fit)
        self._fit()

    # State -----------------------------------------------------------------------------------------------------------
    @property
    def folded(self) -> bool:
        """Whether the numbers are a drawer."""
        return bool(self._folded)

    def set_warned(self, warned: bool) -> None:
        """Mark the drawer: there is something to be read in it."""
        self.handle.warned = warned
        self.handle.update()

    def open_drawer(self) -> None:
        """Slide the numbers out, with the keyboard's focus in them."""
        self.handle.setChecked(True)

    def close_drawer(self) -> None:
        """Slide the numbers in again; the focus goes back to the handle."""
        self.handle.setChecked(False)

    def _turned(self, open_: bool) -> None:
        focus = QApplication.focusWidget()
        inside = focus is not None and self.sheet.isAncestorOf(focus)
        self._place()
        self._tell()
        if open_ and self.folded:
            self.numbers.view.setFocus(Qt.FocusReason.OtherFocusReason)
        elif inside and self.folded:
            self.handle.setFocus(Qt.FocusReason.OtherFocusReason)

    def _tell(self) -> None:
        found = self.numbers.model.numbers
        first = f"{found[0].title()} {found[0].quantity()}" if found else ""
        self.handle.set_words(tr("Numbers") + (f" · {len(found)}" if found else ""), first)
        self.handle.setToolTip(tr("Hide the numbers") if self.handle.isChecked() else tr("Show the numbers"))

    # Places ----------------------------------------------------------------------------------------------------------
    def _fit(self) -> None:
        """Choose between the two forms, and how wide the numbers are: a share of what a wide window has to spare."""
        tab = self._tab
        folded = tab.window().width() < WINDOW
        spare = max(0, tab.width() - theme().px(TAB))
        self._width = min(theme().px(WIDEST), theme().px(WIDTH) + round(0.35 * spare))
        if folded != self._folded:
            self._folded = folded
            self.handle.setChecked(False)
            self.handle.setVisible(folded)
            restyle(self.sheet, "role", "drawer" if folded else "")
            margin = SPACE_2 if folded else 0
            self._column.setContentsMargins(margin, margin, margin, margin)
        width = theme().px(STRIP) if folded else self._width
        if width != self.maximumWidth():
            self.setFixedWidth(width)
            if (row := tab.layout()) is not None:  # at once: while the rail folds, one resizing follows another
                row.invalidate()
                row.activate()
        self._place()

    def _place(self) -> None:
        """Lay the frame where it belongs."""
        self.handle.setGeometry(self.rect())
        self.sheet.setVisible(not self.folded or self.handle.isChecked())
        if self.folded:
            width = self._width + 2 * SPACE_2
            self.sheet.setGeometry(QRect(self.x() - width - 2, self.y(), width, self.height()))
            self.sheet.raise_()
        else:
            self.sheet.setGeometry(self.geometry())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def moveEvent(self, event: QMoveEvent) -> None:
        super().moveEvent(event)
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._tab and event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._fit()
        elif watched is self.sheet and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        elif watched is not self._tab and self.handle.isChecked() and _is_escape(event):
            self.close_drawer()
            return True
        return super().eventFilter(watched, event)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self.sheet.minimumSizeHint().height())

    def sizeHint(self) -> QSize:
        return QSize(self._width, self.sheet.sizeHint().height())


def _is_escape(event: QEvent) -> bool:
    if not isinstance(event, QKeyEvent):
        return False
    return event.type() == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Escape
