"""What a run has to say in words: the first two sentences, and the others on demand."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.shell.text import live, tr
from app.shell.theme import SPACE_1, SPACE_2, SPACE_3, theme
from app.widgets.labels import Label, restyle

SHOWN = 2
LOW, HIGH = 132, 280  # px: the most height while folded and while open; beyond it the sentences scroll


class _Lines(QScrollArea):
    """As high as its sentences, up to a limit."""

    def __init__(self, page: QWidget) -> None:
        super().__init__()
        self.limit = LOW
        self._page = page
        self.setWidget(page)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for widget in (self.viewport(), page):
            widget.setAutoFillBackground(False)

    def fit(self) -> None:
        """Take the height that the sentences need at this width."""
        needed = max(0, self._page.heightForWidth(self.viewport().width()))
        self.setFixedHeight(min(needed, theme().px(self.limit)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.fit()

    def minimumSizeHint(self) -> QSize:
        return QSize(80, 0)


class Callout(QFrame):
    """Sentences on a tinted ground, each on a line of its own; hidden without any."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "callout")
        self._lines: list[str] = []
        self._labels: list[Label] = []
        page = QWidget()
        self._column = QVBoxLayout(page)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SPACE_2 - 2)
        self._area = _Lines(page)
        self._more = QPushButton()
        self._more.setProperty("flat", True)
        self._more.setCheckable(True)
        self._more.toggled.connect(lambda _open: self._fold())
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_3, SPACE_2, SPACE_3, SPACE_2)
        column.setSpacing(SPACE_1)
        column.addWidget(self._area)
        column.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)
        self.hide()
        live(self._fold)
        theme().changed.connect(self._area.fit)

    def set_lines(self, lines: list[str]) -> None:
        """Say these sentences, translated already; what was opened stays open while there are more than two."""
        if lines == self._lines:
            return
        self._lines = list(lines)
        while len(self._labels) > len(lines):
            gone = self._labels.pop()
            gone.hide()
            gone.deleteLater()
        while len(self._labels) < len(lines):
            self._labels.append(Label("", wrap=True))
            self._column.addWidget(self._labels[-1])
        for label, line in zip(self._labels, lines, strict=True):
            label.setText(line)
            restyle(label, "role", "verdict" if len(lines) == 1 else "said")
        if len(lines) <= SHOWN:
            self._more.setChecked(False)
        self.setVisible(bool(lines))
        self._fold()

    def _fold(self) -> None:
        beyond, opened = len(self._lines) - SHOWN, self._more.isChecked()
        self._more.setVisible(beyond > 0)
        self._more.setText(tr("Show fewer") if opened else tr("and {n} more", n=beyond))
        for place, label in enumerate(self._labels):
            label.setVisible(opened or place < SHOWN)
        self._area.limit = HIGH if opened else LOW
        self._area.fit()
