"""Checkpoints: exact, atomic, two of them, and a damaged newest one is passed over."""

import math
import os

import numpy as np
import pytest

from engine.runs import checkpoints
from engine.runs.checkpoints import Checkpoint


def save(folder, unit, **state):
    checkpoints.save(folder, Checkpoint(0, unit, {"x.f64": 10 * unit}, state))


def test_state_comes_back_exactly(tmp_path):
    state = {
        "weights": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32),
        "none": np.empty((0, 2)),
        "scalar": np.array(2.5),
        "flags": np.array([True, False]),
        "complex": np.array([1 + 2j]),
        "text": np.array(["ä", "bc"]),
        "nested": {"deep": {"counts": np.arange(5, dtype=np.uint8)}, "list": [1, "two", None, {"a": np.ones(2)}]},
        "number": 0.1 + 0.2,
        "big": 2**70,
        "inf": math.inf,
        "numpy": np.float64(0.3),
        "pair": (1, 2),
    }
    save(tmp_path, 3, **state)
    found = checkpoints.newest(tmp_path)
    assert (found.plan, found.unit, found.series) == (0, 3, {"x.f64": 30})
    back = found.state
    for name in ("weights", "none", "scalar", "flags", "complex", "text"):
        assert back[name].dtype == state[name].dtype
        np.testing.assert_array_equal(back[name], state[name])
    np.testing.assert_array_equal(back["nested"]["deep"]["counts"], np.arange(5))
    np.testing.assert_array_equal(back["nested"]["list"][3]["a"], np.ones(2))
    assert back["nested"]["list"][:3] == [1, "two", None]
    names = ("number", "big", "inf", "numpy", "pair")
    assert [back[name] for name in names] == [0.1 + 0.2, 2**70, math.inf, 0.3, [1, 2]]


def test_the_last_two_are_kept(tmp_path):
    for unit in range(5):
        save(tmp_path, unit)
    assert sorted(os.listdir(tmp_path)) == ["000004.npz", "000005.npz"]
    assert checkpoints.newest(tmp_path).unit == 4


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "gone"])
def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path, damage):
    save(tmp_path, 1, a=np.arange(100))
    save(tmp_path, 2, a=np.arange(100))
    path = tmp_path / "000002.npz"
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 255
    path.write_bytes({"empty": b"", "short": bytes(data[: len(data) // 2]), "flipped": bytes(data)}.get(damage, b""))
    if damage == "gone":
        path.unlink()
    assert checkpoints.newest(tmp_path).unit == 1


def test_nothing_saved_is_none(tmp_path):
    assert checkpoints.newest(tmp_path) is None
    (tmp_path / "000001.npz").write_bytes(b"rubbish")
    assert checkpoints.newest(tmp_path) is None


def test_a_full_disk_keeps_the_one_before(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 2)
    assert os.listdir(tmp_path) == ["000001.npz"]


@pytest.mark.parametrize("bad", [object(), {1: 2}, np.array([object()]), {1, 2}, b"bytes"])
def test_what_json_and_numpy_cannot_hold_is_refused(tmp_path, bad):
    with pytest.raises(TypeError, match="checkpoint"):
        save(tmp_path, 1, bad=bad)


def test_pickled_arrays_are_not_read(tmp_path):
    np.savez(tmp_path / "000001.npz", head=np.array([{"plan": 0}], object))
    assert checkpoints.newest(tmp_path) is None
