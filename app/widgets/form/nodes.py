"""The tree behind a form: leaves with editors, groups, optional groups with a tick, unions with a choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel
from PySide6.QtWidgets import QCheckBox

from app.shell.text import tr
from app.widgets.form import shape as shapes
from app.widgets.form.editors import ChoiceEditor, Editor, Provider, editor
from app.widgets.form.shape import FieldSpec, Shape

Changed = Callable[[str], None]


class Node:
    """A place in the tree.

    Attributes:
        path: names joined by dots. spec: the field. above: the conditions under which it counts, outermost first.
    """

    def __init__(self, path: str, spec: FieldSpec, above: Sequence[Callable[[], bool]]) -> None:
        self.path, self.spec, self.above = path, spec, tuple(above)
        self.editor: Editor | None = None

    def active(self) -> bool:
        """Whether all that it hangs on is ticked and chosen."""
        return all(condition() for condition in self.above)

    def children(self) -> Iterator[Node]:
        """The nodes directly below."""
        return iter(())

    def walk(self) -> Iterator[Node]:
        """The nodes below, each before its own children."""
        for child in self.children():
            yield child
            yield from child.walk()

    def data(self) -> Any:
        """The value as pydantic takes it."""
        return self.editor.value() if self.editor else None

    def set_data(self, value: Any) -> None:
        """Show a value: a config or plain data."""
        if self.editor:
            self.editor.set_value(value)


class Group(Node):
    """A config inside a config; with a tick where it may be left out."""

    def __init__(
        self, path: str, spec: FieldSpec, model: type[BaseModel], above: Sequence[Callable[[], bool]],
        changed: Changed, provider: Provider, key: str = "",
    ) -> None:  # fmt: skip
        super().__init__(path, spec, above)
        self.model, self.key = model, key
        below = list(self.above)
        if spec.shape.optional and spec.shape.sort == "group":
            self.editor = _Tick(spec)
            self.editor.changed.connect(lambda: changed(path))
            below.append(self.editor.value)
        self.parts: dict[str, Node] = {
            part.name: make(f"{path}.{part.name}" if path else part.name, part, below, changed, provider)
            for part in shapes.fields(model)
            if part.name != key
        }

    def children(self) -> Iterator[Node]:
        return iter(self.parts.values())

    def data(self) -> Any:
        if self.editor is not None and not self.editor.value():
            return None
        found = {}
        for name, part in self.parts.items():
            value = part.data()
            # What is missing is left out, so that pydantic says "required" rather than "not a model".
            if value is not None or part.spec.shape.optional:
                found[name] = value
        if self.key:
            found[self.key] = shapes.tag(self.model, self.key)
        return found

    def set_data(self, value: Any) -> None:
        if self.editor is not None:
            self.editor.set_value(value is not None)
        if value is None:
            return
        for name, part in self.parts.items():
            if isinstance(value, Mapping):
                if name in value:
                    part.set_data(value[name])
            elif hasattr(value, name):
                part.set_data(getattr(value, name))


class Choice(Node):
    """One of several configs, told apart by a key."""

    def __init__(
        self, path: str, spec: FieldSpec, above: Sequence[Callable[[], bool]], changed: Changed, provider: Provider
    ) -> None:
        super().__init__(path, spec, above)
        shape = spec.shape
        self.tags = [shapes.tag(model, shape.key) for model in shape.models]
        labels = {
            str(tag): shapes.title(model) for tag, model in zip(self.tags, shape.models, strict=True)
        } | spec.labels
        choice = Shape("choice", optional=shape.optional, choices=tuple(self.tags))
        self.box = ChoiceEditor(FieldSpec(**{**vars(spec), "shape": choice, "labels": labels}))
        self.editor = self.box
        self.box.changed.connect(lambda: changed(path))
        self.members: dict[Any, Group] = {}
        for tag, model in zip(self.tags, shape.models, strict=True):
            below: list[Callable[[], bool]] = [*self.above, partial(self._is, tag)]
            self.members[tag] = Group(path, spec, model, below, changed, provider, shape.key)
            try:
                self.members[tag].set_data(_plain_defaults(model))
            except ValueError:
                continue  # a member with required fields starts empty

    def _is(self, tag: Any) -> bool:
        return bool(self.box.value() == tag)

    def children(self) -> Iterator[Node]:
        return iter(self.members.values())

    def data(self) -> Any:
        chosen = self.box.value()
        return self.members[chosen].data() if chosen in self.members else None

    def set_data(self, value: Any) -> None:
        if value is None:
            self.box.set_value(None)
            return
        key = self.spec.shape.key
        if isinstance(value, Mapping):
            tag = value.get(key)
        else:
            tag = getattr(value, key) if key else type(value).__name__
        self.box.set_value(tag)
        if tag in self.members:
            self.members[tag].set_data(value)


class _Tick(Editor):
    """Whether an optional group is there."""

    wide = True

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__(spec)
        self.box = QCheckBox()
        self.box.toggled.connect(self.changed)
        self.hold(self.box)

    def say(self) -> None:
        self.box.setText(tr(self.spec.title))

    def value(self) -> bool:
        return self.box.isChecked()

    def set_value(self, value: Any) -> None:
        blocked = self.box.blockSignals(True)
        self.box.setChecked(bool(value))
        self.box.blockSignals(blocked)


def _plain_defaults(model: type[BaseModel]) -> dict[str, Any]:
    return {part.name: part.default for part in shapes.fields(model) if part.default is not None}


def make(path: str, spec: FieldSpec, above: Sequence[Callable[[], bool]], changed: Changed, provider: Provider) -> Node:
    """The node for a field, with everything below it, showing the field's default."""
    node: Node
    if spec.shape.sort == "group":
        node = Group(path, spec, spec.shape.models[0], above, changed, provider)
        if spec.default is None and spec.shape.optional:
            node.set_data(_plain_defaults(spec.shape.models[0]))
    elif spec.shape.sort == "union":
        node = Choice(path, spec, above, changed, provider)
    else:
        node = Node(path, spec, above)
        node.editor = editor(spec, provider)
        node.editor.changed.connect(lambda: changed(path))
    node.set_data(spec.default)
    return node
