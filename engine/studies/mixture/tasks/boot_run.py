"""The two bootstraps in a run: iterations in units, checkpoints, pictures of the best chain so far, time left."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from engine.runs.run import Run
from engine.studies.mixture.bootstrap.boot_fit import BootFit, BootRun, Method, on_columns
from engine.studies.mixture.bootstrap.chains import RULES, ChainRules, ChainStep, unrest
from engine.studies.mixture.config import METHODS, FitConfig
from engine.studies.mixture.model.errors import MOST_COLUMNS
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.tasks.fit_run import PROGRESS_SECONDS, SAVE_SECONDS, TELL_SECONDS, Due, fit_options
from engine.studies.mixture.tasks.fitted import bare, part_of, renamed, traces_of
from engine.studies.mixture.tasks.gaps import merged, on_axes, only, whole_rows
from engine.studies.mixture.tasks.setting import Setting, Tick

ITERATIONS = 5  # of a unit


class ResampledRun:
    """One fit by Spectral-BootEM or BootSpectral.

    Args:
        setting: all rows; those with gaps take no part in the estimates.

    Attributes:
        boot: the fit. rows: that take part.
    """

    def __init__(self, config: FitConfig, run: Run, setting: Setting, family: Family, components: int,
                 rules: ChainRules = RULES) -> None:  # fmt: skip
        self.config, self.task, self.family, self.components, self.rules = config, run, family, components, rules
        took = whole_rows(setting.x)
        self.rows = setting if took.all() else only(setting, took, METHODS[config.method])
        method: Method = "spectral_bootem" if config.method == "spectral_bootem" else "bootspectral"
        self._tick = Tick(run)
        self.boot = BootRun(
            self.rows.x, components, family, fit_options(config, run, setting), method=method, q=config.q,
            rule=config.q_rule, chains=config.chains, rules=rules, tick=self._tick,
        )  # fmt: skip
        self._part, self._in_parts, self._share = part_of(setting), setting.in_parts, 0.0
        self._picture, self._told, self._saved = Due(TELL_SECONDS), Due(PROGRESS_SECONDS), Due(SAVE_SECONDS)

    def run(self) -> BootFit:
        """All iterations that are still to do."""
        chains = self.boot.chains
        if (state := self.task.restored()) is not None:
            chains.restore(state["chains"])
            self._share = float(state["share"])
        ends = range(0, self.rules.most, ITERATIONS)
        for _ in self.task.units([f"iterations {first + 1}-{first + ITERATIONS}" for first in ends]):
            if chains.over:
                continue
            chains.advance(ITERATIONS, self._see)
            if self._saved.now():
                state = {"chains": chains.state(), "share": self._share, "in_parts": self._in_parts}
                self.task.checkpoint(state)
                self._saved.done()
        return self.boot.result()

    def _see(self, step: ChainStep) -> None:
        self._tick()
        if self._told.now():
            self._progress(step.step + 1)
            self._told.done()
        if self._picture.now():
            self._publish(step)
            self._picture.done()

    def _progress(self, done: int) -> None:
        """Iterations done and expected: windows move towards each other by about half in the time of one."""
        rules = self.rules
        least = rules.burn + 2 * rules.window
        if done < least:
            left = least - done + rules.window / 2
        else:
            left = max(1.0, rules.window * math.log2(max(unrest(self.boot.chains.trace.log_likelihood, rules), 1.0)))
        self._share = max(self._share, done / (done + min(left, rules.most - done)))
        self.task.progress(done, done / self._share, "resampling")

    def _publish(self, step: ChainStep) -> None:
        boot, trace = self.boot, self.boot.chains.trace
        best, inner, projection = boot.shown(step)
        took = whole_rows(self._part.x)
        scaled = (self._part.x - boot.mean) / boot.scale
        scores = projection.scores(scaled[took])
        z, expected = on_axes(projection, inner, scaled[~took])
        part, mixture, axes = self._part, inner, dict[str, Any](scaling="none")
        if len(boot.mean) > MOST_COLUMNS:
            part = renamed(part, merged(took, scores, expected))
        else:
            mixture, axes = on_columns(inner, projection, boot.mean, boot.scale), {}
        n = len(self.rows.x)
        shown = bare(
            self.config, part, mixture, merged(took, inner.responsibilities(scores), z),
            float(trace.log_likelihood[-1][best]) * n, self.family, self.components, n,
        )  # fmt: skip
        order = np.argsort(-np.array(trace.out_of_bag[-self.rules.window :]).mean(axis=0), kind="stable")
        likelihood, out, weights, cosine = (np.array(getattr(trace, name)) for name in trace.NAMES)
        axes |= traces_of(likelihood, out, weights, cosine, weights[-1], order, self.rules, self.config.method)
        self.task.publish("mixture", replace(shown, **axes))
        self.task.measure("out_of_bag", float(trace.out_of_bag[-1][best]), step=step.step)
        self.task.measure("mixture_log_likelihood", shown.log_likelihood, step=step.step)
