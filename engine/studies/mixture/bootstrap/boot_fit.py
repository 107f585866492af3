"""Whole fits by Spectral-BootEM and BootSpectral: projection, starts, chains, and the mixture on all columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.bootstrap.bootem import BootEM
from engine.studies.mixture.bootstrap.bootspectral import BootSpectral
from engine.studies.mixture.bootstrap.chains import RULES, ChainRules, Chains, ChainStep, ObserveChains
from engine.studies.mixture.bootstrap.spectral import (
    Projection,
    QRule,
    Spectrum,
    bootstrap_allowed,
    carried_q,
    project,
    rows_wanted,
    spectrum,
    suggested_q,
)
from engine.studies.mixture.em.em import Control, Observe, expectation_maximisation
from engine.studies.mixture.em.sweep import MemoryRows, sweep
from engine.studies.mixture.model.coordinates import Frame, frame_for, frame_from, guard_for, mean_and_covariance
from engine.studies.mixture.model.errors import (
    ThinComponentsError,
    TooFewRowsError,
    TooManyAxesError,
    check_columns,
    check_finite,
)
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.fit import DEFAULTS, Options
from engine.studies.mixture.search.starts import Starts

# EM steps on the data before resampling begins.
WARM_UP = 8
Method = Literal["spectral_bootem", "bootspectral"]


@dataclass
class BootFit:
    """The result of a resampled spectral fit; components by falling weight.

    Attributes:
        memberships: (n, G) out-of-bag memberships of the best chain. mixture: its mixture of the scores.
        scores: (n, q). projection: of the scaled columns. q: axes kept. suggested: axes by the rule.
        spectrum: for the scree.
        mean, scale: (p,) the scaling of columns. chains: all chains with their traces; likelihoods per row in the
            user's units, components as they ran. frame: of their parameters.
        polished: plain EM of the scores from there, or None.
    """

    memberships: Array
    mixture: Mixture
    scores: Array
    projection: Projection
    q: int
    suggested: int
    spectrum: Spectrum
    mean: Array
    scale: Array
    chains: Chains
    frame: Frame
    polished: Mixture | None

    def labels(self) -> NDArray[np.intp]:
        """(n,) the component with the largest out-of-bag membership."""
        return self.memberships.argmax(axis=1)

    def solution(self, chain: int) -> tuple[Mixture, Array]:
        """The mixture of scores and the memberships (n, G) of any chain."""
        return _solution(self.chains, self.frame, self.mixture.family, chain)

    def on_all_columns(self, polished: bool = False) -> Mixture:
        """The mixture on all p columns in the user's units.

        Raises:
            TooManyColumnsError: its covariances would fill the memory.
        """
        check_columns(self.mean[None])
        inner = self.polished if polished and self.polished is not None else self.mixture
        return on_columns(inner, self.projection, self.mean, self.scale)


def on_columns(inner: Mixture, projection: Projection, mean: Array, scale: Array) -> Mixture:
    """A mixture of scores as one of all p columns in the user's units; mean, scale: (p,) of the columns."""
    full = projection.lift(inner)
    covariances = full.covariances * scale[:, None] * scale
    return replace(full, means=full.means * scale + mean, covariances=covariances)


@dataclass
class _Setting:
    """Scores of one q with warmed-up chains."""

    projection: Projection
    scores: Array
    frame: Frame
    rows: MemoryRows
    guard: Guard
    params: Parameters

    def smallest(self) -> float:
        """Median over chains of the rows of the smallest component."""
        return float(np.median(self.params.weights.min(axis=1)) * self.rows.n)


def boot_fit(
    x: Array,
    components: int,
    family: Family = "VVV",
    options: Options = DEFAULTS,
    *,
    method: Method = "spectral_bootem",
    q: int | None = None,
    rule: QRule = "parallel",
    share: float = 0.9,
    chains: int = 10,
    rules: ChainRules = RULES,
    polish: bool = False,
    observe: ObserveChains | None = None,
) -> BootFit:
    """Fit by resampled EM on leading axes.

    Args:
        x: (n, p) finite rows; p may exceed n. q: axes; None chooses by ``rule``. share: for the rule "variance".
        options: starts' shares, seed, scaling, tolerance and ridge are used. chains: R.
        polish: run plain EM on the scores at the end.

    Raises:
        ThinComponentsError: components are too small for resampled EM even on one axis, or on the q asked for.
        TooManyAxesError, TooFewRowsError, InfiniteValueError, HugeValueError, NothingVariesError.
    """
    run = BootRun(
        x, components, family, options, method=method, q=q, rule=rule, share=share, chains=chains, rules=rules
    )
    run.chains.advance(rules.most, observe)
    return run.result(polish)


