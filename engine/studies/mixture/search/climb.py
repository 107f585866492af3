"""EM for a batch of chains one pass at a time, so that a long climb can be stopped between passes and resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.studies.mixture.em.em import FLOAT32_NOISE, Control, Iteration, Observe, Outcome
from engine.studies.mixture.em.maximise import maximise
from engine.studies.mixture.em.sweep import Rows, sweep
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.race import FLOAT32_FROM

_ARRAYS = ("log_likelihood", "objective", "iterations", "converged", "reseeds")


class Climb:
    """EM as in ``em.expectation_maximisation``, first in float32 where rows are many, then in float64.

    Components that collapse are not seeded anew: a climb begins where a fit of a sample has ended.

    Args:
        rows: in fit coordinates. params: R chains to start from. guard, control: of the fit.

    Attributes:
        passes: over the rows so far. done: whether every chain has stopped.
    """

    def __init__(self, rows: Rows, params: Parameters, family: Family, guard: Guard, control: Control) -> None:
        self.rows, self.family, self.guard, self.control = rows, family, guard, control
        self.passes, self.done = 0, False
        self._fast = bool(control.dtype == np.float64 and rows.n * rows.dimension >= FLOAT32_FROM)
        r = params.chains
        worst = np.full(r, -np.inf)
        self._out = Outcome(params, worst, worst.copy(), np.zeros(r, int), np.zeros(r, bool), np.zeros(r, int))
        self._begin(params)

    def _begin(self, params: Parameters) -> None:
        self._alive, self._current = np.arange(params.chains), params
        self._last = np.full(params.chains, -np.inf)

    def step(self, observe: Observe | None = None) -> None:
        """One pass: the likelihood of the current parameters, and the next ones of the chains that still gain."""
        dtype = np.float32 if self._fast else self.control.dtype
        moments = sweep(self.rows, self._current, dtype=dtype)
        objective = moments.log_likelihood
        if self.guard.prior is not None:
            objective = objective + self.guard.prior.log_density(self.family, self._current)
        if observe is not None:
            observe(Iteration(self.passes, self._alive, self._current, moments.log_likelihood, objective))
        self.passes += 1
        change, tolerance = objective - self._last, self.control.tolerance
        if self._fast:
            still = change < max(tolerance, FLOAT32_NOISE) * self.rows.n
        else:
            still = np.abs(change) < tolerance * self.rows.n
        stop = still | (self.passes > self.control.max_iterations)
        self._record(stop, still, moments.log_likelihood, objective)
        go = ~stop
        if go.any():
            self._alive, self._last, current = self._alive[go], objective[go], self._current.take(go)
            self._current = maximise(self.family, moments.take(go), self.guard, previous=current)
        elif self._fast:
            self._fast = False
            self._begin(self._out.params)
        else:
            self.done = True

    def _record(self, stop: Any, still: Any, likelihood: Array, objective: Array) -> None:
        chains, out, params = self._alive[stop], self._out, self._current.take(stop)
        if not len(chains):
            return
        if len(chains) == out.params.chains:
            out.params = params
        else:
            if out.params.orientation is None and params.orientation is not None:
                axes = np.tile(np.eye(params.dimension), (out.params.chains, 1, 1))
                out.params = replace(out.params, orientation=axes)
            out.params = out.params.put(chains, params)
        out.log_likelihood[chains], out.objective[chains] = likelihood[stop], objective[stop]
        out.iterations[chains], out.converged[chains] = self.passes - 1, still[stop]

    def outcome(self) -> Outcome:
        """Where the chains ended, once done."""
        return self._out

    def state(self) -> dict[str, Any]:
        """Plain arrays from which ``restore`` goes on."""
        return {
            "passes": self.passes, "done": self.done, "fast": self._fast, "alive": self._alive, "last": self._last,
            "current": _plain(self._current), "ended": _plain(self._out.params),
            "out": {name: getattr(self._out, name) for name in _ARRAYS},
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned."""
        self.passes, self.done, self._fast = int(state["passes"]), bool(state["done"]), bool(state["fast"])
        self._alive, self._last = np.array(state["alive"]), np.array(state["last"])
        self._current = Parameters(**{name: np.array(value) for name, value in state["current"].items()})
        ended = Parameters(**{name: np.array(value) for name, value in state["ended"].items()})
        self._out = Outcome(ended, **{name: np.array(state["out"][name]) for name in _ARRAYS})


def _plain(params: Parameters) -> dict[str, Any]:
    return {name: value for name, value in vars(params).items() if value is not None}
