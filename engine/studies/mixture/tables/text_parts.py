"""Reads CSV and its relatives in blocks of whole lines, by the rules of ``reading.read_columns``."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.tables.errors import BrokenFileError, LongLineError, NotTextError, RaggedRowError
from engine.studies.mixture.tables.part import PLACES, Part, numbers_of, words_of
from engine.studies.mixture.tables.reading import MISSING, Column, parse, text_rows
from engine.studies.mixture.tables.text_form import sniff_text

LONGEST_LINE = 1 << 26
# The usual writings of a missing cell; others are found by the slower way.
SHOWN = [*dict.fromkeys(form for word in sorted(MISSING) for form in (word, word.upper(), word.title()) if form)]


class TextParts:
    """CSV and its relatives.

    Rows are counted and their cells compared before they are parsed, since fast parsers take short rows for gaps.
    """

    def __init__(self, path: Path, separator: str, decimal: str, header: str) -> None:
        self.path = path
        self.form = sniff_text(path, separator, decimal, header)
        self.columns = self.form.columns
        self._index = {name: place for place, name in enumerate(self.form.names)}
        self._width = len(self.form.names)
        self.rows, self.exact = max(round(path.stat().st_size / self.form.row_bytes) - self.form.named, 1), False
        # A parser for numbers only, given up at the first cell that it cannot take.
        self._plain = not (self.form.comma and self.form.separator == ",")

    def read(self, names: Sequence[str], label: str, chunk: int) -> Iterator[Part]:
        """See ``Parts``. Raises RaggedRowError, NotTextError, LongLineError."""
        skip, line = self.form.named, 1
        for block, offset, share in self._blocks(max(int(chunk * self.form.row_bytes), 1 << 12)):
            lines = block.count(b"\n")
            if not block.isascii():
                self._check_text(block, offset)
            clean = _tidy(block)
            if skip and clean:
                clean, skip = clean[_first(clean) :], False
            if clean:
                yield self._part(clean, block, line, names, label, share)
            line += lines

    def _blocks(self, least: int) -> Iterator[tuple[bytes, int, float]]:
        """Whole rows in UTF-8, where they begin in the file, and the share of the file read so far."""
        size, wide = max(self.path.stat().st_size, 1), self.form.encoding == "utf-16"
        decoder = codecs.getincrementaldecoder("utf-16")() if wide else None
        rest, line = b"", 1
        with open(self.path, "rb") as file:
            if not wide and file.read(3) != codecs.BOM_UTF8:
                file.seek(0)
            while data := file.read(least):
                rest += data if decoder is None else self._narrow(decoder, data, file.tell() - len(data))
                end = _last(rest)
                if end:
                    yield rest[:end], file.tell() - len(rest), file.tell() / size
                    line += rest.count(b"\n", 0, end)
                    rest = rest[end:]
                elif len(rest) > LONGEST_LINE:
                    raise LongLineError(path=self.path, line=line, megabytes=LONGEST_LINE >> 20)
            if rest.strip():
                yield rest + b"\n", file.tell() - len(rest), 1.0

    def _narrow(self, decoder: codecs.IncrementalDecoder, data: bytes, offset: int) -> bytes:
        try:
            return decoder.decode(data).encode()
        except UnicodeError as error:
            start = error.start if isinstance(error, UnicodeDecodeError) else 0
            raise NotTextError(path=self.path, position=offset + start) from error

    def _check_text(self, block: bytes, offset: int) -> None:
        try:
            block.decode()
        except UnicodeDecodeError as error:
            raise NotTextError(path=self.path, position=offset + error.start) from error

    def _part(self, clean: bytes, block: bytes, line: int, names: Sequence[str], label: str, share: float) -> Part:
        frame = self._fast(clean, names, label) if self._regular(clean) else None
        if frame is None:
            frame = self._slow(clean, block, line, names, label)
        values, odd = numbers_of(frame, names, self.form.comma)
        return Part(values, None if not label else words_of(frame[label]), odd, share)

    def glimpse(self, count: int) -> list[Column]:
        """See ``Parts``. A place in the middle of a quoted cell gives no rows."""
        if self.rows <= count or self.form.encoding == "utf-16":
            return list(self.columns)
        rows: list[list[str]] = []
        first = 0
        with open(self.path, "rb") as file:
            for place in range(PLACES):
                file.seek(place * self.path.stat().st_size // PLACES)
                lines = file.read(int(count / PLACES * self.form.row_bytes)).splitlines(keepends=True)
                text = b"".join(lines[bool(place) : -1])
                with contextlib.suppress(UnicodeDecodeError, RaggedRowError, BrokenFileError):
                    rows += text_rows(text.decode("utf-8-sig"), self.form.separator, self.path, width=self._width)
                first = first or len(rows)
        cells = zip(*rows[self.form.named :], strict=True)
        found = [parse(name, cell, self.form.comma) for name, cell in zip(self.form.names, cells, strict=True)]
        return [replace(c, odd=(c.odd[0], 0)) if c.odd[1] > first - self.form.named else c for c in found]

    def _regular(self, clean: bytes) -> bool:
        """Whether every line has as many cells as the first, quoted ones counted as one."""
        width, letters = self._width, np.frombuffer(clean, np.uint8)
        ends, marks = letters == 10, letters == ord(self.form.separator)
        if b'"' in clean:
            outside = np.cumsum(letters == 34, dtype=np.uint8) & 1 == 0
            ends, marks = ends & outside, marks & outside
        at, between = np.flatnonzero(ends), np.flatnonzero(marks)
        if len(between) != len(at) * (width - 1):
            return False
        if width == 1:
            return True
        grid = between.reshape(len(at), width - 1)
        return bool((grid[:, -1] < at).all() and (grid[1:, 0] > at[:-1]).all())

    def _fast(self, clean: bytes, names: Sequence[str], label: str) -> Any:
        """A frame of the wanted columns; those that hold more than numbers as text. None where polars cannot."""
        import polars as pl

        wanted = sorted({self._index[name] for name in (*names, *([label] if label else []))})
        given = self.form.names
        for dtype in (pl.Float64, pl.String) if self._plain else (pl.String,):
            kinds = {
                f"column_{i + 1}": dtype if given[i] in names and given[i] != label else pl.String
                for i in range(len(given))
            }
            try:
                frame = pl.read_csv(
                    clean, has_header=False, separator=self.form.separator, schema=kinds, columns=wanted,
                    null_values=SHOWN if dtype == pl.Float64 else None,
                    decimal_comma=self.form.comma and dtype == pl.Float64,
                )  # fmt: skip
            except pl.exceptions.PolarsError:
                self._plain = False
                continue
            frame.columns = [given[i] for i in wanted]
            return frame
        return None

    def _slow(self, clean: bytes, block: bytes, line: int, names: Sequence[str], label: str) -> Any:
        """Cell by cell, which tells the line that is wrong."""
        import polars as pl

        width = self._width
        # The block as it stands in the file has the file's line numbers.
        text_rows(block.decode(), self.form.separator, self.path, width=width, line=line)
        rows = text_rows(clean.decode(), self.form.separator, self.path, width=width, line=line)
        columns = list(zip(*rows, strict=True)) or [()] * width
        wanted = dict.fromkeys((*names, *([label] if label else [])))
        return pl.DataFrame({name: pl.Series(columns[self._index[name]], dtype=pl.String) for name in wanted})


def _tidy(block: bytes) -> bytes:
    """Line ends as one byte, without empty lines."""
    clean = block.replace(b"\r\n", b"\n") if b"\r" in block else block
    if clean.startswith(b"\n") or b"\n\n" in clean:
        clean = re.sub(rb"\n{2,}", b"\n", clean).lstrip(b"\n")
    return clean


def _row_ends(data: bytes) -> NDArray[np.intp]:
    """Where rows end: newlines outside of quoted cells."""
    letters = np.frombuffer(data, np.uint8)
    inside = np.cumsum(letters == 34, dtype=np.uint8) & 1
    return np.flatnonzero((letters == 10) & (inside == 0))


def _last(data: bytes) -> int:
    """The length of all whole rows at the beginning."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    ends = _row_ends(data)
    return int(ends[-1]) + 1 if len(ends) else 0


def _first(data: bytes) -> int:
    """The length of the first row."""
    if b'"' not in data[: data.find(b"\n") + 1]:
        return data.find(b"\n") + 1
    return int(_row_ends(data)[0]) + 1
