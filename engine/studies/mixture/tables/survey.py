"""The first look through a table on disk: what can be clustered, exact moments, and a random sample, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.tables.errors import EmptyTableError, NoColumnsError, OneRowError, TinyColumnError
from engine.studies.mixture.tables.part import Part, Words
from engine.studies.mixture.tables.reading import Column
from engine.studies.mixture.tables.size import KEPT_BYTES, sample_size
from engine.studies.mixture.tables.stream import Moments, Source, Summary, check_cells
from engine.studies.mixture.tables.table import (
    RANK_COLUMNS,
    TINY,
    Note,
    constant_note,
    left_out_note,
    rank_note,
    resolution_of,
    rounded_notes,
)

EQUAL = 1e-12  # relative difference of variances and covariance within which two columns are the same


@dataclass(frozen=True)
class Sample:
    """Rows drawn at random without replacement, in the order of the file.

    Attributes:
        x: (m, d). rows: (m,) their numbers in the file, from 0. words: (m,) their known classes, or None.
    """

    x: Array
    rows: NDArray[np.int64]
    words: NDArray[np.str_] | None

    def take(self, at: NDArray[np.intp]) -> Sample:
        """Some of the rows."""
        return Sample(self.x[at], self.rows[at], None if self.words is None else self.words[at])

    def columns(self, index: Sequence[int]) -> Sample:
        """Only these columns."""
        return Sample(np.ascontiguousarray(self.x[:, index]), self.rows, self.words)


class Reservoir:
    """Draws ``size`` rows from a stream of unknown length: those with the smallest random keys.

    One key is drawn for every row in its order, so that the sample does not depend on how the stream is cut.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size, self._rng = size, rng
        self._limit = np.inf
        self._held: list[tuple[Array, Array, NDArray[np.int64], NDArray[np.str_] | None]] = []
        self._count = 0

    def add(self, x: Array, rows: NDArray[np.int64], words: Words | None, at: NDArray[np.intp]) -> None:
        """Offer rows (c, d) with their numbers in the file; ``at``: where ``words`` has theirs."""
        keys = self._rng.random(len(x))
        picked = np.flatnonzero(keys < self._limit)
        if len(picked):
            held = None if words is None else words(at[picked])
            self._held.append((keys[picked], x[picked], rows[picked], held))
            self._count += len(picked)
        if self._count > 2 * self.size:
            self._thin()

    def _thin(self) -> None:
        keys, x, rows, words = self._joined()
        if len(keys) > self.size:
            kept = np.argpartition(keys, self.size)[: self.size]
            keys, x, rows = keys[kept], x[kept], rows[kept]
            words = None if words is None else words[kept]
            self._limit = float(keys.max())
        self._held, self._count = [(keys, x, rows, words)], len(keys)

    def _joined(self) -> tuple[Array, Array, NDArray[np.int64], NDArray[np.str_] | None]:
        keys, x, rows, words = zip(*self._held, strict=True)
        said = None if words[0] is None else np.concatenate(words)
        return np.concatenate(keys), np.concatenate(x), np.concatenate(rows), said

    def sample(self) -> Sample | None:
        """What was drawn; None before any row."""
        if not self._held:
            return None
        self._thin()
        _, x, rows, words = self._held[0]
        order = np.argsort(rows, kind="stable")
        return Sample(x, rows, words).take(order)


