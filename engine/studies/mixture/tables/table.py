"""A user's table made ready for clustering, with a report of what was left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.tables.errors import (
    EmptyTableError,
    HugeColumnError,
    InfiniteColumnError,
    NoColumnsError,
    OneRowError,
    TinyColumnError,
    UnknownColumnError,
)
from engine.studies.mixture.tables.reading import Column, array_columns, read_columns

# Above this share of missing cells rows with gaps are left out instead of modelled.
MISSING_LIMIT = 0.30
HUGE, TINY = 1e100, 1e-100
# Wider tables are not searched for columns that are sums of others: the spectral step handles them.
RANK_COLUMNS = 2000


@dataclass(frozen=True)
class Note:
    """One thing that a reader of results has to know about the table.

    Attributes:
        kind: "text", "date", "constant", "empty", "duplicate", "rank", "rows", "missing", "rounded", "wide".
        template: an English sentence with {names}. params: their values. dropped: whether something was left out.
    """

    kind: str
    template: str
    params: dict[str, Any]
    dropped: bool

    def sentence(self) -> str:
        """The note in English."""
        return self.template.format(**self.params)


@dataclass(frozen=True)
class Table:
    """Numbers to cluster.

    Attributes:
        x: (n, d) float64, nan where missing. names: of the d columns. rows: (n,) row numbers in the file, from 0.
        labels: (n,) str, the known classes, or None. resolution: (d,) step to which a column was rounded, 0 if none.
        notes: what was left out, and what to know.
    """

    x: Array
    names: tuple[str, ...]
    rows: NDArray[np.intp]
    labels: NDArray[np.str_] | None
    resolution: Array
    notes: tuple[Note, ...] = field(default=())

    @property
    def missing(self) -> bool:
        """Whether any cell is missing."""
        return bool(np.isnan(self.x).any())


def read_table(
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    label: str | None = None,
    separator: str = "auto",
    decimal: str = "auto",
    header: str = "auto",
    sheet: int = 1,
) -> Table:
    """Read a file and clean it; see ``clean``.

    Args:
        columns: names to use, default all. label: a column of known classes, kept apart.
        separator, decimal, header, sheet: as in ``read_columns``.

    Raises:
        TableError: with what is wrong and what to do.
    """
    return clean(
        read_columns(path, separator=separator, decimal=decimal, header=header, sheet=sheet),
        columns=columns,
        label=label,
    )


def from_array(array: NDArray[Any], names: Sequence[str] | None = None) -> Table:
    """The table of an array (n, d), cleaned like a file's."""
    return clean(array_columns(np.asarray(array), names=names))


def clean(read: Sequence[Column], *, columns: Sequence[str] | None = None, label: str | None = None) -> Table:
    """Drop what cannot be clustered and say so: text, dates, constant, empty and duplicate columns, rows with gaps.

    Raises:
        UnknownColumnError, InfiniteColumnError, HugeColumnError, NoColumnsError, OneRowError, EmptyTableError.
    """
    if not read or len(read[0].values) == 0:
        raise EmptyTableError(path="The table")
    by_name = {column.name: column for column in read}
    for name in [*(columns or ()), *([label] if label is not None else [])]:
        if name not in by_name:
            raise UnknownColumnError(column=name, names=", ".join(list(by_name)[:20]))
    used = [c for c in read if c.name != label and (columns is None or c.name in columns)]
    notes: list[Note] = []
    numbers = _numbers(used, notes)
    x = np.column_stack([c.values for c in numbers]) if numbers else np.empty((len(read[0].values), 0))
    names = [c.name for c in numbers]
    _refuse(x, names)
    rows = _rows(x, notes) if names else np.arange(len(x))
    x, names = _informative(_several(x[rows]), names, notes)
    before = len(rows)
    rows, x = _complete(rows, x, notes)
    if len(rows) < before:
        # Leaving out rows may leave a column constant.
        x, names = _informative(_several(x), names, notes)
    _check_rank(x, notes)
    narrow = x.shape[1] <= RANK_COLUMNS
    resolution = np.array([resolution_of(column) for column in x.T]) if narrow else np.zeros(x.shape[1])
    notes += rounded_notes(names, resolution, np.nanstd(x, axis=0))
    labels = None if label is None else np.array([_word(v) for v in by_name[label].values])[rows]
    return Table(x, tuple(names), rows, labels, resolution, tuple(notes))


def _word(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:g}"
    return str(value)


def _numbers(used: Sequence[Column], notes: list[Note]) -> list[Column]:
    notes += [left_out_note(column.name, column.kind, column.odd) for column in used if column.kind != "number"]
    return [column for column in used if column.kind == "number"]


def left_out_note(name: str, kind: str, odd: tuple[str, int]) -> Note:
    """What is said of a column of "text" or of "date"; ``odd``: a cell and its row from 1, 0 where it is not known."""
    if kind == "date":
        return Note("date", "Column {column} holds dates or times and was left out.", {"column": name}, True)
    cell = odd[0][:40]
    if not odd[1]:
        return Note(
            "text", "Column {column} holds text ({cell}) and was left out.", {"column": name, "cell": cell}, True
        )
    template = "Column {column} holds text (row {row}: {cell}) and was left out."
    return Note("text", template, {"column": name, "row": odd[1], "cell": cell}, True)


def constant_note(name: str, value: float) -> Note:
    """What is said of a column that does not vary."""
    template = "Column {column} is {value} in every row and was left out."
    return Note("constant", template, {"column": name, "value": f"{value:g}"}, True)


