"""The editors of single values, one class for each sort of field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from app.shell.text import tr
from app.widgets.form import values
from app.widgets.form.number_box import NumberBox
from app.widgets.form.shape import FieldSpec
from app.widgets.form.values import Raw
from app.widgets.labels import ElidedTick, restyle, tool
from engine.artifacts.refs import ArtifactRef

Provider = Callable[[str], list[tuple[str, ArtifactRef]]]


class Combo(QComboBox):
    """A combo box that the wheel turns only while it has the focus, and that may be narrow."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def paintEvent(self, _event: QPaintEvent) -> None:
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        room = (
            self.style()
            .subControlRect(QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self)
            .width()
        )
        metrics = self.fontMetrics()
        option.currentText = metrics.elidedText(option.currentText, Qt.TextElideMode.ElideRight, room - 2)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class Editor(QWidget):
    """One value.

    Signals:
        changed: the user changed it.
    """

    changed = Signal()
    wide = False  # carries its own label and spans the form
    worded = False  # its parts have words of their own

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec = spec
        self.inner: QWidget = self

    def hold(self, *widgets: QWidget) -> None:
        """Lay the widgets out in a row; the first one takes the focus and the marks."""
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for index, widget in enumerate(widgets):
            row.addWidget(widget, 1 if index == 0 else 0)
        self.inner = widgets[0]
        self.setFocusProxy(widgets[0])

    def value(self) -> Any:
        """The value as pydantic takes it; None when there is none."""
        return None

    def set_value(self, value: Any) -> None:
        """Show a value without telling that it changed."""

    def problem(self) -> str:
        """Why what is typed is no value at all, or ""."""
        return values.problem(self.spec.shape, self.value())

    def say(self) -> None:
        """Set the texts in the user's language."""

    def mark(self, bad: bool) -> None:
        """Show by the border whether the value is wrong."""
        restyle(self.inner, "invalid", bad)


class BoolEditor(Editor):
    """A check box with the field's title beside it."""

    wide = True

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = QCheckBox()
        self.box.toggled.connect(self.changed)
        self.hold(self.box)

    def say(self) -> None:
        self.box.setText(tr(self.spec.title))

    def value(self) -> bool:
        return self.box.isChecked()

    def set_value(self, value: Any) -> None:
        with QSignalBlocker(self.box):
            self.box.setChecked(bool(value))


class NumberEditor(Editor):
    """A whole or real number."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        shape = spec.shape
        self.box = NumberBox(shape.limits, whole=shape.whole, log=spec.log, optional=shape.optional)
        self.box.changed.connect(self.changed)
        self.hold(self.box)

    def say(self) -> None:
        self.box.lineEdit().setPlaceholderText(tr("none") if self.spec.shape.optional else "")

    def value(self) -> float | int | Raw | None:
        return self.box.value() if self.box.is_number() else Raw(self.box.lineEdit().text())

    def set_value(self, value: Any) -> None:
        with QSignalBlocker(self.box):
            if isinstance(value, Raw):
                self.box.lineEdit().setText(value)
            else:
                self.box.set_value(value)


class ChoiceEditor(Editor):
    """One of a few words."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.box = Combo()
        self._choices = [None, *spec.shape.choices] if spec.shape.optional else list(spec.shape.choices)
        for choice in self._choices:
            self.box.addItem("", choice)
        self.box.currentIndexChanged.connect(self.changed)
        self.hold(self.box)

    def say(self) -> None:
        for index, choice in enumerate(self._choices):
            text = "none" if choice is None else self.spec.labels.get(str(choice), str(choice).replace("_", " "))
            self.box.setItemText(index, tr(text))

    def value(self) -> Any:
        return self.box.currentData()

    def set_value(self, value: Any) -> None:
        with QSignalBlocker(self.box):
            found = [i for i in range(self.box.count()) if self.box.itemData(i) == value]
            self.box.setCurrentIndex(found[0] if found else -1)


class SeveralEditor(Editor):
    """Any number of a few words, each with a tick."""

    worded = True

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.boxes: list[ElidedTick] = []
        for _ in spec.shape.choices:
            box = ElidedTick()
            box.toggled.connect(self.changed)
            column.addWidget(box)
            self.boxes.append(box)
        self.inner = self.boxes[0]
        self.setFocusProxy(self.boxes[0])

    def say(self) -> None:
        for choice, box in zip(self.spec.shape.choices, self.boxes, strict=True):
            box.setText(tr(self.spec.labels.get(str(choice), str(choice).replace("_", " "))))

    def value(self) -> Any:
        return [c for c, box in zip(self.spec.shape.choices, self.boxes, strict=True) if box.isChecked()]

    def set_value(self, value: Any) -> None:
        for choice, box in zip(self.spec.shape.choices, self.boxes, strict=True):
            with QSignalBlocker(box):
                box.setChecked(choice in (value or ()))


