"""Parametric bootstrap of the likelihood ratio of G against G + 1 components (McLachlan 1987).

The statistic is a difference of two maxima, so each table, the drawn ones too, is searched in the same way: from a few
starts, from the mixture that it came from, and for G + 1 from the best G with each of its components split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.seeding import derive, generator
from engine.studies.mixture.em.em import Observe, Outcome, expectation_maximisation
from engine.studies.mixture.model.coordinates import to_frame
from engine.studies.mixture.model.families import DIAGONAL, Family
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array, Parameters, concatenate
from engine.studies.mixture.search.fit import Fit, Options, Task, prepare, starts_of
from engine.studies.mixture.search.fit import conclude as best_of
from engine.studies.mixture.search.race import Raced, distinct
from engine.studies.mixture.search.starts import kind_of
from engine.studies.mixture.search.student import BEGIN, student_em

SHORT, FINALISTS = 10, 4  # iterations that all starts make, and how many distinct ones run out
SPLITS, MERGES = 8, 8


@dataclass(frozen=True)
class RatioTest:
    """The outcome of the test.

    Attributes:
        statistic: 2 (ll of G + 1 - ll of G), nats. replicates: (B,) the statistic in tables drawn from G components.
        p: (1 + number of replicates >= statistic) / (B + 1).
    """

    statistic: float
    replicates: Array
    p: float


def statistic(fewer: Fit, more: Fit) -> float:
    """2 (ll_{G+1} - ll_G), at least 0: the larger model contains the smaller."""
    return max(0.0, 2 * (more.log_likelihood - fewer.log_likelihood))


def maximum(
    x: Array,
    components: int,
    family: Family,
    options: Options,
    given: Sequence[Mixture] = (),
    *,
    student: bool = False,
    observe: Observe | None = None,
) -> Fit:
    """The best mixture of G components that ``options.starts`` starts and EM from each of ``given`` find.

    Args:
        x: (n, d), nan where missing. given: mixtures in the user's units. student: of t components.

    Raises:
        TooFewRowsError: fewer rows than this family can carry.
    """
    task = prepare(x, components, family, options)
    makes = starts_of(task, options)
    numbers = list(range(1 if components == 1 else options.starts))
    begin = makes.parameters(numbers)
    if student:
        begin = replace(begin, dof=np.full(begin.weights.shape, BEGIN))
    begin = concatenate([begin, *(to_frame(task.frame, one, family in DIAGONAL, task.guard) for one in given)])
    rough = _climb(task, begin, replace(options, max_iterations=SHORT), student, observe)
    kept = distinct(rough.score(task.guard), FINALISTS, 1e-6 * task.total)
    # What was given is a maximum of a neighbouring table: it stays, however slowly it climbs at first.
    kept = np.union1d(kept, np.arange(len(numbers), begin.chains)[:1])
    found = _climb(task, rough.params.take(kept), options, student, observe)
    kinds = [kind_of(i, options.shares) if i < len(numbers) else "given" for i in kept.tolist()]
    fit = best_of(task, Raced(found, kept, np.ones(len(kept), bool), False), kinds)
    if student:
        fit.degrees += fit.mixture.components
    return fit


def _climb(task: Task, begin: Parameters, options: Options, student: bool, observe: Observe | None) -> Outcome:
    if student:
        return student_em(task.rows, begin, task.family, task.guard, options.control(), observe=observe)
    return expectation_maximisation(task.rows, begin, task.family, task.guard, options.control(), observe=observe)


def step_up(
    x: Array,
    fewer: Fit,
    options: Options,
    given: Sequence[Mixture] = (),
    *,
    student: bool = False,
    observe: Observe | None = None,
) -> Fit:
    """The best mixture of one component more than ``fewer``, which was fitted to the same rows with ``options``."""
    begin = [*given, *splits(fewer.mixture)]
    return maximum(x, fewer.components + 1, fewer.family, options, begin, student=student, observe=observe)


def splits(mixture: Mixture) -> list[Mixture]:
    """The mixture with one component more: each of the heaviest, in turn, in two halves along its longest axis."""
    found = []
    for k in np.argsort(-mixture.weights, kind="stable")[:SPLITS]:
        values, axes = np.linalg.eigh(mixture.covariances[k])
        step = 0.5 * np.sqrt(max(values[-1], 0.0)) * axes[:, -1]
        one = mixture.permuted(np.append(np.arange(mixture.components), k))
        one.weights[[k, -1]] /= 2
        one.means[k] += step
        one.means[-1] -= step
        found.append(one)
    return found


def merges(mixture: Mixture) -> list[Mixture]:
    """The mixture with one component less: the two of each of the closest pairs replaced by their common moments."""
    found = []
    for i, j in _closest(mixture):
        one = mixture.permuted(np.delete(np.arange(mixture.components), j))
        share = mixture.weights[[i, j]] / mixture.weights[[i, j]].sum()
        gap = mixture.means[i] - mixture.means[j]
        one.weights[i] = mixture.weights[[i, j]].sum()
        one.means[i] = share @ mixture.means[[i, j]]
        within = np.tensordot(share, mixture.covariances[[i, j]], axes=1)
        one.covariances[i] = within + share[0] * share[1] * np.outer(gap, gap)
        found.append(one)
    return found


def _closest(mixture: Mixture) -> list[tuple[int, int]]:
    """Pairs i < j by the Mahalanobis distance of their means, in their average covariance."""
    pairs = [(i, j) for j in range(mixture.components) for i in range(j)]
    distance = []
    for i, j in pairs:
        gap = mixture.means[i] - mixture.means[j]
        distance.append(float(gap @ np.linalg.solve(mixture.covariances[[i, j]].mean(axis=0), gap)))
    return [pairs[k] for k in np.argsort(distance, kind="stable")[:MERGES]]


def replicate(
    null: Mixture,
    n: int,
    options: Options,
    index: int,
    *,
    gaps: NDArray[np.bool_] | None = None,
    observe: Observe | None = None,
) -> float:
    """The statistic in one table of n rows drawn from ``null``; a pure function of (options.seed, index).

    Args:
        gaps: (n, d) cells that are missing in the table tested, and so in this one.
    """
    x, _ = null.sample(n, generator(options.seed, "likelihood ratio", index))
    if gaps is not None:
        x[gaps] = np.nan
    again = replace(options, seed=derive(options.seed, "likelihood ratio", index, "fit"))
    student = null.dof is not None
    fewer = maximum(x, null.components, null.family, again, [null], student=student, observe=observe)
    return statistic(fewer, step_up(x, fewer, again, splits(null)[:1], student=student, observe=observe))


def conclude(observed: float, replicates: Array) -> RatioTest:
    """The p value from the replicates."""
    p = (1 + np.count_nonzero(replicates >= observed)) / (len(replicates) + 1)
    return RatioTest(observed, np.asarray(replicates, float), float(p))


def bootstrap_test(x: Array, fewer: Fit, more: Fit, options: Options, count: int = 99) -> RatioTest:
    """Test G components (``fewer``) against G + 1 (``more``), both fitted to x, with ``count`` replicates.

    Args:
        options: for the fits of the replicates; few starts are enough since each table has its own.
    """
    null = fewer.mixture
    found = np.array([replicate(null, len(x), options, index) for index in range(count)])
    return conclude(statistic(fewer, more), found)
