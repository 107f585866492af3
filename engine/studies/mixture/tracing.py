"""Log-likelihoods and weights of every chain in every iteration: the pictures of chains, and where they would end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em import Iteration
from engine.studies.mixture.fit import Fit
from engine.studies.mixture.parameters import Array

MOST_CHAINS = 200
MOST_WEIGHTS = 1 << 20  # entries of the weights kept
# A chain that is taken up again is first evaluated where it stopped: the same value to this many nats per row.
SAME = 1e-5
# The name of the chain that searches on from the solutions found.
SEARCH = -1


@dataclass(frozen=True)
class _Pass:
    """One pass: chains (r,), log-likelihoods per row (r,), weights (r, G), and whether it began a batch."""

    chains: NDArray[np.int32]
    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    first: bool


@dataclass(frozen=True)
class Traced:
    """C chains side by side.

    Attributes:
        values: (T, C) log-likelihood per row, NaN once a chain has stopped. weights: (T, C, G), NaN there too.
    """

    values: NDArray[np.float32]
    weights: NDArray[np.float32]


class ChainTraces:
    """An observer of EM that remembers.

    Args:
        n: rows. shift: added to log-likelihoods, what they gain in the user's units.

    Attributes:
        searching: whether the chains seen are those of an escape, of which only the best is followed.
    """

    def __init__(self, n: float, shift: float) -> None:
        self._n, self._shift = n, shift
        self._passes: list[_Pass] = []
        self.searching = False

    def __call__(self, seen: Iteration) -> None:
        """After a pass."""
        values, weights, chains = seen.log_likelihood, seen.params.weights, seen.chains
        if self.searching:
            top = int(np.argmax(values))
            values, weights, chains = values[top : top + 1], weights[top : top + 1], np.array([SEARCH])
        rows = ((values + self._shift) / self._n).astype(np.float32)
        self._passes.append(_Pass(chains.astype(np.int32), rows, weights.astype(np.float32), seen.step == 0))

    def recent(self, count: int) -> list[tuple[NDArray[np.int32], NDArray[np.float32]]]:
        """Chains and log-likelihoods per row of the last passes, at most ``count`` and of one batch."""
        found = []
        for one in self._passes[: -count - 1 : -1]:
            found.append((one.chains, one.values))
            if one.first:
                break
        return found[::-1]

    def of(self, chains: NDArray[np.integer], components: int) -> Traced:
        """Traces of these chains, in this order.

        Args:
            chains: (C,) their numbers. components: G.
        """
        place = np.full(int(max(chains.max(initial=0), self._largest())) + 2, -1)
        place[chains + 1] = np.arange(len(chains))
        length, last = np.zeros(len(chains), int), np.full(len(chains), np.nan, np.float32)
        plan: list[tuple[_Pass, NDArray[np.bool_], NDArray[np.intp], NDArray[np.intp]]] = []
        for one in self._passes:
            column = place[one.chains + 1]
            kept = column >= 0
            column, values = column[kept], one.values[kept]
            again = (np.abs(values - last[column]) <= SAME) & one.first
            at = length[column] - again
            length[column], last[column] = at + 1, values
            plan.append((one, kept, at, column))
        values = np.full((int(length.max(initial=0)), len(chains)), np.nan, np.float32)
        weights = np.full((*values.shape, components), np.nan, np.float32)
        for one, kept, at, column in plan:
            values[at, column] = one.values[kept]
            weights[at, column, : one.weights.shape[1]] = one.weights[kept]
        return Traced(values, weights)

    def running(self) -> NDArray[np.intp]:
        """Numbers of all chains so far, the best last value first, as many as are kept."""
        last = np.full(self._largest() + 2, -np.inf)
        for one in self._passes:
            last[one.chains + 1] = one.values
        order = np.argsort(-last, kind="stable")[:MOST_CHAINS]
        return order[np.isfinite(last[order])] - 1

    def _largest(self) -> int:
        return max((int(one.chains.max(initial=SEARCH)) for one in self._passes), default=SEARCH)

    def state(self) -> dict[str, Any]:
        """Plain arrays from which ``restore`` goes on."""
        if not self._passes:
            return {}
        return {
            "sizes": np.array([len(one.chains) for one in self._passes]),
            "first": np.array([one.first for one in self._passes]),
            "chains": np.concatenate([one.chains for one in self._passes]),
            "values": np.concatenate([one.values for one in self._passes]),
            "weights": np.concatenate([one.weights for one in self._passes]),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned."""
        self._passes = []
        if not state:
            return
        cuts = np.cumsum(state["sizes"])[:-1]
        parts = (np.split(np.asarray(state[name]), cuts) for name in ("chains", "values", "weights"))
        for chains, values, weights, first in zip(*parts, state["first"], strict=True):
            self._passes.append(_Pass(chains, values, weights, bool(first)))


def worth_showing(fit: Fit, leaders: NDArray[np.intp], longest: int) -> NDArray[np.intp]:
    """Positions among the fit's chains whose traces are kept, the solution shown first, then the best of each maximum.

    Of the solutions found by escaping only one was followed.

    Args:
        leaders: (K,) the best chain of each maximum, best first. longest: passes of a chain at most.
    """
    most = min(MOST_CHAINS, max(1, MOST_WEIGHTS // max(longest * fit.components, 1)))
    escaped = np.flatnonzero(fit.starts == SEARCH)
    spoken = fit.best if fit.best in escaped else escaped[0] if len(escaped) else -1
    order = np.concatenate([[fit.best], leaders, np.lexsort((-fit.objectives, ~fit.finished))])
    order = np.array([chain for chain in dict.fromkeys(order.tolist()) if fit.starts[chain] >= 0 or chain == spoken])
    return order[:most]


def sorted_weights(weights: NDArray[np.float32], final: Array) -> NDArray[np.float32]:
    """Weights (T, C, G) with each chain's components in the order of its mixture: falling at the end.

    Args:
        final: (C, G) weights where the chains ended.
    """
    order = np.argsort(-final, axis=1, kind="stable")
    return np.ascontiguousarray(np.take_along_axis(weights, order[None], axis=2))
