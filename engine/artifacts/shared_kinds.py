"""The artifact kinds that many studies share: tables of named columns, and the trajectory of a training."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

RECORDS = ("step_norm", "displacement", "layer_step_norm", "layer_displacement", "loss")


BLOCK = 1 << 16  # rows written at a time


@dataclass(frozen=True)
class RowBlocks:
    """A table too long to hold, made while it is written.

    Attributes:
        dtype: structured, one field a column. rows: of all blocks together. blocks: makes them, in order.
    """

    dtype: np.dtype[Any]
    rows: int
    blocks: Callable[[], Iterator[Array]]


Tabular = Mapping[str, Array] | Array | RowBlocks


class TableKind:
    """A table: ``{column: (n,) array}``, a structured (n,) array or RowBlocks; read as ``{column: (n,) array}``.

    Columns are numbers, truth values or text. table.npy is what is read; table.csv is for people and other programs.
    Columns may be memory maps: no more than a block of rows is held.
    """

    name = "table"
    title = "Table"
    schema_version = 1

    def write(self, value: Tabular, folder: Path) -> None:
        table = value if isinstance(value, RowBlocks) else _in_blocks(_columns(value))
        path, done = folder / "table.npy", 0
        offset = _write_header(path, table)
        with open(path, "r+b") as file, open(folder / "table.csv", "w", newline="", encoding="utf-8") as text:
            file.seek(offset)
            writer = csv.writer(text)
            writer.writerow(table.dtype.names or ())
            for block in table.blocks():
                file.write(np.ascontiguousarray(block, table.dtype).tobytes())
                writer.writerows(block.tolist())
                done += len(block)
        if done != table.rows:
            raise ValueError(f"a table of {table.rows} rows came with {done}")

    def read(self, folder: Path) -> dict[str, Array]:
        table = np.load(folder / "table.npy", mmap_mode="r", allow_pickle=False)
        return {name: table[name] for name in table.dtype.names or ()}

    def describe(self, value: Tabular) -> dict[str, str | int | float]:
        if isinstance(value, RowBlocks):
            return {"rows": value.rows, "columns": ", ".join(value.dtype.names or ())}
        columns = _columns(value)
        return {"rows": len(next(iter(columns.values()), ())), "columns": ", ".join(columns)}


def _write_header(path: Path, table: RowBlocks) -> int:
    """Make the file with room for all rows; where they begin."""
    version = (3, 0)  # column names in any script
    if not table.rows:
        with open(path, "wb") as file:
            np.lib.format.write_array(file, np.empty(0, table.dtype), version=version, allow_pickle=False)
        return path.stat().st_size
    held = np.lib.format.open_memmap(path, "w+", table.dtype, (table.rows,), version=version)
    return int(held.offset)


def _in_blocks(columns: dict[str, Array]) -> RowBlocks:
    dtype = np.dtype([(name, column.dtype) for name, column in columns.items()])
    rows = len(next(iter(columns.values())))

    def blocks() -> Iterator[Array]:
        for start in range(0, rows, BLOCK):
            block = np.empty(min(BLOCK, rows - start), dtype)
            for name, column in columns.items():
                block[name] = column[start : start + BLOCK]
            yield block

    return RowBlocks(dtype, rows, blocks)


def _columns(value: Mapping[str, Array] | Array) -> dict[str, Array]:
    if isinstance(value, np.ndarray):
        items = {name: value[name] for name in value.dtype.names or ()}
    else:
        items = {name: np.asarray(column) for name, column in value.items()}
    if not items:
        raise ValueError("a table needs at least one column")
    for name, column in items.items():
        if column.ndim != 1 or column.dtype.kind not in "biufU":
            raise ValueError(f"column {name!r} must be (n,) numbers or text, is {column.dtype} {column.shape}")
    if len({len(column) for column in items.values()}) > 1:
        raise ValueError("the columns of a table must be equally long")
    return items


class TrajectoryKind:
    """The way of a training, in two members that are kept apart.

    ``{"records": {...}, "layers": [L names], "snapshots": {...}}`` with

    - records, float64, one entry for each of T optimiser steps: ``step_norm`` (T,) is |w_t+1 - w_t|, ``displacement``
      (T,) is |w_t+1 - w_0|, ``layer_step_norm`` and ``layer_displacement`` (T, L) the same layer by layer, ``loss``
      (T,) the batch's loss. Tail estimators use these only: norms of thinned or rounded weights give wrong exponents.
    - snapshots, thinned, for pictures: ``steps`` (S,) int64 and ``weights`` (S, P) float32.
    """

    name = "trajectory"
    title = "Trajectory"
    schema_version = 1

    def write(self, value: Mapping[str, Any], folder: Path) -> None:
        _check_trajectory(value)
        (folder / "records").mkdir()
        (folder / "snapshots").mkdir()
        for name in RECORDS:
            np.save(folder / "records" / f"{name}.npy", value["records"][name], allow_pickle=False)
        steps = np.asarray(value["snapshots"]["steps"], np.int64)
        np.save(folder / "snapshots" / "steps.npy", steps, allow_pickle=False)
        np.save(folder / "snapshots" / "weights.npy", value["snapshots"]["weights"], allow_pickle=False)
        (folder / "layers.json").write_text(json.dumps(list(value["layers"])), encoding="utf-8")

    def read(self, folder: Path) -> dict[str, Any]:
        return {
            "records": {name: _load(folder / "records" / f"{name}.npy") for name in RECORDS},
            "layers": json.loads((folder / "layers.json").read_text(encoding="utf-8")),
            "snapshots": {name: _load(folder / "snapshots" / f"{name}.npy") for name in ("steps", "weights")},
        }

    def describe(self, value: Mapping[str, Any]) -> dict[str, str | int | float]:
        snapshots, parameters = value["snapshots"]["weights"].shape
        return {"steps": len(value["records"]["step_norm"]), "snapshots": snapshots, "parameters": parameters}


def _check_trajectory(value: Mapping[str, Any]) -> None:
    steps, layers = len(value["records"]["step_norm"]), len(value["layers"])
    for name in RECORDS:
        array = value["records"][name]
        shape = (steps, layers) if name.startswith("layer_") else (steps,)
        if array.dtype != np.float64 or array.shape != shape:
            raise ValueError(f"{name} must be float64 {shape}, is {array.dtype} {array.shape}")
    weights = value["snapshots"]["weights"]
    if weights.dtype != np.float32 or weights.ndim != 2 or len(weights) != len(value["snapshots"]["steps"]):
        raise ValueError(f"snapshots must be float32 (S, P) with S steps, are {weights.dtype} {weights.shape}")


def _load(path: Path) -> Array:
    return np.load(path, mmap_mode="r", allow_pickle=False)


KINDS = (TableKind(), TrajectoryKind())
