"""How much of a clustering survives resampling: Jaccard stability and the consensus matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.bootstrap.bagged import Bagged
from engine.studies.mixture.model.parameters import Array

Verdict = Literal["stable", "doubtful", "dissolved"]
STABLE, DISSOLVED = 0.75, 0.5
CONSENSUS_ROWS = 1000


@dataclass(frozen=True)
class Stability:
    """Of each cluster, over B resamples.

    Attributes:
        jaccard: (G,) mean similarity (Hennig 2007). interval: (G, 2) 5 % and 95 % quantiles over resamples.
        verdicts: stable from .75, dissolved below .5, doubtful between.
        dissolved: (G,) share of resamples in which the cluster's similarity was below .5.
    """

    jaccard: Array
    interval: Array
    verdicts: tuple[Verdict, ...]
    dissolved: Array


def stability(bagged: Bagged) -> Stability:
    """Jaccard stability of each cluster (Hennig 2007, "Cluster-wise assessment of cluster stability", section 3)."""
    mean = bagged.jaccard.mean(axis=0)
    verdicts: list[Verdict] = ["stable" if m >= STABLE else "doubtful" if m >= DISSOLVED else "dissolved" for m in mean]
    return Stability(
        mean,
        np.quantile(bagged.jaccard, [0.05, 0.95], axis=0).T,
        tuple(verdicts),
        (bagged.jaccard < DISSOLVED).mean(axis=0),
    )


def consensus(
    labels: NDArray[np.integer],
    order_by: NDArray[np.integer] | None = None,
    *,
    most: int = CONSENSUS_ROWS,
    seed: int = 0,
) -> tuple[Array, NDArray[np.intp]]:
    """Share of resamples in which two rows fall in one cluster (Monti et al. 2003), and the rows shown.

    Args:
        labels: (B, n) labels of all rows in each resample. order_by: (n,) labels by which the rows are sorted.
        most: rows at most; larger tables show a random sample.

    Returns: (m, m) symmetric with ones on the diagonal, and (m,) row indices.
    """
    n = labels.shape[1]
    rows = np.arange(n) if n <= most else np.sort(generator(seed, "consensus").choice(n, most, replace=False))
    if order_by is not None:
        rows = rows[np.argsort(order_by[rows], kind="stable")]
    picked = labels[:, rows]
    total = np.zeros((len(rows), len(rows)))
    for cluster in range(int(picked.max()) + 1):
        member = (picked == cluster).astype(np.float64)
        total += member.T @ member
    return total / len(labels), rows
