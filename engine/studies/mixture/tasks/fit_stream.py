"""mixture.fit on a table larger than memory: a sample races, the best climb on all rows, all rows get labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.artifacts.shared_kinds import RowBlocks
from engine.runs.run import Run
from engine.seeding import generator
from engine.studies.mixture.config import FileTable, FitConfig
from engine.studies.mixture.em.em import Iteration
from engine.studies.mixture.em.maximise import maximise
from engine.studies.mixture.em.sweep import Moments
from engine.studies.mixture.model.criteria import bic
from engine.studies.mixture.model.families import DIAGONAL, Family
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import LOG_2PI, Array
from engine.studies.mixture.search.fit import Fit, Options, by_weight
from engine.studies.mixture.search.race import renumber
from engine.studies.mixture.search.streamed import StreamedFit
from engine.studies.mixture.search.tracing import ChainTraces
from engine.studies.mixture.tables.size import part_size
from engine.studies.mixture.tables.source import source_of
from engine.studies.mixture.tables.table import Table
from engine.studies.mixture.tasks.fit_run import TELL_SECONDS, Due
from engine.studies.mixture.tasks.fitted import bare, of_fit, part_of
from engine.studies.mixture.tasks.setting import Setting, Tick, codes, sample_of, told
from engine.studies.mixture.tasks.telling import LABELS, tell

SAVE_SECONDS = 5.0
# Shares of the progress where reading, race and climb end; labels are the rest.
READ, RACED, CLIMBED = 0.1, 0.25, 0.85


def fit_streamed(config: FitConfig, run: Run, family: Family, components: int) -> None:
    """Fit a file without ever holding it: publishes the mixture with a random part of the rows, and labels of all.

    Raises:
        TableError: the file cannot be used, or changed. TooFewRowsError, TooManyColumnsError.
    """
    StreamRun(config, run, family, components).run()


class StreamRun:
    """One streamed fit in units: the first look, waves of starts, passes over all rows, the mixture, labels."""

    def __init__(self, config: FitConfig, run: Run, family: Family, components: int) -> None:
        assert isinstance(config.data, FileTable)
        self.config, self.task, self.family, self.components = config, run, family, components
        self._warned: set[str] = set()
        options = Options(
            prior=config.prior, scaling=config.data.scaling, seed=config.seed, starts=config.starts,
            tolerance=config.tolerance, device=run.device, warn=self._warn,
        )  # fmt: skip
        self.source = source_of(config.data, self._watch)
        self.fit = StreamedFit(self.source, components, family, options, rounding=True)
        self._tick, self._picture, self._saved = Tick(run), Due(TELL_SECONDS), Due(SAVE_SECONDS)
        self._from, self._to, self._note, self._share = 0.0, READ, "reading", 0.0

    def run(self) -> None:
        """All units that are still to do."""
        if (state := self.task.restored()) is not None:
            self.fit.restore(state["fit"])
            self._prepare()
            self.traces.restore(state["traces"])
        for _ in self.task.units(["reading"]):
            self.fit.look()
            self._prepare()
            self._say()
            self.task.checkpoint(self._state())
        self._race()
        self._climb()
        self._conclude()

    def _state(self) -> dict[str, Any]:
        return {"fit": self.fit.state(), "traces": self.traces.state(), "in_parts": True}

    def _prepare(self) -> None:
        """What pictures need, after the first look."""
        found = self.fit.found
        assert found is not None
        m, d = found.sample.x.shape
        most = part_size(d)
        at = np.arange(m)
        if m > most:
            at = np.sort(generator(self.config.seed, "part").choice(m, most, replace=False))
        part = found.sample.take(at)
        table = Table(part.x, found.names, part.rows, part.words, found.resolution, found.notes)
        classes, known = codes(part.words, len(at))
        self.setting = Setting(table, classes, known, sample_of(len(at), self.config.seed), True)
        self._part = part_of(self.setting)
        self.n, self.sampled = found.summary.n, m
        self.traces = ChainTraces(self.fit.task.total, self.fit.task.volume)

    def _say(self) -> None:
        """Warn of what was done to the table."""
        found = self.fit.found
        assert found is not None
        for template, params in told([note for note in found.notes if note.kind != "rounded"]):
            self.task.warn(template, **params)
        if not self.fit.whole:
            self.task.warn(
                "The starts raced on a random {sample} of the {rows} rows; only the best went on with all rows, and the"
                " likelihoods of the others are those of the sample, scaled up.",
                sample=self.sampled, rows=self.n,
            )  # fmt: skip

    def _stage(self, begin: float, end: float, note: str) -> None:
        self._from, self._to, self._note, self._share = begin, end, note, 0.0

    def _warn(self, sentence: str) -> None:
        """Why the device could not serve, once and not for every chunk."""
        if sentence not in self._warned:
            self._warned.add(sentence)
            self.task.warn(sentence)

    def _watch(self, share: float) -> None:
        """After every chunk of the file."""
        self._share = max(self._share, share)
        self.task.progress(self._from + (self._to - self._from) * self._share, 1.0, self._note)
        self.task.point()

    def _race(self) -> None:
        plan = self.fit.plan()
        for unit in self.task.units(plan):
            if self.fit.idle(unit.label):
                continue
            width = (RACED - READ) / len(plan)
            self._stage(READ + width * unit.index, READ + width * (unit.index + 1), f"sample: {unit.label}")
            passes = 0

            def see(seen: Iteration) -> None:
                nonlocal passes
                passes += 1
                self._tick()
                self.traces(seen)
                self._watch(1 - 0.9**passes)
                self._show(seen, self.sampled)

            self.traces.searching = unit.label.startswith("escape")
            self.fit.race(unit.label, see, self._tick)
            self.task.checkpoint(self._state())

    def _climb(self) -> None:
        if self.fit.whole:
            return
        for _ in self.task.units(self.fit.most_passes):
            if self.fit.over:
                break
            k = self.fit.passes
            low, high = (RACED + (CLIMBED - RACED) * (1 - 0.85**i) for i in (k, k + 1))
            self._stage(low, high, f"pass {k + 1} over all rows")
            self.fit.climb(renumber(self._climbed, self.fit.finalists()))
            if self.fit.over or self._saved.now():
                self.task.checkpoint(self._state())
                self._saved.done()

    def _climbed(self, seen: Iteration) -> None:
        # The traces count in rows of the sample.
        scale = self.sampled / self.n
        self.traces(replace(seen, log_likelihood=seen.log_likelihood * scale))
        value = float(seen.log_likelihood.max()) + self.n * self.fit.task.frame.log_volume
        self.task.measure("mixture_log_likelihood", value, step=self.fit.passes + 1)
        self._show(seen, self.n)

    def _show(self, seen: Iteration, rows: int) -> None:
        """Publish the best start so far; ``rows`` behind its likelihood."""
        if not self._picture.now():
            return
        frame, at = self.fit.task.frame, int(np.argmax(seen.objective))
        mixture = by_weight(frame.mixture(seen.params, at, self.family))
        value = float(seen.log_likelihood[at]) * self.n / rows + self.n * frame.log_volume
        z = mixture.responsibilities(self._part.x)
        shown = bare(self.config, self._part, mixture, z, value, self.family, self.components, self.n)
        chains = self.traces.running()
        traced = self.traces.of(chains, self.components)
        self.task.publish(
            "mixture", replace(shown, trace=traced.values, trace_weights=traced.weights, trace_chain=chains)
        )
        self._picture.done()

    def _conclude(self) -> None:
        found = self.fit.result()
        for unit in self.task.units(["mixture", "labels"]):
            if unit.label == "mixture":
                fitted = of_fit(self.config, self.setting, found, self.traces)
                tell(fitted, found.mixture, self.task)
                self.task.measure("mixture_parameters", found.degrees)
                self.task.measure("rows_per_parameter", self.n / max(found.degrees, 1))
                self.task.publish("mixture", fitted, complete=True)
            else:
                self._label(found)
            self.task.checkpoint(self._state())
        self.task.progress(1, 1)

    def _label(self, found: Fit) -> None:
        self._stage(CLIMBED, 1.0, "labels of all rows")
        survey = self.fit.found
        assert survey is not None
        sums, gaps = Sums(), survey.summary.dropped
        rows = (part.values for part in self.source.parts()) if gaps else self.source.chunks()
        blocks = RowBlocks(LABELS, survey.rows, lambda: labelled(rows, found.mixture, sums))
        self.task.publish("labels", blocks, complete=True)
        values = {"membership_entropy": sums.entropy / self.n, **sums.criteria(found, self.n)}
        gained = found.log_likelihood - single_log_likelihood(self.fit)
        if found.components > 1 and gained > 0:
            values["mixture_nec"] = sums.entropy / gained
        for name, value in values.items():
            self.task.measure(name, value)


class Sums:
    """What criteria need of the memberships of all complete rows.

    Attributes:
        entropy: -sum z log z. sure: sum of the log of each row's largest membership.
    """

    def __init__(self) -> None:
        self.entropy = self.sure = 0.0

    def add(self, z: Array) -> None:
        """Memberships (c, G) of complete rows."""
        self.entropy -= float(np.where(z > 0, z * np.log(np.maximum(z, 1e-300)), 0.0).sum())
        self.sure += float(np.log(z.max(axis=1)).sum())

    def criteria(self, fit: Fit, n: int) -> dict[str, float]:
        """BIC, ICL and AIC by their measures' names, as in ``criteria.criteria``."""
        value = bic(fit.log_likelihood, fit.degrees, n)
        aic = 2 * fit.degrees - 2 * fit.log_likelihood
        return {"mixture_bic": value, "mixture_icl": value + 2 * self.sure, "mixture_aic": aic}


