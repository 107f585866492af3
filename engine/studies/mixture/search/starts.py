"""Where chains begin: a mixture of kinds, because any single kind misses the best maximum of some data.

Whitened k-means, k-means on standardised columns, k-means++ seeds with the pooled covariance, random partitions, and
Ward's hierarchical clustering of a subsample. Every start draws from its own stream, so it can be redone alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.em.maximise import maximise
from engine.studies.mixture.em.sweep import MemoryRows, partition_moments
from engine.studies.mixture.model.coordinates import frame_from, mean_and_covariance
from engine.studies.mixture.model.families import DIAGONAL, Family
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.kmeans import assign, lloyd, plus_plus

StartKind = Literal["whitened", "kmeans", "plusplus", "random", "hierarchical"]
START_KINDS: tuple[StartKind, ...] = get_args(StartKind)
MIXED: Mapping[StartKind, float] = {
    "whitened": 0.4, "kmeans": 0.2, "plusplus": 0.2, "random": 0.1, "hierarchical": 0.1,
}  # fmt: skip
# k-means needs no more rows than this to find its centres; Ward's method is quadratic in rows.
KMEANS_ROWS = 8192
WARD_ROWS = 2000
WARD_ROWS_AGAIN = 400


def kind_of(index: int, shares: Mapping[StartKind, float] = MIXED) -> StartKind:
    """The kind of start number ``index``: shares are kept over every prefix as closely as whole numbers allow."""
    return _kinds(tuple(shares.items()), 1 << int(index).bit_length())[index]


@lru_cache(maxsize=64)
def _kinds(shares: tuple[tuple[StartKind, float], ...], count: int) -> list[StartKind]:
    """The kinds of the first ``count`` starts."""
    total = sum(share for _, share in shares)
    given = dict.fromkeys((kind for kind, _ in shares), 0)
    found: list[StartKind] = []
    for place in range(count):
        kind, _ = max(shares, key=lambda pair: pair[1] / total * (place + 1) - given[pair[0]])
        given[kind] += 1
        found.append(kind)
    return found


class Starts:
    """Makes starting parameters for one table and one number of components.

    Args:
        x: (n, d) rows in the user's units. rows: the same in fit coordinates. family, guard: of the fit.
        seed: of the fit. shares: of the kinds. weights: (n,) row weights or None.
    """

    def __init__(
        self,
        x: Array,
        rows: MemoryRows,
        family: Family,
        components: int,
        guard: Guard,
        seed: int,
        shares: Mapping[StartKind, float] = MIXED,
        weights: Array | None = None,
    ) -> None:
        self.x, self.rows, self.family, self.guard = x, rows, family, guard
        self.components, self.seed, self.shares, self.weights = components, seed, shares, weights
        self._spaces: dict[str, NDArray[np.float32]] = {}

    def parameters(self, indices: Sequence[int]) -> Parameters:
        """Starting parameters of the starts with these numbers, one chain each."""
        labels = self.labels(indices)
        moments = partition_moments(self.rows, labels, self.components, self.family in DIAGONAL, self.weights)
        params = maximise(self.family, moments, self.guard)
        seeded = [r for r, index in enumerate(indices) if kind_of(index, self.shares) == "plusplus"]
        if not seeded:
            return params
        chains = np.array(seeded)
        pooled = maximise("EEI" if params.diagonal else "EEE", moments.take(chains), self.guard)
        even = np.full((len(chains), self.components), 1 / self.components)
        axes = None if params.orientation is None else params.orientation[chains]
        return params.put(chains, replace(pooled, weights=even, orientation=axes))

    def labels(self, indices: Sequence[int]) -> NDArray[np.int16]:
        """The starting partitions (R, n); nearest seeds for the k-means++ kind."""
        labels = np.empty((len(indices), len(self.x)), np.int16)
        for kind in self.shares:
            mine = [r for r, index in enumerate(indices) if kind_of(index, self.shares) == kind]
            if mine:
                rngs = [generator(self.seed, "start", indices[r]) for r in mine]
                labels[mine] = self._partition(kind, [indices[r] for r in mine], rngs)
        return labels

    def _partition(self, kind: StartKind, indices: list[int], rngs: list[np.random.Generator]) -> NDArray[np.int16]:
        if kind == "random":
            return np.array([rng.integers(self.components, size=len(self.x), dtype=np.int16) for rng in rngs])
        if kind == "hierarchical":
            return np.array([self._ward(index, rng) for index, rng in zip(indices, rngs, strict=True)])
        space = self._space("whitened" if kind == "whitened" else "columns")
        sample = self._sample(space)
        centres = plus_plus(sample, self.components, rngs)
        return assign(space, centres if kind == "plusplus" else lloyd(sample, centres))

    def _space(self, kind: Literal["whitened", "columns"]) -> NDArray[np.float32]:
        if kind not in self._spaces:
            frame = frame_from(kind, *mean_and_covariance(self.x, self.weights))
            self._spaces[kind] = frame.to(self.x).astype(np.float32)
        return self._spaces[kind]

    def _sample(self, space: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(space) <= KMEANS_ROWS:
            return space
        return space[generator(self.seed, "k-means rows").choice(len(space), KMEANS_ROWS, replace=False)]

    def _ward(self, index: int, rng: np.random.Generator) -> NDArray[np.int16]:
        """Ward's clustering in whitened coordinates; the first uses as many rows as allowed, later ones vary few."""
        space = self._space("whitened")
        first = next(i for i in range(index + 1) if kind_of(i, self.shares) == "hierarchical")
        limit = WARD_ROWS if index == first else min(WARD_ROWS_AGAIN, max(2 * len(space) // 3, 2))
        picked = space if len(space) <= limit else space[rng.choice(len(space), limit, replace=False)]
        return assign(space, ward_centres(picked, self.components)[None])[0]


def ward_centres(x: NDArray[np.float32], components: int) -> NDArray[np.float32]:
    """Means (G, d) of the G clusters of Ward's method (Ward 1963) on rows x (n, d)."""
    from scipy.cluster.hierarchy import fcluster, linkage

    centres = np.repeat(x[:1], components, axis=0)
    if len(x) > 1:
        labels = fcluster(linkage(x, "ward"), components, "maxclust")
        for k, label in enumerate(np.unique(labels)):
            centres[k] = x[labels == label].mean(axis=0)
    return centres
