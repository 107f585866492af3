"""Whole fits by Spectral-BootEM and BootSpectral: projection, starts, chains, and the mixture on all columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.bootem import RULES, ChainRules, Chains, ObserveChains, boot_em
from engine.studies.mixture.bootspectral import boot_spectral
from engine.studies.mixture.coordinates import Frame, frame_for, frame_from, guard_for, mean_and_covariance
from engine.studies.mixture.em import Control, expectation_maximisation
from engine.studies.mixture.errors import ThinComponentsError, check_columns, check_finite
from engine.studies.mixture.families import Family
from engine.studies.mixture.fit import DEFAULTS, Options
from engine.studies.mixture.mixture import Mixture
from engine.studies.mixture.parameters import Array, Parameters
from engine.studies.mixture.regularise import Guard
from engine.studies.mixture.spectral import Projection, QRule, Spectrum, bootstrap_allowed, choose_q, project, spectrum
from engine.studies.mixture.starts import Starts
from engine.studies.mixture.sweep import MemoryRows, sweep

# EM steps on the data before resampling begins.
WARM_UP = 8
Method = Literal["spectral_bootem", "bootspectral"]


@dataclass
class BootFit:
    """The result of a resampled spectral fit; components by falling weight.

    Attributes:
        memberships: (n, G) out-of-bag memberships of the best chain. mixture: its mixture of the scores.
        scores: (n, q). projection: of the scaled columns. q: axes kept. spectrum: for the scree.
        mean, scale: (p,) the scaling of columns. chains: all chains with their traces; likelihoods per row in the
            user's units, components as they ran. order: (G,) the best chain's components in the order used here.
        polished: plain EM of the scores from there, or None.
    """

    memberships: Array
    mixture: Mixture
    scores: Array
    projection: Projection
    q: int
    spectrum: Spectrum
    mean: Array
    scale: Array
    chains: Chains
    order: NDArray[np.intp]
    polished: Mixture | None

    def labels(self) -> NDArray[np.intp]:
        """(n,) the component with the largest out-of-bag membership."""
        return self.memberships.argmax(axis=1)

    def on_all_columns(self, polished: bool = False) -> Mixture:
        """The mixture on all p columns in the user's units.

        Raises:
            TooManyColumnsError: its covariances would fill the memory.
        """
        check_columns(self.mean[None])
        inner = self.polished if polished and self.polished is not None else self.mixture
        full = self.projection.lift(inner)
        return replace(
            full,
            means=full.means * self.scale + self.mean,
            covariances=full.covariances * self.scale[:, None] * self.scale,
        )


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
    """
    x = np.ascontiguousarray(x, dtype=np.float64)
    check_finite(x)
    mean = x.mean(axis=0)
    deviations = x.std(axis=0)
    scale = np.where(deviations > 0, deviations, 1.0) if options.scaling == "zscore" else np.ones(x.shape[1])
    scaled = (x - mean) / scale
    found = spectrum(scaled)
    kept = choose_q(scaled, found, components, rule, options.seed, share) if q is None else q
    setting = _setting(scaled, found, kept, components, family, options, chains)
    while not bootstrap_allowed(np.array([setting.smallest()]), kept):
        if q is not None or kept == 1:
            raise ThinComponentsError(rows=round(setting.smallest()), q=kept, needed=round(5 * (kept + 1) / 0.632))
        kept -= 1
        setting = _setting(scaled, found, kept, components, family, options, chains)
    shift = -float(np.log(scale).sum())
    ran = _chains(setting, scaled, family, options.seed, method, rules, shift, observe)
    return _conclude(setting, found, ran, mean, scale, family, options, polish, method == "spectral_bootem")


def _setting(
    scaled: Array, found: Spectrum, q: int, components: int, family: Family, options: Options, chains: int
) -> _Setting:
    projection = project(found, q)
    scores = projection.scores(scaled)
    frame = frame_for(family, scores)
    guard = guard_for(frame, family, components, *mean_and_covariance(scores), ridge=options.ridge)
    rows = MemoryRows(frame.to(scores))
    begin = Starts(scores, rows, family, components, guard, options.seed, options.shares).parameters(range(chains))
    warm = expectation_maximisation(rows, begin, family, guard, Control(options.tolerance, WARM_UP))
    return _Setting(projection, scores, frame, rows, guard, warm.params)


def _chains(
    setting: _Setting,
    scaled: Array,
    family: Family,
    seed: int,
    method: Method,
    rules: ChainRules,
    shift: float,
    observe: ObserveChains | None,
) -> Chains:
    if method == "spectral_bootem":
        return boot_em(
            setting.rows,
            setting.params,
            family,
            setting.guard,
            seed,
            rules,
            tail=setting.projection.tail(scaled),
            shift=shift + setting.frame.log_volume,
            observe=observe,
        )
    identity = frame_from("isotropic", np.zeros(setting.projection.q), np.eye(setting.projection.q))
    guard = guard_for(identity, family, setting.params.components, *mean_and_covariance(setting.scores))
    start = memberships_of(setting.rows, setting.params)
    return boot_spectral(scaled, start, setting.projection, family, guard, seed, rules, shift=shift, observe=observe)


def memberships_of(rows: MemoryRows, params: Parameters) -> Array:
    """p(k | x) of every chain, (R, n, G)."""
    z = np.empty((params.components, params.chains, rows.n))

    def keep(block: slice, part: Array, value: Array) -> None:
        z[:, :, block] = part

    sweep(rows, params, visit=keep)
    return np.ascontiguousarray(z.transpose(1, 2, 0))


def _conclude(
    setting: _Setting,
    found: Spectrum,
    ran: Chains,
    mean: Array,
    scale: Array,
    family: Family,
    options: Options,
    polish: bool,
    framed: bool,
) -> BootFit:
    best = np.array([ran.best])
    # BootSpectral's last M-step is on the plain scores, Spectral-BootEM's in the frame of the scores.
    frame = (
        setting.frame
        if framed
        else frame_from("isotropic", np.zeros(setting.projection.q), np.eye(setting.projection.q))
    )
    rows = setting.rows if framed else MemoryRows(setting.scores)
    guard = (
        setting.guard
        if framed
        else guard_for(frame, family, ran.params.components, *mean_and_covariance(setting.scores))
    )
    order = np.argsort(-ran.params.weights[ran.best], kind="stable")
    order = order[ran.params.active[ran.best][order]]
    polished = None
    if polish:
        out = expectation_maximisation(rows, ran.params.take(best), family, guard, options.control())
        inner = frame.mixture(out.params, 0, family)
        polished = inner.permuted(np.argsort(-inner.weights, kind="stable"))
    raw = frame.mixture(ran.params, ran.best, family)
    mixture = raw.permuted(np.argsort(-raw.weights, kind="stable"))
    memberships = ran.memberships[ran.best][:, order]
    memberships = memberships / np.maximum(memberships.sum(axis=1, keepdims=True), 1e-300)
    return BootFit(
        memberships,
        mixture,
        setting.scores,
        setting.projection,
        setting.projection.q,
        found,
        mean,
        scale,
        ran,
        order,
        polished,
    )