def labelled(chunks: Iterator[Array], mixture: Mixture, sums: Sums) -> Iterator[NDArray[Any]]:
    """Rows of the labels: number from 1, cluster from 1, largest membership.

    Rows with gaps are placed by the marginal density of what is known; those without any value get -1 and NaN.

    Args:
        chunks: all rows of the file, (c, d), NaN where missing. sums: of the complete rows, added to.
    """
    done = 0
    for x in chunks:
        gaps = np.isnan(x)
        z = mixture.responsibilities(x)
        whole, none = ~gaps.any(axis=1), gaps.all(axis=1)
        sums.add(z[whole])
        block = np.empty(len(x), LABELS)
        block["row"] = np.arange(done + 1, done + len(x) + 1)
        block["cluster"] = np.where(none, -1, z.argmax(axis=1) + 1)
        block["membership"] = np.where(none, np.nan, np.round(z.max(axis=1), 6))
        done += len(x)
        yield block


def single_log_likelihood(fit: StreamedFit) -> float:
    """Log-likelihood of one component of the fit's family, nats, from the moments of all rows alone."""
    assert fit.found is not None
    summary, frame, guard = fit.found.summary, fit.task.frame, fit.task.guard
    n, d = summary.n, len(summary.mean)
    mean, spread = frame.to(summary.mean[None])[0], frame.matrix(summary.covariance)
    diagonal = fit.family in DIAGONAL
    about = spread + np.outer(mean, mean)
    second = n * (np.diagonal(about).copy() if diagonal else about)
    moments = Moments(np.zeros(1), np.full((1, 1), float(n)), n * mean[None, None], second[None, None])
    params = maximise(fit.family, moments, guard)
    precision = np.diag(params.precisions[0, 0]) if diagonal else params.precisions[0, 0]
    away = mean - params.means[0, 0]
    distance = float(np.sum(precision * (spread + np.outer(away, away))))
    value = -0.5 * n * (d * LOG_2PI + float(params.log_determinants[0, 0]) + distance)
    return value + n * frame.log_volume