def _refuse(x: Array, names: Sequence[str]) -> None:
    infinite = np.isinf(x)
    if infinite.any():
        column = int(np.argmax(infinite.any(axis=0)))
        raise InfiniteColumnError(
            column=names[column], count=int(infinite[:, column].sum()), row=int(np.argmax(infinite[:, column])) + 1
        )
    largest: Array = np.nanmax(np.abs(x), axis=0, initial=0.0, where=~np.isnan(x))
    if x.size and largest.max() > HUGE:
        column = int(np.argmax(largest))
        raise HugeColumnError(column=names[column], value=f"{largest[column]:.1e}")
    if (tiny := (largest > 0) & (largest < TINY)).any():
        column = int(np.argmax(tiny))
        raise TinyColumnError(column=names[column], value=f"{largest[column]:.1e}")


def _rows(x: Array, notes: list[Note]) -> NDArray[np.intp]:
    empty = np.isnan(x).all(axis=1) if x.shape[1] else np.zeros(len(x), bool)
    if empty.any():
        notes.append(Note("rows", "{count} rows without any number were left out.", {"count": int(empty.sum())}, True))
    return np.flatnonzero(~empty)


def _several(x: Array) -> Array:
    if len(x) < 2:
        raise OneRowError(rows=len(x))
    return x


def _informative(x: Array, names: list[str], notes: list[Note]) -> tuple[Array, list[str]]:
    """Without empty, constant and duplicate columns."""
    keep = []
    seen: dict[bytes, int] = {}
    x = np.asfortranarray(x)
    gaps = np.atleast_1d(np.isnan(x).any(axis=0))
    for index, name in enumerate(names):
        column = x[:, index]
        known = column[~np.isnan(column)] if gaps[index] else column
        if len(known) == 0:
            notes.append(Note("empty", "Column {column} has no values and was left out.", {"column": name}, True))
        elif np.all(known == known[0]):
            notes.append(constant_note(name, float(known[0])))
        elif (twin := seen.setdefault((column + 0.0).tobytes(), index)) != index:
            notes.append(
                Note(
                    "duplicate",
                    "Column {column} repeats column {twin} and was left out.",
                    {"column": name, "twin": names[twin]},
                    True,
                )
            )
        else:
            keep.append(index)
    if not keep:
        raise NoColumnsError(reason=" ".join(note.sentence() for note in notes if note.dropped)[:600])
    return x[:, keep], [names[i] for i in keep]


def _complete(rows: NDArray[np.intp], x: Array, notes: list[Note]) -> tuple[NDArray[np.intp], Array]:
    gaps = np.isnan(x)
    share = float(gaps.mean())
    if share == 0:
        return rows, x
    params = {"count": int(gaps.any(axis=1).sum()), "share": round(100 * share, 1)}
    if share <= MISSING_LIMIT:
        notes.append(
            Note(
                "missing",
                "{count} rows have missing values ({share} % of cells); they take part with what is known of them.",
                params,
                False,
            )
        )
        return rows, x
    notes.append(Note("rows", "{share} % of cells are missing, so {count} rows with gaps were left out.", params, True))
    whole = ~gaps.any(axis=1)
    return rows[whole], x[whole]


def _check_rank(x: Array, notes: list[Note]) -> None:
    n, d = x.shape
    if n <= d:
        notes.append(
            Note(
                "wide",
                "{columns} columns for {rows} rows: use a diagonal family or the spectral step.",
                {"columns": d, "rows": n},
                False,
            )
        )
        return
    if d < 2 or d > RANK_COLUMNS or np.isnan(x).any():
        return
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    notes += rank_note(scaled.T @ scaled / n)


def rank_note(covariance: Array) -> list[Note]:
    """A note where some columns follow from the others; covariance or correlations (d, d)."""
    deviations = np.sqrt(np.diagonal(covariance))
    values = np.linalg.eigvalsh(covariance / np.outer(deviations, deviations))
    rank, d = int((values > 1e-9 * values[-1]).sum()), len(values)
    template = (
        "{count} of {columns} columns follow from the others by a linear formula: use the spectral step or leave them"
        " out."
    )
    return [Note("rank", template, {"count": d - rank, "columns": d}, False)] if rank < d else []


def resolution_of(column: Array) -> float:
    """The step of which all values are multiples, where values repeat; 0 for a column without such a grid.

    Args:
        column: (n,) with nan for missing values.
    """
    values = np.unique(column[~np.isnan(column)])
    known = np.count_nonzero(~np.isnan(column))
    if len(values) < 2 or len(values) > known / 2 or np.abs(values).max() > 1e9:
        return 0.0
    for decimals in range(7):
        scaled = values * 10.0**decimals
        whole = np.round(scaled)
        if np.abs(scaled - whole).max() < 1e-6 * max(1.0, np.abs(scaled).max() * 1e-6):
            return float(np.gcd.reduce(np.diff(whole).astype(np.int64))) / 10.0**decimals
    return 0.0


def rounded_notes(names: Sequence[str], resolution: Array, spread: Array) -> list[Note]:
    """Notes of columns whose steps (d,) are not small against their standard deviations (d,)."""
    template = "Column {column} moves in steps of {step}: its variance is kept above step² / 12."
    return [
        Note("rounded", template, {"column": name, "step": f"{step:g}"}, False)
        for name, step, deviation in zip(names, resolution, spread, strict=True)
        if step > 0.1 * deviation
    ]
