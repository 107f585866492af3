"""A dataset ready for training, and the steps from raw examples to it: split, subset, label noise, standardisation."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.data.config import DataOptions
from engine.data.errors import LengthMismatch, NoiseNeedsClasses, NotFinite, OneClass, ShapeMismatch, TooFewRows
from engine.seeding import generator

Array = np.ndarray[Any, np.dtype[Any]]
Note = tuple[str, dict[str, Any]]  # English template and its values


@dataclass(frozen=True)
class Raw:
    """Examples as read, before anything is done to them.

    Attributes:
        x: (N, ...) numbers; kept as integers only where ``tokens``.
        y: (N,) int64 class indices, or float32 numbers, or whatever a user's loss takes.
        classes: names of the classes; empty where the target is a number.
        features: names of the columns, or "" where there are none.
        test: the data's own held-out examples (x, y), or None.
        name, path, size, sha256: where they are from; path, size, sha256 empty for what is generated.
        tokens: integer examples of a user's data(), not to be touched.
        notes: what was done in reading.
    """

    x: Array
    y: Array
    classes: tuple[str, ...]
    name: str
    features: tuple[str, ...] = ()
    test: tuple[Array, Array] | None = None
    path: str = ""
    size: int = 0
    sha256: str = ""
    tokens: bool = False
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Identity:
    """What tells one dataset from another; kept with every model.

    Attributes:
        name: for people. path, size, sha256: of the file read, empty for built-in data. split_seed: of the config.
        content: sha256 of the arrays that training sees.
    """

    name: str
    path: str
    size: int
    sha256: str
    split_seed: int
    content: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for model.json."""
        return asdict(self)


@dataclass(frozen=True)
class Dataset:
    """Arrays for training and testing; C-contiguous, read-only.

    Attributes:
        x_train, x_test: (N, ...) float32, or int64 tokens of a user's data().
        y_train, y_test: (N,) int64 classes or float32 numbers (standardised like the examples).
        classes: their names; empty where the target is a number. features: names of the columns.
        identity: see Identity. notes: what was done to the data.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    classes: tuple[str, ...]
    features: tuple[str, ...]
    identity: Identity
    notes: tuple[Note, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example: (features,), (channels, length) or (channels, height, width)."""
        return tuple(self.x_train.shape[1:])


def prepare(raw: Raw, options: DataOptions) -> Dataset:
    """Split, subset, label noise, standardise: in this order, each from its own random stream.

    Raises:
        DataError: values that are not finite, one class only, too few rows, shapes that do not fit.
    """
    _check(raw)
    train, test = _split(raw, options)
    flips = _flips(len(train[0]), len(raw.classes), options)
    keep = _subset(len(train[0]), options)
    x_train, y_train = train[0][keep], train[1][keep]
    notes = list(raw.notes)
    if options.label_noise:
        if not raw.classes:
            raise NoiseNeedsClasses()
        y_train = _with_noise(y_train, keep, flips, len(raw.classes), options.label_noise)
    _check_classes(y_train, raw.classes)
    x_test, y_test = test
    if not raw.tokens and options.standardise != "none":
        x_train, x_test = _standardise(x_train, x_test, options.standardise)
    if not raw.classes and y_train.ndim == 1 and y_train.dtype == np.float32 and options.standardise != "none":
        mean, scale = float(y_train.mean(dtype=np.float64)), float(y_train.std(dtype=np.float64)) or 1.0
        y_train, y_test = _affine(y_train, mean, scale), _affine(y_test, mean, scale)
        template = "The target was standardised: its mean was {mean} and its standard deviation {scale}."
        notes.append((template, {"mean": f"{mean:.6g}", "scale": f"{scale:.6g}"}))
    x_train, y_train, x_test, y_test = (_frozen(a) for a in (x_train, y_train, x_test, y_test))
    content = content_hash(x_train, y_train, x_test, y_test)
    identity = Identity(raw.name, raw.path, raw.size, raw.sha256, options.split_seed, content)
    return Dataset(x_train, y_train, x_test, y_test, raw.classes, raw.features, identity, tuple(notes))


