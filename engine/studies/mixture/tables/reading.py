"""Reads a user's table, CSV, TSV, Parquet, NPY or Excel, into named columns of numbers and of text."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.tables.errors import (
    ArrayShapeError,
    BrokenFileError,
    EmptyTableError,
    NoFileError,
    NotTextError,
    ObjectArrayError,
    RaggedRowError,
    UnknownTableError,
)
from engine.studies.mixture.tables.workbook import check_workbook

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-", "."})
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}([T ].*)?|\d{1,2}:\d{2}(:.*)?"
)
SEPARATORS = ("\t", ";", "|", ",")


@dataclass(frozen=True)
class Column:
    """One column as read.

    Attributes:
        name: from the header, or "column 1" ... kind: what its cells are. values: (n,) float64 with nan for missing
        cells when kind is "number"; else (n,) str, "" for missing cells.
        odd: for text, the first cell that is not a number, and its row from 1.
    """

    name: str
    kind: str
    values: NDArray[Any]
    odd: tuple[str, int] = ("", 0)


def read_columns(
    path: Path, *, separator: str = "auto", decimal: str = "auto", header: str = "auto", sheet: int = 1
) -> list[Column]:
    """Columns of a file.

    Args:
        separator: "auto" or the character. decimal: "auto", "." or ",". header: "auto", "yes" or "no".
        sheet: of an Excel file, from 1.

    Raises:
        TableError: no such file, unknown kind, empty, ragged, not text, not a two-dimensional array of real numbers.
    """
    if not path.is_file():
        raise NoFileError(path=path)
    if path.stat().st_size == 0:
        raise EmptyTableError(path=path)
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".txt", ".dat"):
        return _text(path, separator, decimal, header)
    if suffix == ".npy":
        return _array(path)
    if suffix in (".parquet", ".pq"):
        return _frame(path, "Parquet", lambda pl: pl.read_parquet(path))
    if suffix in (".xlsx", ".xls", ".xlsb", ".ods"):
        check_workbook(path, sheet)
        return _frame(path, "Excel", lambda pl: _sheet(pl, path, sheet, header))
    raise UnknownTableError(path=path, suffix=suffix or "nothing")


def decode(path: Path, data: bytes) -> str:
    """Text of a file in UTF-8 or UTF-16, with or without a byte order mark.

    Raises:
        NotTextError: the bytes are neither.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise NotTextError(path=path, position=error.start) from error


def guess_separator(lines: Sequence[str]) -> str:
    """The separator that gives the same number of cells, more than one, in most lines; "," when none does."""
    best, score = ",", 0.0
    for mark in SEPARATORS:
        try:
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=mark) if row)
        except csv.Error:
            # A line of thousands of cells is too long for one cell, which it is to the wrong mark.
            continue
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        share = count / max(sum(widths.values()), 1)
        if width > 1 and share > score + 1e-9:
            best, score = mark, share
    return best


def _text(path: Path, separator: str, decimal: str, header: str) -> list[Column]:
    text = decode(path, path.read_bytes())
    sample = [line for line in text.splitlines()[:60] if line.strip()]
    if not sample:
        raise EmptyTableError(path=path)
    mark = guess_separator(sample) if separator == "auto" else separator
    rows = text_rows(text, mark, path)
    comma = decimal == "," or (decimal == "auto" and mark != ",")
    first = rows[0]
    named = header == "yes" or (header == "auto" and looks_like_header(first))
    body = rows[1:] if named else rows
    if not body:
        raise EmptyTableError(path=path)
    names = unique_names(first if named else [""] * len(first))
    return [parse(name, cells, comma) for name, cells in zip(names, zip(*body, strict=True), strict=True)]


def text_rows(text: str, separator: str, path: Path, *, width: int = 0, line: int = 1) -> list[list[str]]:
    """The rows of a piece of text, without blank ones.

    Args:
        width: cells that each row must have; 0 takes it from the first. line: number of the first line of the piece.

    Raises:
        RaggedRowError: a row has another number of cells. BrokenFileError: a cell does not end.
    """
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    try:
        for row in reader:
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            width = width or len(row)
            if len(row) != width:
                raise RaggedRowError(path=path, line=line + reader.line_num - 1, found=len(row), expected=width)
            rows.append(row)
    except csv.Error as error:
        raise BrokenFileError(path=path, format="text", reason=f"{error}.") from error
    return rows


def looks_like_header(cells: Sequence[str]) -> bool:
    """Whether no cell is a number: a header has names."""
    return not any(NUMBER.fullmatch(c.strip()) or DECIMAL_COMMA.fullmatch(c.strip()) for c in cells)


