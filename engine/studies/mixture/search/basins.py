"""The likelihood's local maxima as a picture: which starts ended in the same one, and how far apart they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.em.sweep import MemoryRows
from engine.studies.mixture.model.agreement import (
    adjusted_rand_index,
    confusion,
    landmark_scaling,
    match,
    variation_of_information,
)
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.search.fit import Fit
from engine.studies.mixture.search.student import look

ROWS = 2000
# Partitions nearer than this, in nats of variation of information, count as one maximum.
SAME = 0.05
# Solutions that all others are compared with, and maxima whose barriers are measured.
LANDMARKS, TREE = 400, 12


@dataclass(frozen=True)
class Basins:
    """Local maxima reached by R starts, best first, those that no start has reached last.

    Attributes:
        member: (R,) the maximum of each start. chain: (K,) the best chain of each maximum.
        share: (K,) of the starts; solutions found by resampling are not starts and do not count.
        objective: (K,) of its best chain. distance: (R, L) variation of information between solutions, nats,
            L = R but for very many starts.
        position: (R, 2) classical scaling of the distances. agreement: (R,) adjusted Rand index with the best chain.
        barrier: (K, K) the lowest log-likelihood on the straight line between two maxima, nats, in fit coordinates; nan
            beyond the first maxima, and where starts only left the race.
    """

    member: NDArray[np.intp]
    chain: NDArray[np.intp]
    share: Array
    objective: Array
    distance: Array
    position: Array
    agreement: Array
    barrier: Array


def basins(fit: Fit, x: Array, *, same: float = SAME, seed: int = 0, most: int = TREE) -> Basins:
    """Group the solutions of a fit by the partitions they make of (at most 2000 of) its rows.

    Args:
        x: (n, d) the rows that were fitted, user's units. same: variation of information within a maximum, nats.
        most: maxima between which barriers are measured.
    """
    rows = MemoryRows(fit.frame.to(sample_rows(x, seed)))
    labels = chain_labels(rows, fit.params)
    found = grouped(labels, fit.objectives, fit.best, same, fit.finished)
    member, leaders = _reached_first(found.member, found.leaders, fit.finished)
    begun = fit.starts >= 0
    share = np.bincount(member[begun], minlength=len(leaders)) / max(int(begun.sum()), 1)
    agreement = np.array([adjusted_rand_index(labels[fit.best], one) for one in labels])
    barrier = np.full((len(leaders), len(leaders)), np.nan)
    tree = leaders[: min(most, len(set(member[fit.finished].tolist())))]
    barrier[: len(tree), : len(tree)] = barriers(rows, fit.params.take(tree), labels[tree])
    return Basins(member, leaders, share, fit.objectives[leaders], found.distance, found.position(), agreement, barrier)


@dataclass(frozen=True)
class Grouping:
    """Solutions gathered into maxima.

    Attributes:
        member: (R,) the maximum of each solution. leaders: (K,) the best solution of each.
        landmarks: (L,) the solutions that all are compared with: all, or the best few hundred.
        distance: (R, L) variation of information, nats.
    """

    member: NDArray[np.intp]
    leaders: NDArray[np.intp]
    landmarks: NDArray[np.intp]
    distance: Array

    def position(self) -> Array:
        """(R, 2) a map of the solutions."""
        return landmark_scaling(self.distance, self.landmarks)


def grouped(
    labels: NDArray[np.integer],
    objectives: Array,
    best: int,
    same: float = SAME,
    finished: NDArray[np.bool_] | None = None,
) -> Grouping:
    """Solutions gathered into maxima by the partitions that they make.

    Args:
        labels: (R, n) of each solution. objectives: (R,) by which maxima are ranked. best: the solution shown, which
            is in the first maximum. finished: (R,) those that are compared with all others where there are too many to
            compare each with each; the rest is then gathered in one last group, unless it is near a maximum.
    """
    r = len(labels)
    rank = np.zeros(r, bool) if finished is None else ~finished
    # The solution shown is the first maximum, even where a spurious one has a higher objective.
    landmarks = np.sort(np.lexsort((-objectives, rank, np.arange(r) != best))[:LANDMARKS])
    distance = variation_of_information(labels, labels[landmarks])
    column = {int(chain): place for place, chain in enumerate(landmarks)}
    member = np.full(r, -1)
    leaders: list[int] = []
    for chain in landmarks[np.lexsort((-objectives[landmarks], landmarks != best))].tolist():
        near = [k for k, leader in enumerate(leaders) if distance[chain, column[leader]] <= same]
        member[chain] = near[0] if near else len(leaders)
        if not near:
            leaders.append(chain)
    rest = np.setdiff1d(np.arange(r), landmarks)
    if len(rest):
        away = distance[rest][:, [column[leader] for leader in leaders]]
        member[rest] = np.where(away.min(axis=1) <= same, away.argmin(axis=1), len(leaders))
        lost = rest[member[rest] == len(leaders)]
        leaders += [int(lost[np.argmax(objectives[lost])])] if len(lost) else []
    return Grouping(member, np.array(leaders), landmarks, distance)


def _reached_first(
    member: NDArray[np.intp], leaders: NDArray[np.intp], finished: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Maxima that a start has reached before places where starts only left the race; else as they were ranked."""
    reached = np.isin(np.arange(len(leaders)), member[finished])
    order = np.argsort(~reached, kind="stable")
    return np.argsort(order, kind="stable")[member], leaders[order]


