"""Series: whole rows, cheap appends, growing reads."""

import os

import numpy as np
import pytest

from engine.runs.series import SeriesReader, SeriesWriter, file_name

COLUMNS = ("step", "value")


def rows(*values):
    return np.array(values, np.float64).reshape(-1, 2)


def test_rows_come_back_as_they_grow(tmp_path):
    path = tmp_path / "x.f64"
    reader = SeriesReader(path, COLUMNS)
    assert reader.read().shape == (0, 2)
    writer = SeriesWriter(path, COLUMNS)
    writer.add(rows(0, 0.5))
    writer.flush()
    first = reader.read()
    assert first.tolist() == [[0, 0.5]]
    many = np.column_stack([np.arange(1, 1000), np.random.default_rng(0).normal(size=999)])
    writer.add(many)
    writer.flush()
    assert writer.rows == 1000
    np.testing.assert_array_equal(reader.read()[1:], many)
    assert first.tolist() == [[0, 0.5]]  # an older view stays valid
    writer.close()


def test_small_appends_are_gathered(tmp_path, monkeypatch):
    path = tmp_path / "x.f64"
    writer = SeriesWriter(path, COLUMNS)
    writes = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: writes.append(1) or write(descriptor, data))
    monkeypatch.setattr("engine.runs.series.time.monotonic", lambda: 100.0 + len(times) * 1e-5)
    times = []
    for step in range(10_000):  # a tenth of a second by this clock
        times.append(step)
        writer.add(rows(step, 1))
    writer.flush()
    writer.close()
    assert len(writes) <= 4
    assert len(SeriesReader(path, COLUMNS).read()) == 10_000


def test_what_is_read_cannot_be_changed(tmp_path):
    writer = SeriesWriter(tmp_path / "x.f64", COLUMNS)
    writer.add(rows(0, 1))
    writer.close()
    with pytest.raises(ValueError, match="read-only"):
        SeriesReader(tmp_path / "x.f64", COLUMNS).read()[0, 0] = 1


def test_a_torn_tail_is_not_read_and_is_cut_by_the_next_writer(tmp_path):
    path = tmp_path / "x.f64"
    path.write_bytes(rows(0, 1, 1, 2).tobytes() + b"12345")
    assert len(SeriesReader(path, COLUMNS).read()) == 2
    writer = SeriesWriter(path, COLUMNS)
    assert path.stat().st_size == 32
    writer.add(rows(2, 3))
    writer.flush()
    writer.close()
    assert SeriesReader(path, COLUMNS).read().tolist() == [[0, 1], [1, 2], [2, 3]]


def test_a_reader_survives_a_cut(tmp_path):
    path = tmp_path / "x.f64"
    writer, reader = SeriesWriter(path, COLUMNS), SeriesReader(path, COLUMNS)
    writer.add(rows(0, 0, 1, 1, 2, 2))
    writer.flush()
    assert len(reader.read()) == 3
    writer.cut(1)
    assert writer.rows == 1
    assert reader.read().tolist() == [[0, 0]]
    writer.add(rows(1, 9))
    writer.flush()
    writer.close()
    assert reader.read().tolist() == [[0, 0], [1, 9]]


def test_a_full_disk_leaves_whole_rows_and_keeps_the_rest(tmp_path, monkeypatch):
    path = tmp_path / "x.f64"
    writer = SeriesWriter(path, COLUMNS)
    write, full = os.write, [True]

    def torn(descriptor, data):
        if not full[0]:
            return write(descriptor, data)
        write(descriptor, bytes(data[:5]))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", torn)
    with pytest.raises(OSError, match="No space"):
        writer.add(rows(0, 1))
    assert path.stat().st_size == 0
    full[0] = False
    writer.flush()
    writer.close()
    assert SeriesReader(path, COLUMNS).read().tolist() == [[0, 1]]


def test_file_names_tell_series_apart():
    dims = [
        {}, {"layer": "a"}, {"layer": "A"}, {"layer": "a.b=c"}, {"layer": "a", "b": "c"}, {"layer": "x/../y"},
        {"layer": "x_.._y"}, {"layer": "é"}, {"layer": "è"}, {"layer": "l" * 300}, {"layer": "l" * 301}, {"a.b": "c"},
    ]  # fmt: skip
    names = [file_name("loss", item) for item in dims]
    assert len({name.lower() for name in names}) == len(dims)
    assert all(len(name) < 130 and name.endswith(".f64") and "/" not in name for name in names)
    assert file_name("loss", {"split": "train", "chain": 3}) == "loss.chain=3.split=train.f64"


@pytest.mark.parametrize("dims", [{}, {"layer": "net.0/weight:Ω"}, {"layer": "A", "chain": 2}, {"..": ".."}])
def test_file_names_are_accepted_by_the_event(dims):
    from engine.runs.events import SeriesOpened

    SeriesOpened(file=file_name("loss", dims), id="loss", dims=dims, columns=COLUMNS)