class BootRun:
    """``boot_fit`` that can be stopped after any iteration and taken up again.

    Args:
        tick: called after every pass of the warm-up. Others: as for ``boot_fit``.

    Attributes:
        chains: what iterates, and what a checkpoint has to save. suggested: axes by the rule, or those asked for.
        projection: of the scaled columns; its ``q`` is below ``suggested`` where components are too thin for more.
        mean, scale: (p,) of the columns.
    """

    def __init__(
        self,
        x: Array,
        components: int,
        family: Family = "VVV",
        options: Options = DEFAULTS,
        *,
        method: Method = "spectral_bootem",
        q: int | None = None,
        rule: QRule = "parallel",
        share: float = 0.9,
        chains: int = 10,
        rules: ChainRules = RULES,
        tick: Observe | None = None,
    ) -> None:
        x = np.ascontiguousarray(x, dtype=np.float64)
        check_finite(x)
        if len(x) < max(components, 2):
            least = max(components, 2)
            raise TooFewRowsError(rows=len(x), needed=least, family=family, components=components, columns=x.shape[1])
        self.family, self.options, self._framed = family, options, method == "spectral_bootem"
        self.mean = x.mean(axis=0)
        deviations = x.std(axis=0)
        self.scale = np.where(deviations > 0, deviations, 1.0) if options.scaling == "zscore" else np.ones(x.shape[1])
        scaled = (x - self.mean) / self.scale
        self._spectrum = spectrum(scaled)
        if q is not None and q > self._spectrum.rank:
            raise TooManyAxesError(q=q, rank=self._spectrum.rank)
        self.suggested = suggested_q(scaled, self._spectrum, rule, options.seed, share) if q is None else q
        most = carried_q(self.suggested, len(x), components) if q is None else q
        self._setting = self._thick(scaled, components, chains, most, q is not None, tick)
        self.chains = self._begin(scaled, rules)

    @property
    def projection(self) -> Projection:
        """From scaled columns to the axes."""
        return self._setting.projection

    def _thick(
        self, scaled: Array, components: int, chains: int, most: int, fixed: bool, tick: Observe | None
    ) -> _Setting:
        """Scores of the most axes, at most ``most``, on which no component is too thin."""
        for kept in range(most, 0, -1):
            setting = _setting(scaled, self._spectrum, kept, components, self.family, self.options, chains, tick)
            if bootstrap_allowed(np.array([setting.smallest()]), kept):
                return setting
            if fixed:
                break
        raise ThinComponentsError(rows=round(setting.smallest()), q=kept, needed=rows_wanted(kept))

    def _begin(self, scaled: Array, rules: ChainRules) -> BootEM | BootSpectral:
        at, seed, shift = self._setting, self.options.seed, -float(np.log(self.scale).sum())
        if self._framed:
            tail, volume = at.projection.tail(scaled), shift + at.frame.log_volume
            return BootEM(at.rows, at.params, self.family, at.guard, seed, rules, tail=tail, shift=volume)
        _, guard = self._plain()
        start = memberships_of(at.rows, at.params)
        return BootSpectral(scaled, start, at.projection, self.family, guard, seed, rules, shift=shift)

    def _plain(self) -> tuple[Frame, Guard]:
        """The coordinates that BootSpectral runs in: the scores themselves, since a frame belongs to one basis."""
        at, q = self._setting, self._setting.projection.q
        frame = frame_from("isotropic", np.zeros(q), np.eye(q))
        return frame, guard_for(frame, self.family, at.params.components, *mean_and_covariance(at.scores))

    def shown(self, step: ChainStep) -> tuple[int, Mixture, Projection]:
        """The best chain so far, its mixture of scores and the axes of these."""
        best = self.chains.best()
        if isinstance(self.chains, BootSpectral):
            return best, _heavy_first(self._plain()[0].mixture(step.params, best, self.family)), self.chains.basis(best)
        return best, _heavy_first(self._setting.frame.mixture(step.params, best, self.family)), self.projection

    def result(self, polish: bool = False) -> BootFit:
        """The fit, after the last iteration."""
        ran, at, family = self.chains.finish(), self._setting, self.family
        frame, guard = (at.frame, at.guard) if self._framed else self._plain()
        polished = None
        if polish:
            rows = at.rows if self._framed else MemoryRows(at.scores)
            begin = ran.params.take(np.array([ran.best]))
            out = expectation_maximisation(rows, begin, family, guard, self.options.control())
            polished = _heavy_first(frame.mixture(out.params, 0, family))
        mixture, memberships = _solution(ran, frame, family, ran.best)
        return BootFit(
            memberships,
            mixture,
            at.scores,
            at.projection,
            at.projection.q,
            self.suggested,
            self._spectrum,
            self.mean,
            self.scale,
            ran,
            frame,
            polished,
        )


def _solution(ran: Chains, frame: Frame, family: Family, chain: int) -> tuple[Mixture, Array]:
    """A chain's mixture of scores and its out-of-bag memberships (n, G), components by falling weight."""
    weights, active = ran.params.weights[chain], ran.params.active[chain]
    order = np.argsort(-weights, kind="stable")
    memberships = ran.memberships[chain][:, order[active[order]]]
    memberships = memberships / np.maximum(memberships.sum(axis=1, keepdims=True), 1e-300)
    return _heavy_first(frame.mixture(ran.params, chain, family)), memberships


def _heavy_first(mixture: Mixture) -> Mixture:
    return mixture.permuted(np.argsort(-mixture.weights, kind="stable"))


def _setting(
    scaled: Array,
    found: Spectrum,
    q: int,
    components: int,
    family: Family,
    options: Options,
    chains: int,
    tick: Observe | None = None,
) -> _Setting:
    projection = project(found, q)
    scores = projection.scores(scaled)
    frame = frame_for(family, scores)
    guard = guard_for(frame, family, components, *mean_and_covariance(scores), ridge=options.ridge)
    rows = MemoryRows(frame.to(scores))
    begin = Starts(scores, rows, family, components, guard, options.seed, options.shares).parameters(range(chains))
    warm = expectation_maximisation(rows, begin, family, guard, Control(options.tolerance, WARM_UP), observe=tick)
    return _Setting(projection, scores, frame, rows, guard, warm.params)


def memberships_of(rows: MemoryRows, params: Parameters) -> Array:
    """p(k | x) of every chain, (R, n, G)."""
    z = np.empty((params.components, params.chains, rows.n))

    def keep(block: slice, part: Array, value: Array) -> None:
        z[:, :, block] = part

    sweep(rows, params, visit=keep)
    return np.ascontiguousarray(z.transpose(1, 2, 0))
