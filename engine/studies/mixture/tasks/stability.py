"""The task mixture.stability: refits on resamples, a batch of them a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.runs.run import Run
from engine.seeding import generator
from engine.studies.contract import Cost, TaskConfig
from engine.studies.mixture.bootstrap.bagged import BATCH, Bagged, bagged_em
from engine.studies.mixture.bootstrap.stability import DISSOLVED, STABLE, consensus
from engine.studies.mixture.config import FitConfig, StabilityConfig
from engine.studies.mixture.cost import stability_cost
from engine.studies.mixture.em.em import Iteration
from engine.studies.mixture.kinds import Fitted, StabilityReport
from engine.studies.mixture.model.health import GAP
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.search.escape import resample
from engine.studies.mixture.search.fit import Options
from engine.studies.mixture.tasks.fit_run import PROGRESS_SECONDS, Due
from engine.studies.mixture.tasks.refits import manageable, refit_setting
from engine.studies.mixture.tasks.setting import Tick

PICTURE = 400  # rows and columns of the consensus matrix


@dataclass
class Sums:
    """What all resamples so far add up to, over all n rows of the table.

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

    def add(self, found: Bagged, seed: int, took: NDArray[np.bool_], others: Array) -> None:
        """Take in a batch; which rows each resample left out follows from its seed.

        Args:
            took: (n,) rows that take part in refits. others: (B, n - a, G) memberships of the rest in each refit; no
                resample holds them, and the likelihood does not count them.
        """
        count, n = found.labels.shape
        out = np.array([resample(n, generator(seed, "bag", b)) == 0 for b in range(count)]).sum(axis=0)
        labels = np.empty((count, len(took)), np.int16)
        labels[:, took], labels[:, ~took] = found.labels, others.argmax(axis=2)
        self.jaccard = np.concatenate([self.jaccard, found.jaccard])
        self.labels = np.concatenate([self.labels, labels])
        self.weights = np.concatenate([self.weights, found.weights])
        self.memberships[took] += found.memberships * out[:, None]
        self.memberships[~took] += others.sum(axis=0)
        self.every[took] += found.memberships
        self.likelihood[took] += np.where(out > 0, found.row_likelihood, 0.0) * out
        self.times[took] += out
        self.training = found.training

    def averaged(self) -> Array:
        """Out-of-bag memberships (n, G), rows sum to 1."""
        found = np.where(self.memberships.sum(axis=1, keepdims=True) > 0, self.memberships, self.every)
        return found / np.maximum(found.sum(axis=1, keepdims=True), 1e-300)

    def out_of_bag(self) -> float:
        """Mean log density of rows under refits that have not seen them, in the coordinates of the refits."""
        seen = self.times > 0
        return float((self.likelihood[seen] / self.times[seen]).mean()) if seen.any() else float("nan")


class Climbs:
    """Sees the passes of a batch: lets Stop take effect, and counts the refits that have converged.

    Args:
        done: resamples before the batch. size: of the batch. maxima: from which each is refitted. total: resamples.
    """

    def __init__(self, run: Run, done: int, size: int, maxima: int, total: int) -> None:
        self._run, self._tick, self._due = run, Tick(run), Due(PROGRESS_SECONDS)
        self._done, self._size, self._maxima, self._total = done, size, maxima, total
        self._begun = 0

    def __call__(self, seen: Iteration) -> None:
        """After every pass."""
        self._tick()
        self._begun += seen.step == 0
        if self._due.now():
            ended = self._begun - len(seen.chains) / self._size
            self._run.progress(self._done + self._size * ended / self._maxima, self._total, "resampling")
            self._due.done()


class Stable:
    """Task mixture.stability."""

    Config = StabilityConfig

    def estimate(self, config: StabilityConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """Good to about a factor of three; unknown for tables of other runs and files that cannot be read."""
        fit = (upstream or {}).get("mixture")
        return stability_cost(config, fit if isinstance(fit, FitConfig) else None)

    def run(self, config: StabilityConfig, run: Run) -> None:
        """Batches of resamples, each published as it ends."""
        assert config.mixture is not None
        fitted = manageable(run.input(config.mixture), config.seed)
        refits = refit_setting(fitted, config.maxima, Options(device=run.device, warn=run.warn))
        task, start = refits.task, refits.start
        sums = Sums.empty(len(fitted.x), start.components)
        if fitted.took_part > len(fitted.x) and run.restored() is None:
            template = "The table has {count} rows; a random {rows} of them are resampled here."
            run.warn(template, count=fitted.took_part, rows=len(fitted.x))
        if (state := run.restored()) is not None:
            arrays = {name: np.array(array) for name, array in state.items() if name != "training"}
            sums = Sums(**arrays, training=float(state["training"]))
        sizes = [min(BATCH, config.replicates - at) for at in range(0, config.replicates, BATCH)]
        for unit in run.units([f"{size} resamples" for size in sizes]):
            size = sizes[unit.index]
            climbs = Climbs(run, len(sums.jaccard), size, start.chains, config.replicates)
            found = bagged_em(task.rows, start, refits.family, task.guard, Options().control(), unit.seed, size,
                              observe=climbs)  # fmt: skip
            sums.add(found, unit.seed, refits.took, refits.others(found))
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


def report(fitted: Fitted, sums: Sums, seed: int) -> StabilityReport:
    """The artifact; likelihoods are carried over to the units of the table, where they differ by a constant."""
    labels = fitted.labels()
    matrix, order = consensus(sums.labels, labels, most=PICTURE, seed=seed)
    mean = sums.jaccard.mean(axis=0)
    words = ["stable" if m >= STABLE else "doubtful" if m >= DISSOLVED else "dissolved" for m in mean]
    own = fitted.log_likelihood / fitted.took_part
    return StabilityReport(
        jaccard=sums.jaccard, verdicts=tuple(words), consensus=matrix.astype(np.float32), order=order,
        groups=labels[order], memberships=sums.averaged(), weights=sums.weights, training=own,
        out_of_bag=sums.out_of_bag() + own - sums.training, replicates=len(sums.jaccard),
    )  # fmt: skip
