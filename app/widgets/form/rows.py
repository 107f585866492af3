"""The rows of a form: label, editor and the sentence under it, and how they are laid out and worded."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from app.shell.text import tr
from app.shell.theme import SPACE_2, SPACE_3, theme
from app.widgets.form.editors import RefsEditor
from app.widgets.form.nodes import Node
from app.widgets.form.shape import FieldSpec
from app.widgets.labels import Label

LABEL_AT_MOST = 94


def name_of(spec: FieldSpec) -> str:
    """A field's title with its unit, in the user's language."""
    return f"{tr(spec.title)} ({spec.unit})" if spec.unit else tr(spec.title)


def tip_of(spec: FieldSpec) -> str:
    """A field's help with its name and symbol, as rich text."""
    head = f"{name_of(spec)}   {spec.symbol}" if spec.symbol else name_of(spec)
    return f"<b>{head}</b><br>{tr(spec.help)}" if spec.help else head


def grid(place: QWidget) -> QGridLayout:
    """The two columns of a form."""
    made = QGridLayout(place)
    made.setContentsMargins(0, 0, 0, 0)
    made.setHorizontalSpacing(SPACE_3)
    made.setVerticalSpacing(SPACE_2)
    made.setColumnStretch(1, 1)
    return made


class Heading:
    """A line above the fields of a group; seen while the first of them is."""

    def __init__(self, layout: QGridLayout, group: Node, first: Node) -> None:
        self._group, self._first = group, first
        self._label = Label("", "group")
        layout.addWidget(self._label, layout.rowCount(), 0, 1, 2)

    def say(self) -> None:
        """Set the text anew."""
        self._label.setText(tr(self._group.spec.title))

    def show(self, problems: dict[str, str]) -> None:
        """Follow the state of the form."""
        self._label.setVisible(self._first.active())


class Row:
    """One field: label and editor, or an editor that is its own label; a sentence under it when it is wrong."""

    def __init__(self, layout: QGridLayout, node: Node) -> None:
        assert node.editor is not None
        self.node, self.editor = node, node.editor
        self.label: Label | None = None
        self._error = Label("", "error", wrap=True)
        self._error.hide()
        row = layout.rowCount()
        if self.editor.wide:
            layout.addWidget(self.editor, row, 0, 1, 2)
            layout.addWidget(self._error, row + 1, 0, 1, 2)
            return
        self.label = Label("", "muted", wrap=True)
        self.label.setBuddy(self.editor.inner)
        self.label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        if node.spec.shape.sort == "several":  # its choices have many words
            layout.addWidget(self.label, row, 0, 1, 2)
            layout.addWidget(self.editor, row + 1, 0, 1, 2)
            layout.addWidget(self._error, row + 2, 0, 1, 2)
            return
        tall = isinstance(self.editor, RefsEditor)
        layout.addWidget(self.label, row, 0, Qt.AlignmentFlag.AlignTop if tall else Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self.editor, row, 1)
        layout.addWidget(self._error, row + 1, 1)

    def say(self) -> None:
        """Set all texts anew: label, choices, help, and the names that screen readers say."""
        spec = self.node.spec
        self.editor.say()
        tip = tip_of(spec)
        self.editor.inner.setToolTip(tip)
        self.editor.inner.setWhatsThis(tip)
        if self.label is not None:
            self.label.setText(name_of(spec))
            self.label.setToolTip(tip)
        for widget in self.named():
            widget.setAccessibleName(name_of(spec))
            widget.setAccessibleDescription(tr(spec.help))

    def named(self) -> list[QWidget]:
        """The widgets of the editor that take the field's name: those with the focus and no words of their own."""
        inner = [self.editor.inner, *self.editor.inner.findChildren(QWidget)]
        return [] if self.editor.worded else [w for w in inner if w.focusPolicy() != Qt.FocusPolicy.NoFocus]

    def show(self, problems: dict[str, str]) -> None:
        """Follow the state of the form: shown while it counts, marked while it is wrong."""
        text, active = problems.get(self.node.path, ""), self.node.active()
        self._error.setText(text)
        self.editor.mark(bool(text))
        self.editor.setVisible(active)
        if self.label is not None:
            self.label.setVisible(active)
        self._error.setVisible(active and bool(text))


def align(labels: list[Label]) -> None:
    """Give all labels one width: as much as they need, at most two fifths of a narrow form."""
    widths = [label.fontMetrics().horizontalAdvance(label.text()) + 4 for label in labels]
    width = min(theme().px(LABEL_AT_MOST), max(widths, default=0))
    for label in labels:
        label.setFixedWidth(width)
