"""Parametric bootstrap of the likelihood ratio of G against G + 1 components (McLachlan 1987)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.seeding import derive, generator
from engine.studies.mixture.fit import Fit, Options, fit
from engine.studies.mixture.mixture import Mixture
from engine.studies.mixture.parameters import Array


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


def replicate(null: Mixture, n: int, options: Options, index: int) -> float:
    """The statistic in one table of n rows drawn from ``null``; a pure function of (options.seed, index)."""
    x, _ = null.sample(n, generator(options.seed, "likelihood ratio", index))
    again = replace(options, seed=derive(options.seed, "likelihood ratio", index, "fit"))
    fewer = fit(x, null.components, null.family, again)
    return statistic(fewer, fit(x, null.components + 1, null.family, again))


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
