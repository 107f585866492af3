"""The task mixture.stability: refits on resamples, a batch of them a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.runs.run import Run
from engine.seeding import generator
from engine.studies.contract import Cost, TaskConfig
from engine.studies.mixture.bagged import BATCH, Bagged, bagged_em
from engine.studies.mixture.config import FitConfig, StabilityConfig
from engine.studies.mixture.coordinates import to_frame
from engine.studies.mixture.cost import stability_cost
from engine.studies.mixture.escape import resample
from engine.studies.mixture.families import DIAGONAL, FAMILIES, Family
from engine.studies.mixture.fit import Options, Task, prepare
from engine.studies.mixture.kinds import Fitted, StabilityReport
from engine.studies.mixture.mixture import Mixture
from engine.studies.mixture.parameters import Array, Parameters, concatenate
from engine.studies.mixture.setting import Tick
from engine.studies.mixture.stability import DISSOLVED, STABLE, consensus

PICTURE = 400  # rows and columns of the consensus matrix
GAP = 0.5


class NotForT(EngineError):
    """Raised for mixtures that cannot be refitted on resamples here."""

    what = "This mixture of t distributions cannot be resampled."
    why = "Refits are made by EM for Gaussians."
    remedy = "Fit the mixture by EM, or switch stability off."


@dataclass
class Sums:
    """What all resamples so far add up to.

    Attributes:
        jaccard: (B, G). labels: (B, n). weights: (B, G). memberships: (n, G) sums over resamples without the row.
        every: (n, G) sums over units, for rows that were never left out. likelihood: (n,) sums. times: (n,).
        training: log-likelihood per row of the fit itself.
    """

    jaccard: Array
    labels: Array
    weights: Array
    memberships: Array
    every: Array
    likelihood: Array
    times: Array
    training: float

    @classmethod
    def empty(cls, n: int, g: int) -> Sums:
        """Before the first."""
        return cls(np.zeros((0, g)), np.zeros((0, n), np.int16), np.zeros((0, g)), np.zeros((n, g)), np.zeros((n, g)),
                   np.zeros(n), np.zeros(n), 0.0)  # fmt: skip

    def add(self, found: Bagged, seed: int) -> None:
        """Take in a batch; which rows each resample left out follows from its seed."""
        n, count = self.times.shape[0], len(found.labels)
        out = np.array([resample(n, generator(seed, "bag", b)) == 0 for b in range(count)]).sum(axis=0)
        self.jaccard = np.concatenate([self.jaccard, found.jaccard])
        self.labels = np.concatenate([self.labels, found.labels])
        self.weights = np.concatenate([self.weights, found.weights])
        self.memberships += found.memberships * out[:, None]
        self.every += found.memberships
        self.likelihood += np.where(out > 0, found.row_likelihood, 0.0) * out
        self.times += out
        self.training = found.training

    def out_of_bag(self) -> float:
        """Mean log density per row in the coordinates of the fit."""
        seen = self.times > 0
        return float((self.likelihood[seen] / self.times[seen]).mean()) if seen.any() else float("nan")

    def averaged(self) -> Array:
        """(n, G) out-of-bag memberships."""
        z = np.where(self.times[:, None] > 0, self.memberships, self.every)
        return z / np.maximum(z.sum(axis=1, keepdims=True), 1e-300)


class Stable:
    """Task mixture.stability."""

    Config = StabilityConfig

    def estimate(self, config: StabilityConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """Good to about a factor of three; unknown for users' tables."""
        fit = (upstream or {}).get("mixture")
        return stability_cost(config, fit if isinstance(fit, FitConfig) else None)

    def run(self, config: StabilityConfig, run: Run) -> None:
        """Batches of resamples, each published as it ends."""
        assert config.mixture is not None
        fitted: Fitted = run.input(config.mixture)
        if len(fitted.dof):
            raise NotForT
        task, start, family = refit_setting(fitted, config.maxima)
        sums = Sums.empty(len(fitted.x), start.components)
        if (state := run.restored()) is not None:
            arrays = {name: np.array(array) for name, array in state.items() if name != "training"}
            sums = Sums(**arrays, training=float(state["training"]))
        sizes = [min(BATCH, config.replicates - at) for at in range(0, config.replicates, BATCH)]
        tick = Tick(run)
        for unit in run.units([f"{size} resamples" for size in sizes]):
            found = bagged_em(task.rows, start, family, task.guard, Options().control(), unit.seed, sizes[unit.index],
                              observe=tick)  # fmt: skip
            sums.add(found, unit.seed)
            run.checkpoint(dict(vars(sums)))
            run.progress(len(sums.jaccard), config.replicates)
            run.publish("stability", report(fitted, sums, config.seed))
        last = report(fitted, sums, config.seed)
        self._tell(last, run)
        run.publish("stability", last, complete=True)

    def _tell(self, last: StabilityReport, run: Run) -> None:
        ends = np.quantile(last.jaccard, [0.05, 0.95], axis=0)
        for k, values in enumerate(last.jaccard.T):
            between = (float(ends[0, k]), float(ends[1, k]))
            run.measure("jaccard", float(values.mean()), interval=between, n=len(values), cluster=k + 1)
            run.measure("weight_error", 100 * float(last.weights[:, k].std(ddof=1)), n=len(values), cluster=k + 1)
        run.measure("out_of_bag", last.out_of_bag, n=last.replicates)
        gap = last.training - last.out_of_bag
        run.measure("likelihood_gap", gap, n=last.replicates)
        if gap > GAP:
            run.warn(
                "The mixture is overfitted: rows that a refit has not seen are {gap} nat less likely.", gap=f"{gap:.2f}"
            )
        lost = [str(k + 1) for k, word in enumerate(last.verdicts) if word == "dissolved"]
        if lost:
            run.warn("Dissolved in most resamples: cluster {clusters}.", clusters=", ".join(lost))


