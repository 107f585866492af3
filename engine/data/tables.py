"""Tables of text: CSV, TSV and the like, with separator, decimal mark and header found out."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.data.config import FileData
from engine.data.content import file_hash, read_bytes
from engine.data.dataset import Array, Note, Raw
from engine.data.errors import EmptyFile, MissingCells, NotUtf8, RaggedTable, TextColumn, TooFewRows, UnknownTarget
from engine.data.targets import encode

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {"tab": "\t", ";": ";", "|": "|", ",": ",", "space": " "}  # in the order of trust
SAMPLE = 50  # rows looked at to guess
MOST_TEXTS = 20  # values of a text column that become columns of 0 and 1
MEMORY_FACTOR = 8.0  # text, its columns of strings and float64
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


def read_table(path: Path, config: FileData, head: int | None = None) -> Raw:
    """Features and target of a table. Text columns become one column of 0 and 1 for each value.

    Args:
        head: read only the rows within the first ``head`` bytes.

    Raises:
        DataError: empty, not UTF-8, ragged rows, empty cells, too many texts, unknown target, too large.
    """
    text = _decode(path, read_bytes(path, MEMORY_FACTOR, head))
    if head is not None and len(text) >= head // 4 and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    lines = [line for line in text.splitlines()[: SAMPLE + 20] if line.strip()]
    if not lines:
        raise EmptyFile(path=path)
    separator = SEPARATORS[config.separator] if config.separator != "auto" else guess_separator(lines)
    rows = _cells(lines[: SAMPLE + 1], separator)
    comma = config.decimal == "," or (config.decimal == "auto" and separator != "," and _has_decimal_comma(rows))
    header = config.header == "yes" or (config.header == "auto" and _has_header(rows, comma))
    frame = _frame(path, text, separator)
    names = _names(frame.row(0) if header else (), frame.width)
    frame = frame.slice(1 if header else 0)
    if frame.height == 0:
        raise TooFewRows(rows=0, train=0, test=0, least=1)
    target = config.target or names[-1]
    if target not in names:
        raise UnknownTarget(path=path, target=target, names=", ".join(names[:20]))
    columns = {name: _clean(path, name, frame.to_series(i)) for i, name in enumerate(names)}
    y, classes = encode(_target(columns.pop(target), comma), config.predict, target)
    x, features, notes = _features(path, columns, comma)
    size, digest = file_hash(path)
    return Raw(x, y, classes, path.name, features, path=str(path), size=size, sha256=digest, notes=notes)


def _decode(path: Path, data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise NotUtf8(path=path, position=0)
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        return decoder.decode(data)  # not final, so that a preview may cut a letter in two
    except UnicodeDecodeError as error:
        raise NotUtf8(path=path, position=error.start) from error


def guess_separator(lines: list[str]) -> str:
    """The separator by which the lines have most often the same number of cells, more than one."""
    best, score = ",", 0.0
    for separator in SEPARATORS.values():
        widths = Counter(len(row) for row in _cells(lines, separator))
        width, count = widths.most_common(1)[0]
        if width > 1 and count / len(lines) > score:
            best, score = separator, count / len(lines)
    return best


def _cells(lines: list[str], separator: str) -> list[list[str]]:
    if separator == " ":
        return [line.split() for line in lines]
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator) if row]


def _has_decimal_comma(rows: list[list[str]]) -> bool:
    cells = [cell for row in rows for cell in row]
    return any(DECIMAL_COMMA.fullmatch(cell) for cell in cells)


def _has_header(rows: list[list[str]], comma: bool) -> bool:
    """Whether the first row names the columns: texts where the others have numbers, or words found nowhere else."""
    first, others = rows[0], rows[1:]
    if not others:
        return False

    def number(cell: str) -> bool:
        return bool(NUMBER.fullmatch(cell.replace(",", ".") if comma else cell))

    columns = [[row[i] for row in others if i < len(row)] for i in range(len(first))]
    numeric = [bool(column) and all(number(cell) or cell.lower() in MISSING for cell in column) for column in columns]
    if any(numeric):
        return any(is_number and cell and not number(cell) for cell, is_number in zip(first, numeric, strict=True))
    return (
        all(first)
        and len(set(first)) == len(first)
        and not any(c in col for c, col in zip(first, columns, strict=True))
    )


def _frame(path: Path, text: str, separator: str) -> pl.DataFrame:
    """All cells as text; polars does the splitting."""
    import polars as pl

    if separator == " ":
        text = "\n".join(" ".join(line.split()) for line in text.splitlines())
    try:
        return pl.read_csv(io.BytesIO(text.encode()), separator=separator, has_header=False, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise RaggedTable(path=path, reason=str(error).strip().splitlines()[0]) from error


def _names(first: tuple[str | None, ...], width: int) -> list[str]:
    names: list[str] = []
    for i in range(width):
        name = ((first[i] if i < len(first) else None) or "").strip() or f"column {i + 1}"
        names.append(name if name not in names else f"{name} ({i + 1})")
    return names


def _clean(path: Path, name: str, column: pl.Series) -> pl.Series:
    """Without spaces around; empty cells are an error."""
    column = column.str.strip_chars()
    missing = column.is_null() | column.str.to_lowercase().is_in(list(MISSING))
    if count := int(missing.sum()):
        raise MissingCells(path=path, column=name, count=count, row=int(missing.arg_max() or 0) + 1)
    return column


def _numbers(column: pl.Series, comma: bool) -> pl.Series:
    """Float64, null where a cell is no number; with decimal commas, points part thousands."""
    import polars as pl

    if comma:
        column = column.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return column.cast(pl.Float64, strict=False)


def _target(column: pl.Series, comma: bool) -> Array:
    numbers = _numbers(column, comma)
    return np.array(column.to_list()) if numbers.null_count() else numbers.to_numpy()


def _features(
    path: Path, columns: dict[str, pl.Series], comma: bool
) -> tuple[Array, tuple[str, ...], tuple[Note, ...]]:
    parts: list[Array] = []
    names: list[str] = []
    notes: list[Note] = []
    for name, column in columns.items():
        numbers = _numbers(column, comma)
        if not numbers.null_count():
            parts.append(numbers.to_numpy())
            names.append(name)
            continue
        values = sorted(column.unique().to_list())
        if len(values) > MOST_TEXTS:
            example = column.filter(numbers.is_null())[0]
            raise TextColumn(path=path, column=name, count=len(values), example=repr(example), limit=MOST_TEXTS)
        parts.extend((column == value).to_numpy().astype(np.float64) for value in values)
        names.extend(f"{name} = {value}" for value in values)
        notes.append(("Column {column} holds text; its {count} values became as many columns of 0 and 1.",
                      {"column": name, "count": len(values)}))  # fmt: skip
    if not parts:
        raise RaggedTable(path=path, reason="Only one column was found.")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is told as that
        return np.stack(parts, axis=1).astype(np.float32), tuple(names), tuple(notes)
