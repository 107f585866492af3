"""Leaving local maxima by resampling: a few EM steps on bootstrap weights, then EM on the data again.

A maximum that only the sample's accidents hold up does not survive a resample; a better one nearby is then found by
plain EM. After the idea of Andrews (2018), "Addressing overfitting and underfitting in Gaussian model-based
clustering", that bootstrap steps inside EM leave local maxima; the population of chains and the stop rule are own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.seeding import generator
from engine.studies.mixture.em.em import Control, Observe, Outcome, expectation_maximisation
from engine.studies.mixture.em.sweep import Rows
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.health import spurious
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.race import distinct, fast_type, join


@dataclass(frozen=True)
class EscapeRules:
    """How long and how wide to search.

    Attributes:
        chains: resamples a round. keep: best distinct solutions carried on. shaken: EM steps on resampled rows.
        settle: EM steps on the data before chains are compared. patience: rounds without a gain before stopping.
        rounds: at most. gain: nats that count as better.
        early: after so many of the steps that settle only the best ``keep`` + 2 chains go on; 0 lets all of them.
            With it, covariances have the floor added while they are shaken, which spares raising them to it.
    """

    chains: int = 40
    keep: int = 5
    shaken: int = 10
    settle: int = 20
    patience: int = 3
    rounds: int = 15
    gain: float = 1e-3
    early: int = 0

    @property
    def passes(self) -> int:
        """Passes of all chains in a round, those of the last step left out."""
        if not self.early:
            return self.chains * (self.shaken + self.settle)
        return self.chains * (self.shaken + self.early) + (self.keep + 2) * (self.settle - self.early)


RULES = EscapeRules()
# For many columns, where a pass is dear and maxima are many: short shakes of few chains climb higher for the same work.
# On the digits (61 columns, 9 components) they end within 0.1 nat a row of the rules above after a quarter of the time.
WIDE_RULES = EscapeRules(chains=20, keep=3, shaken=5, settle=15, rounds=20, early=3)


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
    def begin(cls, found: Outcome, family: Family, guard: Guard, total: float, rules: EscapeRules = RULES) -> Search:
        """From converged chains; ``total`` is the sum of row weights."""
        return cls(found.take(distinct(standing(found, family, guard, total), rules.keep, rules.gain)))

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
    best, total = search.best, float(rows.n) if weights is None else float(weights.sum())
    streams = [generator(seed, "escape", search.rounds, chain) for chain in range(rules.chains)]
    counts = np.array([resample(rows.n, stream) for stream in streams])
    if weights is not None:
        counts = counts * weights
    parents = best.params.take(np.arange(rules.chains) % len(best.objective))
    fast = replace(control, dtype=fast_type(rows, control))
    added = guard.floor if guard.ridge is None else guard.floor + guard.ridge
    soft = replace(guard, ridge=added) if rules.early else guard
    shaken = expectation_maximisation(
        rows, parents, family, soft, replace(fast, max_iterations=rules.shaken), weights=counts, observe=tick
    )
    settled = _settle(rows, shaken.params, family, guard, fast, rules, total, weights, tick)
    family_of = join([best, settled])
    picked = family_of.take(distinct(standing(family_of, family, guard, total), rules.keep, rules.gain))
    final = expectation_maximisation(rows, picked.params, family, guard, control, weights=weights, observe=observe)
    found = final.take(distinct(standing(final, family, guard, total), rules.keep, rules.gain))
    both = join([best.take(np.array([0])), found.take(np.array([0]))])
    before, after = standing(both, family, guard, total)
    return Search(found, 0 if after > before + rules.gain else search.idle + 1, search.rounds + 1)


def standing(found: Outcome, family: Family, guard: Guard, total: float) -> Array:
    """What solutions are ranked by, (R,): their score, lowered so far where they are spurious that all others lead.

    A component that shrinks onto few rows raises the likelihood without end: a search for the highest would end there.

    Args:
        total: sum of row weights.
    """
    score = found.score(guard)
    bad = spurious(found.params, family, guard, total)
    return np.asarray(np.where(bad, score - (np.ptp(score) + 1), score))


def _settle(
    rows: Rows,
    params: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    rules: EscapeRules,
    total: float,
    weights: Array | None,
    tick: Observe | None,
) -> Outcome:
    """EM steps on the data; the best chains go on where the rules thin them out."""
    steps = rules.settle
    if rules.early:
        brief = replace(control, max_iterations=rules.early)
        begun = expectation_maximisation(rows, params, family, guard, brief, weights=weights, observe=tick)
        params = begun.params.take(np.argsort(-standing(begun, family, guard, total), kind="stable")[: rules.keep + 2])
        steps -= rules.early
    rest = replace(control, max_iterations=steps)
    return expectation_maximisation(rows, params, family, guard, rest, weights=weights, observe=tick)


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
    total = float(rows.n) if weights is None else float(weights.sum())
    search = Search.begin(found, family, guard, total, rules)
    while not search.over(rules):
        search = escape_round(rows, search, family, guard, control, seed, rules, weights=weights, observe=observe)
    return search.best, search.rounds


def resample(n: int, rng: np.random.Generator) -> Array:
    """Bootstrap counts of n rows (Efron 1979), (n,) float64, sum n."""
    return np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