def sample_rows(x: Array, seed: int = 0, most: int = ROWS) -> Array:
    """All rows, or ``most`` of them at random."""
    return x if len(x) <= most else x[np.sort(generator(seed, "basins").choice(len(x), most, replace=False))]


def chain_labels(rows: MemoryRows, params: Parameters) -> NDArray[np.int16]:
    """The most probable component of each row in each chain, (R, n)."""
    labels = np.empty((params.chains, rows.n), np.int16)

    def keep(block: slice, z: Array, density: Array) -> None:
        labels[:, block] = z.argmax(axis=0)

    look(rows, params, keep)
    return labels


def barriers(rows: MemoryRows, params: Parameters, labels: NDArray[np.integer], points: int = 9) -> Array:
    """Lowest log-likelihood along memberships mixed from one maximum to another, (K, K), for a tree of maxima.

    Components are matched first; means, covariances and weights then move in a straight line, which for
    covariances stays positive definite.
    """
    k = params.chains
    out = np.full((k, k), np.inf)
    own = look(rows, params)
    out[np.arange(k), np.arange(k)] = own
    for i in range(k):
        for j in range(i):
            order = _partners(labels[i], labels[j], params.components)
            value = min(own[i], own[j], float(_along(rows, params, i, j, order, points).min()))
            out[i, j] = out[j, i] = value
    return out


def _partners(a: NDArray[np.integer], b: NDArray[np.integer], components: int) -> NDArray[np.intp]:
    full = np.zeros((components, components))
    table = confusion(a, b)
    full[: table.shape[0], : table.shape[1]] = table
    return match(full)


def _along(rows: MemoryRows, params: Parameters, i: int, j: int, order: NDArray[np.intp], points: int) -> Array:
    t = np.linspace(0, 1, points + 2)[1:-1]

    def mix(values: Array) -> Array:
        shape = (points,) + (1,) * (values.ndim - 1)
        return (1 - t.reshape(shape)) * values[i] + t.reshape(shape) * values[j][order]

    covariances = mix(params.covariances)
    if params.diagonal:
        precisions, logs = 1 / covariances, np.log(covariances).sum(-1)
    else:
        precisions, logs = np.linalg.inv(covariances), np.linalg.slogdet(covariances)[1]
    weights = mix(params.weights)
    dof = None if params.dof is None else mix(params.dof)
    between = Parameters(weights, mix(params.means), covariances, precisions, logs, weights > 0, None, dof)
    return look(rows, between)
