"""Checkpoints: what resume needs, in one file each, written all or not at all; the last two are kept."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.durable import replacing

_KEEP = 2
_ARRAY = "__array__"


@dataclass(frozen=True)
class Checkpoint:
    """A saved state.

    Attributes:
        plan, unit: where to go on: the unit ``unit`` of the run's ``plan``-th call of ``units``; earlier ones are done.
        series: file -> number of rows that belong to the done units.
        state: what the task gave.
    """

    plan: int
    unit: int
    series: Mapping[str, int]
    state: Mapping[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into ``folder`` and remove all but the last two.

    Raises:
        TypeError: the state holds something else than numpy arrays, JSON values and dicts with text keys of these.
        OSError: the disk is full; earlier checkpoints stay.
    """
    arrays: dict[str, Any] = {}
    head = {
        "plan": checkpoint.plan,
        "unit": checkpoint.unit,
        "series": dict(checkpoint.series),
        "state": _pack(checkpoint.state, arrays),
    }
    folder.mkdir(exist_ok=True)
    numbers = _numbers(folder)
    with replacing(folder / f"{max(numbers, default=0) + 1:06d}.npz") as file:
        np.savez(file, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays)
    for number in numbers[: -(_KEEP - 1)]:
        (folder / f"{number:06d}.npz").unlink(missing_ok=True)


def newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is intact, or None."""
    for number in reversed(_numbers(folder)):
        try:
            return _load(folder / f"{number:06d}.npz")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            continue
    return None


def _load(path: Path) -> Checkpoint:
    with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:  # the zip's checksums tell a damaged file
        head = json.loads(file["head"].tobytes())
        state = _unpack(head["state"], file)
    return Checkpoint(head["plan"], head["unit"], head["series"], state)


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.npz") if path.stem.isdigit())


def _pack(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("a checkpoint cannot hold arrays of Python objects")
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {_ARRAY: name}
    if isinstance(value, np.generic):
        return _pack(value.item(), arrays)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("keys of a checkpoint are text")
        return {key: _pack(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(item, arrays) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__}; give numpy arrays and JSON values")


def _unpack(value: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _unpack(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    return value
