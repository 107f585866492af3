"""What a tab shows before its first run: two sentences and the way in."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.shell import icons
from app.shell.text import live, tr
from app.shell.theme import SPACE_2, SPACE_4, theme
from app.widgets.labels import Label


class EmptyState(QWidget):
    """An icon, a title, two sentences, and the button that runs the example.

    Signals:
        example: the user wants the example.
    """

    example = Signal()

    def __init__(self, title: str, sentences: str, icon_name: str, button: str = "Try the example") -> None:
        """All texts are English and get translated; no button when its text is ""."""
        super().__init__()
        self._title, self._sentences, self._icon, self._text = title, sentences, icon_name, button
        self._picture = QLabel()
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._heading = Label("", "title")
        self._heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words = Label("", "muted", wrap=True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.button = QPushButton()
        self.button.setProperty("primary", True)
        self.button.setIcon(icons.icon("play", "on_accent", "on_accent"))
        self.button.clicked.connect(lambda _=False: self.example.emit())
        self.button.setVisible(bool(button))
        column = QVBoxLayout(self)
        column.setSpacing(SPACE_2)
        column.addStretch(2)
        for widget in (self._picture, self._heading):
            column.addWidget(widget)
        middle = QHBoxLayout()
        middle.addStretch(1)
        middle.addWidget(self._words, 100)
        middle.addStretch(1)
        column.addLayout(middle)
        column.addSpacing(SPACE_4)
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        theme().changed.connect(self._draw)
        self._draw()
        live(self._say)

    def _draw(self) -> None:
        self._words.setMaximumWidth(theme().px(440))
        self._picture.setPixmap(icons.pixmap(self._icon, "accent", theme().px(44), self.devicePixelRatioF()))

    def _say(self) -> None:
        self._heading.setText(tr(self._title))
        self._words.setText(tr(self._sentences))
        self.button.setText(tr(self._text))
        self.setAccessibleName(tr(self._title))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._draw()
        return super().event(event)
