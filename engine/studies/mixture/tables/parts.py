"""Opens a table that is read in parts that fit into memory: Parquet and NPY by row numbers, text in blocks of lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.tables.errors import (
    ArrayShapeError,
    BrokenFileError,
    EmptyTableError,
    NoFileError,
    ObjectArrayError,
    UnknownTableError,
)
from engine.studies.mixture.tables.part import PLACES, Part, Parts, Words, number_words, numbers_of, words_of
from engine.studies.mixture.tables.reading import Column, array_columns, series_column, unique_names
from engine.studies.mixture.tables.text_parts import TextParts

TEXT, PARQUET = (".csv", ".tsv", ".txt", ".dat"), (".parquet", ".pq")
# Chunks read from Parquet at a time.
AHEAD = 4


def open_parts(path: Path, *, separator: str = "auto", decimal: str = "auto", header: str = "auto") -> Parts:
    """A file that can be read in parts.

    Raises:
        NoFileError, UnknownTableError, EmptyTableError, BrokenFileError, NotTextError, RaggedRowError,
        ArrayShapeError, ObjectArrayError.
    """
    if not path.is_file():
        raise NoFileError(path=path)
    if path.stat().st_size == 0:
        raise EmptyTableError(path=path)
    suffix = path.suffix.lower()
    if suffix in TEXT:
        return TextParts(path, separator, decimal, header)
    if suffix in PARQUET:
        return ParquetParts(path)
    if suffix == ".npy":
        return ArrayParts(path)
    raise UnknownTableError(path=path, suffix=suffix or "nothing")


class ParquetParts:
    """Parquet through polars, by row numbers: batches run ahead of a slow reader and would fill the memory."""

    def __init__(self, path: Path) -> None:
        import polars as pl

        self.path = path
        try:
            self.rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
            head = pl.scan_parquet(path).head(1000).collect()
        except Exception as error:
            # Some faults come as polars' own errors, others as those of the system or of Rust.
            raise self._broken(error) from error
        self.exact = True
        if not self.rows or not head.width:
            raise EmptyTableError(path=path)
        names = unique_names(head.columns)
        self._given = dict(zip(names, head.columns, strict=True))
        self.columns = tuple(series_column(head.to_series(i), name) for i, name in enumerate(names))

    def glimpse(self, count: int) -> list[Column]:
        """See ``Parts``."""
        import polars as pl

        at = _places(self.rows, count)
        each, lazy = -(-len(at) // (PLACES if len(at) < self.rows else 1)), pl.scan_parquet(self.path)
        frame = pl.concat([lazy.slice(int(start), each).collect() for start in at[::each]])
        found = [series_column(frame.to_series(i), name) for i, name in enumerate(self._given)]
        return [replace(c, odd=(c.odd[0], int(at[c.odd[1] - 1]) + 1)) if c.odd[1] else c for c in found]

    def _broken(self, error: Exception) -> BrokenFileError:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return BrokenFileError(path=self.path, format="Parquet", reason=f"{reason}.")

    def read(self, names: Sequence[str], label: str, chunk: int) -> Iterator[Part]:
        """See ``Parts``. Raises BrokenFileError."""
        import polars as pl

        wanted = list(dict.fromkeys((*names, *([label] if label else []))))
        lazy = pl.scan_parquet(self.path).select([pl.col(self._given[name]).alias(name) for name in wanted])
        for start in range(0, self.rows, AHEAD * chunk):
            try:
                frame = lazy.slice(start, AHEAD * chunk).collect()
            except Exception as error:
                raise self._broken(error) from error
            for at, part in enumerate(frame.iter_slices(chunk)):
                values, odd = numbers_of(part, names, False)
                done = start + at * chunk + part.height
                yield Part(values, words_of(part[label]) if label else None, odd, done / self.rows)


def _places(rows: int, count: int) -> NDArray[np.int64]:
    """About ``count`` row numbers in ``PLACES`` runs over the file."""
    if rows <= count:
        return np.arange(rows)
    each = max(count // PLACES, 1)
    starts = np.arange(PLACES) * (rows // PLACES)
    return (starts[:, None] + np.arange(each)).reshape(-1)


class ArrayParts:
    """NPY by plain reads: a memory map of a file that is cut short kills the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            head = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, OSError, EOFError) as error:
            if "Python objects" in str(error):
                raise ObjectArrayError(path=path, dtype="object") from error
            raise BrokenFileError(path=path, format="NPY", reason=f"{str(error).rstrip('.')}.") from error
        if head.dtype.kind not in "biuf":
            raise ObjectArrayError(path=path, dtype=head.dtype.name)
        if head.ndim not in (1, 2):
            raise ArrayShapeError(path=path, shape=head.shape)
        if head.size == 0:
            raise EmptyTableError(path=path)
        self._dtype, self._offset = head.dtype, int(head.offset)
        self.rows, self.exact, self._width = len(head), True, head.shape[1] if head.ndim == 2 else 1
        self._by_column = bool(head.ndim == 2 and head.flags.f_contiguous and not head.flags.c_contiguous)
        names = unique_names([""] * self._width)
        first = np.array(head[:1000], np.float64).reshape(-1, self._width)
        self.columns = tuple(Column(name, "number", first[:, i]) for i, name in enumerate(names))

    def glimpse(self, count: int) -> list[Column]:
        """See ``Parts``."""
        at = _places(self.rows, count)
        each = -(-len(at) // (PLACES if len(at) < self.rows else 1))
        every = list(range(self._width))
        with open(self.path, "rb") as file:
            parts = [self._take(file, int(start), min(each, self.rows - int(start)), every) for start in at[::each]]
        return array_columns(np.concatenate(parts), self.path)

    def read(self, names: Sequence[str], label: str, chunk: int) -> Iterator[Part]:
        """See ``Parts``. Raises BrokenFileError: the file is shorter than it says."""
        place = {column.name: index for index, column in enumerate(self.columns)}
        index = [place[name] for name in names]
        with open(self.path, "rb") as file:
            for start in range(0, self.rows, chunk):
                count = min(chunk, self.rows - start)
                values = self._take(file, start, count, index)
                share = (start + count) / self.rows
                yield Part(values, self._words(place[label], start, count) if label else None, {}, share)

    def _words(self, column: int, start: int, count: int) -> Words:
        def words(at: NDArray[np.intp]) -> NDArray[np.str_]:
            with open(self.path, "rb") as file:
                return number_words(self._take(file, start, count, [column])[at, 0])

        return words

    def _take(self, file: Any, start: int, count: int, columns: list[int]) -> Array:
        if not self._by_column:
            whole = self._piece(file, start * self._width, count * self._width)
            return np.ascontiguousarray(whole.reshape(count, self._width)[:, columns], dtype=np.float64)
        out = np.empty((count, len(columns)))
        for place, column in enumerate(columns):
            out[:, place] = self._piece(file, column * self.rows + start, count)
        return out

    def _piece(self, file: Any, start: int, count: int) -> NDArray[Any]:
        file.seek(self._offset + start * self._dtype.itemsize)
        found = np.fromfile(file, self._dtype, count)
        if len(found) < count:
            raise BrokenFileError(path=self.path, format="NPY", reason="It ends before its last row.")
        return found
