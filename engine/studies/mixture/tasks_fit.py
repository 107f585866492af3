"""The task mixture.fit: one mixture from many starts, shown while it climbs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from engine.errors import EngineError
from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.mixture.agreement import adjusted_rand_index, normalised_mutual_information
from engine.studies.mixture.boot_fit import Method as Resampled
from engine.studies.mixture.boot_fit import boot_fit
from engine.studies.mixture.bootem import ChainRules, ChainStep
from engine.studies.mixture.config import RESAMPLED, FitConfig
from engine.studies.mixture.cost import fit_cost
from engine.studies.mixture.criteria import criteria
from engine.studies.mixture.criteria import entropy as entropy_of
from engine.studies.mixture.em import Iteration
from engine.studies.mixture.families import Family
from engine.studies.mixture.fit import Fit, Options, by_weight, fit, prepare
from engine.studies.mixture.fitted import bare, of_boot, of_fit, part_of
from engine.studies.mixture.health import examine
from engine.studies.mixture.kinds import Choice, Fitted
from engine.studies.mixture.mixture import Mixture
from engine.studies.mixture.setting import Setting, Tick, options_of, prepare_table
from engine.studies.mixture.student import fit_t

TELL_SECONDS = 1.0
SHARE = 20  # telling takes at most a twentieth of the time
OVERFITTED = 5  # rows a parameter below which a fit is warned of


class EmptyChoice(EngineError):
    """Raised when a choice of model holds nothing to choose."""

    what = "The choice of model has no fit to take."
    why = "No family could be fitted to its table."
    remedy = "Name a family and a number of clusters instead."


class Live:
    """Publishes the best start so far while EM climbs."""

    def __init__(self, config: FitConfig, run: Run, setting: Setting, family: Family, components: int) -> None:
        self.config, self.task, self.family, self.components = config, run, family, components
        self.setting = part_of(setting)
        self.tick = Tick(run)
        self.n = len(setting.x)
        self.frame = prepare(setting.x, components, family, _options(config, setting)).frame
        self._due = time.monotonic() + TELL_SECONDS
        self._passes = 0

    def __call__(self, seen: Iteration) -> None:
        """After every pass."""
        self.tick()
        self._passes += 1
        begun = time.monotonic()
        if begun < self._due:
            return
        at = int(np.argmax(seen.objective))
        mixture = by_weight(self.frame.mixture(seen.params, at, self.family))
        value = float(seen.log_likelihood[at]) + self.n * self.frame.log_volume
        z = mixture.responsibilities(self.setting.x)
        shown = bare(self.config, self.setting, mixture, z, value, self.family, self.components)
        self.task.publish("mixture", shown)
        self.task.measure("mixture_log_likelihood", value, step=self._passes)
        self.task.progress(1 - 0.5 ** (self._passes / 100), 1.0)
        now = time.monotonic()
        self._due = now + max(TELL_SECONDS, SHARE * (now - begun))


class FitMixture:
    """Task mixture.fit."""

    Config = FitConfig

    def estimate(self, config: FitConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """Good to about a factor of three; unknown for users' tables."""
        return fit_cost(config)

    def run(self, config: FitConfig, run: Run) -> None:
        """One unit: all starts run together."""
        whole = config.method == "t" or config.method in RESAMPLED
        setting = prepare_table(config, run, complete=whole)
        family, components = self._model(config, run)
        for _ in run.units(["fit"]):
            if config.method in RESAMPLED:
                self._boot(config, run, setting, family, components)
            else:
                self._climb(config, run, setting, family, components)

    def _model(self, config: FitConfig, run: Run) -> tuple[Family, int]:
        if config.choice is None:
            return config.family, config.components
        choice: Choice = run.input(config.choice)
        best = choice.best(config.criterion)
        if not best:
            raise EmptyChoice
        return best[0], best[1]  # type: ignore[return-value]

    def _climb(self, config: FitConfig, run: Run, setting: Setting, family: Family, components: int) -> None:
        options = _options(config, setting)
        live = Live(config, run, setting, family, components)
        if config.method == "t":
            found = fit_t(setting.x, components, family, options, observe=live)
        else:
            found = fit(setting.x, components, family, options, observe=live)
        run.point()
        fitted = of_fit(config, setting, found)
        tell(fitted, found.mixture, run)
        self._criteria(config, setting, found, options, run)
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
        method: Resampled = "spectral_bootem" if config.method == "spectral_bootem" else "bootspectral"
        tick, rules, told = Tick(run), ChainRules(), [0.0]

        def see(step: ChainStep) -> None:
            tick()
            if time.monotonic() - told[0] > TELL_SECONDS:
                run.measure("out_of_bag", float(step.out_of_bag.max()), step=step.step)
                run.progress(step.step, rules.most, "resampling")
                told[0] = time.monotonic()

        found = boot_fit(
            setting.x, components, family, _options(config, setting), method=method, q=config.q, rule=config.q_rule,
            chains=config.chains, rules=rules, observe=see,
        )  # fmt: skip
        fitted = of_boot(config, setting, found, family, components)
        tell(fitted, Mixture(fitted.weights, fitted.means, fitted.covariances, family), run)
        run.measure("axes_kept", found.q)
        run.measure("out_of_bag", float(fitted.objectives[found.chains.best] / len(setting.x)))
        if not found.chains.settled:
            run.warn("The resampled likelihood had not settled after {steps} iterations.", steps=rules.most)
        run.publish("mixture", fitted, complete=True)
        run.progress(1, 1)


def _options(config: FitConfig, setting: Setting) -> Options:
    options = replace(options_of(config, setting.table), starts=config.starts, tolerance=config.tolerance)
    return replace(options, method=config.method) if config.method in ("cem", "sem", "annealing") else options


def tell(fitted: Fitted, mixture: Mixture, run: Run) -> None:
    """The numbers that every method has."""
    n = len(fitted.x)
    health = examine(mixture, float(n))
    run.measure("mixture_rows", n)
    run.measure("mixture_columns", fitted.x.shape[1])
    run.measure("mixture_components", len(fitted.weights))
    run.measure("mixture_log_likelihood", fitted.log_likelihood)
    run.measure("training_likelihood", fitted.log_likelihood / n)
    run.measure("membership_entropy", entropy_of(fitted.memberships) / n)
    run.measure("basin_share", 100 * float(fitted.share[0]), n=_starts(fitted))
    run.measure("local_maxima", len(set(fitted.member[fitted.finished].tolist())))
    run.measure("smallest_share", 100 * float(fitted.weights.min()))
    run.measure("smallest_eigenvalue", float(health.smallest.min()))
    run.measure("condition_number", float(health.condition.max()))
    if len(fitted.weights) < fitted.components:
        run.warn("{gone} of {asked} clusters collapsed and are gone.", gone=fitted.components - len(fitted.weights),
                 asked=fitted.components)  # fmt: skip
    told = fitted.known >= 0
    if told.sum() > 1 and len(fitted.classes) > 1:
        labels = fitted.labels()[told]
        run.measure("ari", adjusted_rand_index(fitted.known[told], labels), n=int(told.sum()))
        run.measure("nmi", normalised_mutual_information(fitted.known[told], labels), n=int(told.sum()))


def _starts(fitted: Fitted) -> int:
    """Solutions found by resampling are not starts."""
    return max(1, sum(kind != "escape" for kind in fitted.start_kinds))
