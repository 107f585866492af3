"""Leaving local maxima by resampling: a few EM steps on bootstrap weights, then EM on the data again.

A maximum that only the sample's accidents hold up does not survive a resample; a better one nearby is then found by
plain EM. After the idea of Andrews (2018), "Addressing overfitting and underfitting in Gaussian model-based
clustering", that bootstrap steps inside EM leave local maxima; the population of chains and the stop rule are own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.seeding import generator
from engine.studies.mixture.em import Control, Observe, Outcome, expectation_maximisation
from engine.studies.mixture.families import Family
from engine.studies.mixture.parameters import Array
from engine.studies.mixture.race import distinct, join
from engine.studies.mixture.regularise import Guard
from engine.studies.mixture.sweep import Rows


@dataclass(frozen=True)
class EscapeRules:
    """How long and how wide to search.

    Attributes:
        chains: resamples a round. keep: best distinct solutions carried on. shaken: EM steps on resampled rows.
        settle: EM steps on the data before chains are compared. patience: rounds without a gain before stopping.
        rounds: at most. gain: nats that count as better.
    """

    chains: int = 40
    keep: int = 5
    shaken: int = 10
    settle: int = 20
    patience: int = 3
    rounds: int = 15
    gain: float = 1e-3


RULES = EscapeRules()


def escape(
    rows: Rows,
    found: Outcome,
    family: Family,
    guard: Guard,
    control: Control,
    seed: int,
    rules: EscapeRules = RULES,
    *,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> tuple[Outcome, int]:
    """Search on from the best solutions found; returns at most ``keep`` distinct ones, best first, and the rounds used.

    Args:
        found: converged chains. weights: (n,) row weights. observe: sees every pass on the data itself.
    """
    best = found.take(distinct(found.score(guard), rules.keep, rules.gain))
    idle = 0
    for step in range(rules.rounds):
        before = best.score(guard)[0]
        counts = np.array([resample(rows.n, generator(seed, "escape", step, chain)) for chain in range(rules.chains)])
        if weights is not None:
            counts = counts * weights
        parents = best.params.take(np.arange(rules.chains) % len(best.objective))
        shaken = expectation_maximisation(
            rows, parents, family, guard, replace(control, max_iterations=rules.shaken), weights=counts
        )
        settled = expectation_maximisation(
            rows, shaken.params, family, guard, replace(control, max_iterations=rules.settle), weights=weights
        )
        family_of = join([best, settled])
        picked = family_of.take(distinct(family_of.score(guard), rules.keep, rules.gain))
        final = expectation_maximisation(rows, picked.params, family, guard, control, weights=weights, observe=observe)
        best = final.take(distinct(final.score(guard), rules.keep, rules.gain))
        idle = 0 if best.score(guard)[0] > before + rules.gain else idle + 1
        if idle == rules.patience:
            break
    return best, step + 1


def resample(n: int, rng: np.random.Generator) -> Array:
    """Bootstrap counts of n rows (Efron 1979), (n,) float64, sum n."""
    return np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
