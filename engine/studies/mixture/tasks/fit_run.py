"""EM, its relatives and t-mixtures in a run: units, checkpoints, pictures of the best start so far, time left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.runs.run import Run
from engine.studies.mixture.config import METHODS, FitConfig
from engine.studies.mixture.em.em import Iteration
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.search.fit import Fit, Options, by_weight, prepare
from engine.studies.mixture.search.staged import StagedFit
from engine.studies.mixture.search.student import StagedT
from engine.studies.mixture.search.tracing import ChainTraces
from engine.studies.mixture.tasks.fitted import bare, part_of
from engine.studies.mixture.tasks.gaps import only, whole_rows
from engine.studies.mixture.tasks.pace import Pace
from engine.studies.mixture.tasks.setting import Setting, Tick, options_of

TELL_SECONDS = 1.0
PROGRESS_SECONDS = 0.1
SAVE_SECONDS = 0.5
SHARE = 20  # telling and saving take at most a twentieth of the time


class Due:
    """Says when something that costs time may be done again: not before ``pause`` seconds, nor too large a share.

    Args:
        pause: seconds between two times, also before the first.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._begun = time.monotonic()
        self._next = self._begun + pause

    def now(self) -> bool:
        """Whether it is time."""
        self._begun = time.monotonic()
        return self._begun >= self._next

    def done(self) -> None:
        """It was done since ``now``."""
        end = time.monotonic()
        self._next = end + max(self._pause, SHARE * (end - self._begun))


class FitRun:
    """One fit by EM, a relative or as t-mixture.

    Args:
        setting: all rows; those with gaps take part unless the method needs whole rows.

    Attributes:
        rows: those that take part. traces: of all chains. options: of the fit.
    """

    def __init__(self, config: FitConfig, run: Run, setting: Setting, family: Family, components: int) -> None:
        self.config, self.task, self.family, self.components = config, run, family, components
        self.options = fit_options(config, run, setting)
        took = whole_rows(setting.x)
        needs = config.method == "t" and not took.all()
        self.rows = only(setting, took, METHODS[config.method]) if needs else setting
        task = prepare(self.rows.x, components, family, self.options)
        self.staged = (StagedT if config.method == "t" else StagedFit)(task, self.options)
        self.traces = ChainTraces(task.total, task.volume)
        self.pace = Pace(self.staged, self.traces)
        self._part, self._in_parts = part_of(setting), setting.in_parts
        self._tick, self._label = Tick(run), ""
        self._picture, self._told, self._saved = Due(TELL_SECONDS), Due(PROGRESS_SECONDS), Due(SAVE_SECONDS)

    def run(self) -> Fit:
        """All units that are still to do."""
        if (state := self.task.restored()) is not None:
            self._restore(state)
        for unit in self.task.units(self.staged.plan()):
            if self.staged.idle(unit.label):
                continue
            self._label = unit.label
            self.pace.begin(unit.index)
            self.traces.searching = unit.label.startswith("escape")
            self.staged.run(unit.label, self._see, self._pass)
            if self._saved.now():
                self.task.checkpoint(self._state())
                self._saved.done()
        return self.staged.result()

    def _state(self) -> dict[str, Any]:
        state = {"staged": self.staged.state(), "traces": self.traces.state(), "passes": self.pace.done}
        return {**state, "in_parts": self._in_parts}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.staged.restore(state["staged"])
        self.traces.restore(state["traces"])
        self.pace.done = int(state["passes"])

    def _pass(self, seen: Iteration) -> None:
        """After a pass that is no solution's."""
        self._tick()
        self.pace.add(len(seen.chains))
        if self._told.now():
            self.task.progress(*self.pace.told(), note=self._label)
            self._told.done()

    def _see(self, seen: Iteration) -> None:
        """After every other pass."""
        self.traces(seen)
        self._pass(seen)
        if self._picture.now():
            self._publish(seen)
            self._picture.done()

    def _publish(self, seen: Iteration) -> None:
        at, task = int(np.argmax(seen.objective)), self.staged.task
        mixture = by_weight(task.frame.mixture(seen.params, at, self.family))
        value = float(seen.log_likelihood[at]) + task.volume
        z = mixture.responsibilities(self._part.x)
        shown = bare(self.config, self._part, mixture, z, value, self.family, self.components, len(self.rows.x))
        chains = self.traces.running()
        traced = self.traces.of(chains, self.components)
        shown = replace(shown, trace=traced.values, trace_weights=traced.weights, trace_chain=chains)
        self.task.publish("mixture", shown)
        self.task.measure("mixture_log_likelihood", value, step=self.pace.done)


def fit_options(config: FitConfig, run: Run, setting: Setting) -> Options:
    """How the mathematics is asked to fit."""
    options = replace(options_of(config, setting.table, run), starts=config.starts, tolerance=config.tolerance)
    return replace(options, method=config.method) if config.method in ("cem", "sem", "annealing") else options
