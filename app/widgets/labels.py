"""Small texts: labels that follow the language, labels that elide, rules, and helpers for tool buttons."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStylePainter,
    QToolButton,
    QWidget,
)

from app.shell.icons import icon
from app.shell.theme import theme


class Label(QLabel):
    """A label of one of the style sheet's roles: title section caption group muted verdict error good warn bad."""

    def __init__(self, text: str = "", role: str = "", parent: QWidget | None = None, *, wrap: bool = False) -> None:
        super().__init__(text, parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        if role:
            self.setProperty("role", role)


class Sentence(Label):
    """Wraps into whatever room there is: it must not make its row higher than the pictures beside it."""

    def hasHeightForWidth(self) -> bool:
        return False

    def minimumSizeHint(self) -> QSize:
        return QSize(80, 40)

    def sizeHint(self) -> QSize:
        return QSize(200, 100)


class ElidedLabel(Label):
    """One line that ends in an ellipsis when it does not fit, and tells the whole in its tooltip."""

    def __init__(self, text: str = "", role: str = "", parent: QWidget | None = None) -> None:
        super().__init__("", role, parent)
        self._full = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def setText(self, text: str) -> None:
        self._full = text
        self.setAccessibleName(text)
        self._tell()
        self.updateGeometry()
        self.update()

    def text(self) -> str:
        return self._full

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self._full) + 2, metrics.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(min(24, self.sizeHint().width()), self.fontMetrics().height())

    def elided(self) -> bool:
        """Whether part of the text is hidden now."""
        return self.fontMetrics().horizontalAdvance(self._full) > self.width()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._tell()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), int(self.alignment() | Qt.AlignmentFlag.AlignVCenter), shown)

    def _tell(self) -> None:
        self.setToolTip(self._full if self.elided() else "")


class ElidedTick(QCheckBox):
    """A tick whose words end in an ellipsis when they do not fit, and are told whole in its tooltip."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(60, super().minimumSizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        option = QStyleOptionButton()
        self.initStyleOption(option)
        room = self.style().subElementRect(QStyle.SubElement.SE_CheckBoxContents, option, self).width()
        option.text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)
        QStylePainter(self).drawControl(QStyle.ControlElement.CE_CheckBox, option)

    def setText(self, text: str) -> None:
        super().setText(text)
        self._tell()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._tell()

    def _tell(self) -> None:
        self.setToolTip(self.text() if self.width() < self.sizeHint().width() else "")


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet looks at, and have the sheet applied again if it changed."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
    widget.update()


def rule(parent: QWidget | None = None) -> QFrame:
    """A thin horizontal line."""
    line = QFrame(parent)
    line.setProperty("role", "rule")
    return line


class ToolButton(QToolButton):
    """A button with only an icon, which grows with the user's font size and takes no focus by a click."""

    def __init__(self, name: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setIcon(icon(name))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.say(text)
        theme().changed.connect(self._resize)
        self._resize()

    def say(self, text: str) -> None:
        """Set the words: tooltip and accessible name."""
        self.setToolTip(text)
        self.setAccessibleName(text)

    def _resize(self) -> None:
        side = theme().px(16)
        self.setIconSize(QSize(side, side))


def tool(
    name: str, text: str, handler: Callable[[], object] | None = None, parent: QWidget | None = None
) -> ToolButton:
    """A ToolButton with what its click does; ``text`` is translated already."""
    button = ToolButton(name, text, parent)
    if handler is not None:
        button.clicked.connect(lambda _checked=False: handler())
    return button


def scrolled(widget: QWidget, parent: QWidget | None = None) -> QScrollArea:
    """The widget in a frame that scrolls up and down when it is too high; panels scroll, they never squash."""
    area = QScrollArea(parent)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.viewport().setAutoFillBackground(False)
    area.setWidget(widget)
    widget.setAutoFillBackground(False)
    return area