@dataclass
class _Pass:
    """What one pass sees of d columns; low and high of known cells, and of complete rows."""

    moments: Moments
    reservoir: Reservoir
    known: NDArray[np.int64]
    low: Array
    high: Array
    whole_low: Array
    whole_high: Array
    rows: int = 0
    odd: dict[str, tuple[str, int]] = field(default_factory=dict)
    kept: list[Array] | None = field(default_factory=list)
    kept_bytes: int = 0

    @classmethod
    def over(cls, source: Source, size: int, seed: int) -> _Pass:
        """Read all rows."""
        d = len(source.names)
        low, high = np.full(d, np.inf), np.full(d, -np.inf)
        seen = cls(Moments.empty(d), Reservoir(size, generator(seed, "stream sample")), np.zeros(d, np.int64),
                   low, high, low.copy(), high.copy())  # fmt: skip
        for part in source.parts(words=True):
            seen._add(part, source.names)
        return seen

    def _add(self, part: Part, names: Sequence[str]) -> None:
        values = part.values
        for name, (cell, row) in part.odd.items():
            self.odd.setdefault(name, (cell, self.rows + row + 1))
        check_cells(values, names, self.rows)
        gaps = np.isnan(values)
        whole = ~gaps.any(axis=1)
        x = values if whole.all() else values[whole]
        if len(x):
            self.moments.add(x)
            low, high = x.min(axis=0), x.max(axis=0)
            self.whole_low, self.whole_high = np.minimum(self.whole_low, low), np.maximum(self.whole_high, high)
            at = np.flatnonzero(whole)
            self.reservoir.add(x, self.rows + at, part.words, at)
            self._keep(x)
        self.known += len(values) - gaps.sum(axis=0)
        self.low, self.high = np.fmin(self.low, _lows(values)), np.fmax(self.high, -_lows(-values))
        self.rows += len(values)

    def _keep(self, x: Array) -> None:
        self.kept_bytes += x.nbytes
        if self.kept_bytes > KEPT_BYTES:
            self.kept = None
        if self.kept is not None:
            self.kept.append(np.array(x))


def _lows(values: Array) -> Array:
    return np.asarray(np.fmin.reduce(values, axis=0, initial=np.inf))


@dataclass(frozen=True)
class Survey:
    """What is known of a table on disk after the first look.

    Attributes:
        names: of the columns that can be clustered. rows: of the file. summary: of the complete rows.
        sample: of the complete rows. resolution: (d,) steps to which columns are rounded in the sample, 0 if none.
        notes: what was left out, and what to know.
    """

    names: tuple[str, ...]
    rows: int
    summary: Summary
    sample: Sample
    resolution: Array
    notes: tuple[Note, ...]


def survey(source: Source, seed: int, size: int = 0) -> Survey:
    """Look through all rows; columns that cannot be clustered are taken out of ``source``.

    Where a column that goes had gaps, the table is looked through once more: its rows are complete without it.

    Args:
        seed: of the sample. size: of the sample; 0 takes the usual.

    Raises:
        NoColumnsError, OneRowError. As ``Source.parts``.
    """
    notes = [left_out_note(one.name, one.kind, one.odd) for one in source.left_out]
    while True:
        names = source.names
        seen = _Pass.over(source, size or sample_size(len(names)), seed)
        if seen.rows < 2:
            raise OneRowError(rows=seen.rows)
        _refuse_tiny(seen, names)
        gone = _useless(seen, names, notes)
        if not gone:
            break
        left = [name for name in names if name not in gone]
        if not left:
            raise NoColumnsError(reason=" ".join(note.sentence() for note in notes if note.dropped)[:600])
        source.restrict(left)
        if all(seen.known[names.index(name)] == seen.rows for name in gone):
            seen = _narrowed(seen, [names.index(name) for name in left])
            break
    sample = seen.reservoir.sample()
    if seen.moments.n < 2 or sample is None:
        raise OneRowError(rows=seen.moments.n)
    if seen.kept is not None:
        source.keep(seen.kept)
    return _concluded(source.names, seen, sample, notes)


def _concluded(names: tuple[str, ...], seen: _Pass, sample: Sample, notes: list[Note]) -> Survey:
    n, m = seen.moments.n, seen.moments
    summary = Summary(n, seen.rows - n, m.mean, m.scatter / n)
    if summary.dropped:
        template = "{count} of {rows} rows have missing values: the fit is made without them."
        notes.append(Note("rows", template, {"count": summary.dropped, "rows": seen.rows}, True))
    notes += rank_note(summary.covariance) if len(names) <= RANK_COLUMNS else []
    resolution = np.array([resolution_of(column) for column in sample.x.T])
    notes += rounded_notes(names, resolution, np.sqrt(np.diagonal(summary.covariance)))
    return Survey(names, seen.rows, summary, sample, resolution, tuple(notes))


def _refuse_tiny(seen: _Pass, names: Sequence[str]) -> None:
    largest = np.maximum(np.abs(seen.low), np.abs(seen.high))
    tiny = (largest > 0) & (largest < TINY)
    if tiny.any():
        column = int(np.argmax(tiny))
        raise TinyColumnError(column=names[column], value=f"{largest[column]:.1e}")


