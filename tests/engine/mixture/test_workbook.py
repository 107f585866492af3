"""Workbooks: headers, and sheets that would fill the memory are refused before they are opened."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.studies.mixture.tables import errors, workbook
from engine.studies.mixture.tables.table import read_table

from .test_table import minimal_xlsx

HEAD = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'


def book(path: Path, rows: Iterator[str] | list[str], part: str = "xl/worksheets/sheet1.xml") -> Path:
    """A packed workbook whose only sheet has these rows."""
    path.write_bytes(minimal_xlsx())
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist() if name != "xl/worksheets/sheet1.xml"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content.replace(b"worksheets/sheet1.xml", part.removeprefix("xl/").encode()))
        with new.open(part, "w") as file:
            file.write(HEAD.encode())
            for row in rows:
                file.write(row.encode())
            file.write(b"</sheetData></worksheet>")
    return path


def numbers(count: int, last: str = "C") -> list[str]:
    cells = '<c r="A{0}"><v>{0}</v></c><c r="{1}{0}"><v>{2}</v></c>'
    return [f'<row r="{i}">{cells.format(i, last, i * i % 7)}</row>' for i in range(1, count)]


def test_a_cell_far_away_is_refused_before_the_rectangle_is_held(tmp_path: Path) -> None:
    far = ['<row r="1"><c r="A1"><v>1</v></c></row>', '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>']
    with pytest.raises(errors.TooLargeError, match=r"1099\.5 GB"):
        read_table(book(tmp_path / "far.xlsx", far))


def test_more_rows_than_a_sheet_has_are_refused_after_a_part_of_them(tmp_path: Path) -> None:
    many = ("<row><c><v>1</v></c></row>" * 50_000 for _ in range(22))
    with pytest.raises(errors.BrokenFileError, match="at most 1048576 rows"):
        read_table(book(tmp_path / "many.xlsx", many))


def test_a_workbook_that_unpacks_beyond_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "t.xlsx", numbers(2000))
    workbook.check_workbook(path, 1)
    monkeypatch.setattr(workbook.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 200_000})())
    with pytest.raises(errors.TooLargeError, match="does not fit into memory"):
        workbook.check_workbook(path, 1)


def test_the_sheet_is_found_by_its_place_in_the_workbook(tmp_path: Path) -> None:
    far = ['<row r="1"><c r="A1"><v>1</v></c></row>', '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>']
    with pytest.raises(errors.TooLargeError):
        workbook.check_workbook(book(tmp_path / "named.xlsx", far, "xl/worksheets/other.xml"), 1)
    workbook.check_workbook(tmp_path / "named.xlsx", 2)


def test_pieces_are_cut_between_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the sheet is cut, its bounds are the same: rows 1 to 299, columns A to C."""
    path = book(tmp_path / "t.xlsx", numbers(300))
    for piece in (50, 97, 1000, 1 << 20):
        monkeypatch.setattr(workbook, "PIECE", piece)
        with zipfile.ZipFile(path) as package:
            assert workbook._extent(package, "xl/worksheets/sheet1.xml", path) == 299 * 3


def test_letters_of_columns() -> None:
    assert [workbook._column(name) for name in (b"A", b"Z", b"AA", b"XFD")] == [1, 26, 27, 16384]


def test_faults_of_the_package_are_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK not really")
    workbook.check_workbook(tmp_path / "t.xlsx", 1)
    with pytest.raises(errors.BrokenFileError, match="Excel"):
        read_table(tmp_path / "t.xlsx")


@pytest.mark.parametrize(("header", "rows"), [("auto", 9), ("no", 9), ("yes", 8)])
def test_a_sheet_without_names_keeps_its_first_row(tmp_path: Path, header: str, rows: int) -> None:
    table = read_table(book(tmp_path / "t.xlsx", numbers(10, "B")), header=header)
    assert len(table.x) == rows
    if header != "yes":
        assert table.names == ("column 1", "column 2")
        np.testing.assert_array_equal(table.x[:, 0], np.arange(1, 10))


def test_a_sheet_with_names_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(minimal_xlsx())
    assert read_table(tmp_path / "t.xlsx", header="auto").names == ("a", "b")
