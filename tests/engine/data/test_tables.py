"""Tables of text: guesses, one-hot columns, and every fault in its own words."""

import gzip

import numpy as np
import pytest

from engine.data import content, tables
from engine.data.config import FileData
from engine.data.errors import (
    EmptyFile,
    MissingCells,
    NotFinite,
    NotUtf8,
    RaggedTable,
    TextColumn,
    TooFewRows,
    TooLarge,
    UnknownFormat,
    UnknownTarget,
    WrongFormat,
)
from engine.data.load import load, read

PLAIN = "a,b,kind\n1.5,2,x\n3,4e1,y\n-.5,6,x\n"


def opened(folder, text, name="t.csv", **options):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(FileData(path=str(folder / name), **options))


def test_a_plain_table(tmp_path):
    raw = opened(tmp_path, PLAIN)
    assert raw.features == ("a", "b") and raw.classes == ("x", "y")
    np.testing.assert_array_equal(raw.x, np.array([[1.5, 2], [3, 40], [-0.5, 6]], np.float32))
    assert raw.y.tolist() == [0, 1, 0] and raw.size == len(PLAIN)


@pytest.mark.parametrize(
    ("mark", "name"), [(";", "t.csv"), ("\t", "t.tsv"), ("|", "t.txt"), (" ", "t.data"), ("  ", "t.txt")]
)
def test_separators_are_found(tmp_path, mark, name):
    raw = opened(tmp_path, PLAIN.replace(",", mark), name)
    assert raw.features == ("a", "b") and raw.x.tolist() == [[1.5, 2], [3, 40], [-0.5, 6]]


def test_a_separator_may_be_told(tmp_path):
    text = "a|b;kind\n1|2;3\n3|4;5\n"
    assert opened(tmp_path, text).features == ("a|b = 1|2", "a|b = 3|4")  # both fit; the semicolon is trusted more
    assert opened(tmp_path, text, separator="|").features == ("a",)


def test_decimal_comma_is_found_and_thousands_are_dropped(tmp_path):
    raw = opened(tmp_path, "höhe;preis;art\n1,5;1.234,5;x\n2,25;7;y\n")
    assert raw.x.tolist() == [[1.5, 1234.5], [2.25, 7.0]] and raw.features == ("höhe", "preis")


def test_decimal_mark_may_be_told(tmp_path):
    raw = opened(tmp_path, "a;b\n1.5;x\n2.5;y\n", decimal=",")
    assert raw.x.ravel().tolist() == [15.0, 25.0]


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert opened(tmp_path, b"\xef\xbb\xbf" + PLAIN.encode()).features == ("a", "b")


def test_windows_line_ends_and_quotes(tmp_path):
    raw = opened(tmp_path, '"a, really",b,kind\r\n1,"2","x, y"\r\n3,4,z\r\n')
    assert raw.features == ("a, really", "b") and raw.classes == ("x, y", "z")


@pytest.mark.parametrize(
    ("text", "features", "rows"),
    [
        ("1,2,0\n3,4,1\n5,6,0\n", ("column 1", "column 2"), 3),
        ("a,b,c\n1,2,0\n3,4,1\n", ("a", "b"), 2),
        ("5.1,3.5,setosa\n4.9,3.0,virginica\n", ("column 1", "column 2"), 2),
        ("size,colour\nbig,red\nsmall,blue\nbig,blue\n", ("size = big", "size = small"), 3),
        ("red,big\nblue,small\nred,small\n", ("column 1 = blue", "column 1 = red"), 3),
    ],
)
def test_header_is_found(tmp_path, text, features, rows):
    raw = opened(tmp_path, text)
    assert raw.features == features and len(raw.x) == rows


def test_header_may_be_told(tmp_path):
    assert len(opened(tmp_path, "1,2,0\n3,4,1\n5,6,0\n", header="yes").x) == 2
    assert opened(tmp_path, PLAIN, header="no").x.shape[0] == 4  # the names become texts


def test_equal_and_empty_names_are_told_apart(tmp_path):
    assert opened(tmp_path, "a,a,,k\n1,2,3,x\n4,5,6,y\n").features == ("a", "a (2)", "column 3")


def test_text_columns_become_columns_of_0_and_1(tmp_path):
    raw = opened(tmp_path, "size,colour,y\n1,red,0.5\n2,blue,1.5\n3,red,2.5\n")
    assert raw.features == ("size", "colour = blue", "colour = red")
    assert raw.x.tolist() == [[1, 0, 1], [2, 1, 0], [3, 0, 1]] and raw.classes == ()
    template, values = raw.notes[0]
    assert template.format(**values).startswith("Column colour holds text; its 2 values")


