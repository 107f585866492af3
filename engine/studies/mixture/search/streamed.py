"""A fit of a table on disk: starts race on a random sample, the best few climb on all rows, pass by pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.em import Observe
from engine.studies.mixture.model.coordinates import frame_from, guard_for
from engine.studies.mixture.model.errors import check_columns
from engine.studies.mixture.model.families import Family, degrees_of_freedom, invariance
from engine.studies.mixture.model.health import spurious
from engine.studies.mixture.search.climb import Climb
from engine.studies.mixture.search.fit import DEFAULTS, Fit, Options, Task, by_weight, check_size, rows_for
from engine.studies.mixture.search.race import distinct
from engine.studies.mixture.search.staged import StagedFit
from engine.studies.mixture.tables.errors import ChangedFileError
from engine.studies.mixture.tables.stream import Source, Stamp, StreamRows, Summary
from engine.studies.mixture.tables.survey import Sample, Survey, survey
from engine.studies.mixture.tables.table import Note

FINALISTS = 2
# Finalists whose likelihoods on the sample differ by less, in nats a row, are the same.
APART = 1e-4
SURE = 4.0  # standard errors that a lead on the sample must have to decide


class StreamedFit:
    """A fit in steps that can be stopped between: ``look``, each of ``plan``, then ``climb`` until ``over``.

    Args:
        source: the file. options: of method "em". sample: rows of the race, 0 for the usual.
        finalists: distinct solutions that climb on all rows. rounding: whether the steps to which columns are rounded
            keep variances up, instead of those in ``options``.

    Attributes:
        found: what the first look saw, None before it.
    """

    def __init__(
        self, source: Source, components: int, family: Family = "VVV", options: Options = DEFAULTS, *,
        sample: int = 0, finalists: int = FINALISTS, rounding: bool = False,
    ) -> None:  # fmt: skip
        self.source, self.components, self.family, self.options = source, components, family, options
        self.found: Survey | None = None
        self._size, self._finalists, self._rounding = sample, finalists, rounding
        self._race: StagedFit | None = None
        self._climb: Climb | None = None
        self._picked = self._numbers = np.zeros(0, np.intp)

    def look(self) -> Survey:
        """The first pass over all rows.

        Raises:
            TableError. TooFewRowsError, TooManyColumnsError: what this family cannot take.
        """
        check_columns(np.empty((1, len(self.source.names))))
        found = survey(self.source, self.options.seed, self._size)
        self._take(found)
        return found

    def _take(self, found: Survey) -> None:
        self.found = found
        options = self.options
        if self._rounding:
            options = replace(options, resolution=found.resolution)
        self.task = sample_task(found.sample, found.summary, self.components, self.family, options)
        self._race = StagedFit(self.task, options)

    def plan(self) -> list[str]:
        """The steps of the race, in order."""
        assert self._race is not None
        return self._race.plan()

    def idle(self, label: str) -> bool:
        """Whether a step of the race has nothing to do."""
        assert self._race is not None
        return self._race.idle(label)

    def race(self, label: str, observe: Observe | None = None, tick: Observe | None = None) -> None:
        """One step of the race on the sample; as ``StagedFit.run``."""
        assert self._race is not None
        self._race.run(label, observe, tick)

    @property
    def most_passes(self) -> int:
        """Of the climb: in float32 and then in float64."""
        return self.options.max_iterations + 3

    @property
    def whole(self) -> bool:
        """Whether the sample is all rows, so that there is nothing to climb."""
        assert self.found is not None
        return self.found.summary.n == len(self.found.sample.x)

    @property
    def over(self) -> bool:
        """Whether every finalist has come to rest on all rows."""
        return self.whole or (self._climb is not None and self._climb.done)

    @property
    def passes(self) -> int:
        """Of the climb so far."""
        return 0 if self._climb is None else self._climb.passes

    def finalists(self) -> NDArray[np.intp]:
        """Numbers of the starts that climb on all rows, in the climb's order."""
        if self._climb is None:
            self._start_climb()
        return self._numbers

    def climb(self, observe: Observe | None = None) -> None:
        """One pass over all rows."""
        if self._climb is None:
            self._start_climb()
        assert self._climb is not None
        self._climb.step(observe)

    def _start_climb(self) -> None:
        assert self.found is not None and self._race is not None
        rough = self._race.result()
        score = np.where(rough.finished & ~rough.spurious, rough.objectives, -np.inf)
        score = score if np.isfinite(score).any() else np.where(rough.finished, rough.objectives, -np.inf)
        self._picked = self._open(rough, distinct(score, self._finalists, APART * rough.n))
        self._numbers = rough.starts[self._picked]
        options = self.options
        hold = None if options.device == "cpu" else lambda y: rows_for(y, options)
        rows = StreamRows(self.source, self.task.frame, self.found.summary.n, hold)
        begin, control = rough.params.take(self._picked), self.options.control()
        self._climb = Climb(rows, begin, self.family, self.task.guard, control)

    def _open(self, rough: Fit, picked: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those that may still win on all rows: the best, and others that its lead on the sample leaves in the race.

        The lead is compared with its standard error over the rows (Vuong 1989).
        """
        assert self.found is not None
        x = self.found.sample.x
        best = rough.solution(int(picked[0])).log_density(x)
        kept = [picked[0]]
        for chain in picked[1:]:
            lead = best - rough.solution(int(chain)).log_density(x)
            if lead.mean() < SURE * lead.std() / np.sqrt(len(x)):
                kept.append(chain)
        return np.array(kept)

    def result(self) -> Fit:
        """The fit of all rows; likelihoods of starts that did not climb are carried over from the sample."""
        assert self.found is not None and self._race is not None
        rough = self._race.result()
        if self._climb is None:
            return rough
        n, frame, guard = self.found.summary.n, self.task.frame, self.task.guard
        ended, picked = self._climb.outcome(), self._picked
        scale = n / rough.n
        extra = rough.objectives - rough.log_likelihoods
        likelihoods, objectives = rough.log_likelihoods * scale, rough.log_likelihoods * scale + extra
        likelihoods[picked] = ended.log_likelihood + n * frame.log_volume
        objectives[picked] = ended.objective + n * frame.log_volume
        iterations, converged, bad = rough.iterations.copy(), rough.converged.copy(), rough.spurious.copy()
        iterations[picked] = iterations[picked] + ended.iterations
        converged[picked], bad[picked] = ended.converged, spurious(ended.params, self.family, guard, float(n))
        best = int(picked[np.lexsort((-ended.score(guard), bad[picked]))[0]])
        params = rough.params.put(picked, ended.params)
        mixture = by_weight(frame.mixture(params, best, self.family))
        degrees = degrees_of_freedom(self.family, mixture.components, mixture.dimension)
        return replace(
            rough, mixture=mixture, log_likelihood=float(likelihoods[best]), best=best, degrees=degrees, n=n,
            log_likelihoods=likelihoods, objectives=objectives, iterations=iterations, converged=converged,
            spurious=bad, params=params,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Plain arrays and values from which ``restore`` goes on."""
        assert self.found is not None and self._race is not None
        found = self.found
        state: dict[str, Any] = {
            "stamp": asdict(self.source.stamp), "names": list(found.names), "rows": found.rows,
            "summary": asdict(found.summary), "resolution": found.resolution,
            "notes": [asdict(note) for note in found.notes], "race": self._race.state(),
            "sample": {name: value for name, value in vars(found.sample).items() if value is not None},
        }  # fmt: skip
        if self._climb is not None:
            state["climb"] = self._climb.state()
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned.

        Raises:
            ChangedFileError: the file is not the one that was begun.
        """
        if Stamp(**state["stamp"]) != self.source.stamp:
            before = state["stamp"]["size"]
            raise ChangedFileError(path=self.source.path, before=before, after=self.source.stamp.size)
        self.source.restrict(state["names"])
        sample = Sample(state["sample"]["x"], state["sample"]["rows"], state["sample"].get("words"))
        summary = Summary(**state["summary"])
        notes = tuple(Note(**note) for note in state["notes"])
        names = tuple(state["names"])
        self._take(Survey(names, int(state["rows"]), summary, sample, np.array(state["resolution"]), notes))
        assert self._race is not None
        self._race.restore(state["race"])
        if "climb" in state:
            self._start_climb()
            assert self._climb is not None
            self._climb.restore(state["climb"])


def fit_stream(
    source: Source,
    components: int,
    family: Family = "VVV",
    options: Options = DEFAULTS,
    *,
    sample: int = 0,
    finalists: int = FINALISTS,
    observe: Observe | None = None,
) -> Fit:
    """Race all starts on a random sample, then run the best few on all rows.

    Args:
        sample: rows of the race, 0 for the usual. finalists: distinct solutions that run on all rows.
        observe: sees the passes over all rows, chains counted from 0.

    Raises:
        TableError. TooFewRowsError, TooManyColumnsError.
    """
    fit = StreamedFit(source, components, family, options, sample=sample, finalists=finalists)
    fit.look()
    for label in fit.plan():
        fit.race(label)
    while not fit.over:
        fit.climb(observe)
    return fit.result()


def sample_task(sample: Sample, summary: Summary, components: int, family: Family, options: Options) -> Task:
    """A task on the sample in the coordinates, and with the guard, of all rows.

    Raises:
        TooFewRowsError: fewer rows than this family can carry.
    """
    n, d = summary.n, len(summary.mean)
    thin, prior = check_size(n, d, components, family, options)
    check_size(len(sample.x), d, components, family, options)
    scaler = frame_from("columns", summary.mean, summary.covariance) if options.scaling == "zscore" else None
    mean = summary.mean if scaler is None else np.zeros(d)
    covariance = summary.covariance if scaler is None else scaler.matrix(summary.covariance)
    inner = frame_from(invariance(family), mean, covariance)
    resolution = options.resolution
    if resolution is not None and scaler is not None:
        resolution = resolution * np.diagonal(scaler.forward)
    guard = guard_for(
        inner, family, components, mean, covariance, prior=prior, ridge=options.ridge, resolution=resolution
    )
    scaled = sample.x if scaler is None else scaler.to(sample.x)
    frame = inner if scaler is None else inner.after(scaler)
    m = float(len(sample.x))
    return Task(scaled, frame, rows_for(inner.to(scaled), options), guard, m, None, family, components, thin,
                m * frame.log_volume)  # fmt: skip
