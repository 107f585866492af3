"""The artifact kinds that many studies share: tables of named columns, and the trajectory of a training."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

RECORDS = ("step_norm", "displacement", "layer_step_norm", "layer_displacement", "loss")


class TableKind:
    """A table: ``{column: (n,) array}`` or a structured (n,) array; read back as ``{column: (n,) array}``.

    Columns are numbers, truth values or text. table.npy is what is read; table.csv is for people and other programs.
    """

    name = "table"
    title = "Table"
    schema_version = 1

    def write(self, value: Mapping[str, Array] | Array, folder: Path) -> None:
        columns = _columns(value)
        rows = len(next(iter(columns.values()), ()))
        table = np.empty(rows, dtype=[(name, column.dtype) for name, column in columns.items()])
        for name, column in columns.items():
            table[name] = column
        with open(folder / "table.npy", "wb") as file:  # 3.0: column names in any script
            np.lib.format.write_array(file, table, version=(3, 0), allow_pickle=False)
        with open(folder / "table.csv", "w", newline="", encoding="utf-8") as text:
            writer = csv.writer(text)
            writer.writerow(columns)
            writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))

    def read(self, folder: Path) -> dict[str, Array]:
        table = np.load(folder / "table.npy", mmap_mode="r", allow_pickle=False)
        return {name: table[name] for name in table.dtype.names or ()}

    def describe(self, value: Mapping[str, Array] | Array) -> dict[str, str | int | float]:
        columns = _columns(value)
        return {"rows": len(next(iter(columns.values()), ())), "columns": ", ".join(columns)}


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
