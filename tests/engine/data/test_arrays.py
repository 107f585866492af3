"""NPZ files: every form that is understood, every fault in its own words."""

import zipfile

import numpy as np
import pytest

from engine.data import arrays, content
from engine.data.config import FileData
from engine.data.errors import (
    EmptyFile,
    LengthMismatch,
    MissingFile,
    NoArrays,
    NumbersExpected,
    PickledArrays,
    TargetShape,
    TooFewRows,
    TooLarge,
    TruncatedFile,
    UnknownTarget,
    WrongFormat,
    WrongType,
    ZipBomb,
)
from engine.data.load import load, read

X = np.arange(60, dtype=np.float64).reshape(20, 3)
Y = np.arange(20) % 2


def save(folder, **named):
    np.savez(folder / "data.npz", **named)
    return folder / "data.npz"


def opened(path, **options):
    return read(FileData(path=str(path), **options))


@pytest.mark.parametrize(
    ("x", "y"), [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"), ("x_train", "y_train")]
)
def test_the_usual_names(tmp_path, x, y):
    raw = opened(save(tmp_path, **{x: X, y: Y}))
    np.testing.assert_array_equal(raw.x, X)
    np.testing.assert_array_equal(raw.y, Y)
    assert raw.classes == ("0", "1") and raw.test is None and raw.size > 0 and len(raw.sha256) == 64


def test_own_test_part_shares_the_classes(tmp_path):
    path = save(tmp_path, x_train=X, y_train=Y * 5, x_test=X[:3], y_test=np.array([5, 0, 7]))
    raw = opened(path)
    assert raw.classes == ("0", "5", "7")
    assert raw.test[1].tolist() == [1, 0, 2] and raw.y[:3].tolist() == [0, 1, 0]
    assert len(load(FileData(path=str(path))).x_train) == 20


def test_target_by_name(tmp_path):
    path = save(tmp_path, x=X, y=Y, mood=np.array(["sad", "glad"] * 10))
    raw = opened(path, target="mood")
    assert raw.classes == ("glad", "sad") and raw.y[:2].tolist() == [1, 0]
    with pytest.raises(UnknownTarget, match=r"no column or array moon.*x, y, mood"):
        opened(path, target="moon")


@pytest.mark.parametrize(
    ("y", "predict", "classes"),
    [
        (np.linspace(0, 1, 20), "auto", 0),
        (np.arange(20), "auto", 20),  # twenty whole numbers may be classes
        (np.arange(20), "number", 0),
        (np.linspace(0, 1, 20), "class", 20),
        (np.array([True, False] * 10), "auto", 2),
        (np.eye(2)[Y], "auto", 2),
        (Y[:, None], "auto", 2),
        (Y.astype(float), "auto", 2),
    ],
)
def test_class_or_number(tmp_path, y, predict, classes):
    raw = opened(save(tmp_path, x=X, y=y), predict=predict)
    assert len(raw.classes) == classes
    assert raw.y.dtype == (np.int64 if classes else np.float32) and raw.y.shape == (20,)


def test_many_different_whole_numbers_are_numbers(tmp_path):
    assert opened(save(tmp_path, x=np.ones((50, 2)), y=np.arange(50))).classes == ()


def test_one_hot_rows_become_their_class(tmp_path):
    assert opened(save(tmp_path, x=X, y=np.eye(2, dtype=int)[Y])).y.tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (np.zeros((20, 7, 5), np.uint8), (1, 7, 5)),
        (np.zeros((20, 6, 6)), (1, 6, 6)),
        (np.zeros((20, 2, 30)), (2, 30)),
        (np.zeros((20, 8, 9, 3)), (3, 8, 9)),
        (np.zeros((20, 3, 8, 9)), (3, 8, 9)),
        (np.zeros(20), (1,)),
    ],
)
def test_order_of_dimensions(tmp_path, x, shape):
    raw = opened(save(tmp_path, x=x, y=Y))
    assert raw.x.shape == (20, *shape) and raw.x.dtype == np.float32


def test_colours_are_moved_to_the_front_and_this_is_said(tmp_path):
    x = np.random.default_rng(0).random((20, 6, 5, 3))
    raw = opened(save(tmp_path, x=x, y=Y))
    np.testing.assert_allclose(raw.x[:, 1], x[..., 1], rtol=1e-6)
    assert "moved to the front" in raw.notes[0][0].format(**raw.notes[0][1])


