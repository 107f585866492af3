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
DENSITIES = 1 << 22  # densities of rows that are held to find the lowest
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
    few = np.flatnonzero(small.any(axis=1))
    smallest = np.where(params.active, moments.n, np.inf).argmin(axis=1)
    spent = reseeds[alive[few]] >= MAX_RESEEDS
    gone, fresh = few[spent & (params.active[few].sum(axis=1) > 1)], few[~spent]
    if len(gone):
        params = switch_off(params, gone, smallest[gone])
    if len(fresh):
        mine = weights if weights is None or weights.ndim == 1 else weights[fresh]
        found = lowest_density_rows(rows, params.take(fresh), reseeds[alive[fresh]], mine)
        params = place(params, fresh, smallest[fresh], np.array([rows.row(row) for row in found]), guard)
        reseeds[alive[fresh]] += 1
    last[gone] = last[fresh] = -np.inf
    return params


def lowest_density_rows(
    rows: Rows, params: Parameters, skip: NDArray[np.integer], weights: Array | None = None
) -> list[int]:
    """The row that each chain explains worst, leaving out its first ``skip`` (R,) worse ones and rows of weight 0."""
    found: list[int] = []
    height = max(DENSITIES // rows.n, 1)
    for start in range(0, params.chains, height):
        part = slice(start, start + height)
        some = params.take(part)
        density = np.empty((some.chains, rows.n))

        def keep(block: slice, z: Any, value: Any, density: Array = density) -> None:
            density[:, block] = value

        look(rows, some, keep)
        if weights is not None:
            density[np.broadcast_to(weights if weights.ndim == 1 else weights[part], density.shape) == 0] = np.inf
        for values, worse in zip(density, np.minimum(skip[part], rows.n - 1).tolist(), strict=True):
            found.append(int(np.argpartition(values, worse)[worse]))
    return found


def place(
    params: Parameters, chains: NDArray[np.intp], components: NDArray[np.intp], means: Array, guard: Guard
) -> Parameters:
    """Put one component of each of these chains at ``means`` (r, d), with the chain's average covariance and an equal
    share of the weight."""
    each = params.covariances[chains]
    average = params.weights[chains][:, None] @ each.reshape(*each.shape[:2], -1)
    raised, precisions, logs = keep_above(average.reshape(each[:, :1].shape), guard.floor)
    fresh = params.copy()
    fresh.means[chains, components] = means
    fresh.covariances[chains, components] = raised[:, 0]
    fresh.precisions[chains, components] = precisions[:, 0]
    fresh.log_determinants[chains, components] = logs[:, 0]
    fresh.weights[chains, components] = 1 / np.maximum(params.active[chains].sum(axis=1), 1)
    fresh.weights[chains] /= fresh.weights[chains].sum(axis=1, keepdims=True)
    return fresh


def switch_off(params: Parameters, chains: NDArray[np.intp], components: NDArray[np.intp]) -> Parameters:
    """Take one component out of each of these chains."""
    weights, active = params.weights.copy(), params.active.copy()
    weights[chains, components], active[chains, components] = 0.0, False
    weights[chains] /= np.maximum(weights[chains].sum(axis=1, keepdims=True), 1e-300)
    return replace(params, weights=weights, active=active)
