"""Expectation-maximisation for a batch of chains: converged chains leave, collapsed components are seeded anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.maximise import maximise
from engine.studies.mixture.em.sweep import Moments, Respond, Rows, look, soft, sweep
from engine.studies.mixture.model.families import Family, rows_needed
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard, keep_above

MAX_RESEEDS = 3
# float32 log-likelihoods carry about this much noise per row; smaller changes mean nothing there.
FLOAT32_NOISE = 2e-6


@dataclass(frozen=True)
class Iteration:
    """What an observer sees after each pass.

    Attributes:
        step: passes before this one. chains: (r,) indices of the chains still running. params: of those chains.
        log_likelihood: (r,) of ``params``, in fit coordinates. objective: the same plus the log prior.
    """

    step: int
    chains: NDArray[np.intp]
    params: Parameters
    log_likelihood: Array
    objective: Array


Observe = Callable[[Iteration], None]


@dataclass(frozen=True)
class Control:
    """When to stop and how to compute.

    Attributes:
        tolerance: nats per row; a chain stops when its objective changes by less. max_iterations: M-steps at most.
        dtype: float32 or float64 for features and memberships. respond: how memberships follow from densities.
        reseed: whether collapsed components are seeded anew.
    """

    tolerance: float = 1e-5
    max_iterations: int = 500
    dtype: Any = np.float64
    respond: Respond = soft
    reseed: bool = True


@dataclass
class Outcome:
    """Where R chains ended.

    Attributes:
        params: R chains. log_likelihood: (R,) of these parameters, in fit coordinates, float64 sums.
        objective: the same plus the log prior. iterations: (R,) M-steps. converged: (R,).
        reseeds: (R,) how often a component was seeded anew.
    """

    params: Parameters
    log_likelihood: Array
    objective: Array
    iterations: NDArray[np.intp]
    converged: NDArray[np.bool_]
    reseeds: NDArray[np.intp]

    def score(self, guard: Guard) -> Array:
        """What chains are compared by, (R,)."""
        by_likelihood = guard.prior is not None and guard.prior.ranks_by_likelihood
        return self.log_likelihood if by_likelihood else self.objective

    def take(self, chains: NDArray[Any]) -> Outcome:
        """Only these chains."""
        return Outcome(
            self.params.take(chains),
            self.log_likelihood[chains],
            self.objective[chains],
            self.iterations[chains],
            self.converged[chains],
            self.reseeds[chains],
        )


def expectation_maximisation(
    rows: Rows,
    params: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    *,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Outcome:
    """Run EM (Dempster, Laird & Rubin 1977) on all chains together.

    Args:
        rows: in fit coordinates. params: R chains to start from. guard: ``Guard.diagonal()`` for diagonal families.
        weights: (n,) row weights, or (R, n), one set a chain. observe: called after every pass; may raise to stop.
    """
    chains = params.chains
    total = np.full(chains, float(rows.n)) if weights is None else np.broadcast_to(weights.sum(-1), chains)
    tolerance = max(control.tolerance, FLOAT32_NOISE) if control.dtype == np.float32 else control.tolerance
    worst = np.full(chains, -np.inf)
    out = Outcome(params, worst, worst.copy(), np.zeros(chains, int), np.zeros(chains, bool), np.zeros(chains, int))
    alive, current, last, mine = np.arange(chains), params, np.full(chains, -np.inf), weights
    for step in range(control.max_iterations + 1):
        moments = sweep(rows, current, weights=mine, dtype=control.dtype, respond=control.respond, family=family)
        objective = moments.log_likelihood
        if guard.prior is not None:
            objective = objective + guard.prior.log_density(family, current)
        if observe is not None:
            observe(Iteration(step, alive, current, moments.log_likelihood, objective))
        change = objective - last
        # In float32 an objective that falls has reached the noise.
        still = (change if control.dtype == np.float32 else np.abs(change)) < tolerance * total[alive]
        stop = still | (step == control.max_iterations)
        if stop.any():
            _record(
                out, alive[stop], current.take(stop), moments.log_likelihood[stop], objective[stop], step, still[stop]
            )
        if stop.all():
            break
        last = objective.copy()
        if stop.any():
            go = ~stop
            alive, last, current, moments = alive[go], objective[go], current.take(go), moments.take(go)
            mine = weights if weights is None or weights.ndim == 1 else weights[alive]
        current = maximise(family, moments, guard, previous=current)
        if control.reseed:
            current = reseed(rows, current, moments, family, guard, out.reseeds, alive, last, mine)
    return out


def _record(
    out: Outcome,
    chains: NDArray[np.intp],
    params: Parameters,
    likelihood: Array,
    objective: Array,
    step: int,
    still: NDArray[np.bool_],
) -> None:
    if len(chains) == out.params.chains:
        out.params = params
        out.log_likelihood[:], out.objective[:] = likelihood, objective
        out.iterations[:], out.converged[:] = step, still
        return
    if out.params.orientation is None and params.orientation is not None:
        out.params = replace(out.params, orientation=np.tile(np.eye(params.dimension), (out.params.chains, 1, 1)))
    out.params = out.params.put(chains, params)
    out.log_likelihood[chains], out.objective[chains] = likelihood, objective
    out.iterations[chains], out.converged[chains] = step, still


def reseed(
    rows: Rows,
    params: Parameters,
    moments: Moments,
    family: Family,
    guard: Guard,
    reseeds: NDArray[np.intp],
    alive: NDArray[np.intp],
    last: Array,
    weights: Array | None,
) -> Parameters:
    """Move components with too few rows to the row of lowest density; after three times switch them off."""
    need = 5 if guard.prior is not None else rows_needed(family, params.dimension)
    # Row weights count as shares of the rows, so that rescaling them changes nothing.
    counts = moments.n * (rows.n / np.maximum(moments.n.sum(axis=1, keepdims=True), 1e-300))
    small = params.active & (counts < min(need, rows.n / (2 * params.components)))
    if not small.any():
        return params
    for position in map(int, np.flatnonzero(small.any(axis=1))):
        chain = alive[position]
        component = int(np.argmin(np.where(params.active[position], moments.n[position], np.inf)))
        if reseeds[chain] >= MAX_RESEEDS and params.active[position].sum() > 1:
            params = switch_off(params, position, component)
        elif reseeds[chain] < MAX_RESEEDS:
            mine = weights if weights is None or weights.ndim == 1 else weights[position : position + 1]
            row = lowest_density_row(rows, params.take(np.array([position])), int(reseeds[chain]), mine)
            params = place(params, position, component, rows.row(row), guard)
            reseeds[chain] += 1
        else:
            continue
        last[position] = -np.inf
    return params


def lowest_density_row(rows: Rows, params: Parameters, skip: int = 0, weights: Array | None = None) -> int:
    """Index of the row that one chain explains worst, leaving out ``skip`` worse ones and rows of weight 0."""
    density = np.empty(rows.n)

    def keep(block: slice, z: Any, value: Any) -> None:
        density[block] = value[0]

    look(rows, params, keep)
    if weights is not None:
        density[weights.reshape(-1) == 0] = np.inf
    skip = min(skip, rows.n - 1)
    return int(np.argpartition(density, skip)[skip])


def place(params: Parameters, chain: int, component: int, mean: Array, guard: Guard) -> Parameters:
    """Put one component at ``mean`` with the chain's average covariance and an equal share of the weight."""
    share = params.weights[chain]
    average = np.tensordot(share, params.covariances[chain], axes=1)
    raised, precision, log_determinant = keep_above(average[None, None], guard.floor)
    fresh = params.take(slice(None)).put(np.array([], int), params.take(np.array([], int)))
    fresh.means[chain, component] = mean
    fresh.covariances[chain, component] = raised[0, 0]
    fresh.precisions[chain, component] = precision[0, 0]
    fresh.log_determinants[chain, component] = log_determinant[0, 0]
    fresh.weights[chain, component] = 1 / max(int(params.active[chain].sum()), 1)
    fresh.weights[chain] /= fresh.weights[chain].sum()
    return fresh


def switch_off(params: Parameters, chain: int, component: int) -> Parameters:
    """Take one component out of one chain."""
    weights, active = params.weights.copy(), params.active.copy()
    weights[chain, component], active[chain, component] = 0.0, False
    weights[chain] /= max(weights[chain].sum(), 1e-300)
    return replace(params, weights=weights, active=active)
