"""Partitions that a choice of model begins from, shared by all families."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.model.coordinates import frame_from, mean_and_covariance
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.search.kmeans import assign, lloyd, plus_plus
from engine.studies.mixture.search.starts import WARD_ROWS

# Clusters of Ward's method that are merged on, at least, and floors in rows; None is as many as columns.
MERGED = ((25, None), (25, 1.0), (75, 1.0))
SEEDS_EACH = 3  # and for each cluster asked for
DIAGONAL_FROM = 65  # columns from which merging looks at variances only


def partitions(x: Array, components: Iterable[int], count: int, seed: int) -> dict[int, NDArray[np.int16]]:
    """G -> up to ``count`` distinct partitions (S, n) of rows x (n, d): the best of several methods first.

    Ward's clusters merged on by likelihood with a strong and with a weak floor, Ward's method itself, then k-means in
    turns on whitened and plain columns.
    """
    components = list(components)
    plain = np.ascontiguousarray(x, np.float32)
    white = frame_from("whitened", *mean_and_covariance(x)).to(x)
    trees = _trees(white, components, seed)
    found = {}
    for g in components:
        parts = [np.zeros(len(x), np.int16)] if g == 1 else [tree[g] for tree in trees][:count]
        index = 0
        while g > 1 and len(parts) < count:
            space = white.astype(np.float32) if index % 2 == 0 else plain
            seeds = plus_plus(space, g, [generator(seed, "select", g, index // 2, k) for k in range(4)])
            parts.append(assign(space, _tightest(space, lloyd(space, seeds)))[0])
            index += 1
        found[g] = distinct_partitions(parts)
    return found


def _trees(white: Array, components: list[int], seed: int) -> list[dict[int, NDArray[np.int16]]]:
    from scipy.cluster.hierarchy import fcluster, linkage

    n, d = white.shape
    if n < 2:
        return []
    picked = np.arange(n) if n <= WARD_ROWS else generator(seed, "ward").choice(n, WARD_ROWS, False)
    tree = linkage(white[picked].astype(np.float32), "ward")

    def cut(number: int) -> NDArray[np.int16]:
        groups = fcluster(tree, number, "maxclust") - 1
        if n <= WARD_ROWS:
            return groups.astype(np.int16)
        centres = np.array([white[picked][groups == k].mean(axis=0) for k in np.unique(groups)], np.float32)
        return _packed(assign(white.astype(np.float32), centres[None])[0])

    merged = []
    for seeds, floor in MERGED:
        fine = cut(min(max(seeds, SEEDS_EACH * max(components)), max(n // 2, 1)))
        merged.append(agglomerate(white, fine, set(components), floor or float(d)))
    ward = {g: cut(g) for g in components}
    # More clusters than there are distinct rows cannot be had.
    return [{g: tree.get(g, ward[g]) for g in components} for tree in (merged[0], ward, *merged[1:])]


def agglomerate(x: Array, labels: NDArray[np.integer], sizes: set[int], floor: float) -> dict[int, NDArray[np.int16]]:
    """Merge clusters two at a time where the classification likelihood of free Gaussians falls least.

    The criterion is sum_k n_k log |(W_k + c I) / (n_k + c)| (Banfield & Raftery 1993, section 2, for unconstrained
    covariances), from a partition finer than single rows would allow (Fraley 1998, section 4); c keeps small clusters
    from singular scatters.

    Args:
        x: (n, d) whitened. labels: (n,) of K clusters. sizes: numbers of clusters wanted. floor: c.

    Returns: size -> (n,) labels, for sizes up to K.
    """
    state = _Merging(x, labels, floor)
    found: dict[int, NDArray[np.int16]] = {}
    label = np.arange(len(state.n))
    for left in range(len(state.n), 0, -1):
        if left in sizes:
            found[left] = _packed(label[labels])
        if left > 1:
            kept, gone = state.merge()
            label[label == gone] = kept
    return found


class _Merging:
    """Clusters by their sums, and what merging each pair would cost."""

    def __init__(self, x: Array, labels: NDArray[np.integer], floor: float) -> None:
        self.floor, count, d = floor, int(labels.max()) + 1, x.shape[1]
        groups = [x[labels == k] for k in range(count)]
        self.n = np.array([float(len(group)) for group in groups])
        self.mean = np.array([group.mean(axis=0) for group in groups])
        centred = [group - mean for group, mean in zip(groups, self.mean, strict=True)]
        self.diagonal = d >= DIAGONAL_FROM
        self.w = np.array([(c * c).sum(axis=0) if self.diagonal else c.T @ c for c in centred])
        self.own = self._cost(self.n, self.w)
        self.alive = np.ones(count, bool)
        self.rise = np.full((count, count), np.inf)
        for k in range(count - 1):
            self._compare(k, np.arange(k + 1, count))

    def merge(self) -> tuple[int, int]:
        """Merge the cheapest pair; the one that stays and the one that is gone."""
        kept, gone = divmod(int(np.argmin(self.rise)), len(self.n))
        n, mean, w = self._union(kept, np.array([gone]))
        self.n[kept], self.mean[kept], self.w[kept] = n[0], mean[0], w[0]
        self.own[kept] = self._cost(n, w)[0]
        self.alive[gone] = False
        self.rise[gone] = self.rise[:, gone] = np.inf
        others = np.flatnonzero(self.alive)
        self._compare(kept, others[others != kept])
        return kept, gone

    def _compare(self, k: int, others: NDArray[np.intp]) -> None:
        if len(others):
            n, _, w = self._union(k, others)
            rise = self._cost(n, w) - self.own[k] - self.own[others]
            self.rise[np.minimum(k, others), np.maximum(k, others)] = rise

    def _union(self, k: int, others: NDArray[np.intp]) -> tuple[Array, Array, Array]:
        n = self.n[k] + self.n[others]
        gap = self.mean[others] - self.mean[k]
        share = (self.n[k] * self.n[others] / n)[:, None]
        between = share * gap**2 if self.diagonal else share[..., None] * gap[:, :, None] * gap[:, None, :]
        mean = self.mean[k] + (self.n[others] / n)[:, None] * gap
        return n, mean, self.w[k] + self.w[others] + between

    def _cost(self, n: Array, w: Array) -> Array:
        if self.diagonal:
            return n * np.log((w + self.floor) / (n + self.floor)[:, None]).sum(axis=1)
        raised = (w + self.floor * np.eye(w.shape[-1])) / (n + self.floor)[:, None, None]
        return np.asarray(n * np.linalg.slogdet(raised)[1])


def _packed(labels: NDArray[np.integer]) -> NDArray[np.int16]:
    return np.unique(labels, return_inverse=True)[1].astype(np.int16)


def distinct_partitions(parts: list[NDArray[np.int16]]) -> NDArray[np.int16]:
    """Partitions that differ by more than the names of their clusters."""
    kept: dict[bytes, NDArray[np.int16]] = {}
    for labels in parts:
        # Clusters are named by the order in which the rows meet them: of repeated places the last written stays.
        first = np.full(int(labels.max()) + 1, len(labels))
        first[labels[::-1]] = np.arange(len(labels))[::-1]
        order = np.argsort(np.argsort(first)).astype(np.int16)
        kept.setdefault(order[labels].tobytes(), labels.astype(np.int16))
    return np.array(list(kept.values()))


def _tightest(space: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of several sets of centres (R, G, d) the one with the least distances to the rows: (1, G, d)."""
    cost = []
    for one in centres:
        distance = (space * space).sum(1)[:, None] - 2 * space @ one.T + (one * one).sum(1)
        cost.append(float(distance.min(axis=1).sum()))
    return centres[int(np.argmin(cost))][None]
