"""Notices in the window: bars that do not block, each with a shape, a word and sentences; and their history."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QPushButton, QVBoxLayout, QWidget

from app.shell import icons
from app.shell.errors import Notice, Reporter
from app.shell.text import live, tr
from app.shell.theme import SPACE_1, SPACE_2, SPACE_3, theme, tokens
from app.widgets.labels import Label, tool

AT_MOST = 3
GOOD_FOR_MS = 6000
SHAPES = {"info": "info", "good": "good", "warn": "warning", "bad": "error"}


def level_word(level: str) -> str:
    """The word for a level."""
    return {"info": tr("Note"), "good": tr("Done"), "warn": tr("Warning"), "bad": tr("Error")}[level]


class NoticeBar(QFrame):
    """One notice.

    Signals:
        closed: the user is done with it, or its time is over.
    """

    closed = Signal()

    def __init__(self, notice: Notice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notice = notice
        self.count = 1
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._mark = QLabel()
        self._head = Label("", wrap=True)
        self._head.setTextFormat(Qt.TextFormat.PlainText)
        self._rest = Label(" ".join(part for part in (notice.why, notice.remedy) if part), "muted", wrap=True)
        self._rest.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._rest.setVisible(bool(self._rest.text()))
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self._head)
        words.addWidget(self._rest)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE_3 + 4, SPACE_2, SPACE_2, SPACE_2)
        row.setSpacing(SPACE_3 - 2)
        row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        self.details = QPushButton()
        self.details.setVisible(notice.details is not None)
        self.details.clicked.connect(self._open)
        row.addWidget(self.details, 0, Qt.AlignmentFlag.AlignTop)
        self.close_button = tool("close", "", self.closed.emit)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        theme().changed.connect(self._draw)
        self._draw()
        live(self._say)

    def _say(self) -> None:
        self.setAccessibleName(f"{level_word(self.notice.level)}: {self.notice.text()}")
        self.details.setText(tr("Details"))
        self.close_button.say(tr("Close this notice"))
        times = f"  ×{self.count}" if self.count > 1 else ""
        self._head.setText(f"{level_word(self.notice.level)}: {self.notice.what}{times}")

    def repeat(self) -> None:
        """The same thing was said again."""
        self.count += 1
        self._say()

    def _draw(self) -> None:
        role = "accent" if self.notice.level == "info" else self.notice.level
        self._mark.setPixmap(icons.pixmap(SHAPES[self.notice.level], role, theme().px(18), self.devicePixelRatioF()))
        self.update()

    def _open(self) -> None:
        if self.notice.details is not None:
            self.notice.details()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        look = tokens()
        box = self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(look.colour("accent") if self.hasFocus() else look.colour("edge"))
        painter.setBrush(look.colour("panel"))
        painter.drawRoundedRect(box, 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.level(self.notice.level))
        painter.drawRoundedRect(box.adjusted(4, 6, 0, -6).adjusted(0, 0, -(box.width() - 7), 0), 1.5, 1.5)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Delete):
            self.closed.emit()
            return
        super().keyPressEvent(event)


class Notices(QWidget):
    """The bars of the newest notices, one below the other; it takes no room while there are none."""

    def __init__(self, reporter: Reporter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reporter = reporter
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SPACE_1)
        reporter.noticed.connect(self.show_notice)
        self.hide()
        live(self._say)

    def _say(self) -> None:
        self.setAccessibleName(tr("Notices"))

    def bars(self) -> list[NoticeBar]:
        """The bars that are shown, oldest first."""
        items = (self._column.itemAt(i) for i in range(self._column.count()))
        widgets = (item.widget() for item in items if item is not None)
        return [widget for widget in widgets if isinstance(widget, NoticeBar)]

    def show_notice(self, notice: Notice) -> None:
        """Show a notice; the same words again only count up, and more than three push the oldest out."""
        for bar in self.bars():
            if (bar.notice.level, bar.notice.text()) == (notice.level, notice.text()):
                bar.repeat()
                return
        bar = NoticeBar(notice, self)
        bar.closed.connect(self._close)
        self._column.addWidget(bar)
        for old in self.bars()[:-AT_MOST]:
            self._drop(old)
        if notice.level in ("info", "good"):
            timer = QTimer(bar)
            timer.setSingleShot(True)
            timer.timeout.connect(bar.closed)
            timer.start(GOOD_FOR_MS)
        self.show()
        QAccessible.updateAccessibility(QAccessibleEvent(bar, QAccessible.Event.Alert))

    def _close(self) -> None:
        bar = self.sender()
        if isinstance(bar, NoticeBar):
            self._drop(bar)

    def _drop(self, bar: NoticeBar) -> None:
        self._column.removeWidget(bar)
        bar.hide()
        bar.deleteLater()
        self.setVisible(bool(self.bars()))

    def clear(self) -> None:
        """Take all bars away; the history keeps them."""
        for bar in self.bars():
            self._drop(bar)

    def history_menu(self, parent: QWidget) -> QMenu:
        """The last notices, newest first; choosing one shows it again."""
        menu = QMenu(parent)
        for notice in list(self._reporter.history)[:-16:-1]:
            when = time.strftime("%H:%M", time.localtime(notice.when))
            action = menu.addAction(icons.icon(SHAPES[notice.level], "muted"), f"{when}  {notice.what}"[:90])
            action.triggered.connect(lambda _=False, notice=notice: self.show_notice(notice))
        if menu.isEmpty():
            menu.addAction(tr("No notices yet")).setEnabled(False)
        menu.aboutToHide.connect(menu.deleteLater)
        return menu
