"""Reading tables in parts: the same cells, names and faults as reading them whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.studies.mixture.tables import errors as errors
from engine.studies.mixture.tables.parts import open_parts
from engine.studies.mixture.tables.reading import read_columns
from engine.studies.mixture.tables.stream import Source, summarise
from engine.studies.mixture.tables.survey import Reservoir, draw, survey
from engine.studies.mixture.tables.table import read_table
from engine.studies.mixture.tables.text_parts import TextParts

from .test_table import GOOD, VALUES, write

LONG = "a,b\n" + "".join(f"{i},{i * i % 7}.5\n" for i in range(3000))


def all_rows(source: Source) -> np.ndarray:
    return np.concatenate([part.values for part in source.parts()])


@pytest.mark.parametrize(("content", "name"), [
    (GOOD, "t.csv"), (GOOD.replace(",", "\t"), "t.tsv"), (GOOD.replace(",", ";"), "t.csv"),
    (GOOD.replace(",", ";").replace(".", ","), "t.csv"), (GOOD.replace(",", "|"), "t.txt"),
    (b"\xef\xbb\xbf" + GOOD.encode(), "t.csv"), (GOOD.encode("utf-16"), "t.csv"), (GOOD.replace("\n", "\r\n"), "t.csv"),
    (GOOD.replace("a,b", "a , b").replace("1,2.5", '"1", 2.5'), "t.csv"), (GOOD + "\n\n", "t.csv"),
    (GOOD.strip(), "t.dat"), (GOOD.replace("4,", "4 ,"), "t.csv"), ("\n" + GOOD.replace("2,3.5", "\n2,3.5"), "t.csv"),
])  # fmt: skip
def test_dialects_give_the_numbers_of_the_whole_file(tmp_path: Path, content: str | bytes, name: str) -> None:
    source = Source(write(tmp_path, content, name))
    np.testing.assert_array_equal(all_rows(source), VALUES)
    assert source.names == ("a", "b")


CELL = st.one_of(
    st.floats(-1e6, 1e6).map(repr), st.integers(-99, 99).map(str),
    st.sampled_from(["", "NA", "nan", " 1.5", '"2"', '"-3.25"', "?", "n/a", "+4", ".5", "6.", "1e3", "Null", '" 7 "']),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=2, max_size=40), comma=st.booleans(), crlf=st.booleans())
def test_any_mixture_of_cells_reads_as_in_memory(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], comma: bool, crlf: bool
) -> None:
    lines = [";".join(row).replace(".", ",") if comma else ",".join(row) for row in [("x", "y", "z"), *rows]]
    end = "\r\n" if crlf else "\n"
    path = tmp_path_factory.mktemp("cells") / "t.csv"
    path.write_bytes((end.join(lines) + end).encode())
    whole = read_columns(path)
    source = Source(path, chunk=3)
    source._file.form
    values = all_rows(source)
    for place, name in enumerate(source.names):
        np.testing.assert_array_equal(values[:, place], next(c for c in whole if c.name == name).values, name)
    assert {c.name for c in whole if c.kind == "number"} == set(source.names)


def test_quoted_cells_hold_separators_and_newlines_over_block_ends(tmp_path: Path) -> None:
    lines = [f'{i},"word, {i}\nof two lines",{i / 4}' for i in range(2000)]
    path = write(tmp_path, "n,text,x\n" + "\n".join(lines))
    source = Source(path, chunk=10)
    np.testing.assert_array_equal(all_rows(source), np.column_stack([np.arange(2000), np.arange(2000) / 4]))
    assert [(one.name, one.kind) for one in source.left_out] == [("text", "text")]


def test_columns_and_labels_are_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, "k,a,b\nu,1,2\nv,3,\n,5,6\n")
    source = Source(path, ["b"], label="k")
    found = draw(source, 0)
    assert [c.name for c in found.columns] == ["b", "k"]
    assert found.columns[1].values.tolist() == ["u", "v", ""]
    with pytest.raises(errors.UnknownColumnError, match="k, a, b"):
        Source(path, label="z")


@pytest.mark.parametrize(("content", "name", "error", "words"), [
    (b"", "t.csv", errors.EmptyTableError, "no rows"),
    ("\n\n", "t.csv", errors.EmptyTableError, "no rows"),
    ("a,b\n", "t.csv", errors.EmptyTableError, "no rows"),
    (LONG.replace("2000,", "2000,7,"), "t.csv", errors.RaggedRowError, "Line 2002 of .* has 3 cells"),
    (LONG.replace("2000,4.5", "2000"), "t.csv", errors.RaggedRowError, "Line 2002 of .* has 1 cells"),
    (LONG.replace("\n", "\r\n\r\n").replace("2000,4.5", "2000"), "t.csv", errors.RaggedRowError, "Line 4003 "),
    ("a,b\n1,2\n", "t.csv", errors.OneRowError, "usable row"),
    ("a,b\n1,2\n1,2\n1,2\n", "t.csv", errors.NoColumnsError, "every row"),
    ("a,b\nx,y\nz,w\n", "t.csv", errors.NoColumnsError, "text"),
    (LONG.replace("2000,4.5", "2000,inf"), "t.csv", errors.InfiniteCellError, "Column b .* in row 2001"),
    (LONG.replace("2000,4.5", "1e300,5.5"), "t.csv", errors.HugeColumnError, "Column a"),
    ("a,b\n1e-200,1\n2e-200,2\n", "t.csv", errors.TinyColumnError, "Column a"),
    (LONG.encode().replace(b"2000,4.5", b"2000,\xff"), "t.csv", errors.NotTextError, "position 16899 "),
    ("hello", "t.pdf", errors.UnknownTableError, "pdf"),
    (b"PAR1 broken", "t.parquet", errors.BrokenFileError, "Parquet"),
    (b"\x93NUMPY broken", "t.npy", errors.BrokenFileError, "NPY"),
])  # fmt: skip
def test_bad_files_end_in_a_sentence(tmp_path: Path, content: str | bytes, name: str, error: type, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        survey(Source(write(tmp_path, content, name), chunk=100), 0)
    assert caught.value.remedy
    assert "{" not in caught.value.sentence()


def test_the_position_of_a_bad_byte_is_that_in_the_file(tmp_path: Path) -> None:
    data = LONG.encode().replace(b"2000,4.5", b"2000,\xff")
    with pytest.raises(errors.NotTextError, match=f"position {data.index(255)} "):
        read_table(write(tmp_path, data))
    with pytest.raises(errors.NotTextError, match=f"position {data.index(255)} "):
        summarise(Source(write(tmp_path, data), chunk=100))


def test_a_quotation_that_never_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.studies.mixture.tables.text_parts.LONGEST_LINE", 10_000)
    monkeypatch.setattr("engine.studies.mixture.tables.text_form.HEAD", 2000)
    path = write(tmp_path, LONG.replace("2000,4.5", '2000,"4.5') + LONG[4:])
    with pytest.raises(errors.LongLineError, match="Line 2002 "):
        summarise(Source(path, chunk=100))


def test_a_cell_that_is_too_long_is_told(tmp_path: Path) -> None:
    wide = write(tmp_path, 'a,b\n1,"2' + 40_000 * "1,2\n")
    for read in (read_table, Source):
        with pytest.raises(errors.BrokenFileError, match="field larger"):
            read(wide)


def test_arrays_of_any_layout(tmp_path: Path) -> None:
    x = np.arange(12.0).reshape(4, 3)
    for name, array in (("c", x), ("f", np.asfortranarray(x)), ("i", x.astype(np.int16))):
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(all_rows(Source(tmp_path / f"{name}.npy", ["column 3", "column 1"], chunk=3)),
                                      x[:, [2, 0]])  # fmt: skip
    np.save(tmp_path / "one.npy", x[:, 0])
    assert all_rows(Source(tmp_path / "one.npy")).shape == (4, 1)
    for name, bad, error in (("z", x.astype(complex), errors.ObjectArrayError), ("e", x[:0], errors.EmptyTableError),
                             ("t", x[None], errors.ArrayShapeError)):  # fmt: skip
        np.save(tmp_path / f"{name}.npy", bad)
        with pytest.raises(error):
            Source(tmp_path / f"{name}.npy")
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(errors.ObjectArrayError):
        Source(tmp_path / "o.npy")


def test_words_that_are_numbers_count_as_such_in_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame({"s": ["1", "2", "x"] * 2, "n": ["1", None, "5"] * 2, "b": [True, False, None] * 2})
    frame.write_parquet(tmp_path / "t.parquet")
    source = Source(tmp_path / "t.parquet")
    assert source.names == ("n", "b")
    np.testing.assert_array_equal(all_rows(source)[:3], [[1, 1], [np.nan, 0], [5, np.nan]])
    pl.DataFrame({"a": []}).write_parquet(tmp_path / "e.parquet")
    with pytest.raises(errors.EmptyTableError):
        Source(tmp_path / "e.parquet")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npy"])
@pytest.mark.parametrize("cut", [False, True])
def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path, name: str, cut: bool) -> None:
    path = tmp_path / name
    x = np.random.default_rng(0).standard_normal((4000, 2))
    write_any(path, x)
    source = Source(path, chunk=100)
    rows = source.chunks()
    next(rows)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if cut else data + data[-20:])
    with pytest.raises(errors.ChangedFileError, match="was changed while it was read"):
        list(rows)
    path.unlink()
    with pytest.raises(errors.NoFileError):
        next(source.parts())


def write_any(path: Path, x: np.ndarray) -> None:
    frame = pl.DataFrame({f"c{i}": column for i, column in enumerate(x.T)})
    if path.suffix == ".npy":
        np.save(path, x)
    elif path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)


def messy() -> str:
    rng = np.random.default_rng(3)
    rows = ["x,y,same,twin,gone,late,day,part,w"]
    for i in range(4000):
        x, y, w = rng.standard_normal(3).round(6)
        late = "oops" if i == 3500 else i
        rows.append(f"{x},{'' if i % 100 == 7 else y},5,{x},,{late},2024-01-01,{'NA' if i < 3990 else 1},{w}")
    return "\n".join(rows)


def test_a_survey_leaves_out_what_cleaning_leaves_out(tmp_path: Path) -> None:
    path = write(tmp_path, messy())
    source = Source(path, chunk=300)
    found = survey(source, 0, size=500)
    whole = read_table(path, columns=["x", "y", "same", "twin", "gone", "late", "day", "w"])
    assert found.names == whole.names == ("x", "y", "w")
    said = " ".join(note.sentence() for note in found.notes)
    for words in (
        "same is 5 in every row", "twin repeats column x", "gone has no values", "late holds text (row 3501: oops)",
        "day holds dates", "part is 1 in every row", "40 of 4000 rows have missing values",
    ):  # fmt: skip
        assert words in said
    x = whole.x[~np.isnan(whole.x).any(axis=1)]
    assert (found.rows, found.summary.n, found.summary.dropped) == (4000, 3960, 40)
    np.testing.assert_allclose(found.summary.mean, x.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.summary.covariance, np.cov(x.T, bias=True), atol=1e-12)
    np.testing.assert_array_equal(found.sample.x, whole.x[found.sample.rows])
    assert len(found.sample.x) == 500
    other = survey(Source(path, chunk=999), 0, size=500)
    np.testing.assert_array_equal(found.sample.rows, other.sample.rows)
    np.testing.assert_array_equal(np.concatenate(list(source.chunks())), x)


def test_rounding_and_rank_are_told_of_the_sample(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3000, 2))
    np.save(tmp_path / "t.npy", np.column_stack([x, x @ [1.0, 2.0], np.round(x[:, 0])]))
    found = survey(Source(tmp_path / "t.npy"), 0)
    assert [note.kind for note in found.notes] == ["rank", "rounded"]
    np.testing.assert_array_equal(found.resolution, [0, 0, 0, 1])


def test_a_reservoir_draws_every_row_equally_often() -> None:
    counts = np.zeros(40)
    for seed in range(600):
        held = Reservoir(10, np.random.default_rng(seed))
        for start in range(0, 40, 7):
            rows = np.arange(start, min(start + 7, 40))
            held.add(rows[:, None] * 1.0, rows, None, np.arange(len(rows)))
        drawn = held.sample()
        assert drawn is not None and len(set(drawn.rows.tolist())) == 10
        np.testing.assert_array_equal(drawn.x[:, 0], drawn.rows)
        counts[drawn.rows] += 1
    assert np.abs(counts - 150).max() < 5 * np.sqrt(600 * 0.25 * 0.75)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npy"])
def test_a_glimpse_takes_rows_from_all_over_the_file(tmp_path: Path, name: str) -> None:
    x = np.column_stack([np.arange(80_000.0), np.ones(80_000)])
    write_any(tmp_path / name, x)
    file = open_parts(tmp_path / name)
    assert file.rows == pytest.approx(80_000, rel=0.2)
    assert file.exact == (name != "t.csv")
    seen = file.glimpse(800)[0].values
    assert 500 < len(seen) <= 900
    assert set(seen) <= set(range(80_000))
    assert seen[0] == 0 and seen.max() > 60_000
    assert len(np.unique(seen // 10_000)) == 8
    if name != "t.csv":
        assert len(file.glimpse(10**6)[0].values) == 80_000


def test_a_glimpse_knows_the_row_of_text_only_where_it_has_counted(tmp_path: Path) -> None:
    lines = ["a,b,c", *(f"{i},{'word' if i == 3 else i},{'late' if i > 60_000 else i}" for i in range(80_000))]
    seen = {c.name: c.odd for c in TextParts(write(tmp_path, "\n".join(lines)), "auto", "auto", "auto").glimpse(800)}
    assert seen == {"a": ("", 0), "b": ("word", 4), "c": ("late", 0)}
