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


@dataclass
class Search:
    """Where a search stands.

    Attributes:
        best: distinct solutions, best first. idle: rounds since the last gain. rounds: so far.
    """

    best: Outcome
    idle: int = 0
    rounds: int = 0

    @classmethod
    def begin(cls, found: Outcome, guard: Guard, rules: EscapeRules = RULES) -> Search:
        """From converged chains."""
        return cls(found.take(distinct(found.score(guard), rules.keep, rules.gain)))

    def over(self, rules: EscapeRules = RULES) -> bool:
        """Whether no further round is due."""
        return self.idle >= rules.patience or self.rounds >= rules.rounds


def escape_round(
    rows: Rows,
    search: Search,
    family: Family,
    guard: Guard,
    control: Control,
    seed: int,
    rules: EscapeRules = RULES,
    *,
    weights: Array | None = None,
    observe: Observe | None = None,
    tick: Observe | None = None,
) -> Search:
    """One round: shake copies of the best solutions on resamples, let them settle, run the best distinct ones out.

    Args:
        observe: sees every pass of the last step, chains named by rank. tick: called after every other pass.
    """
    best = search.best
    before = best.score(guard)[0]
    streams = [generator(seed, "escape", search.rounds, chain) for chain in range(rules.chains)]
    counts = np.array([resample(rows.n, stream) for stream in streams])
    if weights is not None:
        counts = counts * weights
    parents = best.params.take(np.arange(rules.chains) % len(best.objective))
    shaken = expectation_maximisation(
        rows, parents, family, guard, replace(control, max_iterations=rules.shaken), weights=counts, observe=tick
    )
    settled = expectation_maximisation(
        rows, shaken.params, family, guard, replace(control, max_iterations=rules.settle), weights=weights, observe=tick
    )
    family_of = join([best, settled])
    picked = family_of.take(distinct(family_of.score(guard), rules.keep, rules.gain))
    final = expectation_maximisation(rows, picked.params, family, guard, control, weights=weights, observe=observe)
    best = final.take(distinct(final.score(guard), rules.keep, rules.gain))
    idle = 0 if best.score(guard)[0] > before + rules.gain else search.idle + 1
    return Search(best, idle, search.rounds + 1)


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
    search = Search.begin(found, guard, rules)
    while not search.over(rules):
        search = escape_round(rows, search, family, guard, control, seed, rules, weights=weights, observe=observe)
    return search.best, search.rounds


def resample(n: int, rng: np.random.Generator) -> Array:
    """Bootstrap counts of n rows (Efron 1979), (n,) float64, sum n."""
    return np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
