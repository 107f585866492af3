"""How alike two partitions are, and which labels correspond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.parameters import Array

Labels = NDArray[np.integer]
ENTRIES = 1 << 22  # of a block of contingency tables


def confusion(a: Labels, b: Labels, weights: Array | None = None) -> Array:
    """Rows with label i in a and j in b: (max a + 1, max b + 1). Labels are counted from 0.

    Args:
        a, b: (n,). weights: (n,) or None.
    """
    rows, columns = int(a.max(initial=-1)) + 1, int(b.max(initial=-1)) + 1
    flat = np.bincount(a.astype(np.int64) * columns + b, weights=weights, minlength=rows * columns)
    return flat.reshape(rows, columns).astype(np.float64)


def adjusted_rand_index(a: Labels, b: Labels) -> float:
    """Hubert & Arabie 1985, equation 5: 1 for equal partitions, 0 expected by chance."""
    table = confusion(a, b)

    def pairs(counts: Array) -> float:
        return float((counts * (counts - 1)).sum() / 2)

    both, left, right = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = left * right / max(pairs(np.array([table.sum()])), 1.0)
    spread = (left + right) / 2 - expected
    return 1.0 if spread == 0 else float((both - expected) / spread)


def _entropies(a: Labels, b: Labels) -> tuple[float, float, float]:
    """H(a), H(b) and their mutual information, nats."""
    joint = confusion(a, b)
    joint /= max(joint.sum(), 1.0)

    def entropy(p: Array) -> float:
        p = p[p > 0]
        return float(-(p * np.log(p)).sum())

    ha, hb = entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0))
    return ha, hb, ha + hb - entropy(joint.ravel())


def variation_of_information(a: Labels, b: Labels) -> Array:
    """H(a) + H(b) - 2 I(a, b), a distance between partitions (Meila 2007), of each of a (R, n) and each of b (L, n).

    Returns: (R, L), nats.
    """
    n = a.shape[1]
    # H of a joint distribution with counts c is log n - sum c log c / n; counts are whole numbers up to n.
    table = np.arange(n + 1) * np.log(np.maximum(np.arange(n + 1), 1))

    def crossed(part: Array, other: Array) -> Array:
        counts = part.reshape(-1, n) @ other.reshape(-1, n).T
        terms = table[np.rint(counts).astype(np.intp)].reshape(len(part), part.shape[1], len(other), other.shape[1])
        return np.log(n) - terms.sum(axis=(1, 3)) / n

    def alone(part: Array) -> Array:
        return np.log(n) - table[np.rint(part.sum(axis=2)).astype(np.intp)].sum(axis=1) / n

    groups = int(max(a.max(), b.max())) + 1
    right = _indicators(b, groups)
    own, height = alone(right), max(1, ENTRIES // (groups * max(groups * len(b), n)))
    out = np.empty((len(a), len(b)))
    for start in range(0, len(a), height):
        left = _indicators(a[start : start + height], groups)
        out[start : start + height] = 2 * crossed(left, right) - alone(left)[:, None] - own
    return np.maximum(out, 0.0)


def _indicators(labels: Labels, groups: int) -> NDArray[np.float32]:
    """(R, n) labels as (R, G, n) of 0 and 1."""
    return np.asarray(labels[:, None] == np.arange(groups)[:, None]).astype(np.float32)


def normalised_mutual_information(a: Labels, b: Labels) -> float:
    """2 I / (H(a) + H(b)); 1 where both partitions are one cluster."""
    ha, hb, mutual = _entropies(a, b)
    return 1.0 if ha + hb == 0 else float(2 * mutual / (ha + hb))


def match(overlap: Array) -> NDArray[np.intp]:
    """Which column belongs to each row so that the total overlap is greatest (Hungarian method, Kuhn 1955).

    Args:
        overlap: (G, K). Returns: (G,) column indices, -1 for rows left without a partner when K < G.
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-overlap)
    found = np.full(len(overlap), -1)
    found[rows] = columns
    return found


def jaccard(a: Labels, b: Labels, weights: Array | None = None) -> Array:
    """For every cluster of a its largest Jaccard similarity |A and B| / |A or B| with a cluster of b: (max a + 1,).

    Args:
        weights: (n,) rows counted so many times; only rows with positive weight take part.
    """
    table = confusion(a, b, weights)
    union = table.sum(axis=1)[:, None] + table.sum(axis=0) - table
    return np.where(union > 0, table / np.maximum(union, 1e-300), 0.0).max(axis=1)


def classical_scaling(distances: Array, dimensions: int = 2) -> Array:
    """Coordinates (m, dimensions) whose distances approximate ``distances`` (m, m) (Torgerson 1952)."""
    m = len(distances)
    centre = np.eye(m) - 1 / m
    values, axes = np.linalg.eigh(-0.5 * centre @ distances**2 @ centre)
    out = np.zeros((m, dimensions))
    kept = min(dimensions, m)
    top = values[::-1][:kept]
    # The sign of an axis is arbitrary: fix it by its largest entry, so that pictures do not flip between runs.
    picked = axes[:, ::-1][:, :kept]
    signs = np.sign(picked[np.abs(picked).argmax(axis=0), np.arange(kept)])
    out[:, :kept] = picked * np.where(signs == 0, 1, signs) * np.sqrt(np.maximum(top, 0.0))
    return out


def landmark_scaling(distances: Array, landmarks: NDArray[np.intp], dimensions: int = 2) -> Array:
    """As ``classical_scaling`` where only distances to some points are known (de Silva & Tenenbaum 2004, section 2.2).

    Args:
        distances: (m, l) of all points to the landmarks. landmarks: (l,) which points these are.
    """
    known = distances[landmarks]
    placed = classical_scaling(known, dimensions)
    if len(landmarks) == len(distances):
        out = np.empty_like(placed)
        out[landmarks] = placed
        return out
    strength = (placed**2).sum(axis=0)
    pull = placed / np.where(strength > 1e-12, strength, np.inf)
    return -0.5 * (distances**2 - (known**2).mean(axis=0)) @ pull
