"""A form made from a config class: one row a field, help on F1, errors under the field, undo."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ValidationError
from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent, QUndoCommand, QUndoStack
from PySide6.QtWidgets import QGridLayout, QToolButton, QToolTip, QVBoxLayout, QWidget

from app.shell.icons import icon
from app.shell.text import live, tr
from app.shell.theme import SPACE_2, theme
from app.widgets.form import problems, rows
from app.widgets.form.editors import Combo, Provider, RefEditor, RefsEditor
from app.widgets.form.nodes import Group, Node
from app.widgets.form.rows import Heading, Row
from app.widgets.form.shape import FieldSpec, Shape
from app.widgets.labels import Label
from engine.artifacts.refs import ArtifactRef
from engine.errors import EngineError

_CUSTOM = "custom"


class FormInvalid(EngineError):
    """Raised when the value of a form is asked for while a field is wrong."""

    what = "The settings are not complete."
    why = "{reason}"
    remedy = "Correct the marked field."


class _Edit(QUndoCommand):
    """One change; typing in one field counts as one while it goes on."""

    def __init__(self, form: ConfigForm, path: str, before: Any, after: Any) -> None:
        super().__init__(tr("Change of {field}", field=path))
        self._form, self.path, self.before, self.after = form, path, before, after
        self._when = time.monotonic()
        self._fresh = True

    def redo(self) -> None:
        if not self._fresh:
            self._form._restore(self.after)
        self._fresh = False

    def undo(self) -> None:
        self._form._restore(self.before)

    def id(self) -> int:
        return 1

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, _Edit) or other.path != self.path or not self.path or other._when - self._when > 2.0:
            return False
        self.after, self._when = other.after, other._when
        return True


class ConfigForm(QWidget):
    """Edits one config.

    Signals:
        changed: the user, an undo or ``set_value`` changed something.
        valid: whether the settings can be run, and if not, why: emitted when either changes.
    """

    changed = Signal()
    valid = Signal(bool, str)

    def __init__(
        self, model: type[BaseModel], *, simple: Sequence[str] | None = None, provider: Provider | None = None,
        presets: Mapping[str, BaseModel] | None = None, needs: Sequence[str] = (), hide: Sequence[str] = (),
        check: Callable[[Any], str] | None = None, parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        """Build the form.

        Args:
            model: the config class. simple: paths ("radius", "train.epochs") shown first and in this order; the others
                are folded under Advanced; None shows every field that is not marked advanced.
            provider: artifact kind -> (label, reference) of what can be chosen.
            presets: name -> config for a first row that sets all but references; "smoke" is not offered.
            needs: paths of optional fields that must be filled before a run. hide: paths that are not shown.
            check: looks at a valid config and returns a reason why it cannot be run, or "".
        """
        super().__init__(parent)
        self.model = model
        self.undo_stack = QUndoStack(self)
        self._simple, self._needs, self._hide, self._check = simple, tuple(needs), set(hide), check
        self._presets = {name: preset for name, preset in (presets or {}).items() if name != "smoke"}
        self._first: list[Row | Heading] = []
        self._rest: list[Row | Heading] = []
        self._state: tuple[bool, str] | None = None
        self._preset: Combo | None = None
        root = FieldSpec("", "", "", "", "", False, False, {}, None, Shape("group", models=(model,)))
        self._root = Group("", root, model, (), self._edited, provider or (lambda kind: []))
        self._build()
        self._data = self._root.data()
        theme().changed.connect(self._align)
        live(self._say)

    # Building --------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_2)
        nodes = [node for node in self._root.walk() if node.path not in self._hide and node.edited]
        first, rest = self._split(nodes)
        self._front = QWidget()
        self._back = QWidget()
        front, back = rows.grid(self._front), rows.grid(self._back)
        if self._presets:
            self._add_presets(front)
        self._first = self._lay_out(front, first, headings=False)
        self._rest = self._lay_out(back, rest, headings=True)
        self._fold = QToolButton()
        self._fold.setProperty("fold", True)
        self._fold.setIcon(icon("right"))
        self._fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._fold.setCheckable(True)
        self._fold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._fold.setVisible(bool(rest))
        self._back.hide()
        self._loose = Label("", "error", wrap=True)
        self._loose.hide()
        for widget in (self._front, self._loose, self._fold, self._back):
            column.addWidget(widget)
        column.addStretch(1)
        self._fold.toggled.connect(self.unfold)

    def _split(self, nodes: list[Node]) -> tuple[list[Node], list[Node]]:
        if self._simple is None:
            hidden = {node.path for node in nodes if node.spec.advanced}
            inside = {n.path for n in nodes if any(n.path == p or n.path.startswith(p + ".") for p in hidden)}
            return [n for n in nodes if n.path not in inside], [n for n in nodes if n.path in inside]
        order = {path: index for index, path in enumerate(self._simple)}
        unknown = [path for path in order if not any(node.path == path for node in nodes)]
        if unknown:
            raise KeyError(f"{self.model.__name__} has no field {', '.join(unknown)}")
        chosen = {node.path for node in nodes if node.path in order}
        # What a union's choice opens belongs beside the choice.
        unions = [node.path for node in nodes if node.path in order and node.spec.shape.sort == "union"]
        beside = {n.path: u for n in nodes for u in unions if n.path.startswith(u + ".") and not n.spec.advanced}
        front = [node for node in nodes if node.path in chosen or node.path in beside]
        front.sort(key=lambda node: order.get(node.path, order.get(beside.get(node.path, ""), 0) + 0.5))
        return front, [node for node in nodes if node not in front]

    def _lay_out(self, grid: QGridLayout, nodes: list[Node], *, headings: bool) -> list[Row | Heading]:
        """Keep a place in the grid for each row; what is in it is made when it is first to be seen."""
        found: list[Row | Heading] = []
        heading, at = "", grid.rowCount()
        groups = {node.path: node for node in self._root.walk() if isinstance(node, Group) and node.path}
        for node in nodes:
            above = node.path.rpartition(".")[0]
            if headings and above != heading and above in groups:
                found.append(Heading(grid, at, groups[above], node))
                at += 1
            heading = above
            found.append(Row(grid, at, node))
            at += rows.HEIGHT
        return found

    def _show(self, found: dict[str, str]) -> None:
        """Have the rows follow the state of the form, and take in those that were made for it."""
        shown = self._first + (self._rest if self._fold.isChecked() else [])
        if sum(row.show(found) for row in shown):
            self._take_in()

    def _take_in(self) -> None:
        """Widgets were made: put them where they are read, for the Tab key as well."""
        chain: list[QWidget] = [self._preset] if self._preset is not None else []
        for row in self._first:
            chain += row.stops()
        chain.append(self._fold)
        for row in self._rest:
            chain += row.stops()
        for widget in (part for row in [*self._first, *self._rest] for part in row.widgets()):
            widget.installEventFilter(self)
        for before, after in pairwise(chain):
            QWidget.setTabOrder(before, after)
        self._align()

    def _add_presets(self, grid: QGridLayout) -> None:
        self._preset = Combo()
        for name in [*self._presets, _CUSTOM]:
            self._preset.addItem("", name)
        self._preset.activated.connect(self._take_preset)
        self._preset_label = Label("", "muted")
        self._preset_label.setBuddy(self._preset)
        grid.addWidget(self._preset_label, 0, 0, Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(self._preset, 0, 1)

    def _say(self) -> None:
        self._fold.setText(tr("Advanced"))
        if self._preset is not None:
            for index, name in enumerate([*self._presets, _CUSTOM]):
                self._preset.setItemText(index, tr(name.replace("_", " ").capitalize()))
            self._preset.setAccessibleName(tr("Preset"))
            self._preset.setToolTip(tr("A set of settings that belong together; references stay as they are."))
            self._preset_label.setText(tr("Preset"))
        for row in [*self._first, *self._rest]:
            row.say()
        self._align()
        self._refresh()

    def _align(self) -> None:
        every = [row for row in [*self._first, *self._rest] if isinstance(row, Row)]
        labels = [row.label for row in every if row.label is not None]
        if self._preset is not None:
            labels.append(self._preset_label)
        rows.align(labels, (rows.name_of(row.node.spec) for row in every if not row.spans))

    # Value -----------------------------------------------------------------------------------------------------------
    def value(self) -> Any:
        """The config.

        Raises:
            FormInvalid: a field is wrong; the reason names the first.
        """
        good, reason = self.state()
        if not good:
            raise FormInvalid(reason=reason)
        return self.model.model_validate(self._root.data())

    def set_value(self, config: BaseModel) -> None:
        """Show a config; undo brings back what was there."""
        before = self._root.data()
        self._root.set_data(config)
        after = self._root.data()
        if after != before:
            self.undo_stack.push(_Edit(self, "", before, after))
        self._data = after
        self._refresh()
        self.changed.emit()

    def state(self) -> tuple[bool, str]:
        """Whether the settings can be run, and the reason if not."""
        assert self._state is not None
        return self._state

    def refresh_choices(self) -> None:
        """Ask the provider again what artifacts there are."""
        for node in self._root.walk():
            if isinstance(node.editor, RefEditor | RefsEditor):
                node.editor.refresh()

    def editor(self, path: str) -> QWidget:
        """The widget in which a field is edited, made if it is not there yet; KeyError for a path not shown."""
        for row in [*self._first, *self._rest]:
            if isinstance(row, Row) and row.node.path == path:
                if row.editor is None:
                    row.build()
                    self._take_in()
                    row.show(self._problems()[0])
                return row.build().inner
        raise KeyError(path)

    def unfold(self, on: bool = True) -> None:
        """Show or hide the advanced settings."""
        self._fold.setChecked(on)
        self._fold.setIcon(icon("down" if on else "right"))
        self._refresh()
        self._back.setVisible(on)

    def preset(self) -> str:
        """The preset that the settings equal, or "custom"."""
        data = self._root.data()
        for name, preset in self._presets.items():
            if _without_refs(preset.model_dump()) == _without_refs(self._dumped(data)):
                return name
        return _CUSTOM

    # Changes ---------------------------------------------------------------------------------------------------------
    def _edited(self, path: str) -> None:
        if not hasattr(self, "_data"):
            return  # still being built
        after = self._root.data()
        if after != self._data:
            self.undo_stack.push(_Edit(self, path, self._data, after))
            self._data = after
        self._refresh()
        self.changed.emit()

    def _restore(self, data: Any) -> None:
        self._root.set_data(data)
        self._data = self._root.data()
        self._refresh()
        self.changed.emit()

    def _take_preset(self, _index: int) -> None:
        assert self._preset is not None
        name = self._preset.currentData()
        if name in self._presets:
            kept = {n.path: n.data() for n in self._root.walk() if n.spec.shape.sort in ("ref", "refs")}
            before = self._root.data()
            self._root.set_data(self._presets[name])
            for node in self._root.walk():
                if kept.get(node.path):
                    node.set_data(kept[node.path])
            self.undo_stack.push(_Edit(self, "", before, self._root.data()))
            self._data = self._root.data()
            self.changed.emit()
        self._refresh()

    def _dumped(self, data: Any) -> Any:
        try:
            return self.model.model_validate(data).model_dump()
        except ValidationError:
            return None

    # Checking --------------------------------------------------------------------------------------------------------
    def _refresh(self) -> None:
        found, loose = self._problems()
        self._show(found)
        self._loose.setText(loose)
        self._loose.setVisible(bool(loose))
        if self._preset is not None:
            self._preset.setCurrentIndex(self._preset.findData(self.preset()))
        state = self._judge(found, loose)
        if state != self._state:
            self._state = state
            self.valid.emit(*state)

    def _judge(self, found: dict[str, str], loose: str) -> tuple[bool, str]:
        for node in self._root.walk():
            if node.path in found and node.active():
                return False, f"{tr(node.spec.title)}: {found[node.path]}"
        if loose:
            return False, loose
        if found:
            return False, next(iter(found.values()))
        missing = [n for n in self._root.walk() if n.path in self._needs and n.active() and not n.data()]
        if missing:
            return False, tr("{field}: choose one first.", field=tr(missing[0].spec.title))
        reason = self._check(self.model.model_validate(self._data)) if self._check else ""
        return not reason, reason

    def _problems(self) -> tuple[dict[str, str], str]:
        nodes = {n.path: n for n in self._root.walk() if n.edited and n.active()}
        own = {path: text for path, n in nodes.items() if (text := n.problem())}
        try:
            self.model.model_validate(self._root.data())
        except ValidationError as error:
            found, loose = problems.by_path(error, set(nodes))
            return {**found, **own}, loose
        return own, ""

    # Help ------------------------------------------------------------------------------------------------------------
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_F1 and isinstance(watched, QWidget):
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()  # the field's own help comes before the window's
                return True
            if event.type() == QEvent.Type.KeyPress:
                widget: QWidget | None = watched
                while widget is not None and not widget.whatsThis():
                    widget = widget.parentWidget()
                if widget is not None:
                    at = watched.mapToGlobal(QPoint(0, watched.height()))
                    QToolTip.showText(at, widget.whatsThis(), watched, watched.rect(), 60000)
                return True
        return super().eventFilter(watched, event)


def _without_refs(data: Any) -> Any:
    """A dump with the references taken out, for comparing settings."""
    if isinstance(data, dict):
        if set(data) == set(ArtifactRef.model_fields):
            return None
        return {key: _without_refs(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        kept = [_without_refs(value) for value in data]
        return [value for value in kept if value is not None]
    return data
