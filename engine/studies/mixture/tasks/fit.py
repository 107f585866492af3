"""The task mixture.fit: one mixture from many starts, shown while it climbs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from engine.errors import EngineError
from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.mixture.config import RESAMPLED, FitConfig
from engine.studies.mixture.cost import fit_cost
from engine.studies.mixture.kinds import Choice
from engine.studies.mixture.model.criteria import criteria
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.search.fit import Fit, Options, fit
from engine.studies.mixture.tasks.boot_run import ResampledRun
from engine.studies.mixture.tasks.fit_run import FitRun
from engine.studies.mixture.tasks.fit_stream import fit_streamed
from engine.studies.mixture.tasks.fitted import of_boot, of_fit
from engine.studies.mixture.tasks.setting import Setting, prepare_table, reads_in_parts
from engine.studies.mixture.tasks.telling import labels_table, tell, warn_of_resampling

OVERFITTED = 5  # rows a parameter below which a fit is warned of


class EmptyChoice(EngineError):
    """Raised when a choice of model holds nothing to choose."""

    what = "The choice of model has no fit to take."
    why = "No family could be fitted to its table."
    remedy = "Name a family and a number of clusters instead."


class NotJudged(EngineError):
    """Raised when a choice of model has no out-of-bag likelihoods to choose by."""

    what = "The choice of model has no out-of-bag likelihoods."
    why = "It was made without resamples."
    remedy = "Choose by BIC or ICL, or run the choice again with resamples."


class FitMixture:
    """Task mixture.fit."""

    Config = FitConfig

    def estimate(self, config: FitConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """Good to about a factor of three; unknown for tables of other runs and files that cannot be read."""
        return fit_cost(config)

    def run(self, config: FitConfig, run: Run) -> None:
        """Waves of starts, finalists and escapes are units, or iterations of the two bootstraps."""
        family, components = self._model(config, run)
        if config.method == "em" and reads_in_parts(config, run):
            return fit_streamed(config, run, family, components)
        whole = config.method == "t" or config.method in RESAMPLED
        setting = prepare_table(config, run, complete=whole, keep=True)
        if config.method in RESAMPLED:
            self._boot(config, run, setting, family, components)
        else:
            self._climb(config, run, setting, family, components)

    def _model(self, config: FitConfig, run: Run) -> tuple[Family, int]:
        if config.choice is None:
            return config.family, config.components
        choice: Choice = run.input(config.choice)
        best = choice.best(config.criterion)
        if not best and config.criterion == "out_of_bag" and choice.best("bic"):
            raise NotJudged
        if not best:
            raise EmptyChoice
        return best[0], best[1]  # type: ignore[return-value]

    def _climb(self, config: FitConfig, run: Run, setting: Setting, family: Family, components: int) -> None:
        climb = FitRun(config, run, setting, family, components)
        found = climb.run()
        run.point()
        fitted = of_fit(config, setting, found, climb.traces)
        tell(fitted, found.mixture, run)
        self._criteria(config, climb.rows, found, climb.options, run)
        if found.spurious[found.best]:
            run.warn("Every solution found is spurious: a component sits on a few rows. Use fewer clusters.")
        run.publish("mixture", fitted, complete=True)
        run.publish("labels", labels_table(fitted), complete=True)
        run.progress(1, 1)

    def _criteria(self, config: FitConfig, setting: Setting, found: Fit, options: Options, run: Run) -> None:
        single = float("nan")
        if config.method == "em" and found.components > 1:
            single = fit(setting.x, 1, found.family, replace(options, starts=1)).log_likelihood
        values = criteria(found.mixture, setting.x, found.log_likelihood, found.degrees, single)
        run.measure("mixture_parameters", found.degrees)
        for name in ("bic", "icl", "aic", "nec"):
            if np.isfinite(getattr(values, name)):
                run.measure(f"mixture_{name}", getattr(values, name))
        per = len(setting.x) / max(found.degrees, 1)
        run.measure("rows_per_parameter", per)
        if found.prior:
            template = "Only {rows} rows a parameter: a prior holds the covariances; compare by out-of-bag likelihood."
            run.warn(template, rows=f"{per:.1f}")
        elif per < OVERFITTED:
            run.warn("Only {rows} rows a parameter: compare by out-of-bag likelihood.", rows=f"{per:.1f}")

    def _boot(self, config: FitConfig, run: Run, setting: Setting, family: Family, components: int) -> None:
        work = ResampledRun(config, run, setting, family, components)
        found = work.run()
        run.point()
        fitted = of_boot(config, setting, found, work.rules, family, components)
        tell(fitted, Mixture(fitted.weights, fitted.means, fitted.covariances, family), run)
        run.measure("axes_kept", found.q)
        out_of_bag = float(fitted.objectives[found.chains.best] / fitted.took_part)
        run.measure("out_of_bag", out_of_bag)
        gap = fitted.log_likelihood / fitted.took_part - out_of_bag
        run.measure("likelihood_gap", gap)
        warn_of_resampling(found, gap, work.rules, run)
        run.publish("mixture", fitted, complete=True)
        run.publish("labels", labels_table(fitted), complete=True)
        run.progress(1, 1)
