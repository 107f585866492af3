"""Looks into packed workbooks before they are opened whole: a small file can hold a sheet larger than any memory."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil

from engine.studies.mixture.tables.errors import BrokenFileError, TooLargeError

# Bytes at the peak for each cell within the bounds of a sheet, empty ones too, and for each byte of unpacked XML.
CELL, UNPACKED = 64, 3
MOST_ROWS = 1 << 20  # of a sheet in Excel
PIECE = 1 << 20
SHEET = re.compile(rb'<(?:\w+:)?sheet\s[^>]*?\w+:id="([^"]+)"')
RELATION = re.compile(rb"<(?:\w+:)?Relationship\s[^>]*>")
ROW = re.compile(rb"<(?:\w+:)?row[\s>/]")
CELL_AT = re.compile(rb'<(?:\w+:)?c\s[^>]{0,40}?\br="([A-Z]{1,4})(\d{1,9})"')


def check_workbook(path: Path, sheet: int) -> None:
    """Refuse a packed workbook whose sheet, counted from 1, would not fit into memory; other faults are the reader's.

    Raises:
        TooLargeError: it takes more than what is free. BrokenFileError: it has more rows than a sheet can have.
    """
    free = psutil.virtual_memory().available
    try:
        with zipfile.ZipFile(path) as book:
            part = _part(book, sheet)
            sizes = {info.filename: info.file_size for info in book.infolist()}
            told = sum(sizes.get(name, 0) for name in (part, "content.xml", "xl/sharedStrings.xml"))
            _refuse(path, UNPACKED * told, free)
            if path.suffix.lower() == ".xlsx" and part in sizes:
                _refuse(path, CELL * _extent(book, part, path), free)
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return


def _refuse(path: Path, needed: int, free: int) -> None:
    if needed > free:
        raise TooLargeError(path=path, needed=f"{needed / 1e9:.1f}", free=f"{free / 1e9:.1f}")


def _part(book: zipfile.ZipFile, sheet: int) -> str:
    """The name, in the package, of the sheet at this place of the workbook."""
    usual = f"xl/worksheets/sheet{sheet}.xml"
    if "xl/workbook.xml" not in book.namelist():
        return usual
    sheets = SHEET.findall(_beginning(book, "xl/workbook.xml"))
    if not 1 <= sheet <= len(sheets):
        return usual
    for tag in RELATION.findall(_beginning(book, "xl/_rels/workbook.xml.rels")):
        target = re.search(rb'Target="([^"]+)"', tag)
        if target and b'Id="' + sheets[sheet - 1] + b'"' in tag:
            name = target[1].decode("utf-8", "replace")
            return name.lstrip("/") if name.startswith("/") else f"xl/{name}"
    return usual


def _beginning(book: zipfile.ZipFile, name: str) -> bytes:
    with book.open(name) as file:
        return file.read(PIECE)


def _extent(book: zipfile.ZipFile, part: str, path: Path) -> int:
    """Cells of the rectangle that the cells of a sheet span: readers hold all of it."""
    first, last, width, left, rows, cells = MOST_ROWS, 0, 0, 1 << 14, 0, 0
    for piece in _pieces(book, part):
        rows += len(ROW.findall(piece))
        found = CELL_AT.findall(piece)
        cells += len(found)
        for letters in {letters for letters, _ in found}:
            column = _column(letters)
            width, left = max(width, column), min(left, column)
        if found:
            # Rows come in order, so that the ends of a piece tell its bounds.
            first, last = min(first, int(found[0][1])), max(last, int(found[-1][1]))
        if max(rows, last) > MOST_ROWS:
            raise BrokenFileError(path=path, format="Excel", reason="A sheet has at most 1048576 rows.")
    return (last - first + 1) * (width - left + 1) if cells else 0


def _pieces(book: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """The unpacked sheet, cut before tags."""
    kept = b""
    with book.open(part) as file:
        while piece := file.read(PIECE):
            piece = kept + piece
            cut = piece.rfind(b"<")
            cut = cut if cut > 0 else len(piece)
            yield piece[:cut]
            kept = piece[cut:]
    yield kept


def _column(letters: bytes) -> int:
    """A is 1, AA 27."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number
