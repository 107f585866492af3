"""IDX files, the format in which MNIST and its kin are shared (LeCun, Cortes and Burges 1998)."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from engine.data.content import check_memory, file_hash
from engine.data.dataset import Array, Raw
from engine.data.errors import EmptyFile, LengthMismatch, MissingFile, TruncatedFile, WrongFormat

IDX_NAME = re.compile(r"idx\d-ubyte(\.gz)?$", re.IGNORECASE)
TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: Path) -> Raw:
    """Images and labels: of one images file and the labels file beside it, or of a folder with train and t10k files.

    Raises:
        DataError: a file is missing, cut off, or no IDX; images and labels differ in number.
    """
    if path.is_file():
        pairs = [_pair(path)]
    else:
        files = sorted(item for item in path.iterdir() if IDX_NAME.search(item.name) and "images" in item.name)
        files.sort(key=lambda file: re.match(r"t10k|test", file.name) is not None)
        pairs = [_pair(file) for file in files[:2]]
        if not pairs:
            raise MissingFile(path=path / "train-images-idx3-ubyte")
    parts = [_examples(images, labels) for images, labels in pairs]
    classes = np.unique(np.concatenate([y for _, y in parts]))
    (x, y), *rest = [(x, np.searchsorted(classes, y).astype(np.int64)) for x, y in parts]
    digests = [file_hash(file) for pair in pairs for file in pair]
    whole = hashlib.sha256("".join(digest for _, digest in digests).encode()).hexdigest()
    return Raw(
        x,
        y,
        tuple(str(label) for label in classes),
        path.name,
        test=rest[0] if rest else None,
        path=str(path),
        size=sum(size for size, _ in digests),
        sha256=whole,
    )


def _pair(file: Path) -> tuple[Path, Path]:
    name = file.name.replace("labels", "images").replace("idx1", "idx3")
    images, labels = file.with_name(name), file.with_name(name.replace("images", "labels").replace("idx3", "idx1"))
    for found in (images, labels):
        if not found.is_file():
            raise MissingFile(path=found)
    return images, labels


def _examples(images: Path, labels: Path) -> tuple[Array, Array]:
    x, y = read_array(images), read_array(labels)
    if len(x) != len(y):
        raise LengthMismatch(path=images, examples=len(x), targets=len(y))
    if x.ndim == 3:
        x = x[:, None]
    return x.astype(np.float32), y.astype(np.int64)


def read_array(path: Path) -> Array:
    """One IDX file, plain or gzipped.

    Raises:
        EmptyFile, WrongFormat, TruncatedFile, TooLarge (by the header, before reading).
    """
    if path.stat().st_size == 0:
        raise EmptyFile(path=path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            return _parse(path, cast(BinaryIO, stream))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise WrongFormat(path=path, format="gzip", reason=str(error).rstrip(".")) from error


def _parse(path: Path, stream: BinaryIO) -> Array:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= 8:
        raise WrongFormat(path=path, format="IDX", reason=f"it begins with the bytes {magic.hex(' ')}")
    header = stream.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise TruncatedFile(path=path, expected=4 + 4 * magic[3], found=4 + len(header))
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4"))
    dtype = np.dtype(TYPES[magic[2]])
    expected = prod(shape) * dtype.itemsize
    check_memory(path, 5 * expected)
    data = stream.read(expected + 1)
    if len(data) < expected:
        raise TruncatedFile(path=path, expected=expected, found=len(data))
    if len(data) > expected:
        raise WrongFormat(path=path, format="IDX", reason="it goes on after the values that its header announces")
    return np.frombuffer(data, dtype).reshape(shape)
