"""How alike two partitions are, and which labels correspond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.parameters import Array

Labels = NDArray[np.integer]


def confusion(a: Labels, b: Labels, weights: Array | None = None) -> Array:
    """Rows with label i in a and j in b: (max a + 1, max b + 1). Labels are counted from 0.

    Args:
        a, b: (n,). weights: (n,) or None.
    """
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
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
    joint /= joint.sum()

    def entropy(p: Array) -> float:
        p = p[p > 0]
        return float(-(p * np.log(p)).sum())

    ha, hb = entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0))
    return ha, hb, ha + hb - entropy(joint.ravel())


def variation_of_information(a: Labels, b: Labels) -> float:
    """H(a) + H(b) - 2 I(a, b), nats, a distance between partitions (Meila 2007)."""
    ha, hb, mutual = _entropies(a, b)
    return max(0.0, ha + hb - 2 * mutual)


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


def matched_labels(reference: Labels, labels: Labels) -> NDArray[np.intp]:
    """``labels`` renamed to agree with ``reference`` as far as possible; unmatched clusters get names after those."""
    order = match(confusion(reference, labels).T)
    spare = int(max(reference.max(), order.max())) + 1
    for cluster in np.flatnonzero(order < 0):
        order[cluster] = spare
        spare += 1
    return order[labels]


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
