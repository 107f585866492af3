"""The task mixture.fit: one mixture from many starts, shown while it climbs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from engine.errors import EngineError
from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.mixture.bootstrap.boot_fit import BootFit
from engine.studies.mixture.bootstrap.chains import ChainRules
from engine.studies.mixture.bootstrap.spectral import bootstrap_allowed, rows_wanted
from engine.studies.mixture.config import RESAMPLED, FitConfig
from engine.studies.mixture.cost import fit_cost
from engine.studies.mixture.kinds import Choice, Fitted
from engine.studies.mixture.model.agreement import adjusted_rand_index, normalised_mutual_information
from engine.studies.mixture.model.criteria import criteria
from engine.studies.mixture.model.criteria import entropy as entropy_of
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.health import GAP, examine
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.search.fit import Fit, Options, fit
from engine.studies.mixture.tasks.boot_run import ResampledRun
from engine.studies.mixture.tasks.fit_run import FitRun
from engine.studies.mixture.tasks.fitted import of_boot, of_fit
from engine.studies.mixture.tasks.setting import Setting, prepare_table, reads_in_parts

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
            from engine.studies.mixture.tasks.fit_stream import fit_streamed

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
        run.progress(1, 1)


def warn_of_resampling(found: BootFit, gap: float, rules: ChainRules, run: Run) -> None:
    """What makes a resampled fit less than it seems.

    Args:
        gap: training minus out-of-bag log-likelihood per row.
    """
    if not found.chains.settled:
        run.warn("The resampled likelihood had not settled after {steps} iterations.", steps=rules.most)
    if found.q < found.suggested:
        template = "Only {q} of {suggested} axes were kept: for more, the rows are too few to resample the clusters."
        run.warn(template, q=found.q, suggested=found.suggested)
    rows = found.mixture.weights.min() * len(found.memberships)
    if not bootstrap_allowed(np.array([rows]), found.q):
        run.warn(
            "The smallest cluster ended with about {rows} rows; resampled EM on {q} axes needs {needed}, else the"
            " widest cluster swallows rows. Use fewer axes or clusters, or EM with the stability stage.",
            rows=round(float(rows)), q=found.q, needed=rows_wanted(found.q),
        )  # fmt: skip
    if gap > GAP:
        run.warn(
            "The mixture is overfitted: rows left out of a resample are {gap} nat less likely. Use fewer axes or"
            " clusters.",
            gap=f"{gap:.2f}",
        )  # fmt: skip


def tell(fitted: Fitted, mixture: Mixture, run: Run) -> None:
    """The numbers that every method has."""
    n = fitted.took_part
    health = examine(mixture, float(n))
    run.measure("mixture_rows", n)
    run.measure("mixture_columns", fitted.x.shape[1])
    run.measure("mixture_components", len(fitted.weights))
    run.measure("mixture_log_likelihood", fitted.log_likelihood)
    run.measure("training_likelihood", fitted.log_likelihood / n)
    run.measure("membership_entropy", entropy_of(fitted.memberships) / len(fitted.memberships))
    run.measure("basin_share", 100 * float(fitted.share[0]), n=_starts(fitted))
    run.measure("local_maxima", len(set(fitted.member[fitted.finished].tolist())))
    run.measure("smallest_share", 100 * float(fitted.weights.min()))
    run.measure("smallest_eigenvalue", float(health.smallest.min()))
    run.measure("condition_number", float(health.condition.max()))
    if len(fitted.weights) < fitted.components:
        run.warn("{gone} of {asked} clusters collapsed and are gone.", gone=fitted.components - len(fitted.weights),
                 asked=fitted.components)  # fmt: skip
    least, columns = n * float(fitted.weights.min()), len(fitted.names)
    if least < columns + 1:
        template = "The smallest cluster holds about {rows} rows in {columns} columns: it may be nothing but outliers."
        run.warn(template, rows=round(least), columns=columns)
    told = fitted.known >= 0
    if told.sum() > 1 and len(fitted.classes) > 1:
        labels = fitted.labels()[told]
        run.measure("ari", adjusted_rand_index(fitted.known[told], labels), n=int(told.sum()))
        run.measure("nmi", normalised_mutual_information(fitted.known[told], labels), n=int(told.sum()))


def _starts(fitted: Fitted) -> int:
    """Solutions found by resampling are not starts."""
    return max(1, sum(kind != "escape" for kind in fitted.start_kinds))
