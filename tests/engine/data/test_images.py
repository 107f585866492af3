"""IDX files, CIFAR batches, folders of images: right values, and every fault in its own words."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from engine.data import content, images
from engine.data.config import FileData
from engine.data.errors import (
    BadImage,
    EmptyFile,
    LengthMismatch,
    MissingFile,
    NoImages,
    TooLarge,
    TruncatedFile,
    UnknownFormat,
    UnreadableFile,
    WrongFormat,
)
from engine.data.idx import read_array
from engine.data.load import load, read

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (30, 5, 6), dtype=np.uint8)
LABELS = np.arange(30, dtype=np.uint8) % 3 + 4


def idx(array, code=8):
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def opened(path, **options):
    return read(FileData(path=str(path), **options))


# ------------------------------------------------------------------------------------------------------------------ IDX
@pytest.fixture
def mnist_like(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(PICTURES))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PICTURES[:8])))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[:8])))
    return tmp_path


def test_folder_of_idx_files_has_its_own_test_part(mnist_like):
    raw = opened(mnist_like)
    np.testing.assert_array_equal(raw.x[:, 0], PICTURES)
    np.testing.assert_array_equal(raw.y, LABELS - 4)
    np.testing.assert_array_equal(raw.test[0][:, 0], PICTURES[:8])
    assert raw.classes == ("4", "5", "6")


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte.gz"])
def test_one_idx_file_finds_its_other_half(mnist_like, name):
    raw = opened(mnist_like / name)
    assert raw.test is None and len(raw.x) == len(raw.y) == (8 if "t10k" in name else 30)


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
def test_all_types_of_numbers(tmp_path, code, dtype):
    values = np.array([[1, -2, 3], [4, 5, 100]]).astype(dtype)
    (tmp_path / "a").write_bytes(idx(values, code))
    np.testing.assert_array_equal(read_array(tmp_path / "a"), values)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", EmptyFile, "is empty"),
        (b"\0\0\x08", WrongFormat, "begins with the bytes 00 00 08"),
        (b"PNG!aaaa", WrongFormat, "could not be read as IDX"),
        (b"\0\0\x07\x01\0\0\0\1a", WrongFormat, "bytes 00 00 07"),
        (idx(PICTURES)[:10], TruncatedFile, "should hold 16 bytes and holds 10"),
        (idx(PICTURES)[:-1], TruncatedFile, "should hold 900 bytes and holds 899"),
        (idx(PICTURES) + b"x", WrongFormat, "goes on after"),
        (bytes([0, 0, 8, 2]) + struct.pack(">2I", 2**31, 2**20), TooLarge, "too large"),
    ],
)
def test_faulty_idx_files(mnist_like, content, error, words):
    path = mnist_like / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(error, match=words):
        opened(path, format="idx")


def test_idx_halves_that_do_not_fit(mnist_like):
    (mnist_like / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:29]))
    with pytest.raises(LengthMismatch, match=r"30 examples but 29 targets"):
        opened(mnist_like)
    (mnist_like / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(MissingFile, match=r"train-labels-idx1-ubyte"):
        opened(mnist_like)


def test_damaged_gzip(mnist_like):
    path = mnist_like / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(WrongFormat, match=r"gzip"):
        opened(path)


# ---------------------------------------------------------------------------------------------------------------- CIFAR
def cifar(count, label_bytes, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 10, (count, label_bytes), dtype=np.uint8), rng.integers(
        0, 256, (count, 3072), dtype=np.uint8
    )


def test_cifar_10(tmp_path):
    parts = [cifar(4, 1, seed) for seed in range(3)]
    for name, (labels, pixels) in zip(("data_batch_1", "data_batch_2", "test_batch"), parts, strict=True):
        (tmp_path / f"{name}.bin").write_bytes(np.hstack([labels, pixels]).tobytes())
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"name{i}" for i in range(10)))
    raw = opened(tmp_path)
    assert raw.x.shape == (8, 3, 32, 32) and raw.classes[3] == "name3" and len(raw.test[0]) == 4
    np.testing.assert_array_equal(raw.x[5].ravel(), parts[1][1][1])
    assert raw.y[5] == parts[1][0][1, 0]


def test_cifar_100_takes_the_fine_labels(tmp_path):
    labels, pixels = cifar(5, 2, 0)
    (tmp_path / "train.bin").write_bytes(np.hstack([labels, pixels]).tobytes())
    raw = opened(tmp_path)
    np.testing.assert_array_equal(raw.y, labels[:, 1])
    assert raw.test is None and raw.classes == tuple(str(i) for i in range(labels[:, 1].max() + 1))


def test_cifar_faults(tmp_path):
    (tmp_path / "test_batch.bin").write_bytes(b"x" * 3073)
    with pytest.raises(MissingFile, match=r"data_batch_1"):
        opened(tmp_path)
    (tmp_path / "data_batch_1.bin").write_bytes(b"x" * 3000)
    with pytest.raises(TruncatedFile, match=r"3073 bytes and holds 3000"):
        opened(tmp_path)


# --------------------------------------------------------------------------------------------------------------- images
@pytest.fixture
def folder(tmp_path):
    for name, colour in {"red": (255, 0, 0), "green": (0, 255, 0)}.items():
        (tmp_path / name / "more").mkdir(parents=True)
        for i in range(4):
            place = tmp_path / name / "more" if i == 3 else tmp_path / name
            Image.new("RGB", (10 + i, 7), colour).save(place / f"{i}.png")
    (tmp_path / "red" / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_class_folders(folder):
    raw = opened(folder, image_size=8)
    assert raw.x.shape == (8, 3, 8, 8) and raw.classes == ("green", "red")
    np.testing.assert_array_equal(raw.x[:4, 1], 255.0)
    np.testing.assert_array_equal(raw.x[:4, (0, 2)], 0.0)
    assert raw.y.tolist() == [0] * 4 + [1] * 4


def test_grey_images_and_the_train_test_folders(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("split")
    for part in ("train", "val"):
        (root / part).symlink_to(folder)
    raw = opened(root, image_size=6, grey=True)
    assert raw.x.shape == (8, 1, 6, 6) and raw.test[0].shape == (8, 1, 6, 6)
    assert np.ptp(raw.x[0]) == 0 and 0 < raw.x[0, 0, 0, 0] < 255


def test_other_modes_of_images(folder):
    Image.new("RGBA", (5, 5), (0, 255, 0, 128)).save(folder / "green" / "a.png")
    Image.new("P", (5, 5)).save(folder / "green" / "b.gif")
    Image.new("I;16", (5, 5), 3).save(folder / "green" / "c.png")
    Image.new("L", (5, 5), 9).save(folder / "green" / "d.jpg")
    assert len(opened(folder).x) == 12


def test_changing_an_image_changes_the_identity(folder):
    before = load(FileData(path=str(folder))).identity
    Image.new("RGB", (10, 7), (1, 2, 3)).save(folder / "red" / "0.png")
    assert load(FileData(path=str(folder))).identity.sha256 != before.sha256


def test_folder_faults(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(UnknownFormat):
        opened(empty)
    with pytest.raises(NoImages, match=r"no class folders"):
        opened(empty, format="images")
    with pytest.raises(NoImages):
        opened(folder / "red" / "0.png", format="images")
    (folder / "red" / "4.png").write_bytes(b"no picture")
    with pytest.raises(BadImage, match=r"4\.png cannot be read.*cannot identify"):
        opened(folder)
    good = (folder / "red" / "0.png").read_bytes()
    (folder / "red" / "4.png").write_bytes(good[: len(good) // 2])
    with pytest.raises(BadImage, match=r"4\.png"):
        opened(folder)


def test_images_with_too_many_pixels_are_not_unpacked(folder, monkeypatch):
    monkeypatch.setattr(images, "MOST_PIXELS", 80)
    with pytest.raises(BadImage, match=r"pixels, where 80 are allowed"):
        opened(folder)
    monkeypatch.setattr(images, "MOST_PIXELS", 10**9)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    with pytest.raises(BadImage, match=r"decompression bomb"):
        opened(folder)
    monkeypatch.setattr(images, "MOST_BYTES", 10)
    with pytest.raises(BadImage, match=r"MiB"):
        opened(folder)


def test_more_images_than_memory(folder, monkeypatch):
    monkeypatch.setattr(content, "MEMORY_SHARE", 1e-9)
    with pytest.raises(TooLarge):
        opened(folder)


def test_what_the_system_forbids_is_said(folder, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(images, "_bytes", forbidden)
    with pytest.raises(UnreadableFile, match=r"Permission denied"):
        opened(folder)

    def broken(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(images, "_bytes", broken)
    with pytest.raises(UnreadableFile, match=r"Input/output error"):
        opened(folder)