def refit_setting(fitted: Fitted, maxima: int) -> tuple[Task, Parameters, Family]:
    """What bagged EM needs: rows and guard in fit coordinates, and the first maxima as starts.

    Mixtures of the resampled methods live on their axes, and are refitted there.
    """
    family: Family = next(name for name in FAMILIES if name == fitted.family)
    prior: Any = fitted.prior
    scaling: Any = fitted.scaling
    if fitted.axes.shape[1]:
        x = ((fitted.x - fitted.scores_mean) / fitted.scores_scale) @ fitted.axes
        solutions = [Mixture(np.array(fitted.weights), fitted.score_means, fitted.score_covariances, family)]
        options = Options(prior=prior, scaling="none")
    else:
        x = np.array(fitted.x)
        solutions = [Mixture(fitted.weights, fitted.means, fitted.covariances, family)]
        full = [s for s in range(1, len(fitted.solution_weights)) if (fitted.solution_weights[s] > 0).all()]
        solutions += [
            Mixture(fitted.solution_weights[s], fitted.solution_means[s], fitted.solution_covariances[s], family)
            for s in full
            if len(fitted.weights) == fitted.components
        ]
        options = Options(prior=prior, scaling=scaling, resolution=np.array(fitted.resolution))
    task = prepare(x, len(fitted.weights), family, options)
    diagonal = family in DIAGONAL
    starts = [to_frame(task.frame, one, diagonal, task.guard) for one in solutions[:maxima]]
    return task, concatenate(starts), family


def report(fitted: Fitted, sums: Sums, seed: int) -> StabilityReport:
    """The artifact; likelihoods are carried over to the units of the table, where they differ by a constant."""
    labels = fitted.labels()
    matrix, order = consensus(sums.labels, labels, most=PICTURE, seed=seed)
    mean = sums.jaccard.mean(axis=0)
    words = ["stable" if m >= STABLE else "doubtful" if m >= DISSOLVED else "dissolved" for m in mean]
    own = fitted.log_likelihood / len(fitted.x)
    return StabilityReport(
        jaccard=sums.jaccard, verdicts=tuple(words), consensus=matrix.astype(np.float32), order=order,
        groups=labels[order], memberships=sums.averaged(), weights=sums.weights, training=own,
        out_of_bag=sums.out_of_bag() + own - sums.training, replicates=len(sums.jaccard),
    )  # fmt: skip