def unique_names(given: Sequence[str]) -> list[str]:
    """Names without blanks and repetitions."""
    seen: set[str] = set()
    names = []
    for index, cell in enumerate(given):
        base = name = cell.strip() or f"column {index + 1}"
        again = 2
        while name in seen:
            name, again = f"{base} ({again})", again + 1
        seen.add(name)
        names.append(name)
    return names


def parse(name: str, cells: Sequence[str], comma: bool) -> Column:
    """A column of numbers where every cell is a number or missing, else of dates or text.

    Args:
        comma: whether 1,5 means one and a half.
    """
    try:
        if "_" not in "".join(cells[:100]):
            return Column(name, "number", np.array(cells).astype(np.float64))
    except ValueError:
        pass
    values = np.full(len(cells), np.nan)
    stripped = [cell.strip() for cell in cells]
    for row, cell in enumerate(stripped):
        if cell.lower() in MISSING:
            continue
        if NUMBER.fullmatch(cell):
            values[row] = float(cell)
        elif comma and DECIMAL_COMMA.fullmatch(cell):
            values[row] = float(cell.replace(",", "."))
        else:
            full = [c for c in stripped if c.lower() not in MISSING]
            kind = "date" if all(DATE.fullmatch(c) for c in full) else "text"
            blank = ["" if c.lower() in MISSING else c for c in stripped]
            return Column(name, kind, np.array(blank), (cell, row + 1))
    return Column(name, "number", values)


def _array(path: Path) -> list[Column]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        if "allow_pickle" in str(error):
            raise ObjectArrayError(path=path, dtype="object") from error
        raise BrokenFileError(path=path, format="NPY", reason=f"{error}.") from error
    except MemoryError as error:
        raise BrokenFileError(path=path, format="NPY", reason="It asks for more memory than there is.") from error
    return array_columns(array, path)


def array_columns(array: NDArray[Any], path: Path | str = "memory", names: Sequence[str] | None = None) -> list[Column]:
    """Columns of an array (n, d) or (n,) of real numbers.

    Raises:
        ObjectArrayError, ArrayShapeError, EmptyTableError.
    """
    if array.dtype.kind not in "biuf":
        raise ObjectArrayError(path=path, dtype=array.dtype.name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ArrayShapeError(path=path, shape=array.shape)
    if array.size == 0:
        raise EmptyTableError(path=path)
    given = unique_names(names if names is not None else [""] * array.shape[1])
    values = np.asarray(array, dtype=np.float64)
    return [Column(name, "number", values[:, i]) for i, name in enumerate(given)]


def _sheet(pl: Any, path: Path, sheet: int, header: str) -> Any:
    """A sheet as a frame of polars; "auto" takes a first row with a number in it for data."""
    if header != "no":
        frame = pl.read_excel(path, sheet_id=sheet)
        if header == "yes" or looks_like_header(frame.columns):
            return frame
    frame = pl.read_excel(path, sheet_id=sheet, has_header=False)
    return frame.rename({name: f"column {index + 1}" for index, name in enumerate(frame.columns)})


def _frame(path: Path, kind: str, read: Callable[[Any], Any]) -> list[Column]:
    import polars as pl

    try:
        frame = read(pl)
    except Exception as error:
        # Each reader has exception classes of its own, none of them part of its interface.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BrokenFileError(path=path, format=kind, reason=f"{reason}.") from error
    if frame.height == 0 or frame.width == 0:
        raise EmptyTableError(path=path)
    return [series_column(frame.to_series(i), name) for i, name in enumerate(unique_names(frame.columns))]


def series_column(series: Any, name: str) -> Column:
    """A polars series as a column; one of nothing but nulls counts as numbers."""
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric() or dtype == pl.Boolean:
        return Column(name, "number", series.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    if dtype == pl.Duration or dtype.is_nested():
        # These have no text of their own.
        words = ["" if value is None else str(value) for value in series.to_list()]
        odd = next(((word, row + 1) for row, word in enumerate(words) if word), ("", 0))
        return Column(name, "date" if dtype == pl.Duration else "text", np.array(words), odd)
    if dtype.is_temporal():
        return Column(name, "date", series.cast(pl.String).fill_null("").to_numpy())
    if dtype == pl.Null:
        return Column(name, "number", np.full(len(series), np.nan))
    return parse(name, series.cast(pl.String, strict=False).fill_null("").to_list(), comma=False)
