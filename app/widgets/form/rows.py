"""The rows of a form: label, editor and the sentence under it, and how they are laid out and worded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from app.shell.text import tr
from app.shell.theme import SPACE_2, SPACE_3, theme
from app.widgets.form.editors import Editor, RefsEditor
from app.widgets.form.nodes import Node
from app.widgets.form.shape import FieldSpec
from app.widgets.labels import Label

LABEL_AT_MOST = 94
HEIGHT = 3  # rows of the layout for one field: label above, editor, sentence


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
    """A line above the fields of a group; seen while the first of them is, and made when it is first to be seen."""

    def __init__(self, layout: QGridLayout, at: int, group: Node, first: Node) -> None:
        """``at``: the row of the layout."""
        self._layout, self._at, self._group, self._first = layout, at, group, first
        self._label: Label | None = None

    def widgets(self) -> list[QWidget]:
        """None that stands for a field."""
        return []

    def stops(self) -> list[QWidget]:
        """The Tab key passes it by."""
        return []

    def say(self) -> None:
        """Set the text anew."""
        if self._label is not None:
            self._label.setText(tr(self._group.spec.title))

    def show(self, _problems: dict[str, str]) -> bool:
        """Follow the state of the form; whether something was made."""
        active, made = self._first.active(), False
        if active and self._label is None:
            self._label, made = Label("", "group"), True
            self._layout.addWidget(self._label, self._at, 0, 1, 2)
            self.say()
        if self._label is not None:
            self._label.setVisible(active)
        return made


class Row:
    """One field: label and editor, or an editor that is its own label; a sentence under it when it is wrong.

    Attributes:
        editor: None until the row is first to be seen. label: None also where the editor is its own label.
    """

    def __init__(self, layout: QGridLayout, at: int, node: Node) -> None:
        """``at``: the first of the HEIGHT rows of the layout that are kept for it."""
        self._layout, self._at, self.node = layout, at, node
        self.editor: Editor | None = None
        self.label: Label | None = None
        self._error: Label | None = None

    @property
    def spans(self) -> bool:
        """Whether the editor is its own label, so that no label stands beside it."""
        return self.node.spec.shape.sort in ("bool", "group")

    def build(self) -> Editor:
        """Make the widgets, if they are not yet there."""
        if self.editor is None:
            self.editor = self.node.build()
            self._error = Label("", "error", wrap=True)
            self._error.hide()
            self._place(self.editor, self._error)
            self.say()
        return self.editor

    def _place(self, editor: Editor, error: Label) -> None:
        layout, row = self._layout, self._at
        if editor.wide:
            layout.addWidget(editor, row, 0, 1, 2)
            layout.addWidget(error, row + 1, 0, 1, 2)
            return
        self.label = Label("", "muted", wrap=True)
        self.label.setBuddy(editor.inner)
        self.label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        if self.node.spec.shape.sort == "several":  # its choices have many words
            layout.addWidget(self.label, row, 0, 1, 2)
            layout.addWidget(editor, row + 1, 0, 1, 2)
            layout.addWidget(error, row + 2, 0, 1, 2)
            return
        tall = isinstance(editor, RefsEditor)
        layout.addWidget(self.label, row, 0, Qt.AlignmentFlag.AlignTop if tall else Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(editor, row, 1)
        layout.addWidget(error, row + 1, 1)

    def say(self) -> None:
        """Set all texts anew: label, choices, help, and the names that screen readers say."""
        if self.editor is None:
            return
        spec = self.node.spec
        self.editor.say()
        tip = tip_of(spec)
        self.editor.inner.setToolTip(tip)
        self.editor.inner.setWhatsThis(tip)
        if self.label is not None:
            self.label.setText(name_of(spec))
            self.label.setToolTip(tip)
        for widget in [] if self.editor.worded else self.widgets():
            if widget.focusPolicy() != Qt.FocusPolicy.NoFocus:
                widget.setAccessibleName(name_of(spec))
                widget.setAccessibleDescription(tr(spec.help))

    def widgets(self) -> list[QWidget]:
        """The widgets that stand for the field: they carry its name and its help."""
        return [self.editor.inner, *self.editor.inner.findChildren(QWidget)] if self.editor is not None else []

    def stops(self) -> list[QWidget]:
        """Where the Tab key stops, in the order of reading."""
        if self.editor is None:
            return []
        # Line edits inside pass the focus on, and lists of combo boxes are windows of their own.
        inside = [w for w in self.editor.findChildren(QWidget) if w.window() is self.editor.window()]
        return [w for w in inside if w.focusPolicy() & Qt.FocusPolicy.TabFocus and w.focusProxy() is None]

    def show(self, problems: dict[str, str]) -> bool:
        """Follow the state of the form: shown while it counts, marked while it is wrong; whether it was made now."""
        text, active = problems.get(self.node.path, ""), self.node.active()
        made = active and self.editor is None
        if made:
            self.build()
        if self.editor is None or self._error is None:
            return False
        self._error.setText(text)
        self.editor.mark(bool(text))
        self.editor.setVisible(active)
        if self.label is not None:
            self.label.setVisible(active)
        self._error.setVisible(active and bool(text))
        return made


def align(labels: Sequence[Label], names: Iterable[str]) -> None:
    """Give all labels one width: as much as the names need, at most two fifths of a narrow form.

    Args:
        names: of all rows, also of those that are not yet made: labels keep their width when a row joins them.
    """
    if not labels:
        return
    metrics, most = labels[0].fontMetrics(), theme().px(LABEL_AT_MOST)
    width = 0
    for name in names:
        width = min(most, max(width, metrics.horizontalAdvance(name) + 4))
        if width == most:
            break
    for label in labels:
        label.setFixedWidth(width)
