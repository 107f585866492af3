"""The task mixture.ratio: one cluster more, and one fewer, tested by the parametric bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.runs.run import Run
from engine.seeding import derive
from engine.studies.contract import Cost, TaskConfig
from engine.studies.mixture.choice.likelihood_ratio import conclude, maximum, merges, replicate, statistic, step_up
from engine.studies.mixture.config import RESAMPLED, FitConfig, RatioConfig
from engine.studies.mixture.cost import ratio_cost
from engine.studies.mixture.kinds import Fitted, RatioReport
from engine.studies.mixture.model.families import FAMILIES, Family, degrees_of_freedom
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.model.prior import THIN
from engine.studies.mixture.search.fit import Fit, Options
from engine.studies.mixture.search.starts import StartKind
from engine.studies.mixture.tasks.refits import manageable
from engine.studies.mixture.tasks.setting import Tick

SMALL_BATCH, BATCHES = 5, 25  # tables of a unit at least; units of a test about
# Ward's clustering of every drawn table would take longer than the rest.
KINDS: Mapping[StartKind, float] = {"whitened": 0.4, "plusplus": 0.4, "kmeans": 0.2}
TOLERANCE = 1e-6  # nats a row: statistics of a few nats are compared
TOLERANCE_T = 1e-5  # degrees of freedom creep
BETTER = 0.05  # nats by which a maximum found here must be ahead to be told of


@dataclass(frozen=True)
class Question:
    """What is tested, and on which rows.

    Attributes:
        x: (n, d) rows, nan where missing; on the axes of a resampled method where it has them. mixture: the one whose
            number of clusters is in question. options: for every fit. student: of t components.
    """

    x: Array
    mixture: Mixture
    family: Family
    options: Options
    student: bool

    @property
    def gaps(self) -> NDArray[np.bool_] | None:
        """(n, d) missing cells, None where there are none."""
        gaps = np.isnan(self.x)
        return gaps if gaps.any() else None


@dataclass
class Tests:
    """What is known so far: K numbers of clusters G, each against G + 1.

    Attributes:
        null: (K,) numbers. statistic: (K,). models: K mixtures from which tables are drawn, as arrays.
        replicates: (K, B), nan for those still to come.
    """

    null: NDArray[np.intp]
    statistic: Array
    models: list[dict[str, Any]]
    replicates: Array

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Tests:
        """From a checkpoint."""
        models = [dict(state["models"][str(k)]) for k in range(len(state["null"]))]
        return cls(np.array(state["null"]), np.array(state["statistic"]), models, np.array(state["replicates"]))

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        models = {str(k): model for k, model in enumerate(self.models)}
        return {"null": self.null, "statistic": self.statistic, "models": models, "replicates": self.replicates}

    def done(self, k: int) -> Array:
        """The replicates of one test so far."""
        row = self.replicates[k]
        return np.asarray(row[np.isfinite(row)])

    def report(self, family: str, rows: int) -> RatioReport:
        """As an artifact; p is nan before the first replicate."""
        p = [conclude(float(self.statistic[k]), r).p if len(r := self.done(k)) else np.nan
             for k in range(len(self.null))]  # fmt: skip
        return RatioReport(
            family=family, null=self.null, statistic=self.statistic, replicates=self.replicates.copy(), p=np.array(p),
            rows=rows,
        )  # fmt: skip


class Ratio:
    """Task mixture.ratio."""

    Config = RatioConfig

    def estimate(self, config: RatioConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """Good to about a factor of three; unknown for tables of other runs and files that cannot be read."""
        fit = (upstream or {}).get("mixture")
        return ratio_cost(config, fit if isinstance(fit, FitConfig) else None)

    def run(self, config: RatioConfig, run: Run) -> None:
        """First the table itself, then batches of drawn tables, the tests in turns so that their p values fill."""
        assert config.mixture is not None
        fitted = manageable(run.input(config.mixture), config.seed)
        question, tick = asked(fitted, config), Tick(run)
        tests = None if (state := run.restored()) is None else Tests.restored(state)
        if tests is None:
            tell(fitted, question, run)
        g = question.mixture.components
        nulls = [g - 1, g] if config.fewer and g > 1 else [g]
        plan = batches(len(nulls), config.replicates)
        labels = [f"{nulls[k]} against {nulls[k] + 1}: tables {at.start + 1} to {at.stop}" for k, at in plan]
        total = len(nulls) * config.replicates
        for unit in run.units(["the table itself", *labels]):
            if tests is None:
                tests = self._observe(question, nulls, config, fitted, run, tick)
            elif unit.index > 0:
                k, at = plan[unit.index - 1]
                tests.replicates[k, at] = self._draw(question, tests, k, at, config, tick)
            run.checkpoint(tests.state())
            run.progress(int(np.isfinite(tests.replicates).sum()), total)
            run.publish("ratio", tests.report(question.family, len(question.x)))
        assert tests is not None
        last = tests.report(question.family, len(question.x))
        for k, null in enumerate(last.null.tolist()):
            run.measure("ratio_statistic", float(last.statistic[k]), n=config.replicates, clusters=null)
            between = wilson(float(last.p[k]), config.replicates)
            run.measure("ratio_p", float(last.p[k]), interval=between, n=config.replicates, clusters=null)
        run.publish("ratio", last, complete=True)

    def _observe(
        self, question: Question, nulls: list[int], config: RatioConfig, fitted: Fitted, run: Run, tick: Tick
    ) -> Tests:
        """The maxima in the table itself, each one above the other."""
        family, student, options = question.family, question.student, question.options
        given = question.mixture
        begin = [given] if nulls[0] == given.components else merges(given)
        fits = [maximum(question.x, nulls[0], family, options, begin, student=student, observe=tick)]
        for null in nulls:
            more = [given] if null + 1 == given.components else []
            fits.append(step_up(question.x, fits[-1], options, more, student=student, observe=tick))
        again = fits[nulls.index(given.components)]
        self._tell_better(again, fitted, run)
        observed = np.array([statistic(one, other) for one, other in pairwise(fits)])
        empty = np.full((len(nulls), config.replicates), np.nan)
        return Tests(np.array(nulls), observed, [one.mixture.arrays() for one in fits[:-1]], empty)

    def _tell_better(self, again: Fit, fitted: Fitted, run: Run) -> None:
        comparable = fitted.method in ("em", "t") and not again.prior and fitted.took_part <= len(fitted.x)
        if comparable and again.log_likelihood > fitted.log_likelihood + BETTER:
            template = "A better maximum with {clusters} clusters turned up: log-likelihood {new} instead of {old}."
            run.warn(template, clusters=again.components, new=f"{again.log_likelihood:.2f}",
                     old=f"{fitted.log_likelihood:.2f}")  # fmt: skip

    def _draw(
        self, question: Question, tests: Tests, k: int, at: slice, config: RatioConfig, tick: Tick
    ) -> list[float]:
        null = Mixture.from_arrays(tests.models[k])
        options = replace(question.options, seed=derive(config.seed, "ratio", int(tests.null[k])))
        numbers = range(at.start, at.stop)
        return [replicate(null, len(question.x), options, i, gaps=question.gaps, observe=tick) for i in numbers]


def asked(fitted: Fitted, config: RatioConfig) -> Question:
    """The question that a fitted mixture poses; mixtures of the resampled methods live on their axes."""
    family: Family = next(name for name in FAMILIES if name == fitted.family)
    scaling: Any = fitted.scaling
    resolution = np.array(fitted.resolution)
    dof = np.array(fitted.dof) if len(fitted.dof) else None
    x, means, covariances = np.array(fitted.x), np.array(fitted.means), np.array(fitted.covariances)
    if dof is not None or fitted.method in RESAMPLED:
        # Rows with gaps took no part in these fits.
        x = x[~np.isnan(x).any(axis=1)]
    if fitted.axes.shape[1]:
        x = ((x - fitted.scores_mean) / fitted.scores_scale) @ fitted.axes
        means, covariances = np.array(fitted.score_means), np.array(fitted.score_covariances)
        scaling, resolution = "none", np.zeros(x.shape[1])
    mixture = Mixture(np.array(fitted.weights), means, covariances, family, dof)
    prior: Any = fitted.prior
    if prior == "auto":
        # As the mixture itself was fitted, for all models: posterior modes and maxima do not compare.
        thin = fitted.took_part < THIN * degrees_of_freedom(family, mixture.components, x.shape[1])
        prior = "pooled" if thin else "off"
    tolerance = TOLERANCE if dof is None else TOLERANCE_T
    options = Options(
        starts=config.starts, tolerance=tolerance, prior=prior, scaling=scaling, resolution=resolution, shares=KINDS,
        seed=config.seed,
    )  # fmt: skip
    return Question(x, mixture, family, options, dof is not None)


def tell(fitted: Fitted, question: Question, run: Run) -> None:
    """Say where the test is not the plain one."""
    if question.options.prior != "off":
        run.warn("A prior holds the covariances: the test compares posterior modes, in the drawn tables too.")
    if fitted.axes.shape[1]:
        run.warn("Tested on the {q} axes of the mixture, with maxima of the likelihood there.", q=question.x.shape[1])
    elif fitted.method not in ("em", "t"):
        run.warn("The clusters were fitted again by EM, since the test compares maxima of the likelihood.")
    if fitted.took_part > len(fitted.x):
        run.warn("Tested on {rows} rows drawn at random from the table.", rows=len(question.x))


def batches(tests: int, replicates: int) -> list[tuple[int, slice]]:
    """Test and tables of each unit, the tests in turns."""
    size = max(SMALL_BATCH, -(-replicates // BATCHES))
    parts = [slice(at, min(at + size, replicates)) for at in range(0, replicates, size)]
    return [(k, part) for part in parts for k in range(tests)]


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share among ``count`` independent trials (Wilson 1927, equation 4)."""
    z2 = 1.959964**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return max(0.0, min(share, float(middle - half))), min(1.0, max(share, float(middle + half)))
