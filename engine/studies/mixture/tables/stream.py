"""Tables larger than memory: read in chunks, summed exactly."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.studies.mixture.em.kernels import Kernel
from engine.studies.mixture.em.sweep import Accumulate, Block, Respond, Rows, Visit, sum_over_blocks
from engine.studies.mixture.model.coordinates import Frame
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.tables.errors import (
    ChangedFileError,
    HugeColumnError,
    InfiniteCellError,
    NoColumnsError,
    NoFileError,
    OddCellError,
    OneRowError,
    TableError,
    UnknownColumnError,
)
from engine.studies.mixture.tables.part import Part
from engine.studies.mixture.tables.parts import open_parts

CHUNK, CHUNK_CELLS = 65_536, 2_000_000
HUGE = 1e100
Watch = Callable[[float], None]
Hold = Callable[[Array], Rows]


@dataclass(frozen=True)
class LeftOut:
    """A column that holds no numbers.

    Attributes:
        kind: "text" or "date". odd: the first cell that is not a number, and its row from 1, 0 where it is not known.
    """

    name: str
    kind: str
    odd: tuple[str, int]


@dataclass(frozen=True)
class Stamp:
    """Tells whether a file is still the one that was begun: its size in bytes and when it was last written, ns."""

    size: int
    written: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Of a file as it is now."""
        try:
            facts = os.stat(path)
        except OSError as error:
            raise NoFileError(path=path) from error
        return cls(facts.st_size, facts.st_mtime_ns)


