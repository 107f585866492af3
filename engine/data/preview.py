"""A quick look at data before a run: how many, which shape, which classes, a few examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.config import BuiltinData, FileData, ModelFileData
from engine.data.dataset import Array, Raw
from engine.data.load import read

LARGE = 16 * 2**20  # bytes of a table from which on only its beginning is read
IMAGES = 12  # of each class
SHOWN = 16


def preview(config: BuiltinData | FileData | ModelFileData, own: Callable[[], Any] | None = None) -> dict[str, Any]:
    """Facts about the data of a config.

    Returns:
        rows (None where only a part was read), read (rows looked at), shape, features, classes (name, count of those
        read), target ("class", "number" or "other"), low and high of the values, examples (n, ...) float32, targets
        (n,), notes as (template, values), size in bytes.

    Raises:
        DataError: what ``load`` would raise on reading.
    """
    head = _head(config)
    if isinstance(config, FileData) and head is not None:
        from engine.data.files import read_file

        raw = read_file(config, head)
    else:
        raw = read(config, own)
    return _facts(raw, partial=head is not None)


def _head(config: BuiltinData | FileData | ModelFileData) -> int | None:
    """How much of a file is read: a part of large tables and of folders of images, all of everything else."""
    if not isinstance(config, FileData):
        return None
    path = Path(config.path).expanduser()
    if path.is_dir():
        from engine.data.files import detect

        kind = detect(path) if config.format == "auto" else config.format
        return IMAGES if kind == "images" else None
    table = config.format == "csv" or (
        config.format == "auto" and path.suffix.lower() in (".csv", ".tsv", ".txt", ".data")
    )
    return LARGE if table and path.is_file() and path.stat().st_size > LARGE else None


def _facts(raw: Raw, partial: bool) -> dict[str, Any]:
    y = raw.y if raw.test is None else np.concatenate([raw.y, raw.test[1]])
    counts = np.bincount(y, minlength=len(raw.classes)).tolist() if raw.classes else []
    values = raw.x[: 10 * SHOWN]
    return {
        "name": raw.name,
        "rows": None if partial else len(y),
        "read": len(y),
        "test_rows": None if raw.test is None else len(raw.test[1]),
        "shape": list(raw.x.shape[1:]),
        "features": list(raw.features[:100]),
        "target": "class" if raw.classes else "number" if y.ndim == 1 else "other",
        "classes": [[name, count] for name, count in zip(raw.classes, counts, strict=True)],
        "low": float(values.min()),
        "high": float(values.max()),
        "examples": _some(raw.x),
        "targets": _some(raw.y),
        "notes": [[template, values] for template, values in raw.notes],
        "size": raw.size,
    }


def _some(array: Array) -> Array:
    """Evenly spread examples, so that sorted files show more than their first class."""
    return np.ascontiguousarray(array[np.linspace(0, len(array) - 1, min(SHOWN, len(array))).astype(int)])