def test_grey_images_are_said(tmp_path):
    raw = opened(save(tmp_path, x=np.zeros((20, 7, 5), np.uint8), y=Y))
    assert "7 x 5" in raw.notes[0][0].format(**raw.notes[0][1])


def test_a_compressed_archive_is_read(tmp_path):
    np.savez_compressed(tmp_path / "c.npz", x=X, y=Y)
    assert opened(tmp_path / "c.npz").x.shape == (20, 3)


def test_an_archive_without_ending_is_known_by_its_first_bytes(tmp_path):
    save(tmp_path, x=X, y=Y).rename(tmp_path / "mine")
    assert opened(tmp_path / "mine").x.shape == (20, 3)


@pytest.mark.parametrize(
    ("named", "error", "words"),
    [
        ({"a": X, "b": Y}, NoArrays, r"holds: a \(20, 3\), b \(20,\)"),
        ({"x": X}, NoArrays, "no examples under a name"),
        ({"x": X, "y": Y[:19]}, LengthMismatch, "20 examples but 19 targets"),
        ({"x": X, "y": np.array(1)}, LengthMismatch, "20 examples but 1 targets"),
        ({"x": X, "y": np.array([{}] * 20)}, PickledArrays, "array y in .* holds Python objects"),
        ({"x": np.array(["a"] * 20), "y": Y}, WrongType, "array x .* holds <U1"),
        ({"x": X.astype(complex), "y": Y}, WrongType, "complex128"),
        ({"x": X, "y": np.zeros((20, 4))}, TargetShape, r"shape \(20, 4\)"),
        ({"x": X[:0], "y": Y[:0]}, TooFewRows, "0 examples are too few"),
    ],
)
def test_faults(tmp_path, named, error, words):
    path = tmp_path / "data.npz"
    np.savez(path, **named)
    with pytest.raises(error, match=words):
        opened(path)


def test_text_is_no_number(tmp_path):
    with pytest.raises(NumbersExpected, match=r"target y cannot be read as a number.*good"):
        opened(save(tmp_path, x=X, y=np.array(["good", "bad"] * 10)), predict="number")


def test_missing_empty_and_wrong_files(tmp_path):
    with pytest.raises(MissingFile, match=r"no file or folder at .*nowhere"):
        opened(tmp_path / "nowhere.npz")
    (tmp_path / "empty.npz").write_bytes(b"")
    with pytest.raises(EmptyFile, match=r"is empty"):
        opened(tmp_path / "empty.npz")
    (tmp_path / "text.npz").write_text("hello, this is text")
    with pytest.raises(WrongFormat, match=r"could not be read as NPZ"):
        opened(tmp_path / "text.npz")


def test_a_file_cut_off(tmp_path):
    path = save(tmp_path, x=X, y=Y)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(WrongFormat, match=r"ends too early"):
        opened(path)


def test_an_array_shorter_than_its_header_says(tmp_path):
    path = save(tmp_path, x=X, y=Y)
    with zipfile.ZipFile(path) as archive:
        x, y = archive.read("x.npy"), archive.read("y.npy")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", x[:-80])
        archive.writestr("y.npy", y)
    with pytest.raises(TruncatedFile, match=r"x.npy.*should hold 480 bytes and holds 400"):
        opened(path)


def test_a_member_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x.npy", b"not an array at all")
    with pytest.raises(WrongFormat, match=r"x\.npy"):
        opened(tmp_path / "d.npz")


def test_damaged_values_are_found_by_their_checksum(tmp_path):
    path = save(tmp_path, x=X, y=Y)
    data = bytearray(path.read_bytes())
    place = data.index(X.tobytes())
    data[place + 8] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(WrongFormat, match=r"CRC"):
        opened(path)


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    monkeypatch.setattr(arrays, "BOMB_BYTES", 2**20)
    np.savez_compressed(path, x=np.zeros((1000, 1000)), y=np.zeros(1000))
    with pytest.raises(ZipBomb, match=r"would unpack to \d+ times its size"):
        opened(path)


def test_what_exceeds_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = save(tmp_path, x=np.zeros((1000, 100)), y=np.zeros(1000))
    monkeypatch.setattr(content, "MEMORY_SHARE", 1e-9)
    with pytest.raises(TooLarge, match=r"too large for this machine.*GiB"):
        opened(path)
