"""Relatives of EM: classification EM, stochastic EM, deterministic annealing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from engine.seeding import generator
from engine.studies.mixture.em.em import Control, Iteration, Observe, Outcome, expectation_maximisation
from engine.studies.mixture.em.kernels import Real
from engine.studies.mixture.em.sweep import Rows, soft
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard

# Inverse temperatures of deterministic annealing, one EM step at each. With free covariances components drift together
# while it is hot, and at beta <= 1 their common place is at best marginally unstable: a ladder from 0.1 leaves every
# chain of family EEE on iris at the likelihood of one component (-379.9 instead of -256.4).
LADDER = (0.5, 0.6, 0.7, 0.8, 0.9)
STEPS = 1
NUDGE = 0.01


def hard(joint: Real, rows: slice) -> Real:
    """Each row wholly to its most probable component, in place. Returns log f(x)."""
    top = joint.max(axis=0)
    best = joint.argmax(axis=0)
    density = top + np.log(np.exp(joint - top).sum(axis=0))
    joint[:] = best == np.arange(len(joint))[:, None, None]
    return density


class Drawn:
    """Each row wholly to one component drawn from its memberships; chain r and pass t have a stream of their own.

    Args:
        seed: of the fit. chains: numbers that name the streams.
    """

    def __init__(self, seed: int, chains: list[int]) -> None:
        self._seed, self._chains, self._pass = seed, chains, 0
        self._streams: list[np.random.Generator] = []

    def __call__(self, joint: Real, rows: slice) -> Real:
        if rows.start == 0:
            self._streams = [generator(self._seed, "draw", chain, self._pass) for chain in self._chains]
            self._pass += 1
        density = soft(joint, rows)
        draws = np.array([stream.random(joint.shape[2]) for stream in self._streams])
        edges = np.cumsum(joint, axis=0)
        at = (edges < draws * edges[-1]).sum(axis=0)
        joint[:] = at == np.arange(len(joint))[:, None, None]
        return density


class Tempered:
    """Memberships proportional to f_k^beta (Ueda & Nakano 1998); log f(x) stays that of the mixture."""

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def __call__(self, joint: Real, rows: slice) -> Real:
        top = joint.max(axis=0)
        joint -= top
        density = top + np.log(np.exp(joint).sum(axis=0))
        joint *= self.beta
        np.exp(joint, out=joint)
        joint /= joint.sum(axis=0)
        return density


def classification_em(
    rows: Rows,
    params: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    *,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Outcome:
    """CEM (Celeux & Govaert 1992): hard memberships until nothing changes; maximises the classification likelihood."""
    return expectation_maximisation(
        rows, params, family, guard, replace(control, respond=hard), weights=weights, observe=observe
    )


def stochastic_em(
    rows: Rows,
    params: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    seed: int,
    draws: int = 100,
    *,
    chains: list[int] | None = None,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Outcome:
    """SEM (Celeux & Diebolt 1985): ``draws`` random steps, then EM from the best parameters that each chain visited."""
    best = np.full(params.chains, -np.inf)
    kept: list[Parameters] = [params]

    def keep(seen: Iteration) -> None:
        better = seen.objective > best
        best[better] = seen.objective[better]
        kept[0] = kept[0].put(np.flatnonzero(better), seen.params.take(better))
        if observe is not None:
            observe(seen)

    names = list(range(params.chains)) if chains is None else chains
    # A tolerance of 0 lets no chain leave: two successive draws never give the same likelihood but by accident.
    random = replace(control, respond=Drawn(seed, names), tolerance=0.0, max_iterations=draws)
    expectation_maximisation(rows, params, family, guard, random, weights=weights, observe=keep)
    return expectation_maximisation(rows, kept[0], family, guard, control, weights=weights, observe=observe)


def annealed_em(
    rows: Rows,
    params: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    seed: int,
    *,
    chains: list[int] | None = None,
    ladder: tuple[float, ...] = LADDER,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Outcome:
    """Deterministic annealing (Ueda & Nakano 1998): EM on flattened memberships, sharpened step by step, then EM.

    Means are moved by a hundredth of a deviation at each temperature, so that equal components can part.
    """
    names = list(range(params.chains)) if chains is None else chains
    spent: Any = 0
    for rung, beta in enumerate(ladder):
        noise = np.array(
            [generator(seed, "anneal", name, rung).standard_normal(params.means.shape[1:]) for name in names]
        )
        deviations = np.sqrt(np.diagonal(params.full_covariances(), axis1=-2, axis2=-1))
        params = replace(params, means=params.means + NUDGE * deviations * noise)
        warm = replace(control, respond=Tempered(beta), tolerance=0.0, max_iterations=STEPS)
        out = expectation_maximisation(rows, params, family, guard, warm, weights=weights, observe=observe)
        params, spent = out.params, spent + out.iterations
    out = expectation_maximisation(rows, params, family, guard, control, weights=weights, observe=observe)
    out.iterations = out.iterations + spent
    return out
