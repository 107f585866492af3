"""Numeric series on disk: append-only rows of little-endian float64, written in batches, read as they grow."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FLUSH_EVERY = 0.05
_UNSAFE = re.compile(r"[^a-z0-9_.-]")  # capitals too: some file systems do not tell them apart


def file_name(id: str, dims: Mapping[str, Any]) -> str:
    """The file of a series: loss.split=train.f64; where that cannot be a file name, near to it and with a hash."""
    parts = [id, *(part for key in sorted(dims) for part in (key, str(dims[key])))]
    safe = [_UNSAFE.sub("_", part) for part in parts]
    name = ".".join([safe[0], *(f"{key}={value}" for key, value in zip(safe[1::2], safe[2::2], strict=True))])
    if safe != parts or len(name) > 100:
        name = f"{name[:100]}-{hashlib.blake2b(json.dumps(parts).encode(), digest_size=6).hexdigest()}"
    return f"{name}.f64"


class SeriesWriter:
    """Appends to one series file; opened anew it cuts a torn last row.

    Attributes:
        columns: names of the columns; rows have one float64 for each.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._row = 8 * len(self.columns)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._size = os.fstat(self._descriptor).st_size // self._row * self._row
        os.ftruncate(self._descriptor, self._size)
        self._parts: list[bytes] = []
        self._next_flush = 0.0

    @property
    def rows(self) -> int:
        """How many rows there are, those in the buffer included."""
        return (self._size + sum(map(len, self._parts))) // self._row

    def add(self, rows: Floats) -> None:
        """Append (n, columns) rows; they reach the file within 50 ms of the next call, or at ``flush``."""
        self._parts.append(np.ascontiguousarray(rows, "<f8").tobytes())
        if time.monotonic() >= self._next_flush:
            self.flush()

    def flush(self, *, sync: bool = False) -> None:
        """Write what is buffered.

        Raises:
            OSError: the disk is full; the file keeps whole rows, the buffer keeps the rest.
        """
        if self._parts:
            data = b"".join(self._parts)
            try:
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
                view = memoryview(data)
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                raise
            self._size += len(data)
            self._parts.clear()
            self._next_flush = time.monotonic() + _FLUSH_EVERY
        if sync:
            os.fsync(self._descriptor)

    def cut(self, rows: int) -> None:
        """Forget all rows after the first ``rows``."""
        self._parts.clear()
        self._size = min(self._size, rows * self._row)
        os.ftruncate(self._descriptor, self._size)

    def close(self) -> None:
        """Let go of the file; flush first."""
        os.close(self._descriptor)


class SeriesReader:
    """Reads a series as it grows: each look reads only what is new.

    The file is not memory-mapped: a resumed run cuts it, and touching a cut map kills the process that does.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._path = path
        self._data: Floats = np.empty((256, len(self.columns)))
        self._rows = 0

    def read(self) -> Floats:
        """All rows so far, (n, columns), read-only; the view stays valid while later rows are added."""
        row = 8 * len(self.columns)
        with contextlib.suppress(OSError):
            rows = os.stat(self._path).st_size // row
            if rows < self._rows:
                self.forget()
            if rows > self._rows:
                with open(self._path, "rb") as file:
                    file.seek(self._rows * row)
                    new = np.frombuffer(file.read((rows - self._rows) * row), "<f8")
                self._append(new[: len(new) // len(self.columns) * len(self.columns)].reshape(-1, len(self.columns)))
        view = self._data[: self._rows]
        view.flags.writeable = False
        return view

    def forget(self) -> None:
        """Read everything anew at the next look."""
        self._data = np.empty((256, len(self.columns)))
        self._rows = 0

    def _append(self, new: Floats) -> None:
        end = self._rows + len(new)
        if end > len(self._data):
            grown = np.empty((max(end, 2 * len(self._data)), len(self.columns)))
            grown[: self._rows] = self._data[: self._rows]
            self._data = grown
        self._data[self._rows : end] = new
        self._rows = end
