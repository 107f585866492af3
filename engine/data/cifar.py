"""CIFAR-10 and CIFAR-100 in their binary version: a folder of .bin files (Krizhevsky 2009)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from engine.data.content import file_hash, read_bytes
from engine.data.dataset import Array, Raw
from engine.data.errors import MissingFile, TruncatedFile

PIXELS = 3 * 32 * 32
NAMES = {"batches.meta.txt": 1, "fine_label_names.txt": 2}  # file of class names -> label bytes before the pixels


def read_cifar(path: Path) -> Raw:
    """Colour images (N, 3, 32, 32) with values 0 to 255; of CIFAR-100 the fine labels.

    Raises:
        DataError: a file is missing or cut off.
    """
    fine = (path / "train.bin").is_file()
    train = [path / "train.bin"] if fine else sorted(path.glob("data_batch_*.bin"))
    test = path / ("test.bin" if fine else "test_batch.bin")
    if not train:
        raise MissingFile(path=path / "data_batch_1.bin")
    parts = [_read(file, 2 if fine else 1) for file in train]
    x, y = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    held = _read(test, 2 if fine else 1) if test.is_file() else None
    files = [*train, test] if held else train
    hashes = [file_hash(file) for file in files]
    count = int(max(y.max(), held[1].max() if held else 0)) + 1
    return Raw(
        x,
        y,
        _names(path, count),
        path.name,
        test=held,
        path=str(path),
        size=sum(size for size, _ in hashes),
        sha256=hashlib.sha256("".join(digest for _, digest in hashes).encode()).hexdigest(),
    )


def _read(file: Path, labels: int) -> tuple[Array, Array]:
    data = np.frombuffer(read_bytes(file, 5.0), np.uint8)
    row = labels + PIXELS
    if len(data) % row:
        raise TruncatedFile(path=file, expected=(len(data) // row + 1) * row, found=len(data))
    table = data.reshape(-1, row)
    return table[:, labels:].reshape(-1, 3, 32, 32).astype(np.float32), table[:, labels - 1].astype(np.int64)


def _names(path: Path, count: int) -> tuple[str, ...]:
    for file in NAMES:
        if (path / file).is_file():
            names = (path / file).read_text("utf-8", errors="replace").split()
            if len(names) >= count:
                return tuple(names)
    return tuple(str(i) for i in range(count))
