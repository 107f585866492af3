"""How large a user's table is, told from its first bytes, and whether it has to be read in parts."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from engine.errors import EngineError
from engine.studies.mixture.config import FileTable
from engine.studies.mixture.tables.errors import NotInPartsError, TooLargeError
from engine.studies.mixture.tables.parts import TEXT, open_parts

# Bytes that reading a table whole takes at its peak, for each cell: text is held as Python's.
TEXT_CELL, ARRAY_CELL = 140, 48
MOST_CELLS = 50_000_000
FREE_SHARE = 0.25  # of free memory that a table read whole takes at most
EXCEL = (".xlsx", ".xls", ".xlsb", ".ods")
DIMENSION = re.compile(rb'<dimension ref="[A-Z]+(\d+):([A-Z]+)(\d+)"')
# Complete rows up to so many bytes are kept after the first pass, so that later ones need not read the file.
KEPT_BYTES = 1 << 28
SAMPLE = 100_000
SAMPLE_CELLS = 4_000_000
PART, PART_CELLS = 20_000, 4_000_000  # rows, and cells, of a table read in parts that a fit keeps
MANY_ROWS = 50_000  # more are not looked at by what fits again and again: a choice of model, resamples, tests


@dataclass(frozen=True)
class FileSize:
    """The size of a table.

    Attributes:
        rows: in the file; from its length where only that tells. columns: of numbers that would be clustered.
        cells: of all columns. needed: bytes that reading it whole takes. parts: whether it can be read in parts.
        bytes: of the file.
    """

    rows: int
    columns: int
    cells: int
    needed: int
    parts: bool
    bytes: int


def sample_size(columns: int) -> int:
    """Rows of a random sample on which starts race, and other methods work."""
    return min(SAMPLE, max(1000, SAMPLE_CELLS // max(columns, 1)))


def part_size(columns: int) -> int:
    """Rows of a table read in parts that a fit keeps, and that resamples and tests of a large one see."""
    return min(PART, max(500, PART_CELLS // max(columns, 1)))


def file_size(source: FileTable) -> FileSize:
    """Rows and columns from the first bytes.

    Raises:
        TableError: no such file, or its beginning cannot be read.
    """
    path = Path(source.path).expanduser()
    suffix = path.suffix.lower()
    if suffix in EXCEL and path.is_file():
        return _workbook(source, path)
    file = open_parts(path, separator=source.separator, decimal=source.decimal, header=source.header)
    numbers = [column.name for column in file.columns if column.kind == "number" and column.name != source.label]
    used = [name for name in numbers if not source.columns or name in source.columns]
    cells = file.rows * len(file.columns)
    each = TEXT_CELL if suffix in TEXT else ARRAY_CELL
    return FileSize(file.rows, len(used), cells, cells * each, True, path.stat().st_size)


def known_size(source: FileTable) -> FileSize | None:
    """As ``file_size``; None where the file is missing or broken."""
    try:
        found = file_size(source)
    except (EngineError, OSError):
        return None
    return found if found.rows and found.columns else None


def read_in_parts(source: Any) -> bool:
    """Whether a table is read in parts: because that was asked for, or because it would fill the memory.

    Raises:
        TableError: the file is missing or broken. NotInPartsError, TooLargeError: an Excel file.
    """
    if not isinstance(source, FileTable) or source.reading == "memory":
        return False
    path = Path(source.path).expanduser()
    excel = path.suffix.lower() in EXCEL
    if source.reading == "stream" and excel:
        raise NotInPartsError(path=path, suffix=path.suffix)
    if source.reading == "stream":
        return True
    free = psutil.virtual_memory().available
    if path.is_file() and path.stat().st_size * 8 < min(free * FREE_SHARE, 8 * MOST_CELLS):
        # Packed at most so well, a small file needs no look inside; what is wrong with it is told when it is read.
        return False
    size = file_size(source)
    if excel:
        if size.needed > free:
            raise TooLargeError(path=path, needed=f"{size.needed / 1e9:.1f}", free=f"{free / 1e9:.1f}")
        return False
    return size.cells > MOST_CELLS or size.needed > FREE_SHARE * free


def _workbook(source: FileTable, path: Path) -> FileSize:
    """Rows and columns as the sheet itself says; of older formats only the bytes are known."""
    length = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as book, book.open(f"xl/worksheets/sheet{source.sheet}.xml") as sheet:
            found = DIMENSION.search(sheet.read(4096))
    except (OSError, KeyError, zipfile.BadZipFile):
        found = None
    if found is None:
        return FileSize(0, 0, 0, 20 * length, False, length)
    width = 0
    for letter in found[2].decode():
        width = 26 * width + ord(letter) - 64
    rows = max(int(found[3]) - int(found[1]), 1)
    columns = len(source.columns) or max(width - bool(source.label), 1)
    return FileSize(rows, columns, rows * width, rows * width * TEXT_CELL, False, length)
