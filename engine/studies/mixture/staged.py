"""A fit cut into units that can be stopped between and resumed: waves of starts, the finalists, the escapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.studies.mixture.em import Observe, Outcome
from engine.studies.mixture.escape import escape
from engine.studies.mixture.fit import Fit, Options, Task, conclude, escape_rules, extended, starts_of
from engine.studies.mixture.parameters import Array, Parameters
from engine.studies.mixture.race import RULES, Raced, agree, join, run_out, short_wave
from engine.studies.mixture.starts import kind_of

_ARRAYS = ("log_likelihood", "objective", "iterations", "converged", "reseeds")


class StagedFit:
    """``fit`` in units; each is a function of (options, what earlier units left in ``state``).

    Args:
        task: from ``prepare`` with the same options. options: of method "em".
    """

    def __init__(self, task: Task, options: Options) -> None:
        self.task, self.options = task, options
        self.rules = options.racing or RULES
        self._makes = starts_of(task, options)
        self._waves: list[tuple[Outcome, Array]] = []
        self._raced: Raced | None = None
        self._agreed = False

    def plan(self) -> list[str]:
        """The units' labels, in order."""
        count = 1 if self.task.components == 1 else self.options.starts
        step = self.rules.first
        waves = [f"starts {first}-{min(first + step, count) - 1}" for first in range(0, count, step)]
        return [*waves, "finalists", *(["escapes"] if escape_rules(self.task, self.options) is not None else [])]

    def run(self, label: str, observe: Observe | None = None) -> None:
        """Do one unit; later waves do nothing once the first agreed."""
        task, control = self.task, self.options.control()
        if label == "finalists":
            starts = np.arange(sum(len(score) for _, score in self._waves))
            self._raced = run_out(
                task.rows,
                join([out for out, _ in self._waves]),
                np.concatenate([score for _, score in self._waves]),
                starts,
                self._agreed,
                task.family,
                task.guard,
                control,
                self.rules,
                weights=task.weights,
                observe=observe,
            )
        elif label == "escapes":
            self._escape(observe)
        elif not self._agreed:
            first, last = map(int, label.removeprefix("starts ").split("-"))
            self._waves.append(
                short_wave(
                    task.rows,
                    self._makes.parameters,
                    list(range(first, last + 1)),
                    task.family,
                    task.guard,
                    control,
                    self.rules,
                    kind=lambda s: kind_of(s, self.options.shares),
                    weights=task.weights,
                    observe=observe,
                )
            )
            self._agreed = agree(self._waves[0][0], task.guard, self.rules, task.total)

    def _escape(self, observe: Observe | None) -> None:
        rules = escape_rules(self.task, self.options)
        assert self._raced is not None and rules is not None
        found = self._raced.outcome.take(np.flatnonzero(self._raced.finished))
        better, _ = escape(
            self.task.rows,
            found,
            self.task.family,
            self.task.guard,
            self.options.control(),
            self.options.seed,
            rules,
            weights=self.task.weights,
            observe=observe,
        )
        self._raced = extended(self._raced, join([self._raced.outcome, better]))

    def result(self) -> Fit:
        """The fit, after the last unit."""
        assert self._raced is not None
        kinds = [kind_of(int(s), self.options.shares) if s >= 0 else "escape" for s in self._raced.starts]
        return conclude(self.task, self._raced, kinds)

    def state(self) -> dict[str, Any]:
        """Plain arrays from which ``restore`` goes on."""
        waves = {str(i): {**_plain(out), "score": score} for i, (out, score) in enumerate(self._waves)}
        found: dict[str, Any] = {"waves": waves, "agreed": self._agreed}
        if self._raced is not None:
            found["raced"] = {
                **_plain(self._raced.outcome),
                "starts": self._raced.starts,
                "finished": self._raced.finished,
            }
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned."""
        waves = state["waves"]
        self._waves = [(_outcome(waves[key]), np.asarray(waves[key]["score"])) for key in sorted(waves, key=int)]
        self._agreed = bool(state["agreed"])
        if "raced" in state:
            saved = state["raced"]
            self._raced = Raced(
                _outcome(saved), np.asarray(saved["starts"]), np.asarray(saved["finished"]), self._agreed
            )


def _plain(out: Outcome) -> dict[str, Any]:
    params = {f"params_{name}": value for name, value in vars(out.params).items() if value is not None}
    return {**params, **{name: getattr(out, name) for name in _ARRAYS}}


def _outcome(saved: Mapping[str, Any]) -> Outcome:
    params = {
        name.removeprefix("params_"): np.array(value) for name, value in saved.items() if name.startswith("params_")
    }
    return Outcome(Parameters(**params), *(np.array(saved[name]) for name in _ARRAYS))