def _useless(seen: _Pass, names: Sequence[str], notes: list[Note]) -> set[str]:
    """Columns of text, without values, constant, or like another one; a note for each."""
    gone: set[str] = set()
    for place, name in enumerate(names):
        found: Note | None = None
        if name in seen.odd:
            found = left_out_note(name, "text", seen.odd[name])
        elif not seen.known[place]:
            found = Note("empty", "Column {column} has no values and was left out.", {"column": name}, True)
        elif seen.low[place] == seen.high[place] or (
            seen.moments.n and seen.whole_low[place] == seen.whole_high[place]
        ):
            value = seen.low[place] if not seen.moments.n else seen.whole_low[place]
            found = constant_note(name, float(value))
        if found is not None:
            notes.append(found)
            gone.add(name)
    return gone | _twins(seen, names, gone, notes)


def _twins(seen: _Pass, names: Sequence[str], gone: set[str], notes: list[Note]) -> set[str]:
    places = [place for place, name in enumerate(names) if name not in gone]
    facts: dict[Any, list[int]] = {}
    twins: set[str] = set()
    scatter = seen.moments.scatter
    for place in places if seen.moments.n else []:
        alike = facts.setdefault((seen.low[place], seen.high[place], seen.known[place]), [])
        for other in alike:
            spread = scatter[other, other]
            if max(abs(scatter[place, place] - spread), abs(scatter[place, other] - spread)) <= EQUAL * spread:
                params = {"column": names[place], "twin": names[other]}
                notes.append(Note("duplicate", "Column {column} repeats column {twin} and was left out.", params, True))
                twins.add(names[place])
                break
        else:
            alike.append(place)
    return twins


def _narrowed(seen: _Pass, index: list[int]) -> _Pass:
    """The same pass without some columns that had no gaps."""
    m = seen.moments
    moments = Moments(m.n, m.mean[index], m.scatter[np.ix_(index, index)])
    drawn = seen.reservoir.sample()
    reservoir = Reservoir(seen.reservoir.size, np.random.default_rng(0))
    if drawn is not None:
        drawn = drawn.columns(index)
        said = drawn.words
        reservoir.add(drawn.x, drawn.rows, None if said is None else said.__getitem__, np.arange(len(drawn.x)))
    kept = None if seen.kept is None else [np.ascontiguousarray(x[:, index]) for x in seen.kept]
    return _Pass(moments, reservoir, seen.known[index], seen.low[index], seen.high[index], seen.whole_low[index],
                 seen.whole_high[index], seen.rows, {}, kept)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A random sample with its gaps, as columns that ``table.clean`` takes.

    Attributes:
        columns: (m,) cells each; of text the row of its odd cell is that in the file. rows: (m,) numbers in the file,
        from 0. total: rows of the file.
    """

    columns: list[Column]
    rows: NDArray[np.int64]
    total: int


def draw(source: Source, seed: int, size: int = 0) -> Drawn:
    """A random sample of all rows, complete or not, in one pass.

    Raises:
        As ``Source.parts``. InfiniteCellError, HugeColumnError.
    """
    names = source.names
    reservoir = Reservoir(size or sample_size(len(names)), generator(seed, "table sample"))
    done, odd = 0, dict[str, tuple[str, int]]()
    for part in source.parts(words=True):
        check_cells(part.values, names, done)
        for name, (cell, row) in part.odd.items():
            odd.setdefault(name, (cell, done + row + 1))
        at = np.arange(len(part.values))
        reservoir.add(part.values, done + at, part.words, at)
        done += len(part.values)
    sample = reservoir.sample()
    if sample is None:
        raise EmptyTableError(path=source.path)
    blank = np.full(len(sample.x), "")
    columns = [Column(one.name, one.kind, blank, one.odd) for one in source.left_out]
    for name, values in zip(names, sample.x.T, strict=True):
        columns.append(Column(name, "text", blank, odd[name]) if name in odd else Column(name, "number", values))
    if sample.words is not None:
        columns.append(Column(source.label, "text", sample.words))
    return Drawn(columns, sample.rows, done)
