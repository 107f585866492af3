"""Turns a column of targets into class indices or numbers, and arrays of examples into a network's shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.data.dataset import Array, Note
from engine.data.errors import NotFinite, NumbersExpected, TargetShape, WrongType

FEW = 20


def encode(values: Array, predict: str, name: str) -> tuple[Array, tuple[str, ...]]:
    """Targets as training takes them.

    Args:
        values: (N,) numbers, truth values or text. predict: "class", "number", or "auto": numbers are classes if they
            are whole and at most 20 or half of them differ. name: of the target, for errors.

    Returns:
        (N,) int64 indices and the names of the classes in order; or (N,) float32 and no names.

    Raises:
        NumbersExpected, NotFinite, TargetShape.
    """
    values = _one_column(values, name)
    text = values.dtype.kind in "US"
    if text and predict == "number":
        raise NumbersExpected(target=name, example=str(values[0]))
    if not text and values.dtype.kind == "f":
        bad = ~np.isfinite(values)
        if bad.any():
            raise NotFinite(count=int(bad.sum()), rows=len(values), column=name)
    if predict == "number" or (predict == "auto" and not text and _is_number(values)):
        return values.astype(np.float32), ()
    found, index = np.unique(values, return_inverse=True)
    return index.reshape(-1).astype(np.int64), tuple(_label(value) for value in found)


def _one_column(values: Array, name: str) -> Array:
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    binary = values.ndim == 2 and values.dtype.kind in "biuf" and bool(((values == 0) | (values == 1)).all())
    if binary and bool((values.sum(axis=1) == 1).all()):
        return values.argmax(axis=1)
    if values.ndim != 1:
        raise TargetShape(target=name, shape=values.shape)
    return values


def _is_number(values: Array) -> bool:
    if values.dtype.kind == "f" and not np.array_equal(values, np.round(values)):
        return True
    return len(np.unique(values)) > max(FEW, len(values) // 2)


def _label(value: np.generic) -> str:
    item = value.item()
    return str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)


def as_examples(x: Array, name: str, path: Path) -> tuple[Array, tuple[Note, ...]]:
    """Numbers as float32 in the order (N, channels, height, width), (N, channels, length) or (N, features).

    Raises:
        WrongType: x holds no numbers.
    """
    if x.dtype.kind not in "biuf":
        raise WrongType(name=name, path=path, dtype=str(x.dtype))
    notes: list[Note] = []
    if x.ndim == 1:
        x = x[:, None]
    elif x.ndim == 3 and (x.dtype == np.uint8 or x.shape[1] == x.shape[2]):
        x = x[:, None]
        notes.append(("{name} was taken as grey images of {height} x {width} pixels.",
                      {"name": name, "height": x.shape[2], "width": x.shape[3]}))  # fmt: skip
    elif x.ndim == 4 and x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3, 4):
        x = np.moveaxis(x, 3, 1)
        notes.append(("{name} had its colours last; they were moved to the front.", {"name": name}))
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is told as that
        return x.astype(np.float32), tuple(notes)
