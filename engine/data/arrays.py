"""NumPy archives: examples and targets under the usual names; never unpickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from engine.data.config import FileData
from engine.data.content import check_memory, file_hash
from engine.data.dataset import Array, Raw
from engine.data.errors import (
    LengthMismatch,
    NoArrays,
    PickledArrays,
    TooFewRows,
    TruncatedFile,
    UnknownTarget,
    WrongFormat,
    ZipBomb,
)
from engine.data.targets import as_examples, encode

EXAMPLES = ("x_train", "x", "X_train", "X", "train_images", "images", "data", "features", "inputs")
TARGETS = ("y_train", "y", "Y_train", "Y", "train_labels", "labels", "target", "targets", "label")
TEST_EXAMPLES = ("x_test", "X_test", "test_images")
TEST_TARGETS = ("y_test", "Y_test", "test_labels")
ARCHIVE_FAULTS = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)  # damage, odd methods, encryption
BOMB = 200  # times the size of the archive; real arrays of few values reach about 100
BOMB_BYTES = 100 * 2**20  # smaller ones harm nobody


def read_npz(path: Path, config: FileData) -> Raw:
    """Examples and targets of an archive, with its own test part if it has one.

    Raises:
        DataError: not an archive, cut off, pickled objects, a zip bomb, no known names, too large, no numbers.
    """
    arrays = _open(path)
    x_name, y_name = _choose(arrays, EXAMPLES), config.target or _choose(arrays, TARGETS)
    if config.target and config.target not in arrays:
        raise UnknownTarget(path=path, target=config.target, names=", ".join(arrays))
    if x_name is None or y_name is None or x_name == y_name:
        raise NoArrays(path=path, names=", ".join(f"{name} {shape}" for name, shape in arrays.items()) or "nothing")
    tests = _choose(arrays, TEST_EXAMPLES), _choose(arrays, TEST_TARGETS)
    wanted = [x_name, y_name, *(name for name in tests if name and all(tests))]
    loaded = {name: _load(path, name) for name in wanted}
    x, notes = as_examples(loaded[x_name], x_name, path)
    y_parts = [loaded[y_name]]
    if all(tests):
        y_parts.append(loaded[str(tests[1])])
    for values, examples in zip(y_parts, (x, loaded.get(str(tests[0]))), strict=False):
        if values.ndim == 0 or (examples is not None and len(values) != len(examples)):
            count = len(values) if values.ndim else 1
            raise LengthMismatch(path=path, examples=len(examples) if examples is not None else 0, targets=count)
    if not len(x):
        raise TooFewRows(rows=0, train=0, test=0, least=1)
    y, classes = encode(np.concatenate(y_parts), config.predict, y_name)
    test = None
    if all(tests):
        test = as_examples(loaded[str(tests[0])], str(tests[0]), path)[0], y[len(x) :]
    size, digest = file_hash(path)
    return Raw(x, y[: len(x)], classes, path.name, test=test, path=str(path), size=size, sha256=digest, notes=notes)


def _choose(arrays: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in arrays), None)


def _open(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape from the headers alone, so that nothing large or harmful is unpacked unseen."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
            if unpacked > BOMB_BYTES and unpacked > BOMB * path.stat().st_size:
                raise ZipBomb(path=path, times=round(unpacked / max(1, path.stat().st_size)))
            check_memory(path, 3 * unpacked)
            names = [item.filename for item in archive.infolist() if item.filename.endswith(".npy")]
            return {name.removesuffix(".npy"): _header(archive, name, path) for name in names}
    except ARCHIVE_FAULTS as error:
        with path.open("rb") as file:
            cut = file.read(2) == b"PK" and "not a zip file" in str(error)  # its table of contents is at the end
        reason = "the archive ends too early" if cut else str(error).rstrip(".")
        raise WrongFormat(path=path, format="NPZ", reason=reason) from error


def _header(archive: zipfile.ZipFile, name: str, path: Path) -> tuple[int, ...]:
    with archive.open(name) as stream:
        try:
            version = npy.read_magic(stream)
            reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = reader(stream)
            start = stream.tell()
        except (ValueError, EOFError, SyntaxError, *ARCHIVE_FAULTS) as error:
            raise WrongFormat(path=path, format="NPZ", reason=f"{name}: {error}") from error
    if dtype.hasobject:
        raise PickledArrays(name=name.removesuffix(".npy"), path=path)
    needed, held = int(np.prod(shape)) * dtype.itemsize, archive.getinfo(name).file_size - start
    if needed > held:
        raise TruncatedFile(path=f"{path} ({name})", expected=needed, found=held)
    return tuple(shape)


def _load(path: Path, name: str) -> Array:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[name])
    except (ValueError, EOFError, *ARCHIVE_FAULTS) as error:
        raise WrongFormat(path=path, format="NPZ", reason=f"{name}: {str(error).rstrip('.')}") from error