class TextEditor(Editor):
    """A line of text; also numbers or words with commas between them, and anything else as JSON."""

    def __init__(self, spec: FieldSpec, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self.line = QLineEdit()
        self.line.setMinimumWidth(60)
        self.line.textChanged.connect(self.changed)
        self.hold(self.line, *self.beside())

    def say(self) -> None:
        self.line.setPlaceholderText(tr("none") if self.spec.shape.optional else "")

    def beside(self) -> list[QWidget]:
        """What stands behind the line."""
        return []

    def value(self) -> Any:
        return values.value_of(self.spec.shape, self.line.text())

    def set_value(self, value: Any) -> None:
        with QSignalBlocker(self.line):
            self.line.setText(values.text_of(self.spec.shape, value))


class PathEditor(TextEditor):
    """A file or folder: typed, chosen, or dropped."""

    def beside(self) -> list[QWidget]:
        self.setAcceptDrops(True)
        self.line.setAcceptDrops(False)
        self._button = tool("folder", "", self._ask)
        return [self._button]

    def say(self) -> None:
        super().say()
        text = tr("Choose a file for {title}", title=tr(self.spec.title))
        self._button.say(text)

    def _ask(self) -> None:
        dialog = QFileDialog(self, tr(self.spec.title))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.line.setText)
        dialog.open()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self.line.setText(event.mimeData().urls()[0].toLocalFile())
        event.acceptProposedAction()


class RefEditor(Editor):
    """An artifact of a run, chosen from those that there are."""

    def __init__(self, spec: FieldSpec, provider: Provider, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self._provider = provider
        self._ref: ArtifactRef | None = None
        self.box = Combo()
        self.box.activated.connect(self._chosen)
        self.hold(self.box)
        self.refresh()

    def say(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Ask again what there is; the choice stays."""
        with QSignalBlocker(self.box):
            self.box.clear()
            choices = self._provider(self.spec.shape.artifact)
            self.box.addItem(tr("none") if choices else tr("none yet"), None)
            for label, ref in choices:
                self.box.addItem(label, ref)
            at = self._find()
            if at < 0:
                self.box.addItem(str(self._ref), self._ref)
                at = self.box.count() - 1
            self.box.setCurrentIndex(at)

    def _find(self) -> int:
        for index in range(self.box.count()):
            other = self.box.itemData(index)
            if (other is None) == (self._ref is None) and (self._ref is None or _same(other, self._ref)):
                return index
        return -1

    def _chosen(self, index: int) -> None:
        self._ref = self.box.itemData(index)
        self.changed.emit()

    def value(self) -> ArtifactRef | None:
        return self._ref

    def set_value(self, value: Any) -> None:
        self._ref = values.settled_ref(value)
        self.refresh()


class RefsEditor(Editor):
    """Any number of artifacts of runs, each with a tick."""

    worded = True

    def __init__(self, spec: FieldSpec, provider: Provider, parent: QWidget | None = None) -> None:
        super().__init__(spec, parent)
        self._provider = provider
        self._refs: list[ArtifactRef] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self.boxes: list[tuple[ElidedTick, ArtifactRef]] = []
        self.refresh()

    def say(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Ask again what there is; the choice stays."""
        while (item := self._column.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        choices = self._provider(self.spec.shape.artifact)
        known = [ref for _, ref in choices]
        choices = choices + [(str(ref), ref) for ref in self._refs if not any(_same(ref, other) for other in known)]
        self.boxes = []
        for label, ref in choices:
            box = ElidedTick(label)
            box.setChecked(any(_same(ref, other) for other in self._refs))
            box.toggled.connect(self._ticked)
            self._column.addWidget(box)
            self.boxes.append((box, ref))
        if not choices:
            empty = QCheckBox(tr("none yet"))
            empty.setEnabled(False)
            self._column.addWidget(empty)

    def _ticked(self) -> None:
        self._refs = [ref for box, ref in self.boxes if box.isChecked()]
        self.changed.emit()

    def value(self) -> list[ArtifactRef]:
        return list(self._refs)

    def set_value(self, value: Any) -> None:
        self._refs = values.settled(self.spec.shape, value)
        self.refresh()


def _same(one: ArtifactRef, other: ArtifactRef) -> bool:
    return (one.run, one.name, one.kind) == (other.run, other.name, other.kind) and (
        one.version == other.version or None in (one.version, other.version)
    )


_EDITORS: dict[str, type[Editor]] = {
    "bool": BoolEditor, "int": NumberEditor, "float": NumberEditor, "choice": ChoiceEditor, "several": SeveralEditor,
    "str": TextEditor, "path": PathEditor, "numbers": TextEditor, "words": TextEditor, "json": TextEditor,
}  # fmt: skip


def editor(spec: FieldSpec, provider: Provider) -> Editor:
    """The editor for a field that is neither a group nor a union."""
    if spec.shape.sort == "ref":
        return RefEditor(spec, provider)
    if spec.shape.sort == "refs":
        return RefsEditor(spec, provider)
    return _EDITORS[spec.shape.sort](spec)
