"""Log-likelihoods and weights of every chain in every iteration: the pictures of chains, and where they would end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.em import Iteration
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.search.fit import Fit

MOST_CHAINS = 200
MOST_WEIGHTS = 1 << 20  # entries of the weights kept
# A chain that is taken up again is first evaluated where it stopped: the same value to this many nats per row.
SAME = 1e-5
# The name of the chain that searches on from the solutions found.
SEARCH = -1


class _Pass(NamedTuple):
    """One pass: chains (r,), log-likelihoods (r,), weights (r, G), and whether it began a batch."""

    chains: NDArray[np.integer]
    values: Array
    weights: Array
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
        self._passes.append(_Pass(chains, values.copy(), weights, seen.step == 0))

    def recent(self, count: int) -> list[tuple[NDArray[np.integer], Array]]:
        """Chains and log-likelihoods per row of the last passes, at most ``count`` and of one batch."""
        found = []
        for one in self._passes[: -count - 1 : -1]:
            found.append((one.chains, self._per_row(one.values)))
            if one.first:
                break
        return found[::-1]

    def of(self, chains: NDArray[np.integer], components: int) -> Traced:
        """Traces of these chains, in this order.

        Args:
            chains: (C,) their numbers. components: G.
        """
        if not self._passes:
            return Traced(np.zeros((0, len(chains)), np.float32), np.zeros((0, len(chains), components), np.float32))
        names, first = np.concatenate([one.chains for one in self._passes]), self._firsts()
        values = self._per_row(np.concatenate([one.values for one in self._passes]))
        place = np.full(int(max(chains.max(initial=0), names.max())) + 2, -1)
        place[chains + 1] = np.arange(len(chains))
        # Entries chain by chain, each in its own order.
        order = np.argsort(place[names + 1], kind="stable")
        order = order[place[names[order] + 1] >= 0]
        column, ordered = place[names[order] + 1], values[order]
        new = np.diff(column, prepend=-1) != 0
        with np.errstate(invalid="ignore"):
            again = ~new & first[order] & (np.abs(np.diff(ordered, prepend=np.inf)) <= SAME)
        count = np.cumsum(~again)
        row = count - count[np.flatnonzero(new)][np.cumsum(new) - 1]
        traced = np.full((int(row.max(initial=-1)) + 1, len(chains)), np.nan, np.float32)
        weights = np.full((*traced.shape, components), np.nan, np.float32)
        # What is evaluated again comes later, and stays.
        traced[row, column] = ordered
        stacked = np.concatenate([one.weights for one in self._passes])
        weights[row, column, : stacked.shape[1]] = stacked[order]
        return Traced(traced, weights)

    def _per_row(self, values: Array) -> Array:
        return (values + self._shift) / self._n

    def _firsts(self) -> NDArray[np.bool_]:
        """Of each entry of all passes."""
        return np.repeat([one.first for one in self._passes], [len(one.chains) for one in self._passes])

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
            "weights": np.concatenate([one.weights for one in self._passes]).astype(np.float32),
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