def test_target_by_name(tmp_path):
    raw = opened(tmp_path, PLAIN, target="b")
    assert raw.features == ("a", "kind = x", "kind = y") and raw.classes == ("2", "6", "40")
    with pytest.raises(UnknownTarget, match=r"no column or array height.*a, b, kind"):
        opened(tmp_path, PLAIN, target="height")


def test_gzipped_tables(tmp_path):
    raw = opened(tmp_path, gzip.compress(PLAIN.encode()), "t.csv.gz")
    assert raw.x.shape == (3, 2)
    with pytest.raises(WrongFormat, match=r"not be read as gzip"):
        opened(tmp_path, gzip.compress(PLAIN.encode() * 99)[:-20], "t.csv.gz")


def test_from_file_to_training_arrays(tmp_path):
    rows = "\n".join(f"{i},{i * i},{'even' if i % 2 == 0 else 'odd'}" for i in range(50))
    opened(tmp_path, "n,square,parity\n" + rows)
    data = load(FileData(path=str(tmp_path / "t.csv")))
    assert data.x_train.shape == (40, 2) and data.classes == ("even", "odd")
    assert data.identity.path.endswith("t.csv") and data.identity.sha256


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", EmptyFile, "is empty"),
        ("\n \n", EmptyFile, "is empty"),
        (b"\xef\xbb\xbf", EmptyFile, "is empty"),
        ("a,b\n1,caf\u00e9\n".encode("latin-1"), NotUtf8, "not UTF-8 text.*byte at position 9"),
        ("a,b\n1,2\n".encode("utf-16"), NotUtf8, "byte at position 0"),
        ("a,b,c\n1,2,3\n4,5,6,7\n", RaggedTable, "rows .* differ in length"),
        (
            "a,b,c\n1,,0\n2,NA,1\n3,4,1\n",
            MissingCells,
            "Column b .* has 2 cells without a value, the first in data row 1",
        ),
        (
            "a,b,c\n1,2,0\n3,4\n5,6,1\n",
            MissingCells,
            "Column c .* has 1 cells without a value, the first in data row 2",
        ),
        ("a,b\ninf,x\n1,y\n", None, ""),
        ("only\n1\n2\n", RaggedTable, "Only one column"),
        ("a,b,c\n", TooFewRows, "0 examples are too few"),
    ],
)
def test_faults(tmp_path, text, error, words):
    if error is None:
        assert np.isinf(opened(tmp_path, text).x[0, 0])  # told later, with all other values that are not finite
        return
    with pytest.raises(error, match=words):
        opened(tmp_path, text, header="yes" if text == "a,b,c\n" else "auto")


def test_infinite_cells_are_refused_with_their_column(tmp_path):
    opened(tmp_path, "a,height,c\n" + "1,2,x\n3,1e400,y\n" * 10)
    with pytest.raises(NotFinite, match=r"10 of 20 examples .* first in height"):
        load(FileData(path=str(tmp_path / "t.csv")))


def test_too_many_texts_name_the_first_that_is_no_number(tmp_path):
    rows = "".join(f"{i}.5,{i % 2}\n" for i in range(30)) + "oops,1\n"
    with pytest.raises(TextColumn, match=r"Column a .* 31 different values, such as 'oops'"):
        opened(tmp_path, "a,b\n" + rows)


def test_unknown_endings(tmp_path):
    with pytest.raises(UnknownFormat, match=r"format of .* is not known"):
        opened(tmp_path, PLAIN, "t.xyz")
    assert opened(tmp_path, PLAIN, "t.xyz", format="csv").x.shape == (3, 2)


def test_a_table_that_exceeds_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "MEMORY_SHARE", 1e-12)
    with pytest.raises(TooLarge):
        opened(tmp_path, PLAIN)


def test_gzip_bombs_stop_at_the_memory_limit(tmp_path, monkeypatch):
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"1,2,3\n" * 10**6))
    real = content.check_memory

    def limited(path, needed):
        if needed > 2**21:
            monkeypatch.setattr(content, "MEMORY_SHARE", 1e-12)
        real(path, needed)

    monkeypatch.setattr(content, "check_memory", limited)
    with pytest.raises(TooLarge):
        read(FileData(path=str(tmp_path / "b.csv.gz")))


def test_separator_guess_prefers_the_even_one():
    assert tables.guess_separator(["a b;c d;e", "f;g h i;j"]) == ";"
    assert tables.guess_separator(["1,5;2,5", "3,5;4,5"]) == ";"
    assert tables.guess_separator(["word"]) == ","
