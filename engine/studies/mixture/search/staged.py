"""A fit cut into units that can be stopped between and resumed: waves of starts, finalists, rounds of escape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.studies.mixture.em.em import Observe, Outcome
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.search.escape import RULES as ESCAPE
from engine.studies.mixture.search.escape import Search, escape_round
from engine.studies.mixture.search.fit import Fit, Options, Task, conclude, escape_rules, extended, relative, starts_of
from engine.studies.mixture.search.race import RULES, Raced, agree, join, polished, renumber, run_out, short_wave, waves
from engine.studies.mixture.search.starts import kind_of

_ARRAYS = ("log_likelihood", "objective", "iterations", "converged", "reseeds")
FINALISTS = "finalists"


class StagedFit:
    """``fit`` in units; each is a function of (options, what earlier units left in ``state``).

    Args:
        task: from ``prepare`` with the same options.

    Attributes:
        agreed: whether the first wave agreed, so that later waves have nothing to do.
        search: of the escapes, None before the first.
    """

    def __init__(self, task: Task, options: Options) -> None:
        self.task, self.options = task, options
        self.rules = options.racing or RULES
        self.count = 1 if task.components == 1 else options.starts
        self.makes = starts_of(task, options)
        self.agreed = False
        self.search: Search | None = None
        self._waves: list[tuple[Outcome, Array]] = []
        self._raced: Raced | None = None

    @property
    def races(self) -> bool:
        """Whether starts are thinned out; else each runs to its end."""
        return self.options.method == "em" and self.options.racing is not None and self.count > self.rules.finalists

    def plan(self) -> list[str]:
        """The units' labels, in order."""
        parts = waves(list(range(self.count)), self.rules)
        rules = escape_rules(self.task, self.options)
        return [
            *(f"starts {part[0]}-{part[-1]}" for part in parts),
            *([FINALISTS] if self.races else []),
            *(f"escape {i + 1}" for i in range(0 if rules is None else rules.rounds)),
        ]

    def idle(self, label: str) -> bool:
        """Whether a unit has nothing to do, since the starts agree or the search is over."""
        if label.startswith("escape"):
            rules = escape_rules(self.task, self.options) or ESCAPE
            return self.search is not None and self.search.over(rules)
        return label != FINALISTS and self.agreed

    def run(self, label: str, observe: Observe | None = None, tick: Observe | None = None) -> None:
        """Do one unit.

        Args:
            observe: sees every pass, chains named by start; in escapes by rank. tick: called after all other passes.
        """
        if self.idle(label):
            return
        if label == FINALISTS:
            self._raced = self.run_finalists(observe)
            self._waves = []
        elif label.startswith("escape"):
            self._escape(observe, tick)
        else:
            first, last = map(int, label.removeprefix("starts ").split("-"))
            self._waves.append(self.run_wave(list(range(first, last + 1)), observe))
            self.agreed = self.races and agree(self._waves[0][0], self.task.guard, self.rules, self.task.total)

    def run_wave(self, starts: list[int], observe: Observe | None) -> tuple[Outcome, Array]:
        """Some starts: short runs with what they are ranked by (R,), or, where nothing races, whole ones."""
        task, control = self.task, self.options.control()
        if self.races:
            return short_wave(
                task.rows,
                self.makes.parameters,
                starts,
                task.family,
                task.guard,
                control,
                self.rules,
                kind=lambda s: kind_of(s, self.options.shares),
                weights=task.weights,
                observe=observe,
            )
        if self.options.method != "em":
            out = relative(task, self.makes, starts, self.options, observe)
        else:
            seen = renumber(observe, np.array(starts))
            begin = self.makes.parameters(starts)
            out = polished(task.rows, begin, task.family, task.guard, control, task.weights, seen)
        return out, out.objective

    def run_finalists(self, observe: Observe | None) -> Raced:
        """The best distinct starts of all waves to convergence."""
        out, score = self.begun()
        return run_out(
            self.task.rows,
            out,
            score,
            np.arange(len(score)),
            self.agreed,
            self.task.family,
            self.task.guard,
            self.options.control(),
            self.rules,
            weights=self.task.weights,
            observe=observe,
        )

    def begun(self) -> tuple[Outcome, Array]:
        """All waves so far as one, with what they are ranked by."""
        return join([out for out, _ in self._waves]), np.concatenate([score for _, score in self._waves])

    def _escape(self, observe: Observe | None, tick: Observe | None) -> None:
        task, raced, rules = self.task, self._ran(), escape_rules(self.task, self.options) or ESCAPE
        if self.search is None:
            self.search = Search.begin(
                raced.outcome.take(np.flatnonzero(raced.finished)), task.family, task.guard, task.total, rules
            )
        self.search = escape_round(
            task.rows,
            self.search,
            task.family,
            task.guard,
            self.options.control(),
            self.options.seed,
            rules,
            weights=task.weights,
            observe=observe,
            tick=tick,
        )

    def _ran(self) -> Raced:
        """All starts after the last wave or the finalists."""
        if self._raced is None:
            out, score = self.begun()
            self._raced = Raced(out, np.arange(len(score)), np.ones(len(score), bool), False)
        return self._raced

    def result(self) -> Fit:
        """The fit, after the last unit."""
        raced = self._ran()
        kinds: list[str] = [kind_of(int(s), self.options.shares) for s in raced.starts]
        if self.search is not None:
            raced = extended(raced, join([raced.outcome, self.search.best]))
            kinds += ["escape"] * len(self.search.best.objective)
        return conclude(self.task, raced, kinds)

    def state(self) -> dict[str, Any]:
        """Plain arrays from which ``restore`` goes on."""
        parts = {str(i): {**_plain(out), "score": score} for i, (out, score) in enumerate(self._waves)}
        found: dict[str, Any] = {"waves": parts, "agreed": self.agreed}
        if self._raced is not None:
            extra = {"starts": self._raced.starts, "finished": self._raced.finished}
            found["raced"] = {**_plain(self._raced.outcome), **extra}
        if self.search is not None:
            found["search"] = {**_plain(self.search.best), "idle": self.search.idle, "rounds": self.search.rounds}
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned."""
        parts = state["waves"]
        self._waves = [(_outcome(parts[key]), np.asarray(parts[key]["score"])) for key in sorted(parts, key=int)]
        self.agreed = bool(state["agreed"])
        if "raced" in state:
            saved = state["raced"]
            self._raced = Raced(
                _outcome(saved), np.asarray(saved["starts"]), np.asarray(saved["finished"]), self.agreed
            )
        if "search" in state:
            saved = state["search"]
            self.search = Search(_outcome(saved), int(saved["idle"]), int(saved["rounds"]))


def _plain(out: Outcome) -> dict[str, Any]:
    params = {f"params_{name}": value for name, value in vars(out.params).items() if value is not None}
    return {**params, **{name: getattr(out, name) for name in _ARRAYS}}


def _outcome(saved: Mapping[str, Any]) -> Outcome:
    params = {
        name.removeprefix("params_"): np.array(value) for name, value in saved.items() if name.startswith("params_")
    }
    return Outcome(Parameters(**params), *(np.array(saved[name]) for name in _ARRAYS))
