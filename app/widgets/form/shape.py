"""What sort of editor a config's field needs, read from its pydantic annotation; knows no Qt."""

from __future__ import annotations

import types
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from engine.artifacts.refs import ArtifactRef, OfKind

Sort = Literal[
    "bool", "int", "float", "str", "path", "choice", "several", "numbers", "words", "group", "union", "ref", "refs",
    "json",
]  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """The range of a number; an open end is not part of it."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False


@dataclass(frozen=True)
class Shape:
    """The type of a value.

    Attributes:
        sort: which editor. optional: None is allowed. limits: of numbers. choices: of "choice" and "several".
        whole: numbers are integers. length: of a tuple of fixed length. listed: the value is a list, not a tuple.
        models: of "group" (one) and "union". key: the field that tells a union's members apart.
        artifact: the kind that a ref names.
    """

    sort: Sort
    optional: bool = False
    limits: Limits = Limits()
    choices: tuple[Any, ...] = ()
    whole: bool = False
    length: int | None = None
    listed: bool = False
    models: tuple[type[BaseModel], ...] = ()
    key: str = ""
    artifact: str = ""


@dataclass(frozen=True)
class FieldSpec:
    """A field as a form shows it; texts are English."""

    name: str
    title: str
    help: str
    unit: str
    symbol: str
    advanced: bool
    log: bool
    labels: dict[str, str]
    default: Any
    shape: Shape


def fields(model: type[BaseModel]) -> list[FieldSpec]:
    """All fields of a config class: its own in order, then those that it inherits, such as the seed."""
    own = [name for name in model.__annotations__ if name in model.model_fields]
    names = own + [name for name in model.model_fields if name not in own]
    return [_field(name, model.model_fields[name]) for name in names]


def _field(name: str, info: FieldInfo) -> FieldSpec:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    default = info.get_default(call_default_factory=True, validated_data={})
    labels = extra.get("labels") or {}
    return FieldSpec(
        name=name,
        title=info.title or name.replace("_", " ").capitalize(),
        help=info.description or "",
        unit=str(extra.get("unit") or ""),
        symbol=str(extra.get("symbol") or ""),
        advanced=bool(extra.get("advanced")),
        log=bool(extra.get("log")),
        labels={str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
        default=None if default is PydanticUndefined else default,
        shape=shape(info.annotation, info.metadata, str(info.discriminator or "")),
    )


def shape(annotation: Any, metadata: list[Any] | tuple[Any, ...] = (), key: str = "") -> Shape:
    """The shape of an annotation; what no editor knows is edited as JSON."""
    metadata = list(metadata)
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata += more
    for note in metadata:
        if isinstance(note, FieldInfo):
            metadata = metadata + list(note.metadata)
            key = key or str(note.discriminator or "")
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _of_union(annotation, metadata, key)
    if origin is Literal:
        return Shape("choice", choices=get_args(annotation))
    if origin in (tuple, list):
        return _of_sequence(origin, get_args(annotation))
    return _of_class(annotation, metadata)


def _of_class(annotation: Any, metadata: list[Any]) -> Shape:
    plain: dict[Any, Sort] = {bool: "bool", int: "int", float: "float", str: "str", Path: "path"}
    if annotation in plain:
        return Shape(plain[annotation], limits=limits(metadata), whole=annotation is int)
    if isinstance(annotation, type) and issubclass(annotation, ArtifactRef):
        return Shape("ref", artifact=next((note.kind for note in metadata if isinstance(note, OfKind)), ""))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape("group", models=(annotation,))
    return Shape("json")


def _of_union(annotation: Any, metadata: list[Any], key: str) -> Shape:
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    optional = len(arguments) < len(get_args(annotation))
    if len(arguments) == 1:
        inner = shape(arguments[0], metadata, key)
        return Shape(**{**vars(inner), "optional": optional})
    members = [shape(argument) for argument in arguments]
    if all(member.sort == "group" for member in members):
        models = tuple(member.models[0] for member in members)
        return Shape("union", optional=optional, models=models, key=key or _common_key(models))
    if {member.sort for member in members} == {"int", "float"}:
        return Shape("float", optional=optional, limits=limits(metadata))
    return Shape("json", optional=optional)


def _common_key(models: tuple[type[BaseModel], ...]) -> str:
    shared = set.intersection(*(set(model.model_fields) for model in models))
    keys = [name for name in shared if all(get_origin(m.model_fields[name].annotation) is Literal for m in models)]
    return keys[0] if keys else ""


def _of_sequence(origin: Any, arguments: tuple[Any, ...]) -> Shape:
    if not arguments:
        return Shape("json")
    endless = origin is list or (len(arguments) == 2 and arguments[1] is Ellipsis)
    item = shape(arguments[0])
    length = None if endless else len(arguments)
    listed = origin is list
    if item.sort in ("int", "float") and (endless or len(set(arguments)) == 1):
        return Shape("numbers", whole=item.sort == "int", length=length, limits=item.limits, listed=listed)
    if item.sort == "choice" and endless:
        return Shape("several", choices=item.choices, listed=listed)
    if item.sort == "str" and endless:
        return Shape("words", listed=listed)
    if item.sort == "ref" and endless:
        return Shape("refs", artifact=item.artifact, listed=listed)
    return Shape("json", listed=listed)


def limits(metadata: list[Any]) -> Limits:
    """The range that the constraints on a number leave."""
    found: dict[str, Any] = {}
    for note in metadata:
        if isinstance(note, annotated_types.Ge):
            found |= {"low": note.ge}
        elif isinstance(note, annotated_types.Gt):
            found |= {"low": note.gt, "low_open": True}
        elif isinstance(note, annotated_types.Le):
            found |= {"high": note.le}
        elif isinstance(note, annotated_types.Lt):
            found |= {"high": note.lt, "high_open": True}
        elif isinstance(note, annotated_types.Interval):
            found |= vars(limits(list(note)))
    return Limits(**found)


def tag(model: type[BaseModel], key: str) -> Any:
    """The value by which a union's member is known."""
    return get_args(model.model_fields[key].annotation)[0] if key else model.__name__


def title(model: type[BaseModel]) -> str:
    """The words for a union's member: its ``title``, else its class name."""
    said = getattr(model, "title", None)
    return said if isinstance(said, str) else model.__name__
