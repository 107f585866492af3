"""The kinds that many share: what goes in comes out."""

import csv

import numpy as np
import pytest

from engine.artifacts.shared_kinds import BLOCK, RECORDS, RowBlocks, TableKind, TrajectoryKind


def trajectory(steps=6, layers=2, snapshots=3, parameters=5):
    generator = np.random.default_rng(0)
    shapes = {name: (steps, layers) if name.startswith("layer_") else (steps,) for name in RECORDS}
    return {
        "records": {name: generator.normal(size=shape) for name, shape in shapes.items()},
        "layers": [f"layer{index}.weight" for index in range(layers)],
        "snapshots": {
            "steps": np.arange(snapshots) * 2,
            "weights": generator.normal(size=(snapshots, parameters)).astype(np.float32),
        },
    }


def test_a_table_of_numbers_and_text_comes_back(tmp_path):
    value = {
        "x": np.array([1.5, -0.0, np.nan]),
        "n": np.array([1, 2, 3]),
        "ok": np.array([True, False, True]),
        "名": np.array(["a,b", 'quote"', "行"]),
    }
    kind = TableKind()
    kind.write(value, tmp_path)
    back = kind.read(tmp_path)
    assert list(back) == list(value)
    for name, column in value.items():
        np.testing.assert_array_equal(back[name], column)
        assert back[name].dtype == column.dtype
    with open(tmp_path / "table.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(value) and rows[2] == ["-0.0", "2", "False", 'quote"']
    assert kind.describe(value) == {"rows": 3, "columns": "x, n, ok, 名"}


def test_a_structured_array_is_a_table(tmp_path):
    value = np.array([(1, 2.0), (3, 4.0)], dtype=[("a", np.int32), ("b", np.float64)])
    TableKind().write(value, tmp_path)
    assert TableKind().read(tmp_path)["b"].tolist() == [2.0, 4.0]


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    TableKind().write({"x": np.empty(0)}, tmp_path)
    assert TableKind().read(tmp_path)["x"].shape == (0,)


def test_a_long_table_is_written_in_blocks_from_memory_maps(tmp_path):
    n = 2 * BLOCK + 5
    column = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float64, (n,))
    column[:] = np.arange(n) / 4
    folder = tmp_path / "table"
    folder.mkdir()
    TableKind().write({"x": column, "k": np.arange(n, dtype=np.int16)}, folder)
    back = TableKind().read(folder)
    np.testing.assert_array_equal(back["x"], column)
    with open(folder / "table.csv", encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert len(lines) == n + 1
    assert lines[BLOCK + 1].split(",")[0] == str(BLOCK / 4)


def test_a_table_is_made_while_it_is_written(tmp_path):
    dtype = np.dtype([("row", np.int64), ("p", np.float64)])

    def blocks():
        for start in (0, 3):
            block = np.zeros(3, dtype)
            block["row"] = np.arange(start, start + 3)
            yield block

    value = RowBlocks(dtype, 6, blocks)
    assert TableKind().describe(value) == {"rows": 6, "columns": "row, p"}
    TableKind().write(value, tmp_path)
    assert TableKind().read(tmp_path)["row"].tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="table of 7 rows came with 6"):
        TableKind().write(RowBlocks(dtype, 7, blocks), tmp_path)


@pytest.mark.parametrize(
    "bad", [{}, {"x": np.zeros((2, 2))}, {"x": np.array([object()])}, {"x": np.zeros(2), "y": np.zeros(1)}]
)
def test_what_is_no_table_is_refused(tmp_path, bad):
    with pytest.raises(ValueError, match=r"column"):
        TableKind().write(bad, tmp_path)


def test_what_is_read_cannot_be_changed(tmp_path):
    TableKind().write({"x": np.zeros(3)}, tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        TableKind().read(tmp_path)["x"][0] = 1


def test_a_trajectory_comes_back_bit_for_bit(tmp_path):
    value, kind = trajectory(), TrajectoryKind()
    kind.write(value, tmp_path)
    back = kind.read(tmp_path)
    for name in RECORDS:
        assert back["records"][name].tobytes() == value["records"][name].tobytes()
        assert back["records"][name].dtype == np.float64
    assert back["layers"] == value["layers"]
    assert back["snapshots"]["weights"].tobytes() == value["snapshots"]["weights"].tobytes()
    assert back["snapshots"]["steps"].tolist() == [0, 2, 4]
    assert kind.describe(value) == {"steps": 6, "snapshots": 3, "parameters": 5}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rounded_records_are_refused(tmp_path, dtype):
    value = trajectory()
    value["records"]["step_norm"] = value["records"]["step_norm"].astype(dtype)
    with pytest.raises(ValueError, match="step_norm must be float64"):
        TrajectoryKind().write(value, tmp_path)


def test_thinned_records_are_refused(tmp_path):
    value = trajectory()
    value["records"]["loss"] = value["records"]["loss"][::2]
    with pytest.raises(ValueError, match="loss must be float64"):
        TrajectoryKind().write(value, tmp_path)


def test_snapshots_without_a_step_each_are_refused(tmp_path):
    value = trajectory()
    value["snapshots"]["steps"] = value["snapshots"]["steps"][:-1]
    with pytest.raises(ValueError, match="snapshots must be"):
        TrajectoryKind().write(value, tmp_path)
