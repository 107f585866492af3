"""Which examples each step sees: a pure function of (seed, epoch)."""

from __future__ import annotations

import numpy as np

from engine.data.dataset import Array
from engine.seeding import generator


def batches(count: int, size: int, seed: int, epoch: int, replacement: bool = False) -> list[Array]:
    """Index arrays of one epoch's batches.

    Without replacement they part a random order of all examples; a last batch of one example joins the one before it,
    because batch normalisation has no variance of one. With replacement each batch is drawn from all examples.
    """
    rng = generator(seed, "batches", epoch)
    steps = steps_per_epoch(count, size)
    if replacement:
        return list(rng.integers(0, count, (steps, min(size, count))))
    order = rng.permutation(count)
    return np.split(order, [size * i for i in range(1, steps)])


def steps_per_epoch(count: int, size: int) -> int:
    """Number of batches that ``batches`` makes."""
    whole, rest = divmod(count, size)
    return max(1, whole + (rest > 1 or (rest == 1 and size == 1)))


def epochs_for(epochs: int, count: int, size: int, min_updates: int) -> int:
    """Epochs that are asked for, or as many as make ``min_updates`` steps."""
    return max(epochs, -(-min_updates // steps_per_epoch(count, size))) if epochs else 0
