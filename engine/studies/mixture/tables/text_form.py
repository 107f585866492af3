"""How a text table is written: its encoding, separator, decimal mark, header and columns, told from its first lines."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from engine.studies.mixture.tables.errors import EmptyTableError, NoFileError, NotTextError
from engine.studies.mixture.tables.reading import (
    Column,
    guess_separator,
    looks_like_header,
    parse,
    text_rows,
    unique_names,
)

HEAD = 1 << 18  # bytes looked at
LONGEST = 1 << 24  # bytes looked at where lines are very long


@dataclass(frozen=True)
class TextForm:
    """The form of a text table.

    Attributes:
        encoding: "utf-8" or "utf-16", a byte order mark or none. separator: between cells. comma: whether 1,5 is one
        and a half. named: whether the first row has names. names: of all columns. row_bytes: mean length of a row in
        the file. columns: the cells of the first rows, as ``reading.parse`` takes them.
    """

    encoding: str
    separator: str
    comma: bool
    named: bool
    names: tuple[str, ...]
    row_bytes: float
    columns: tuple[Column, ...]


def sniff_text(path: Path, separator: str = "auto", decimal: str = "auto", header: str = "auto") -> TextForm:
    """Tell the form from the first quarter of a megabyte, by the rules of ``reading.read_columns``.

    Raises:
        NoFileError, EmptyTableError, NotTextError, RaggedRowError: a row with another number of cells among the first.
    """
    if not path.is_file():
        raise NoFileError(path=path)
    encoding, text, consumed = _head(path, HEAD)
    if "\n" not in text:
        encoding, text, consumed = _head(path, LONGEST)
    sample = [line for line in text.splitlines()[:60] if line.strip()]
    if not sample:
        raise EmptyTableError(path=path)
    mark = guess_separator(sample) if separator == "auto" else separator
    rows = text_rows(text, mark, path)
    named = header == "yes" or (header == "auto" and looks_like_header(rows[0]))
    body = rows[1:] if named else rows
    if not body:
        raise EmptyTableError(path=path)
    comma = decimal == "," or (decimal == "auto" and mark != ",")
    names = unique_names(rows[0] if named else [""] * len(rows[0]))
    columns = tuple(parse(name, cells, comma) for name, cells in zip(names, zip(*body, strict=True), strict=True))
    return TextForm(encoding, mark, comma, named, tuple(names), consumed / len(rows), columns)


def encoding_of(start: bytes) -> str:
    """Says "utf-16" where the text begins with its byte order mark, else "utf-8"."""
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"


def _head(path: Path, most: int) -> tuple[str, str, int]:
    """Encoding, the first whole lines, and their bytes in the file."""
    with open(path, "rb") as file:
        data = file.read(most)
    whole = len(data) == path.stat().st_size
    encoding = encoding_of(data)
    decoder = codecs.getincrementaldecoder("utf-16" if encoding == "utf-16" else "utf-8-sig")()
    try:
        text = decoder.decode(data, whole)
    except UnicodeDecodeError as error:
        raise NotTextError(path=path, position=error.start) from error
    kept = text if whole else text[: text.rfind("\n") + 1] or text
    share = len(kept) / max(len(text), 1)
    return encoding, kept, max(round(len(data) * share), 1)