def content_hash(*arrays: Array) -> str:
    """sha256 over shapes, types and little-endian values."""
    digest = hashlib.sha256()
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{little.shape}".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def _check(raw: Raw) -> None:
    if len(raw.x) != len(raw.y):
        raise LengthMismatch(path=raw.path or raw.name, examples=len(raw.x), targets=len(raw.y))
    if raw.test is not None:
        if len(raw.test[0]) != len(raw.test[1]):
            raise LengthMismatch(path=raw.path or raw.name, examples=len(raw.test[0]), targets=len(raw.test[1]))
        if raw.test[0].shape[1:] != raw.x.shape[1:]:
            raise ShapeMismatch(path=raw.path or raw.name, train=raw.x.shape[1:], test=raw.test[0].shape[1:])
    for x, y in [(raw.x, raw.y), *([raw.test] if raw.test else [])]:
        _check_finite(x, raw.features)
        _check_finite(y, ("the target",))


def _check_finite(values: Array, names: tuple[str, ...]) -> None:
    if not np.issubdtype(values.dtype, np.floating):
        return
    flat = values.reshape(len(values), -1)
    bad = ~np.isfinite(flat)
    if bad.any():
        column = int(np.flatnonzero(bad.any(axis=0))[0])
        name = names[column] if column < len(names) else f"value {column + 1}"
        raise NotFinite(count=int(bad.any(axis=1).sum()), rows=len(flat), column=name)


def _check_classes(y: Array, classes: tuple[str, ...]) -> None:
    if classes and len(np.unique(y)) < 2:
        raise OneClass(label=classes[int(y.flat[0])])


def _split(raw: Raw, options: DataOptions) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Training and test examples in random order; classes are split each in the same proportion."""
    if raw.test is not None:
        order = generator(options.split_seed, "order").permutation(len(raw.x))
        train, test = (raw.x[order], raw.y[order]), raw.test
    else:
        order = generator(options.split_seed, "split").permutation(len(raw.x))
        held = np.zeros(len(order), dtype=bool)
        groups = [np.flatnonzero(raw.y[order] == c) for c in range(len(raw.classes))] or [np.arange(len(order))]
        for group in groups:
            held[group[: round(options.test_fraction * len(group))]] = True
        train = raw.x[order[~held]], raw.y[order[~held]]
        test = raw.x[order[held]], raw.y[order[held]]
    least = 2 if raw.classes else 1
    if len(train[0]) < least or len(test[0]) < 1:
        raise TooFewRows(rows=len(raw.x), train=len(train[0]), test=len(test[0]), least=least)
    return train, test


def _subset(count: int, options: DataOptions) -> Array:
    """Indices of the kept examples: a prefix of the random order, so that smaller subsets lie in larger ones."""
    return np.arange(max(1, round(options.subset * count)))


def _flips(count: int, classes: int, options: DataOptions) -> tuple[Array, Array]:
    """For each training example: its rank in the line to be flipped, and by how many classes it would move."""
    rng = generator(options.split_seed, "label noise")
    return rng.random(count), rng.integers(1, max(classes, 2), count)


def _with_noise(y: Array, keep: Array, flips: tuple[Array, Array], classes: int, fraction: float) -> Array:
    line, shift = flips[0][keep], flips[1][keep]
    wrong = np.argsort(line, kind="stable")[: round(fraction * len(y))]
    noisy = y.copy()
    noisy[wrong] = (y[wrong] + shift[wrong]) % classes
    return noisy


def _standardise(train: Array, test: Array, mode: str) -> tuple[Array, Array]:
    by_channel = mode == "channel" or (mode == "auto" and train.ndim > 2)
    axes: tuple[int, ...] = (0,)
    if by_channel:  # a table is one channel
        axes = (0, *range(2, train.ndim)) if train.ndim > 2 else (0, 1)
    mean = train.mean(axis=axes, dtype=np.float64, keepdims=True)
    scale = train.std(axis=axes, dtype=np.float64, keepdims=True)
    scale[scale == 0] = 1.0  # a constant column carries nothing and must not become NaN
    return _affine(train, mean, scale), _affine(test, mean, scale)


def _affine(values: Array, mean: Any, scale: Any) -> Array:
    return ((values - mean) / scale).astype(np.float32)


def _frozen(array: Array) -> Array:
    dtype = np.float32 if np.issubdtype(array.dtype, np.floating) else np.int64
    result = np.ascontiguousarray(array, dtype=dtype).copy()
    result.flags.writeable = False
    return result
