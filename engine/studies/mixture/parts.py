"""Reads a table in parts that fit into memory: text in blocks of lines, Parquet and NPY by row numbers."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.parameters import Array
from engine.studies.mixture.reading import MISSING, Column, parse, unique_names
from engine.studies.mixture.table_errors import (
    ArrayShapeError,
    BrokenFileError,
    EmptyTableError,
    LongLineError,
    NoFileError,
    NotTextError,
    ObjectArrayError,
    UnknownTableError,
)
from engine.studies.mixture.text_form import sniff_text, text_rows

TEXT, PARQUET = (".csv", ".tsv", ".txt", ".dat"), (".parquet", ".pq")
# Chunks read from Parquet at a time.
AHEAD = 4
LONGEST_LINE = 1 << 26
WORD = 80  # letters kept of a known class
# The usual writings; others are found by the slower way.
SHOWN = [*dict.fromkeys(form for word in sorted(MISSING) for form in (word, word.upper(), word.title()) if form)]


@dataclass(frozen=True)
class Part:
    """Some consecutive rows.

    Attributes:
        values: (c, d) float64, nan where missing. words: (c,) str of the column of known classes, or None.
        odd: column -> the first cell that is no number and its row in the part. share: of the file read so far.
    """

    values: Array
    words: NDArray[np.str_] | None
    odd: dict[str, tuple[str, int]] = field(default_factory=dict)
    share: float = 0.0


class Parts(Protocol):
    """A file that is read in parts.

    Attributes:
        columns: the first rows of all columns; their kinds are taken as those of the whole file.
    """

    columns: tuple[Column, ...]

    def read(self, names: Sequence[str], label: str, chunk: int) -> Iterator[Part]:
        """About ``chunk`` rows at a time of these columns, with the words of column ``label`` where it is not ""."""


def open_parts(path: Path, *, separator: str = "auto", decimal: str = "auto", header: str = "auto") -> Parts:
    """A file that can be read in parts.

    Raises:
        NoFileError, UnknownTableError, EmptyTableError, BrokenFileError, NotTextError, RaggedRowError,
        ArrayShapeError, ObjectArrayError.
    """
    if not path.is_file():
        raise NoFileError(path=path)
    if path.stat().st_size == 0:
        raise EmptyTableError(path=path)
    suffix = path.suffix.lower()
    if suffix in TEXT:
        return TextParts(path, separator, decimal, header)
    if suffix in PARQUET:
        return ParquetParts(path)
    if suffix == ".npy":
        return ArrayParts(path)
    raise UnknownTableError(path=path, suffix=suffix or "nothing")


class TextParts:
    """CSV and its relatives.

    Rows are counted and their cells compared before they are parsed, since fast parsers take short rows for gaps.
    """

    def __init__(self, path: Path, separator: str, decimal: str, header: str) -> None:
        self.path = path
        self.form = sniff_text(path, separator, decimal, header)
        self.columns = self.form.columns
        self._index = {name: place for place, name in enumerate(self.form.names)}
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
        values, odd = _numbers(frame, names, self.form.comma)
        return Part(values, None if not label else _words(frame[label]), odd, share)

    def _regular(self, clean: bytes) -> bool:
        """Whether every line has as many cells as the first, quoted ones counted as one."""
        width = len(self.form.names)
        letters = np.frombuffer(clean, np.uint8)
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

        width = len(self.form.names)
        try:
            # The block as it stands in the file has the file's line numbers.
            text_rows(block.decode(), self.form.separator, self.path, width=width, line=line)
            rows = text_rows(clean.decode(), self.form.separator, self.path, width=width, line=line)
        except csv.Error as error:
            raise BrokenFileError(path=self.path, format="CSV", reason=f"{error}.") from error
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


def _numbers(frame: Any, names: Sequence[str], comma: bool) -> tuple[Array, dict[str, tuple[str, int]]]:
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


def _words(series: Any) -> NDArray[np.str_]:
    """The cells of a column as words, "" where missing."""
    import polars as pl

    if series.dtype.is_float():
        return np.array(["" if v is None or v != v else f"{v:g}" for v in series.to_list()])
    cells = series.cast(pl.String, strict=False).fill_null("").str.strip_chars(' \t\r"').str.slice(0, WORD)
    return np.array(["" if cell.lower() in MISSING else cell for cell in cells.to_list()], dtype=np.str_)


class ParquetParts:
    """Parquet through polars, by row numbers: batches run ahead of a slow reader and would fill the memory."""

    def __init__(self, path: Path) -> None:
        import polars as pl

        self.path = path
        try:
            self.rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
            head = pl.scan_parquet(path).head(1000).collect()
        except Exception as error:
            # Some faults come as polars' own errors, others as those of the system or of Rust.
            raise self._broken(error) from error
        if not self.rows or not head.width:
            raise EmptyTableError(path=path)
        names = unique_names(head.columns)
        self._given = dict(zip(names, head.columns, strict=True))
        self.columns = tuple(_typed(head.to_series(i), name) for i, name in enumerate(names))

    def _broken(self, error: Exception) -> BrokenFileError:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return BrokenFileError(path=self.path, format="Parquet", reason=f"{reason}.")

    def read(self, names: Sequence[str], label: str, chunk: int) -> Iterator[Part]:
        """See ``Parts``. Raises BrokenFileError."""
        import polars as pl

        wanted = list(dict.fromkeys((*names, *([label] if label else []))))
        lazy = pl.scan_parquet(self.path).select([pl.col(self._given[name]).alias(name) for name in wanted])
        for start in range(0, self.rows, AHEAD * chunk):
            try:
                frame = lazy.slice(start, AHEAD * chunk).collect()
            except Exception as error:
                raise self._broken(error) from error
            for at, part in enumerate(frame.iter_slices(chunk)):
                values, odd = _numbers(part, names, False)
                done = start + at * chunk + part.height
                yield Part(values, _words(part[label]) if label else None, odd, done / self.rows)


def _typed(series: Any, name: str) -> Column:
    """The head of a Parquet column; a column without values so far is one of numbers."""
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        return Column(name, "number", series.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    if dtype.is_temporal():
        return Column(name, "date", series.cast(pl.String).fill_null("").to_numpy())
    return parse(name, series.cast(pl.String, strict=False).fill_null("").to_list(), comma=False)


class ArrayParts:
    """NPY by plain reads: a memory map of a file that is cut short kills the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            head = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, OSError, EOFError) as error:
            if "Python objects" in str(error):
                raise ObjectArrayError(path=path, dtype="object") from error
            raise BrokenFileError(path=path, format="NPY", reason=f"{str(error).rstrip('.')}.") from error
        if head.dtype.kind not in "biuf":
            raise ObjectArrayError(path=path, dtype=head.dtype.name)
        if head.ndim not in (1, 2):
            raise ArrayShapeError(path=path, shape=head.shape)
        if head.size == 0:
            raise EmptyTableError(path=path)
        self._dtype, self._offset = head.dtype, int(head.offset)
        self.rows, self._width = len(head), head.shape[1] if head.ndim == 2 else 1
        self._by_column = bool(head.ndim == 2 and head.flags.f_contiguous and not head.flags.c_contiguous)
        names = unique_names([""] * self._width)
        first = np.array(head[:1000], np.float64).reshape(-1, self._width)
        self.columns = tuple(Column(name, "number", first[:, i]) for i, name in enumerate(names))

    def read(self, names: Sequence[str], label: str, chunk: int) -> Iterator[Part]:
        """See ``Parts``. Raises BrokenFileError: the file is shorter than it says."""
        place = {column.name: index for index, column in enumerate(self.columns)}
        index = [place[name] for name in names]
        with open(self.path, "rb") as file:
            for start in range(0, self.rows, chunk):
                count = min(chunk, self.rows - start)
                used = [*index, *([place[label]] if label else [])]
                values = self._take(file, start, count, used)
                words = np.array(["" if v != v else f"{v:g}" for v in values[:, -1].tolist()]) if label else None
                yield Part(values[:, : len(index)], words, {}, (start + count) / self.rows)

    def _take(self, file: Any, start: int, count: int, columns: list[int]) -> Array:
        if not self._by_column:
            whole = self._piece(file, start * self._width, count * self._width)
            return np.ascontiguousarray(whole.reshape(count, self._width)[:, columns], dtype=np.float64)
        out = np.empty((count, len(columns)))
        for place, column in enumerate(columns):
            out[:, place] = self._piece(file, column * self.rows + start, count)
        return out

    def _piece(self, file: Any, start: int, count: int) -> NDArray[Any]:
        file.seek(self._offset + start * self._dtype.itemsize)
        found = np.fromfile(file, self._dtype, count)
        if len(found) < count:
            raise BrokenFileError(path=self.path, format="NPY", reason="It ends before its last row.")
        return found
