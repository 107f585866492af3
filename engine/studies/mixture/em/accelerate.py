"""EM with its slow directions extrapolated: two EM steps, then a leap along them (Varadhan & Roland 2008, scheme S3).

The leap is made on the sums of the M-step, s' = s0 + 2 a r + a^2 v with r = s1 - s0, v = (s2 - s1) - r and
a = |r| / |v|, so that every family's own M-step returns to its parameters. A leap that lowers the objective is not
taken, so the climb stays monotone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.em import Control, Iteration, Observe, Outcome, reseed
from engine.studies.mixture.em.maximise import maximise, scatter
from engine.studies.mixture.em.sweep import Moments, Rows, sweep
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard

LONGEST = 32.0  # a; longer leaps hardly ever end higher
FEWEST = 0.1  # of its rows that a leap may leave a component
HOPE = 5.0  # times the gain foreseen
SLOWEST = 0.98  # ratio of successive gains that is believed at most


@dataclass
class _Point:
    """Chains with their sums and objectives."""

    params: Parameters
    moments: Moments
    objective: Array

    def take(self, chains: NDArray[np.bool_]) -> _Point:
        at = np.flatnonzero(chains)
        return _Point(self.params.take(at), self.moments.take(at), self.objective[at])


@dataclass
class Bars:
    """Chains race for the best objective of their owner.

    Attributes:
        owners: (R,) whole numbers. known: (R,) objectives known of each chain's owner, -inf where there are none.
        reached: (R,) objectives of the chains so far.
    """

    owners: NDArray[np.integer]
    known: Array
    reached: Array = field(init=False)
    _place: NDArray[np.intp] = field(init=False)

    def __post_init__(self) -> None:
        self.reached = np.full(len(self.owners), -np.inf)
        self._place = np.unique(self.owners, return_inverse=True)[1]

    def hopeless(self, alive: NDArray[np.intp], objective: Array, left: Array) -> NDArray[np.bool_]:
        """Which chains would stay behind even if they gained several times what is foreseen."""
        # A chain of which a component is seeded anew falls back: what it had reached counts no more.
        self.reached[alive] = objective
        best = np.full(len(self.owners), -np.inf)
        np.maximum.at(best, self._place, np.maximum(self.known, self.reached))
        return np.asarray(objective + HOPE * left < best[self._place[alive]])


class _Climb:
    """One batch on its way up."""

    def __init__(self, rows: Rows, family: Family, guard: Guard, control: Control, weights: Array | None) -> None:
        self.rows, self.family, self.guard, self.control, self.weights = rows, family, guard, control, weights

    def look(self, params: Parameters) -> _Point:
        """The point at these parameters."""
        moments = sweep(self.rows, params, weights=self.weights, dtype=self.control.dtype)
        objective = moments.log_likelihood
        if self.guard.prior is not None:
            objective = objective + self.guard.prior.log_density(self.family, params)
        return _Point(params, moments, objective)

    def step(self, point: _Point, reseeds: NDArray[np.intp], alive: NDArray[np.intp], moved: Array) -> _Point:
        """One EM step; chains of which a component is seeded anew are marked in ``moved`` by -inf."""
        params = maximise(self.family, point.moments, self.guard, previous=point.params)
        if self.control.reseed:
            params = reseed(
                self.rows, params, point.moments, self.family, self.guard, reseeds, alive, moved, self.weights
            )
        return self.look(params)


def accelerated_em(
    rows: Rows,
    params: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    *,
    weights: Array | None = None,
    bars: Bars | None = None,
    observe: Observe | None = None,
) -> Outcome:
    """As ``expectation_maximisation``; chains stop when what EM has still to gain, by Aitken, is below the tolerance.

    Args:
        weights: (n,) row weights, or (R, n), one set a chain. observe: called after every leap; may raise to stop.
        bars: chains that will not reach theirs stop early, unconverged.
    """
    count = params.chains
    total = np.full(count, float(rows.n)) if weights is None else np.broadcast_to(weights.sum(-1), count)
    climb = _Climb(rows, family, guard, control, weights)
    reseeds, alive = np.zeros(count, int), np.arange(count)
    low, none = np.full(count, -np.inf), np.zeros(count, int)
    out = Outcome(params, low, low.copy(), none, none.astype(bool), reseeds)
    begin = climb.look(params)
    for step in range(0, max(control.max_iterations, 3), 3):
        moved = np.zeros(len(alive))
        middle = climb.step(begin, reseeds, alive, moved)
        end = climb.step(middle, reseeds, alive, moved)
        if observe is not None:
            observe(Iteration(step, alive, end.params, end.moments.log_likelihood, end.objective))
        left = _left(begin, middle, end)
        still = (left < control.tolerance * total[alive]) & (moved == 0)
        stop = still | (step + 3 >= control.max_iterations)
        if bars is not None:
            stop |= bars.hopeless(alive, end.objective, left) & (moved == 0)
        _record(out, alive[stop], end.take(stop), step + 2, still[stop])
        if stop.all():
            break
        go = ~stop
        first, second = (_flat(point.moments)[go] for point in (begin, middle))
        if stop.any():
            alive, end = alive[go], end.take(go)
            climb.weights = weights if weights is None or weights.ndim == 1 else weights[alive]
        begin = _leap(climb, first, second, end, moved[go] == 0)
    return out


def _left(begin: _Point, middle: _Point, end: _Point) -> Array:
    """What EM has still to gain: the sum of the geometric series that the last two gains begin (Aitken)."""
    first, second = middle.objective - begin.objective, end.objective - middle.objective
    rate = np.minimum(np.maximum(second / np.maximum(np.abs(first), 1e-300), 0.0), SLOWEST)
    return np.maximum(np.abs(second) * rate / (1 - rate), np.abs(second))


def _leap(climb: _Climb, first: Array, second: Array, end: _Point, free: NDArray[np.bool_]) -> _Point:
    """The point after the leap, or the end of the two steps where that is higher; chains not ``free`` only step."""
    moments = _extrapolated(first, second, end.moments, end.params, free)
    point = climb.look(maximise(climb.family, moments, climb.guard, previous=end.params))
    worse = np.flatnonzero(~(point.objective >= end.objective))
    if not len(worse):
        return point
    if len(worse) == len(free):
        return end
    params = point.params.put(worse, end.params.take(worse))
    parts = {}
    for name in ("log_likelihood", "n", "first", "second"):
        parts[name] = getattr(point.moments, name).copy()
        parts[name][worse] = getattr(end.moments, name)[worse]
    objective = point.objective.copy()
    objective[worse] = end.objective[worse]
    return _Point(params, Moments(**parts), objective)


def _extrapolated(first: Array, second: Array, third: Moments, params: Parameters, free: NDArray[np.bool_]) -> Moments:
    """The sums after the leap; those of the third point where the leap would leave what sums can be.

    Args:
        first, second: sums as ``_flat`` writes them.
    """
    last = _flat(third)
    r = second - first
    v = last - second - r
    ratio = np.sqrt(_square(r, third) / np.maximum(_square(v, third), 1e-300))
    length = np.minimum(np.maximum(ratio, 1.0), LONGEST)[:, None]
    flat = first + 2 * length * r + length**2 * v
    leap = _moments(flat, third)
    stay = ~(free & (length[:, 0] > 1) & _possible(leap, third, params))
    flat[stay] = last[stay]
    return leap


def _flat(moments: Moments) -> Array:
    """All sums of each chain in one row."""
    chains = len(moments.n)
    parts = (moments.n, moments.first, moments.second)
    return np.concatenate([part.reshape(chains, -1) for part in parts], axis=1)


def _parts(flat: Array, like: Moments) -> tuple[Array, Array, Array]:
    """The columns that ``_flat`` wrote of n, first and second."""
    n = like.n.shape[1]
    first = n + like.first.shape[1] * like.first.shape[2]
    return flat[:, :n], flat[:, n:first], flat[:, first:]


def _moments(flat: Array, like: Moments) -> Moments:
    """What ``_flat`` wrote, as views."""
    n, first, second = _parts(flat, like)
    return Moments(like.log_likelihood, n, first.reshape(like.first.shape), second.reshape(like.second.shape))


def _possible(moments: Moments, third: Moments, params: Parameters) -> NDArray[np.bool_]:
    """(R,) whether every component keeps rows and a positive scatter."""
    on = params.active
    kept = (moments.n > FEWEST * third.n) & (third.n > 0) | ~on
    rows: NDArray[np.bool_] = np.all(kept, axis=1)
    n = np.where(on & rows[:, None], moments.n, 1.0)
    safe = Moments(moments.log_likelihood, n, moments.first, moments.second)
    w = scatter(safe, moments.first / n[..., None])
    if w.ndim == 3:
        return np.asarray(rows & ((w > 0).all(axis=-1) | ~on).all(axis=1))
    w = np.where((on & rows[:, None])[..., None, None], w, np.eye(w.shape[-1]))
    return np.asarray(rows & _positive(w).all(axis=1))


def _positive(matrices: Array) -> NDArray[np.bool_]:
    """Which of the symmetric matrices (R, G, d, d) are positive definite, (R, G)."""
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.eigvalsh(matrices)[..., 0] > 0)
    return np.ones(matrices.shape[:2], bool)


def _square(rows: Array, like: Moments) -> Array:
    return np.asarray(sum((part * part).sum(axis=1) for part in _parts(rows, like)))


def _record(out: Outcome, chains: NDArray[np.intp], point: _Point, step: int, still: NDArray[np.bool_]) -> None:
    if not len(chains):
        return
    params = point.params
    if out.params.orientation is None and params.orientation is not None:
        out.params = replace(out.params, orientation=np.tile(np.eye(params.dimension), (out.params.chains, 1, 1)))
    out.params = out.params.put(chains, params)
    out.log_likelihood[chains], out.objective[chains] = point.moments.log_likelihood, point.objective
    out.iterations[chains], out.converged[chains] = step, still
