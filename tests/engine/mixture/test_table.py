"""Reading users' tables: every format, and a sentence for everything that can be wrong."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine.studies.mixture.tables import errors as errors
from engine.studies.mixture.tables.reading import guess_separator, parse, read_columns, unique_names
from engine.studies.mixture.tables.table import from_array, read_table, resolution_of

GOOD = "a,b\n1,2.5\n2,3.5\n4,-1e-3\n"
VALUES = np.array([[1, 2.5], [2, 3.5], [4, -1e-3]])


def write(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def kinds(table: object) -> list[str]:
    return [note.kind for note in table.notes]


@pytest.mark.parametrize(("content", "name"), [
    (GOOD, "t.csv"), (GOOD.replace(",", "\t"), "t.tsv"), (GOOD.replace(",", ";"), "t.csv"),
    (GOOD.replace(",", ";").replace(".", ","), "t.csv"), (GOOD.replace(",", "|"), "t.txt"),
    (b"\xef\xbb\xbf" + GOOD.encode(), "t.csv"), (GOOD.encode("utf-16"), "t.csv"), (GOOD.replace("\n", "\r\n"), "t.csv"),
    (GOOD.replace("a,b", "a , b").replace("1,2.5", '"1", 2.5'), "t.csv"), (GOOD + "\n\n", "t.csv"),
])  # fmt: skip
def test_dialects_of_text_give_the_same_numbers(tmp_path: Path, content: str | bytes, name: str) -> None:
    table = read_table(write(tmp_path, content, name))
    np.testing.assert_array_equal(table.x, VALUES)
    assert table.names == ("a", "b")
    assert table.notes == ()


def test_files_without_header_get_names(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, GOOD.split("\n", 1)[1]))
    assert table.names == ("column 1", "column 2")
    np.testing.assert_array_equal(table.x, VALUES)


def test_binary_formats_give_the_same_numbers(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2, 4], "b": [2.5, 3.5, -1e-3]})
    frame.write_parquet(tmp_path / "t.parquet")
    np.save(tmp_path / "t.npy", VALUES.astype(np.float64))
    np.testing.assert_array_equal(read_table(tmp_path / "t.parquet").x, VALUES)
    np.testing.assert_array_equal(read_table(tmp_path / "t.npy").x, VALUES)
    assert from_array(np.arange(5)).x.shape == (5, 1)


def test_excel(tmp_path: Path) -> None:
    write(tmp_path, minimal_xlsx(), "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    np.testing.assert_array_equal(table.x, [[1, 2.5], [2, 3.5]])
    assert table.names == ("a", "b")


def minimal_xlsx() -> bytes:
    """The smallest workbook with the cells a, b / 1, 2.5 / 2, 3.5."""
    import io
    import zipfile

    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c>'
        '<c r="B1" t="inlineStr"><is><t>b</t></is></c></row>'
        '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>2.5</v></c></row>'
        '<row r="3"><c r="A3"><v>2</v></c><c r="B3"><v>3.5</v></c></row></sheetData></worksheet>'
    )
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        f'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        f'xmlns:r="{relations}"><sheets><sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return out.getvalue()


def test_text_dates_constant_and_duplicate_columns_are_reported(tmp_path: Path) -> None:
    rows = ["x,name,day,same,twin,gone,y"]
    rows += [f"{i},{'n' + str(i)},2024-01-{i + 1:02d},7,{i},,{i * i}" for i in range(9)]
    table = read_table(write(tmp_path, "\n".join(rows)))
    assert table.names == ("x", "y")
    assert sorted(kinds(table)) == ["constant", "date", "duplicate", "empty", "text"]
    text = " ".join(note.sentence() for note in table.notes)
    for word in ("name", "row 1: n0", "day", "same is 7", "twin repeats column x", "gone has no values"):
        assert word in text
    assert all(note.dropped for note in table.notes)


def test_label_column_is_kept_apart_with_its_rows(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "x,y,c\n1,2,a\n,,b\n3,5,b\n4,4,a\n"), label="c")
    assert table.labels.tolist() == ["a", "b", "a"]
    assert table.rows.tolist() == [0, 2, 3]
    assert kinds(table) == ["rows"]


def test_few_missing_cells_stay_and_many_drop_rows(tmp_path: Path) -> None:
    few = read_table(write(tmp_path, "x,y\n1,2\nNA,3\n4,4\n5,7\n6,1\n"))
    assert few.missing and len(few.x) == 5
    assert "1 rows have missing values (10.0 % of cells)" in few.notes[0].sentence()
    many = read_table(write(tmp_path, "x,y\n1,2\n,3\n,4\n,7\n6,1\n2,?\n"))
    assert not many.missing and len(many.x) == 2
    assert many.notes[0].dropped and "4 rows with gaps" in many.notes[0].sentence()


def test_rank_and_width_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 3))
    assert kinds(from_array(np.column_stack([x, x @ [1.0, 2, 3]]))) == ["rank"]
    assert kinds(from_array(rng.standard_normal((4, 10)))) == ["wide"]


def test_resolution_of_rounded_columns() -> None:
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(500)
    assert resolution_of(normal) == 0
    assert resolution_of(np.round(normal, 1)) == pytest.approx(0.1)
    assert resolution_of(np.round(normal * 4) / 4) == pytest.approx(0.25)
    assert resolution_of(np.round(normal) * 5) == 5
    assert resolution_of(np.append(np.round(normal), np.nan)) == 1
    assert kinds(from_array(np.column_stack([np.round(normal), rng.standard_normal(500)]))) == ["rounded"]


def test_ten_times_ten_thousand_columns() -> None:
    x = np.random.default_rng(0).standard_normal((5, 100_000))
    table = from_array(x)
    assert table.x.shape == (5, 100_000)
    assert kinds(table) == ["wide"]


@pytest.mark.parametrize(("content", "name", "error", "words"), [
    (b"", "t.csv", errors.EmptyTableError, "no rows"),
    ("\n\n", "t.csv", errors.EmptyTableError, "no rows"),
    ("a,b\n", "t.csv", errors.EmptyTableError, "no rows"),
    ("a,b\n1,2\n3,4,5\n", "t.csv", errors.RaggedRowError, "Line 3"),
    ("a,b\n1,2\n3\n", "t.csv", errors.RaggedRowError, "1 cells"),
    ("a,b\n1,2\n", "t.csv", errors.OneRowError, "usable row"),
    ("a,b\n1,2\n1,2\n1,2\n", "t.csv", errors.NoColumnsError, "every row"),
    ("a,b\nx,y\nz,w\n", "t.csv", errors.NoColumnsError, "holds text"),
    ("a,b\n1,2\n3,inf\n", "t.csv", errors.InfiniteColumnError, "Column b"),
    ("a,b\n1,2\n1e300,3\n4,4\n", "t.csv", errors.HugeColumnError, "Column a"),
    (b"a,b\n1,\xff\xfe\x002\n", "t.csv", errors.NotTextError, "encoding"),
    ("hello", "t.pdf", errors.UnknownTableError, "pdf"),
    (b"PAR1 broken", "t.parquet", errors.BrokenFileError, "Parquet"),
    (b"not a workbook", "t.xlsx", errors.BrokenFileError, "Excel"),
    (b"\x93NUMPY broken", "t.npy", errors.BrokenFileError, "NPY"),
])  # fmt: skip
def test_bad_files_end_in_a_sentence(tmp_path: Path, content: str | bytes, name: str, error: type, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        read_table(write(tmp_path, content, name))
    assert caught.value.remedy
    assert "{" not in caught.value.sentence()


def test_bad_arrays_and_names_end_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(errors.ArrayShapeError):
        from_array(np.zeros((2, 2, 2)))
    with pytest.raises(errors.ObjectArrayError, match="complex128"):
        from_array(np.zeros((2, 2), complex))
    with pytest.raises(errors.EmptyTableError):
        from_array(np.zeros((0, 2)))
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(errors.ObjectArrayError):
        read_table(tmp_path / "o.npy")
    with pytest.raises(errors.NoFileError):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(errors.UnknownColumnError, match="a, b"):
        read_table(write(tmp_path, GOOD), columns=["z"])


def test_parquet_dates_booleans_and_nulls(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "d": [datetime.date(2024, 1, i) for i in (1, 2, 3)],
            "b": [True, False, True],
            "x": [1.5, None, 2.5],
            "s": ["1", "2", "5"],
            "n": [None, None, None],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.names == ("b", "x", "s")
    assert kinds(table)[:3] == ["date", "empty", "missing"]
    np.testing.assert_array_equal(table.x[:, 2], [1, 2, 5])
    assert np.isnan(table.x[1, 1])


def test_parquet_values_without_text_of_their_own_are_left_out(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "x": [1.5, 2.5, 4.0],
            "list": [[1, 2], None, [3]],
            "record": [{"a": 1}, {"a": 2}, {"a": 3}],
            "time": [None, datetime.timedelta(hours=1), datetime.timedelta(hours=2)],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.names == ("x",)
    assert kinds(table)[:3] == ["text", "text", "date"]
    assert "row 1: [1, 2]" in table.notes[0].sentence()


def test_an_array_that_promises_more_than_memory_ends_in_a_sentence(tmp_path: Path) -> None:
    with (tmp_path / "t.npy").open("wb") as file:
        shape = {"descr": "<f8", "fortran_order": False, "shape": (10**13, 3)}
        np.lib.format.write_array_header_1_0(file, shape)
        file.write(bytes(100))
    with pytest.raises(errors.BrokenFileError, match="more memory than there is"):
        read_table(tmp_path / "t.npy")


def test_lines_longer_than_any_cell_are_split_by_the_mark_that_fits(tmp_path: Path) -> None:
    """The line of names is far longer than the reader lets a cell be."""
    names = ",".join(f"a column with a long name {i}" for i in range(6000))
    row = ",".join(["1"] * 6000)
    read = read_columns(write(tmp_path, f"{names}\n{row}\n{row}\n"))
    assert len(read) == 6000
    assert read[-1].values.tolist() == [1, 1]


def test_helpers() -> None:
    assert unique_names(["a", "", "a", "a"]) == ["a", "column 2", "a (2)", "a (3)"]
    assert guess_separator(["1;2,5", "3;4,5"]) == ";"
    assert parse("c", ["1,5", "2"], comma=True).values.tolist() == [1.5, 2.0]
    assert parse("c", ["1,5", "2"], comma=False).kind == "text"
    assert parse("c", ["1_000", "2"], comma=False).kind == "text"
