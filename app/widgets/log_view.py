"""The end of a log file, followed while it grows."""

from __future__ import annotations

import codecs
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from app.shell.text import live, tr
from app.shell.theme import theme

TAIL = 256 * 1024
CHUNK = 64 * 1024


class LogView(QPlainTextEdit):
    """Shows lines and stays at the last one, unless the user scrolled up to read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setProperty("flat", True)
        self.setMaximumBlockCount(5000)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setUndoRedoEnabled(False)
        self._path: Path | None = None
        self._offset = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._timer = QTimer(self)
        self._timer.setInterval(300)
        self._timer.timeout.connect(self.poll)
        theme().changed.connect(self._dress)
        self._dress()
        live(self._say)

    def _say(self) -> None:
        self.setAccessibleName(tr("Log"))

    def _dress(self) -> None:
        self.setFont(theme().mono())
        size = theme().px(12)
        self.setStyleSheet(f"font-family: '{theme().mono().family()}', monospace; font-size: {size}px;")

    def append(self, text: str) -> None:
        """Add text at the end."""
        bar = self.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 4
        cursor = self.textCursor()
        cursor.movePosition(cursor.MoveOperation.End)
        cursor.insertText(text)
        if at_end:
            bar.setValue(bar.maximum())

    def follow(self, path: Path | None) -> None:
        """Show the end of this file and what is added to it; None stops."""
        self.clear()
        self._path = path
        self._decoder.reset()
        self._offset = 0
        if path is None:
            self._timer.stop()
            return
        try:
            self._offset = max(0, path.stat().st_size - TAIL)
        except OSError:
            self._offset = 0
        self.poll()
        if self.isVisible():
            self._timer.start()

    def poll(self) -> None:
        """Read a chunk of what is new."""
        if self._path is None:
            return
        try:
            with self._path.open("rb") as file:
                file.seek(0, 2)
                if file.tell() < self._offset:
                    self._offset = 0  # the file was begun anew
                file.seek(self._offset)
                data = file.read(CHUNK)
        except OSError:
            return  # not written yet, or deleted meanwhile
        if data:
            self._offset += len(data)
            self.append(self._decoder.decode(data))

    def showEvent(self, event: QShowEvent) -> None:
        if self._path is not None:
            self._timer.start()
        super().showEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()
        super().hideEvent(event)
