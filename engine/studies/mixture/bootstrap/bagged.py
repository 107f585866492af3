"""Bagged EM: refits on resamples from the best solution, for honest likelihoods, errors and cluster stability.

Unlike resampling inside EM this is never absorbing: each replicate is a whole fit that begins at the same solution,
so it also serves in many dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.em.em import Control, Observe, expectation_maximisation
from engine.studies.mixture.em.sweep import Rows
from engine.studies.mixture.model.agreement import jaccard, match
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.escape import resample
from engine.studies.mixture.search.race import renumber
from engine.studies.mixture.search.student import look, student_em

BATCH = 25


@dataclass
class Bagged:
    """What B resamples say about a fit.

    Attributes:
        memberships: (n, G) means over the replicates that left the row out; over all where none did.
        row_likelihood: (n,) mean log density of a row in replicates that left it out, nan where none did.
        out_of_bag: its mean per row, nats, in fit coordinates. training: log-likelihood per row of the fit itself.
        weights, means, covariances: (B, ...) replicate parameters matched to the fit's components, fit coordinates.
        dof: (B, G) degrees of freedom of t components, else (B, 0).
        jaccard: (B, G) similarity of each cluster with its like in each replicate.
        labels: (B, n) replicate labels, matched; used for the consensus.
    """

    memberships: Array
    row_likelihood: Array
    out_of_bag: float
    training: float
    weights: Array
    means: Array
    covariances: Array
    dof: Array
    jaccard: Array
    labels: NDArray[np.int16]

    def gap(self) -> float:
        """Training minus out-of-bag log-likelihood, nats per row."""
        return self.training - self.out_of_bag


def bagged_em(
    rows: Rows,
    start: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    seed: int,
    replicates: int = 50,
    *,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Bagged:
    """Weighted EM to convergence on ``replicates`` resamples, each from every chain of ``start``; the best one counts.

    Args:
        rows: complete ones for t-mixtures. start: its first chain is the fit itself; more chains, such as other maxima,
            make refits freer (Hennig 2007). With ``dof`` they are t-mixtures, refitted by ECM.
        observe: sees every pass, chains named by replicate number.
    """
    n, g = rows.n, start.components
    z0, density0 = _evaluate(rows, start.take(np.zeros(1, int)))
    reference = z0[0].argmax(axis=1)
    total, times, every = np.zeros((n, g)), np.zeros(n), np.zeros((n, g))
    likelihood = np.zeros(n)
    kept: list[tuple[Array, ...]] = []
    similar, labels = np.empty((replicates, g)), np.empty((replicates, n), np.int16)
    for first in range(0, replicates, BATCH):
        numbers = np.arange(first, min(first + BATCH, replicates))
        counts = np.array([resample(n, generator(seed, "bag", int(b))) for b in numbers])
        weighted = counts if weights is None else counts * weights
        out = _refit(rows, start, family, guard, control, weighted, renumber(observe, numbers))
        z, density = _evaluate(rows, out)
        for k, b in enumerate(numbers):
            order = match(z0[0].T @ z[k])
            mine, left_out = z[k][:, order], counts[k] == 0
            total[left_out] += mine[left_out]
            likelihood[left_out] += density[k][left_out]
            times += left_out
            every += mine
            labels[b] = mine.argmax(axis=1)
            similar[b] = _pad(jaccard(reference, labels[b], counts[k]), g)
            dof = np.zeros(0) if out.dof is None else out.dof[k][order]
            kept.append((out.weights[k][order], out.means[k][order], out.covariances[k][order], dof))
    memberships = np.where(times[:, None] > 0, total, every)
    memberships /= np.maximum(memberships.sum(axis=1, keepdims=True), 1e-300)
    with np.errstate(invalid="ignore"):
        per_row = np.where(times > 0, likelihood / np.maximum(times, 1), np.nan)
    share = np.ones(n) if weights is None else weights
    seen = times > 0
    out_of_bag = float(np.average(per_row[seen], weights=share[seen])) if seen.any() else float("nan")
    training = float(np.average(density0[0], weights=share))
    w, m, c, nu = (np.array(part) for part in zip(*kept, strict=True))
    return Bagged(memberships, per_row, out_of_bag, training, w, m, c, nu, similar, labels)


def _refit(
    rows: Rows,
    start: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    weights: Array,
    observe: Observe | None,
) -> Parameters:
    """The best solution of each resample: one chain for each row of ``weights`` (B, n)."""
    score, found = np.full(len(weights), -np.inf), start.take(np.zeros(len(weights), int))
    climb = expectation_maximisation if start.dof is None else student_em
    for chain in range(start.chains):
        begin = start.take(np.full(len(weights), chain))
        out = climb(rows, begin, family, guard, control, weights=weights, observe=observe)
        better = np.flatnonzero(out.score(guard) > score)
        score[better] = out.score(guard)[better]
        found = found.put(better, out.params.take(better))
    return found


def _evaluate(rows: Rows, params: Parameters) -> tuple[Array, Array]:
    """Memberships (R, n, G) and log densities (R, n)."""
    r, g = params.chains, params.components
    z, density = np.empty((g, r, rows.n)), np.empty((r, rows.n))

    def keep(block: slice, part: Array, value: Array) -> None:
        z[:, :, block], density[:, block] = part, value

    look(rows, params, keep)
    return np.ascontiguousarray(z.transpose(1, 2, 0)), density


def _pad(values: Array, length: int) -> Array:
    """Clusters without a single row have no similarity: 0."""
    return np.append(values, np.zeros(length - len(values)))
