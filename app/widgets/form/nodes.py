"""The tree behind a form: leaves with editors, groups, optional groups with a tick, unions with a choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel
from PySide6.QtWidgets import QCheckBox

from app.shell.text import tr
from app.widgets.form import shape as shapes
from app.widgets.form import values
from app.widgets.form.editors import ChoiceEditor, Editor, Provider, editor
from app.widgets.form.shape import FieldSpec, Shape

Changed = Callable[[str], None]
_YES_NO = {"True": "yes", "False": "no"}


class Node:
    """A place in the tree. Its editor is made when it is first to be seen; until then the node keeps the value.

    Attributes:
        path: names joined by dots. spec: the field. above: the conditions under which it counts, outermost first.
        editor: None until it is built, and where there is nothing to edit.
    """

    def __init__(
        self, path: str, spec: FieldSpec, above: Sequence[Callable[[], bool]],
        maker: Callable[[], Editor] | None, changed: Changed,
    ) -> None:  # fmt: skip
        """``maker`` makes the editor of what is edited at this place itself; None where nothing is."""
        self.path, self.spec, self.above = path, spec, tuple(above)
        self.editor: Editor | None = None
        self._maker, self._changed = maker, changed
        self._shape = spec.shape
        self._kept: Any = None

    @property
    def edited(self) -> bool:
        """Whether there is something to edit at this place itself."""
        return self._maker is not None

    def build(self) -> Editor:
        """The editor, made now if it was not before."""
        if self.editor is None:
            assert self._maker is not None
            made = self._maker()
            made.set_value(self._kept)
            made.changed.connect(lambda: self._changed(self.path))
            self.editor, self._kept = made, None
        return self.editor

    def own(self) -> Any:
        """What is chosen at this place itself."""
        return self.editor.value() if self.editor is not None else self._kept

    def set_own(self, value: Any) -> None:
        """Show it, without telling that it changed."""
        if self.editor is not None:
            self.editor.set_value(value)
        else:
            self._kept = values.settled(self._shape, value)

    def problem(self) -> str:
        """Why what is held is no value at all, or ""."""
        return self.editor.problem() if self.editor is not None else values.problem(self._shape, self._kept)

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
        return self.own()

    def set_data(self, value: Any) -> None:
        """Show a value: a config or plain data."""
        self.set_own(value)


class Group(Node):
    """A config inside a config; with a tick where it may be left out."""

    def __init__(
        self, path: str, spec: FieldSpec, model: type[BaseModel], above: Sequence[Callable[[], bool]],
        changed: Changed, provider: Provider, key: str = "",
    ) -> None:  # fmt: skip
        ticked = spec.shape.optional and spec.shape.sort == "group"
        super().__init__(path, spec, above, partial(_Tick, spec) if ticked else None, changed)
        self.model, self.key = model, key
        self._shape = Shape("bool")
        below = [*self.above, self.own] if ticked else self.above
        self.parts: dict[str, Node] = {
            part.name: make(f"{path}.{part.name}" if path else part.name, part, below, changed, provider)
            for part in shapes.fields(model)
            if part.name != key
        }

    def children(self) -> Iterator[Node]:
        return iter(self.parts.values())

    def data(self) -> Any:
        if self.edited and not self.own():
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
        if self.edited:
            self.set_own(value is not None)
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
        shape = spec.shape
        self.tags = [shapes.tag(model, shape.key) for model in shape.models]
        labels = {
            str(tag): shapes.title(model) for tag, model in zip(self.tags, shape.models, strict=True)
        } | spec.labels
        choice = Shape("choice", optional=shape.optional, choices=tuple(self.tags))
        box = replace(spec, shape=choice, labels=labels)
        super().__init__(path, spec, above, partial(ChoiceEditor, box), changed)
        self._shape = choice
        self.members: dict[Any, Group] = {}
        for tag, model in zip(self.tags, shape.models, strict=True):
            below: list[Callable[[], bool]] = [*self.above, partial(self._is, tag)]
            self.members[tag] = Group(path, spec, model, below, changed, provider, shape.key)
            try:
                self.members[tag].set_data(_plain_defaults(model))
            except ValueError:
                continue  # a member with required fields starts empty

    def _is(self, tag: Any) -> bool:
        return bool(self.own() == tag)

    def children(self) -> Iterator[Node]:
        return iter(self.members.values())

    def data(self) -> Any:
        chosen = self.own()
        return self.members[chosen].data() if chosen in self.members else None

    def set_data(self, value: Any) -> None:
        if value is None:
            self.set_own(None)
            return
        key = self.spec.shape.key
        if isinstance(value, Mapping):
            tag = value.get(key)
        else:
            tag = getattr(value, key) if key else type(value).__name__
        self.set_own(tag)
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
        if spec.shape.sort == "bool" and spec.shape.optional:
            spec = replace(spec, shape=Shape("choice", optional=True, choices=(True, False)), labels=_YES_NO)
        node = Node(path, spec, above, partial(editor, spec, provider), changed)
    node.set_data(spec.default)
    return node
