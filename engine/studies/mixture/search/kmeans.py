"""k-means for many starts at once: seeding and Lloyd's iterations as matrix products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.parameters import Array

LLOYD_ITERATIONS = 30
BLOCK_ENTRIES = 1 << 18


def plus_plus(x: NDArray[np.float32], components: int, rngs: list[np.random.Generator]) -> NDArray[np.float32]:
    """k-means++ seeds (Arthur & Vassilvitskii 2007, section 2.2), one set for each generator: (R, G, d).

    Args:
        x: (n, d). rngs: R generators; each draws G numbers.
    """
    n, d = x.shape
    draws = np.array([rng.random(components) for rng in rngs])
    seeds = np.empty((len(rngs), components, d), np.float32)
    seeds[:, 0] = x[np.minimum((draws[:, 0] * n).astype(int), n - 1)]
    squares = np.einsum("ij,ij->i", x, x)
    nearest = np.full((len(rngs), n), np.inf, np.float32)
    for k in range(1, components):
        last = seeds[:, k - 1]
        distance = squares - 2 * (last @ x.T) + np.einsum("ij,ij->i", last, last)[:, None]
        np.minimum(nearest, np.maximum(distance, 0), out=nearest)
        cumulative = np.cumsum(nearest, axis=1, dtype=np.float64)
        for r, edges in enumerate(cumulative):
            # All rows equal to a seed: any row is as good.
            at = draws[r, k] * (edges[-1] if edges[-1] > 0 else n)
            row = np.searchsorted(edges, at, side="right") if edges[-1] > 0 else int(at)
            seeds[r, k] = x[min(row, n - 1)]
    return seeds


def assign(x: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int16]:
    """The nearest centre of each row: (R, n) for centres (R, G, d)."""
    r, g, d = centres.shape
    labels = np.empty((r, len(x)), np.int16)
    flat = np.ascontiguousarray(centres.transpose(1, 0, 2).reshape(g * r, d))
    half = 0.5 * np.einsum("ij,ij->i", flat, flat)[:, None]
    height = max(256, BLOCK_ENTRIES // (r * g))
    for start in range(0, len(x), height):
        score = (flat @ x[start : start + height].T - half).reshape(g, r, -1)
        best, at = score[0], np.zeros(score.shape[1:], np.int16)
        for k in range(1, g):
            better = score[k] > best
            best = np.where(better, score[k], best)
            at[better] = k
        labels[:, start : start + height] = at
    return labels


def _sums(x: NDArray[np.float32], centres: NDArray[np.float32]) -> tuple[Array, Array, Array]:
    """Rows (R, G), coordinate sums (R, G, d) and the k-means score (R,), larger is better, of nearest assignments."""
    r, g, d = centres.shape
    flat = np.ascontiguousarray(centres.transpose(1, 0, 2).reshape(g * r, d))
    half = 0.5 * np.einsum("ij,ij->i", flat, flat)[:, None]
    counts, sums, total = np.zeros((g, r)), np.zeros((g * r, d)), np.zeros(r)
    height = max(256, BLOCK_ENTRIES // (r * g))
    for start in range(0, len(x), height):
        block = x[start : start + height]
        score = (flat @ block.T - half).reshape(g, r, -1)
        best = score.max(axis=0)
        hard = (score == best).astype(np.float32)
        total += best.sum(axis=1, dtype=np.float64)
        counts += hard.sum(axis=2)
        sums += hard.reshape(g * r, -1) @ block
    return counts.T, sums.reshape(g, r, d).transpose(1, 0, 2), total


def lloyd(
    x: NDArray[np.float32], centres: NDArray[np.float32], iterations: int = LLOYD_ITERATIONS
) -> NDArray[np.float32]:
    """Centres after at most ``iterations`` rounds (Lloyd 1982); chains leave when their score rises by < 1e-4.

    Args:
        x: (n, d). centres: (R, G, d). An empty cluster keeps its centre.
    """
    out = centres.copy()
    alive, last = np.arange(len(centres)), np.full(len(centres), -np.inf)
    scale = float(np.einsum("ij,ij->", x, x, dtype=np.float64)) + 1e-300
    for _ in range(iterations):
        counts, sums, score = _sums(x, out[alive])
        means = sums / np.maximum(counts, 1)[..., None]
        out[alive] = np.where((counts > 0)[..., None], means, out[alive])
        go = score - last > 1e-4 * scale
        alive, last = alive[go], score[go]
        if len(alive) == 0:
            break
    return out
