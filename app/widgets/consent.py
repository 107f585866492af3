"""Asks before the user's own code is run: which files, what is in them, and what running them means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from app.shell import icons
from app.shell.text import tr
from app.shell.theme import SPACE_2, SPACE_3, SPACE_4, theme
from app.widgets.labels import Label


@dataclass(frozen=True)
class SourceFile:
    """A file of the user's: path as shown, hash of its bytes, its text."""

    path: str
    sha256: str
    text: str


class ConsentDialog(QDialog):
    """Shown with ``open()``; the rest of the program goes on.

    Signals:
        decided: True to run the code, False not to; emitted once, also when the window is closed.
    """

    decided = Signal(bool)

    def __init__(self, files: Sequence[SourceFile], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Run your own code?"))
        self.resize(theme().px(760), theme().px(520))
        self.files = list(files)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Files"))
        self.list.addItems([file.path for file in self.files])
        self.source = QPlainTextEdit()
        self.source.setReadOnly(True)
        self.source.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.source.setAccessibleName(tr("Source text"))
        self.source.setStyleSheet(
            f"font-family: '{theme().mono().family()}', monospace; font-size: {theme().px(12)}px;"
        )
        self.hash = Label("", "caption")
        self.hash.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.list.currentRowChanged.connect(self._show)
        self.accept_button = QPushButton(tr("Run this code"))
        self.accept_button.setProperty("primary", True)
        self.accept_button.setAutoDefault(False)
        self.refuse_button = QPushButton(tr("Do not run"))
        self.refuse_button.setDefault(True)
        self.accept_button.clicked.connect(lambda _=False: self.accept())
        self.refuse_button.clicked.connect(lambda _=False: self.reject())
        self.finished.connect(lambda result: self.decided.emit(result == QDialog.DialogCode.Accepted))
        self._lay_out()
        if self.files:
            self.list.setCurrentRow(0)
        self.refuse_button.setFocus()

    def _lay_out(self) -> None:
        mark = QLabel()
        mark.setPixmap(icons.pixmap("warning", "warn", theme().px(28), self.devicePixelRatioF()))
        words = Label(
            tr(
                "This code runs with your rights: it can read, change and send your files. Run it only if you wrote it "
                "or trust its author. You are asked again when a file changes."
            ),
            wrap=True,
        )
        top = QHBoxLayout()
        top.setSpacing(SPACE_3)
        top.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(words, 1)
        right = QWidget()
        inner = QVBoxLayout(right)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.source, 1)
        inner.addWidget(self.hash)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.list)
        split.addWidget(right)
        split.setSizes([theme().px(200), theme().px(540)])
        split.setChildrenCollapsible(False)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.refuse_button)
        buttons.addWidget(self.accept_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_4, SPACE_4, SPACE_4, SPACE_4)
        column.setSpacing(SPACE_3)
        column.addLayout(top)
        column.addWidget(split, 1)
        column.addSpacing(SPACE_2 // 2)
        column.addLayout(buttons)

    def _show(self, row: int) -> None:
        file = self.files[row]
        self.source.setPlainText(file.text)
        self.hash.setText(f"SHA-256 {file.sha256}")

    def sizeHint(self) -> QSize:
        return QSize(theme().px(760), theme().px(520))