class Source:
    """A file of rows read in chunks: CSV, TSV, Parquet, NPY.

    Args:
        path: the file. columns: names to use; default all columns of numbers. chunk: rows at a time, 0 for the
            usual.
        label: a column of known classes, kept apart. separator, decimal, header: as in ``reading.read_columns``.
        watch: called after every chunk with the share of the file that was read; may raise to stop.

    Attributes:
        names: of the columns used. left_out: those that hold no numbers. stamp: of the file when it was opened.

    Raises:
        TableError: no such file, unknown kind, no columns of numbers.
    """

    def __init__(
        self, path: Path, columns: Sequence[str] | None = None, chunk: int = 0, *, label: str = "",
        separator: str = "auto", decimal: str = "auto", header: str = "auto", watch: Watch | None = None,
    ) -> None:  # fmt: skip
        self.path, self.label, self.watch = path, label, watch
        self.stamp = Stamp.of(path)
        self._file = open_parts(path, separator=separator, decimal=decimal, header=header)
        self.head = {column.name: column for column in self._file.columns}
        self.chunk = chunk or min(CHUNK, max(1024, CHUNK_CELLS // len(self.head)))
        for name in (*(columns or ()), *([label] if label else [])):
            if name not in self.head:
                raise UnknownColumnError(column=name, names=", ".join(list(self.head)[:20]))
        wanted = [name for name in (self.head if columns is None else columns) if name != label]
        self.names = tuple(name for name in wanted if self.head[name].kind == "number")
        self.left_out = tuple(
            LeftOut(name, self.head[name].kind, self.head[name].odd)
            for name in wanted
            if self.head[name].kind != "number"
        )
        self._kept: list[Array] | None = None
        if not self.names:
            raise NoColumnsError(reason="Every column holds text or dates.")

    def restrict(self, names: Sequence[str]) -> None:
        """Use only these of the columns used so far."""
        self.names, self._kept = tuple(names), None

    def keep(self, chunks: list[Array]) -> None:
        """Complete rows as ``chunks`` yields them, so that the file need not be read again."""
        self._kept = chunks

    def parts(self, words: bool = False) -> Iterator[Part]:
        """All rows in the order of the file; with ``words`` also their known classes.

        Raises:
            ChangedFileError: the file is no longer the one that was opened. BrokenFileError, RaggedRowError.
        """
        self._check()
        try:
            for part in self._file.read(self.names, self.label if words else "", self.chunk):
                yield part
                if self.watch is not None:
                    self.watch(part.share)
                self._check()
        except TableError:
            # A file that changes breaks in the middle of a row: that is the cause to tell.
            self._check()
            raise

    def _check(self) -> None:
        now = Stamp.of(self.path)
        if now != self.stamp:
            raise ChangedFileError(path=self.path, before=self.stamp.size, after=now.size)

    def chunks(self) -> Iterator[Array]:
        """Rows without missing values, (c, d) float64, in the order of the file.

        Raises:
            InfiniteCellError, HugeColumnError, OddCellError: a cell that cannot be used. As ``parts``.
        """
        if self._kept is not None:
            for at, x in enumerate(self._kept):
                yield x
                if self.watch is not None:
                    self.watch((at + 1) / len(self._kept))
            return
        done = 0
        for part in self.parts():
            for name, (cell, row) in part.odd.items():
                raise OddCellError(column=name, cell=cell, row=done + row + 1)
            check_cells(part.values, self.names, done)
            done += len(part.values)
            x = complete(part.values)
            if len(x):
                yield x


def complete(values: Array) -> Array:
    """The rows without missing values."""
    whole = ~np.isnan(values).any(axis=1)
    return values if whole.all() else values[whole]


def check_cells(values: Array, names: Sequence[str], before: int) -> None:
    """Refuse infinite values and those whose squares overflow; ``before``: rows of the file before these (c, d)."""
    largest = np.fmax(np.fmax.reduce(values, axis=0, initial=0.0), -np.fmin.reduce(values, axis=0, initial=0.0))
    if largest.max(initial=0.0) <= HUGE:
        return
    column = int(np.argmax(largest))
    if np.isinf(largest[column]):
        row = before + int(np.argmax(np.isinf(values[:, column]))) + 1
        raise InfiniteCellError(column=names[column], row=row)
    raise HugeColumnError(column=names[column], value=f"{largest[column]:.1e}")


@dataclass
class Moments:
    """Exact mean and covariance by merging chunks about their own means (Chan, Golub & LeVeque 1983).

    Attributes:
        n: rows so far. mean: (d,). scatter: (d, d) sums of products about the mean.
    """

    n: int
    mean: Array
    scatter: Array

    @classmethod
    def empty(cls, dimension: int) -> Moments:
        """Before the first chunk."""
        return cls(0, np.zeros(dimension), np.zeros((dimension, dimension)))

    def add(self, x: Array) -> None:
        """Take in complete rows (c, d)."""
        m, centre = len(x), x.mean(axis=0)
        centred = x - centre
        away = centre - self.mean
        self.scatter += centred.T @ centred + np.outer(away, away) * (self.n * m / (self.n + m))
        self.mean = self.mean + away * (m / (self.n + m))
        self.n += m


@dataclass(frozen=True)
class Summary:
    """One pass over a source.

    Attributes:
        n: complete rows. dropped: rows with missing values. mean: (d,). covariance: (d, d), divided by n.
    """

    n: int
    dropped: int
    mean: Array
    covariance: Array


def summarise(source: Source) -> Summary:
    """Exact mean and covariance of the complete rows.

    Raises:
        OneRowError: fewer than two complete rows. As ``Source.chunks``.
    """
    found, rows = Moments.empty(len(source.names)), 0
    for part in source.parts():
        check_cells(part.values, source.names, rows)
        rows += len(part.values)
        if len(x := complete(part.values)):
            found.add(x)
    if found.n < 2:
        raise OneRowError(rows=found.n)
    return Summary(found.n, rows - found.n, found.mean, found.scatter / found.n)


class StreamRows:
    """A source in the coordinates of a fit.

    Args:
        source: the file. frame: from the user's units. n: its complete rows. hold: makes rows of a chunk (c, d) in fit
            coordinates where passes run, on a device; None passes over the chunk as it is.
    """

    def __init__(self, source: Source, frame: Frame, n: int, hold: Hold | None = None) -> None:
        self.source, self.frame, self.n, self.dimension = source, frame, n, len(source.names)
        self._hold = hold

    def blocks(self, kernel: Kernel, dtype: Any, height: int) -> Iterator[Block]:
        """Consecutive blocks of all rows."""
        done = 0
        for x in self.source.chunks():
            for block, phi in _Chunk(self.frame.to(x)).blocks(kernel, dtype, height):
                yield slice(done + block.start, done + block.stop), phi
            done += len(x)

    def accumulate(
        self, kernel: Kernel, theta: Any, shape: tuple[int, int], weights: Array | None, dtype: Any, respond: Respond,
        visit: Visit | None,
    ) -> tuple[Array, Array]:  # fmt: skip
        """As ``sweep.sum_over_blocks``, chunk by chunk: in float32 too, sums of chunks are added in float64."""
        assert weights is None and visit is None
        sums: Any = 0.0
        likelihood: Any = 0.0
        for x in self.source.chunks():
            y = self.frame.to(x)
            rows = _Chunk(y) if self._hold is None else self._hold(y)
            own: Accumulate = getattr(rows, "accumulate", None) or partial(sum_over_blocks, rows)
            part, value = own(kernel, theta, shape, None, dtype, respond, None)
            sums, likelihood = sums + part, likelihood + value
        return sums, likelihood

    def row(self, index: int) -> Array:
        """One row."""
        for x in self.source.chunks():
            if index < len(x):
                return np.asarray(self.frame.to(x[index : index + 1])[0])
            index -= len(x)
        raise IndexError(index)


class _Chunk:
    """Rows of one chunk, their features made block by block so that they stay in the cache."""

    def __init__(self, y: Array) -> None:
        self._y = y
        self.n, self.dimension = y.shape

    def blocks(self, kernel: Kernel, dtype: Any, height: int) -> Iterator[Block]:
        """Consecutive blocks."""
        y = self._y.astype(dtype)
        for start in range(0, self.n, height):
            part = y[start : start + height]
            yield slice(start, start + len(part)), kernel.features(part)

    def row(self, index: int) -> Array:
        """One row."""
        return np.asarray(self._y[index])
