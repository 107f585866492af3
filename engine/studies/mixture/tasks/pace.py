"""How far a fit in units is: passes of chains done, and how many are still to be expected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.search.escape import RULES as ESCAPE
from engine.studies.mixture.search.fit import escape_rules
from engine.studies.mixture.search.staged import FINALISTS, StagedFit
from engine.studies.mixture.search.tracing import ChainTraces

# Passes that a chain usually makes until it converges: what is expected while its climb says nothing yet.
USUAL = 40


class Pace:
    """Counts passes of chains, and looks at the climbs to see how many more they need.

    Args:
        staged: the fit. traces: of its chains, which see each pass before this does.

    Attributes:
        done: chains x passes so far.
    """

    def __init__(self, staged: StagedFit, traces: ChainTraces) -> None:
        self._staged, self._traces, self._labels = staged, traces, staged.plan()
        self.done = 0
        self._at = self._spent = 0
        self._share = 0.0

    def begin(self, index: int) -> None:
        """A unit begins."""
        self._at, self._spent = index, 0

    def add(self, chains: int) -> None:
        """A pass over so many chains is done."""
        self.done += chains
        self._spent += chains

    def told(self) -> tuple[float, float]:
        """Done and total; the share done never falls."""
        left = self._rest() + sum(self._expected(label) for label in self._labels[self._at + 1 :])
        self._share = max(self._share, self.done / max(self.done + left, 1))
        return self.done, self.done / self._share if self._share else float(max(left, 1))

    def _expected(self, label: str) -> float:
        staged = self._staged
        if label.startswith("escape"):
            rules = escape_rules(staged.task, staged.options) or ESCAPE
            done, idle = (0, 0) if staged.search is None else (staged.search.rounds, staged.search.idle)
            if staged.idle(label) or int(label.removeprefix("escape ")) > done + rules.patience - idle:
                return 0
            return rules.passes + rules.keep * USUAL / 2
        if label == FINALISTS:
            return USUAL * (1 if staged.agreed else min(staged.count, staged.rules.finalists))
        if staged.idle(label):
            return 0
        first, last = map(int, label.removeprefix("starts ").split("-"))
        each = staged.rules.short + 1 if staged.races else 3 * USUAL if staged.options.method == "sem" else USUAL
        return (last - first + 1) * each

    def _rest(self) -> float:
        """Of the unit that runs."""
        label = self._labels[self._at]
        most = max(self._expected(label) - self._spent, 0)
        if label.startswith("escape") or (label != FINALISTS and self._staged.races):
            return most
        climbs = self._climbs()
        return most if climbs is None else climbs

    def _climbs(self) -> float | None:
        """Passes until gains that shrink as they do now fall below the tolerance; None where too little is known."""
        seen = self._traces.recent(3)
        if len(seen) < 3:
            return None
        running = seen[-1][0]
        if not all(np.isin(running, chains).all() for chains, _ in seen):
            return None
        a, b, c = (_values(chains, values, running) for chains, values in seen)
        options = self._staged.options
        with np.errstate(divide="ignore", invalid="ignore"):
            gain, ratio = np.abs(c - b), np.abs(c - b) / np.abs(b - a)
            more = np.log(options.tolerance / gain) / np.log(ratio)
        more = np.where(np.isfinite(more) & (ratio < 1), more, USUAL)
        return float(np.clip(more, 1, options.max_iterations).sum())


def _values(chains: NDArray[np.integer], values: Array, wanted: NDArray[np.integer]) -> Array:
    order = np.argsort(chains)
    return values[order[np.searchsorted(chains, wanted, sorter=order)]]
