"""What every file that is read in parts gives: runs of rows as numbers, and the words of known classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.tables.reading import MISSING, Column

PLACES = 8
WORD = 80  # letters kept of a known class


Words = Callable[[NDArray[np.intp]], NDArray[np.str_]]


@dataclass(frozen=True)
class Part:
    """Some consecutive rows.

    Attributes:
        values: (c, d) float64, nan where missing. words: positions in the part -> their known classes; None where they
            were not asked for.
        odd: column -> the first cell that is no number and its row in the part. share: of the file read so far.
    """

    values: Array
    words: Words | None
    odd: dict[str, tuple[str, int]] = field(default_factory=dict)
    share: float = 0.0


class Parts(Protocol):
    """A file that is read in parts.

    Attributes:
        columns: the first rows of all columns; their kinds are taken as those of the whole file.
        rows: of the file; from its length where only that tells. exact: whether it says so itself.
    """

    columns: tuple[Column, ...]
    rows: int
    exact: bool

    def read(self, names: Sequence[str], label: str, chunk: int) -> Iterator[Part]:
        """About ``chunk`` rows at a time of these columns, with the words of column ``label`` where it is not ""."""

    def glimpse(self, count: int) -> list[Column]:
        """All columns of about ``count`` rows from ``PLACES`` places of the file, without reading the rest."""


def numbers_of(frame: Any, names: Sequence[str], comma: bool) -> tuple[Array, dict[str, tuple[str, int]]]:
    """Columns of a frame as float64 (c, d), and the first odd cell of each that has one."""
    import polars as pl

    values, odd = np.empty((frame.height, len(names))), {}
    for place, name in enumerate(names):
        series = frame[name]
        if series.dtype == pl.String:
            cells = series.str.strip_chars(' \t\r"')
            gaps = cells.is_null() | cells.str.to_lowercase().is_in(sorted(MISSING))
            plain = cells.str.replace(",", ".", literal=True) if comma else cells
            series = plain.cast(pl.Float64, strict=False)
            wrong = (series.is_null() & ~gaps).arg_true()
            if len(wrong):
                odd[name] = (str(cells[int(wrong[0])])[:40], int(wrong[0]))
            series = pl.select(pl.when(gaps).then(None).otherwise(series)).to_series()
        values[:, place] = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return values, odd


def words_of(series: Any) -> Words:
    """The cells of a column as words, "" where missing."""
    import polars as pl

    def words(at: NDArray[np.intp]) -> NDArray[np.str_]:
        picked = series.gather(at)
        if picked.dtype.is_float():
            return number_words(picked.fill_null(float("nan")).to_numpy())
        cells = picked.cast(pl.String, strict=False).fill_null("").str.strip_chars(' \t\r"').str.slice(0, WORD)
        return np.array(["" if cell.lower() in MISSING else cell for cell in cells.to_list()], dtype=np.str_)

    return words


def number_words(values: Array) -> NDArray[np.str_]:
    """Numbers as the words of classes, "" where missing."""
    return np.array(["" if value != value else f"{value:g}" for value in values.tolist()], dtype=np.str_)
