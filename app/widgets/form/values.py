"""What a field holds without a widget: the text of a value, the value of a text, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.shell.text import MINUS, tr
from app.widgets.form.number_box import parse, written
from app.widgets.form.shape import Shape
from engine.artifacts.refs import ArtifactRef


class Raw(str):
    """What a person typed that is no value: kept in a form's data, so that undo and redo bring it away and back."""


def text_of(shape: Shape, value: Any) -> str:
    """How a value stands in a line of text; Raw as it was typed."""
    if value is None:
        return ""
    if isinstance(value, Raw):
        return value
    if shape.sort in ("int", "float"):
        return written(value)
    if shape.sort == "numbers":
        return ", ".join(written(part) for part in value)
    if shape.sort == "words":
        return ", ".join(value)
    return json.dumps(value, default=_plain) if shape.sort == "json" else str(value)


def value_of(shape: Shape, text: str) -> Any:
    """The value of a line of text: None where it is rightly empty, Raw where it is no value."""
    if not text.strip() and shape.optional:
        return None
    try:
        return _READ[shape.sort](shape, text)
    except ValueError:
        return Raw(text)


def problem(shape: Shape, value: Any) -> str:
    """Why what an editor holds is no value at all, or "".

    Args:
        value: what `settled` or an editor gives.
    """
    if shape.sort == "choice":
        known = value in shape.choices or (value is None and shape.optional)
        return "" if known else tr("Choose one.")
    if isinstance(value, Raw):
        return _unread(shape, value)
    if shape.sort == "numbers" and value is not None and shape.length not in (None, len(value)):
        return tr("Needs {n} numbers.", n=shape.length)
    return ""


def settled(shape: Shape, value: Any) -> Any:
    """What the field's editor gives back once it was given a value, without making the editor."""
    if shape.sort in _READ:
        return value_of(shape, text_of(shape, value))
    if shape.sort == "bool":
        return bool(value)
    if shape.sort == "choice":
        return next((choice for choice in shape.choices if choice == value), None)
    if shape.sort == "several":
        return [choice for choice in shape.choices if choice in (value or ())]
    if shape.sort == "refs":
        return [settled_ref(ref) for ref in value or ()]
    return settled_ref(value)


def settled_ref(value: Any) -> ArtifactRef | None:
    """A reference, also from plain data."""
    return ArtifactRef.model_validate(value) if isinstance(value, dict) else value


def _plain(part: Any) -> Any:
    return part.model_dump(mode="json") if hasattr(part, "model_dump") else str(part)


def _number(shape: Shape, text: str) -> float | int:
    found = parse(text, shape.whole)
    if found is None:
        raise ValueError(text)
    return found


def _numbers(shape: Shape, text: str) -> list[float | int]:
    parts = text.replace(";", ",").replace("×", ",").replace(", ", ",").split(",")
    return [_number(shape, part) for part in parts if part.strip()]


def _path(_shape: Shape, text: str) -> Path:
    if not text.strip():
        raise ValueError(text)
    return Path(text).expanduser()


def _words(_shape: Shape, text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


_READ: dict[str, Callable[[Shape, str], Any]] = {
    "int": _number, "float": _number, "numbers": _numbers, "words": _words, "path": _path,
    "str": lambda _shape, text: text, "json": lambda _shape, text: json.loads(text),
}  # fmt: skip


def _unread(shape: Shape, text: str) -> str:
    """Why a text has no value."""
    if shape.sort == "numbers":
        return tr("Needs whole numbers, such as 64, 64.") if shape.whole else tr("Needs numbers, such as 0.1, 0.2.")
    if shape.sort in ("int", "float"):
        return tr("Needs a whole number.") if shape.whole else tr("Needs a number, such as 0.1 or 1e-3.")
    if not text.strip():
        return tr("Needs a value.")
    try:
        json.loads(text)
    except ValueError as error:
        return tr("Is not JSON: {reason}.", reason=str(error).replace("-", MINUS))
    return ""
