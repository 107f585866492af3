"""Fit one family with one number of components from many starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.em import Control, Observe, Outcome
from engine.studies.mixture.em.missing import IncompleteRows, nan_mean_and_covariance
from engine.studies.mixture.em.sweep import MemoryRows
from engine.studies.mixture.em.variants import annealed_em, classification_em, stochastic_em
from engine.studies.mixture.model.coordinates import (
    Frame,
    PriorKind,
    frame_for,
    frame_from,
    guard_for,
    mean_and_covariance,
)
from engine.studies.mixture.model.errors import (
    BadStartError,
    TooFewRowsError,
    check_columns,
    check_finite,
    check_known,
    check_weights,
)
from engine.studies.mixture.model.families import SHARED, Family, degrees_of_freedom, own_matrices
from engine.studies.mixture.model.health import spurious
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.prior import THIN
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.escape import RULES as ESCAPE
from engine.studies.mixture.search.escape import WIDE_RULES, EscapeRules, escape
from engine.studies.mixture.search.race import RULES, WIDE, Raced, RaceRules, join, race, renumber, run_all, waves
from engine.studies.mixture.search.starts import MIXED, StartKind, Starts, kind_of

Method = Literal["em", "cem", "sem", "annealing"]
# Entries of the features of a table below which it stays with the processor.
DEVICE_FROM = 1 << 20


@dataclass(frozen=True)
class Options:
    """How a fit is done; the defaults are those shown to people.

    Attributes:
        starts: restarts. racing: rules of the race, None runs every start out.
        method: EM, or its relatives in ``variants``, for which every start runs out.
        tolerance: nats per row. max_iterations: per start.
        prior: "auto" uses the pooled prior where rows per parameter < 5.
        escapes: search on from the best solutions by resampling; "auto" does so where rows per parameter < 5.
        scaling: "zscore" divides columns by their standard deviation before families and start kinds see them.
        ridge: added to variances after scaling (scikit-learn's reg_covar); None leaves only the floor.
        shares: of the kinds of starts. resolution: (d,) rounding step of each column, 0 where none, or None.
        seed: of everything random. reseed: whether collapsed components are seeded anew.
        device: "cpu" for NumPy, else a device as torch names it, where the passes of EM over large complete tables
            run. warn: hears why a device could not serve; None gives a Python warning.
    """

    starts: int = 50
    racing: RaceRules | None = field(default_factory=RaceRules)
    method: Method = "em"
    tolerance: float = 1e-5
    max_iterations: int = 500
    prior: Literal["auto"] | PriorKind = "auto"
    escapes: Literal["auto", "off"] | EscapeRules = "auto"
    scaling: Literal["zscore", "none"] = "zscore"
    ridge: float | None = None
    shares: Mapping[StartKind, float] = field(default_factory=lambda: MIXED)
    resolution: Array | None = None
    seed: int = 0
    reseed: bool = True
    device: str = "cpu"
    warn: Callable[[str], None] | None = None

    def control(self) -> Control:
        """What EM needs of this."""
        return Control(self.tolerance, self.max_iterations, reseed=self.reseed)


@dataclass(frozen=True)
class Task:
    """A table made ready for fits of one family: coordinates, rows in them, guard.

    Attributes:
        scaled: (n, d) rows after the scaling asked for. frame: from the user's units to fit coordinates.
        rows: in fit coordinates. guard: of the fit. total: sum of row weights.
        thin: whether there are fewer than 5 rows per parameter.
        volume: what log-likelihoods gain in the user's units: log |det A| for each row, of its known columns.
    """

    scaled: Array
    frame: Frame
    rows: MemoryRows | IncompleteRows
    guard: Guard
    total: float
    weights: Array | None
    family: Family
    components: int
    thin: bool
    volume: float

    @property
    def prior(self) -> bool:
        """Whether this is a posterior-mode fit."""
        return self.guard.prior is not None

    def original(self, log_likelihood: Array) -> Array:
        """Log-likelihoods in the user's units."""
        return log_likelihood + self.volume


@dataclass
class Fit:
    """The result of ``fit``; chains are the starts that were begun.

    Attributes:
        mixture: the best solution that is not spurious, in the user's units; components by falling weight.
        log_likelihood: of ``mixture``, nats, all rows, in the user's units.
        best: its position among the chains. family, components: what was asked for.
        degrees: free parameters of the components that remain. n: rows. prior: whether a prior was used.
        starts: (R,) start numbers, -1 for solutions found by resampling. kinds: (R,) names.
        log_likelihoods, objectives: (R,) in the user's units; objectives include the log prior.
        iterations, reseeds: (R,). converged, finished, spurious: (R,) bool; unfinished starts left the race.
        agreed: whether the race ended because the first wave agreed.
        params, frame: all solutions in fit coordinates and the way back; see ``solution``.
    """

    mixture: Mixture
    log_likelihood: float
    best: int
    family: Family
    components: int
    degrees: int
    n: int
    prior: bool
    starts: NDArray[np.intp]
    kinds: list[str]
    log_likelihoods: Array
    objectives: Array
    iterations: NDArray[np.intp]
    reseeds: NDArray[np.intp]
    converged: NDArray[np.bool_]
    finished: NDArray[np.bool_]
    spurious: NDArray[np.bool_]
    agreed: bool
    params: Parameters
    frame: Frame

    def solution(self, chain: int) -> Mixture:
        """The mixture that this chain found, in the user's units, components by falling weight."""
        return by_weight(self.frame.mixture(self.params, chain, self.family))


DEFAULTS = Options()


def fit(
    x: Array,
    components: int,
    family: Family = "VVV",
    options: Options = DEFAULTS,
    *,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Fit:
    """Fit G components of one family to rows from many starts.

    Args:
        x: (n, d) rows, nan where a value is missing (at random). components: G. weights: (n,) row weights or None.
        observe: sees every pass of every batch, chains named by start number; may raise to stop.

    Raises:
        TooFewRowsError: fewer rows than this family can carry. TooManyColumnsError: more than 1500.
        InfiniteValueError: a value is infinite. HugeValueError, BadWeightsError, BadStartError.
    """
    return fit_task(prepare(x, components, family, options, weights), options, observe=observe)


def fit_task(task: Task, options: Options = DEFAULTS, *, observe: Observe | None = None) -> Fit:
    """As ``fit``, for a table already prepared with the same options, whose frame an observer may need."""
    components, family, weights = task.components, task.family, task.weights
    makes = starts_of(task, options)
    numbers = list(range(1 if components == 1 else options.starts))
    if not numbers:
        raise BadStartError(starts=options.starts)
    if options.method != "em":
        done = [relative(task, makes, wave, options, observe) for wave in waves(numbers, options.racing or RULES)]
        raced = Raced(join(done), np.array(numbers), np.ones(len(numbers), bool), False)
    elif options.racing is None or len(numbers) <= options.racing.finalists:
        raced = run_all(
            task.rows,
            makes.parameters,
            numbers,
            family,
            task.guard,
            options.control(),
            weights=weights,
            observe=observe,
        )
    else:
        raced = race(
            task.rows,
            makes.parameters,
            numbers,
            family,
            task.guard,
            options.control(),
            options.racing,
            kind=lambda start: kind_of(start, options.shares),
            weights=weights,
            observe=observe,
        )
    kinds: list[str] = [kind_of(i, options.shares) for i in raced.starts]
    rules = escape_rules(task, options)
    if rules is not None:
        found = raced.outcome.take(np.flatnonzero(raced.finished))
        better, _ = escape(
            task.rows,
            found,
            family,
            task.guard,
            options.control(),
            options.seed,
            rules,
            weights=weights,
            observe=observe,
        )
        raced = extended(raced, join([raced.outcome, better]))
        kinds += ["escape"] * len(better.objective)
    return conclude(task, raced, kinds)


def relative(task: Task, makes: Starts, numbers: list[int], options: Options, observe: Observe | None) -> Outcome:
    """These starts by a relative of EM, each to its end."""
    begin, control, seen = makes.parameters(numbers), options.control(), renumber(observe, np.array(numbers))
    if options.method == "cem":
        return classification_em(task.rows, begin, task.family, task.guard, control, weights=task.weights, observe=seen)
    run = stochastic_em if options.method == "sem" else annealed_em
    return run(
        task.rows,
        begin,
        task.family,
        task.guard,
        control,
        options.seed,
        chains=numbers,
        weights=task.weights,
        observe=seen,
    )


def starts_of(task: Task, options: Options) -> Starts:
    """What makes the starting parameters of a fit."""
    rows = task.rows if isinstance(task.rows, MemoryRows) else MemoryRows(task.rows.filled())
    return Starts(
        task.scaled, rows, task.family, task.components, task.guard, options.seed, options.shares, task.weights
    )


def escape_rules(task: Task, options: Options) -> EscapeRules | None:
    """The rules of the search by resampling, or None when it is not called for."""
    if task.components == 1 or options.escapes == "off" or options.method == "cem":
        return None
    if options.escapes != "auto":
        return options.escapes
    if not task.thin:
        return None
    if task.rows.dimension < WIDE:
        return ESCAPE
    return None if task.family in SHARED else WIDE_RULES


def extended(raced: Raced, outcome: Outcome) -> Raced:
    """A race whose outcome has more solutions at the end, which are not starts."""
    more = len(outcome.objective) - len(raced.starts)
    return Raced(
        outcome,
        np.append(raced.starts, np.full(more, -1)),
        np.append(raced.finished, np.ones(more, bool)),
        raced.agreed,
    )


def prepare(x: Array, components: int, family: Family, options: Options, weights: Array | None = None) -> Task:
    """Check a table and choose the coordinates and the guard for a fit."""
    x = np.ascontiguousarray(x, dtype=np.float64)
    check_columns(x)
    check_weights(weights, len(x))
    if np.isnan(x).any():
        return _prepare_incomplete(x, components, family, options, weights)
    check_finite(x)
    thin, prior = check_size(len(x), x.shape[1], components, family, options, weights)
    scaler = frame_from("columns", *mean_and_covariance(x, weights)) if options.scaling == "zscore" else None
    scaled = x if scaler is None else scaler.to(x)
    inner = frame_for(family, scaled, weights)
    resolution = options.resolution
    if resolution is not None and scaler is not None:
        resolution = resolution * np.diagonal(scaler.forward)
    guard = guard_for(
        inner,
        family,
        components,
        *mean_and_covariance(scaled, weights),
        prior=prior,
        ridge=options.ridge,
        resolution=resolution,
    )
    frame = inner if scaler is None else inner.after(scaler)
    total = float(len(x)) if weights is None else float(weights.sum())
    return Task(
        scaled,
        frame,
        rows_for(inner.to(scaled), options),
        guard,
        total,
        weights,
        family,
        components,
        thin,
        total * frame.log_volume,
    )


def rows_for(y: Array, options: Options) -> MemoryRows:
    """Rows (n, d) in fit coordinates where the options want them; small tables stay where no transfers are due."""
    n, d = y.shape
    if options.device == "cpu" or n * d * (d + 3) // 2 < DEVICE_FROM:
        return MemoryRows(y)
    from engine.studies.mixture.em.device_rows import rows_on, say

    return rows_on(options.device, y, options.warn or say)


def check_size(
    n: int, d: int, components: int, family: Family, options: Options, weights: Array | None = None
) -> tuple[bool, PriorKind]:
    """Whether the table is thin for this fit, and the prior to use.

    A row of weight 2 counts as two equal rows, one of weight 0 as none.
    """
    rows = n if weights is None else int(np.count_nonzero(weights))
    least = max(d + 1 if own_matrices(family) else 2, components)
    if rows < least:
        raise TooFewRowsError(rows=rows, needed=least, family=family, components=components, columns=d)
    thin = (n if weights is None else float(weights.sum())) < THIN * degrees_of_freedom(family, components, d)
    return thin, ("pooled" if thin else "off") if options.prior == "auto" else options.prior


def _prepare_incomplete(x: Array, components: int, family: Family, options: Options, weights: Array | None) -> Task:
    """As ``prepare``, for rows with missing values: columns are scaled, never turned; starts see filled rows."""
    check_known(x)
    check_finite(np.where(np.isnan(x), 0.0, x))
    thin, prior = check_size(len(x), x.shape[1], components, family, options, weights)
    mean, covariance = nan_mean_and_covariance(x, weights)
    frame = frame_from("columns" if options.scaling == "zscore" else "isotropic", mean, covariance)
    rows = IncompleteRows(frame.to(x))
    inner = frame.matrix(covariance)
    resolution = None if options.resolution is None else options.resolution * np.diagonal(frame.forward)
    unit = frame_from("isotropic", np.zeros(len(mean)), np.eye(len(mean)))
    guard = guard_for(
        unit, family, components, np.zeros(len(mean)), inner, prior=prior, ridge=options.ridge, resolution=resolution
    )
    total = float(len(x)) if weights is None else float(weights.sum())
    known = ~np.isnan(x)
    counts = known.sum(axis=0) if weights is None else weights @ known
    volume = float(counts @ np.log(np.diagonal(frame.forward)))
    return Task(rows.filled(), frame, rows, guard, total, weights, family, components, thin, volume)


def conclude(task: Task, raced: Raced, kinds: list[str]) -> Fit:
    """Rank the chains and bring the best one to the user's units."""
    out = raced.outcome
    bad = spurious(out.params, task.family, task.guard, task.total)
    order = np.lexsort((-out.score(task.guard), bad, ~raced.finished))
    best = int(order[0])
    mixture = by_weight(task.frame.mixture(out.params, best, task.family))
    shift = task.volume
    return Fit(
        mixture, float(out.log_likelihood[best] + shift), best, task.family, task.components,
        degrees_of_freedom(task.family, mixture.components, mixture.dimension), task.rows.n, task.prior, raced.starts,
        kinds, out.log_likelihood + shift, out.objective + shift, out.iterations, out.reseeds, out.converged,
        raced.finished, bad, raced.agreed, out.params, task.frame,
    )  # fmt: skip


def by_weight(mixture: Mixture) -> Mixture:
    """Components by falling weight."""
    return mixture.permuted(np.argsort(-mixture.weights, kind="stable"))
