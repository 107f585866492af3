"""Whatever numbers and words a user may have: written by an ordinary writer, read back the same."""

import csv
import gzip
import io
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.data.config import FileData
from engine.data.load import read

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False, width=32)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=8)
LABELS = WORDS.filter(
    lambda word: word.strip().lower() not in ("na", "n/a", "nan", "null", "none", "?", "inf", "infinity")
)


@QUICK
@given(
    rows=st.lists(st.tuples(NUMBERS, NUMBERS, st.booleans()), min_size=4, max_size=60),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_tables_of_numbers(tmp_path, rows, separator, end):
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator=end)
        writer.writerow(["first", "second", "kind"])
        writer.writerows((a, b, "up" if up else "down") for a, b, up in rows)
    raw = read(FileData(path=str(path)))
    np.testing.assert_array_equal(raw.x, np.array([row[:2] for row in rows], np.float32))
    assert raw.features == ("first", "second")
    assert [raw.classes[i] for i in raw.y] == ["up" if row[2] else "down" for row in rows]


@QUICK
@given(
    words=st.lists(LABELS, min_size=2, max_size=6, unique_by=lambda word: word.strip()),
    picks=st.lists(st.tuples(st.integers(0, 99), NUMBERS), min_size=12, max_size=40),
)
def test_tables_of_words(tmp_path, words, picks):
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["size", "label"])
        writer.writerows((value, f"label {words[i % len(words)]}") for i, value in picks)
    raw = read(FileData(path=str(path), separator=",", header="yes", decimal="."))
    assert [raw.classes[i] for i in raw.y] == [f"label {words[i % len(words)]}".strip() for i, _ in picks]


@QUICK
@given(values=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=30))
def test_decimal_commas(tmp_path, values):
    path = tmp_path / "t.csv"
    lines = [f"{a:.4f};{b:.4f};{'xy'[i % 2]}".replace(".", ",") for i, (a, b) in enumerate(values)]
    path.write_text("\n".join(lines))
    raw = read(FileData(path=str(path)))
    np.testing.assert_allclose(raw.x, np.array(values), atol=1e-3, rtol=1e-6)


@QUICK
@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int16, np.int64, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9),
        fill=st.just(0),
    ),
    compressed=st.booleans(),
)
def test_archives(tmp_path, x, compressed):
    path = tmp_path / "a.npz"
    (np.savez_compressed if compressed else np.savez)(path, x=x, y=np.arange(len(x)) % 2)
    raw = read(FileData(path=str(path)))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(raw.x, x.astype(np.float32))
    assert raw.y.tolist() == [i % 2 for i in range(len(x))]


@QUICK
@given(
    images=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)),
    zipped=st.booleans(),
)
def test_idx(tmp_path, images, zipped):
    def save(name, array):
        data = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
        (tmp_path / name).write_bytes(gzip.compress(data) if zipped else data)

    ending = ".gz" if zipped else ""
    labels = (np.arange(len(images)) % 3).astype(np.uint8)
    save(f"images-idx3-ubyte{ending}", images)
    save(f"labels-idx1-ubyte{ending}", labels)
    raw = read(FileData(path=str(tmp_path / f"images-idx3-ubyte{ending}")))
    np.testing.assert_array_equal(raw.x[:, 0], images)
    np.testing.assert_array_equal(raw.y, labels)


@QUICK
@given(
    junk=st.binary(min_size=1, max_size=400), name=st.sampled_from(["a.npz", "a.csv", "a-idx3-ubyte", "a.csv.gz", "a"])
)
def test_junk_is_always_told_in_a_sentence(tmp_path, junk, name):
    from engine.errors import EngineError

    path = tmp_path / name
    path.write_bytes(junk)
    try:
        raw = read(FileData(path=str(path)))
    except EngineError as error:
        assert str(error)
    else:  # junk may happen to be a table
        assert "csv" in name and len(raw.x)


@pytest.mark.parametrize("cut", range(0, 1000, 90))
def test_an_archive_cut_anywhere_is_told_in_a_sentence(tmp_path, cut):
    from engine.errors import EngineError

    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(60.0).reshape(20, 3), y=np.arange(20) % 2)
    (tmp_path / "a.npz").write_bytes(buffer.getvalue()[:cut])
    with pytest.raises(EngineError, match=r"a\.npz"):
        read(FileData(path=str(tmp_path / "a.npz")))


def archive_bytes(compressed):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, x=np.arange(60.0).reshape(20, 3), y=np.arange(20) % 2)
    return buffer.getvalue()


ARCHIVES = {compressed: archive_bytes(compressed) for compressed in (False, True)}


@QUICK
@given(data=st.data(), compressed=st.booleans())
def test_a_damaged_archive_is_read_or_told_in_a_sentence(tmp_path, data, compressed):
    from engine.errors import EngineError

    content = bytearray(ARCHIVES[compressed])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.npz").write_bytes(bytes(content))
    try:
        read(FileData(path=str(tmp_path / "a.npz")))
    except EngineError as error:
        assert "a.npz" in str(error)
