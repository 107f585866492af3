"""Linear coordinates that a fit runs in, and the way back to the user's units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from engine.studies.mixture.model.families import DIAGONAL, Coordinates, Family, invariance
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.orientation import shared_axes
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.prior import Prior, fraley_raftery, pooled
from engine.studies.mixture.model.regularise import Guard, keep_above

# Axes with less of the largest variance than this are treated as this wide, so that the map can be inverted.
NARROWEST = 1e-12
FLOOR = 1e-6
ROUNDING_SHARE = 0.1  # of a column's variance that the floor from rounding takes at most
PriorKind = Literal["pooled", "conjugate", "off"]


@dataclass(frozen=True)
class Frame:
    """y = A (x - shift): coordinates y of the fit from the user's x.

    Attributes:
        shift: (d,). forward: (d, d) A. backward: its inverse. log_volume: log |det A|.
    """

    shift: Array
    forward: Array
    backward: Array
    log_volume: float

    def to(self, x: Array) -> Array:
        """Rows (n, d) in fit coordinates."""
        centred = x - self.shift
        diagonal = np.diagonal(self.forward)
        if np.count_nonzero(self.forward) <= len(diagonal) and diagonal.all():
            # Column by column, so that a missing value stays one.
            return centred * diagonal
        return centred @ self.forward.T

    def matrix(self, m: Array) -> Array:
        """A covariance-like matrix (d, d) in fit coordinates."""
        return self.forward @ m @ self.forward.T

    def after(self, first: Frame) -> Frame:
        """The frame that applies ``first`` and then this one."""
        shift = first.shift + first.backward @ self.shift
        return Frame(
            shift, self.forward @ first.forward, first.backward @ self.backward, self.log_volume + first.log_volume
        )

    def mixture(self, params: Parameters, chain: int, family: Family) -> Mixture:
        """One chain as a mixture in the user's units; switched off components are left out."""
        on = params.active[chain]
        covariances = self.backward @ params.full_covariances()[chain][on] @ self.backward.T
        means = params.means[chain][on] @ self.backward.T + self.shift
        dof = None if params.dof is None else params.dof[chain][on]
        return Mixture(params.weights[chain][on], means, (covariances + covariances.swapaxes(-1, -2)) / 2, family, dof)


def frame_for(family: Family, x: Array, weights: Array | None = None) -> Frame:
    """The best conditioned coordinates that leave the family's fits unchanged.

    Args:
        x: (n, d) finite rows in the user's units. weights: (n,) or None.
    """
    shift, covariance = mean_and_covariance(x, weights)
    return frame_from(invariance(family), shift, covariance)


def frame_from(kind: Coordinates, shift: Array, covariance: Array) -> Frame:
    """The frame of the given kind for data of this mean (d,) and covariance (d, d)."""
    d = len(shift)
    variances = np.diagonal(covariance)
    if kind == "whitened":
        values, axes = np.linalg.eigh(covariance)
        scale = np.sqrt(np.maximum(values, max(values[-1], 1e-300) * NARROWEST))
        forward, backward = axes.T / scale[:, None], axes * scale
    else:
        if kind == "columns":
            deviations = np.sqrt(np.maximum(variances, 0.0))
            scale = np.where(deviations > np.sqrt(NARROWEST) * np.abs(shift) * 1e-6 + 1e-150, deviations, 1.0)
        else:
            scale = np.full(d, np.sqrt(max(variances.mean(), 1e-300)))
        forward, backward = np.diag(1 / scale), np.diag(scale)
    return Frame(shift, forward, backward, -float(np.log(scale).sum()))


def mean_and_covariance(x: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Weighted mean (d,) and covariance (d, d), divided by the sum of weights."""
    if weights is None:
        mean = x.mean(axis=0)
        centred = x - mean
        return mean, centred.T @ centred / len(x)
    share = weights / weights.sum()
    mean = share @ x
    centred = x - mean
    return mean, (centred * share[:, None]).T @ centred


def guard_for(
    frame: Frame,
    family: Family,
    components: int,
    mean: Array,
    covariance: Array,
    *,
    prior: PriorKind = "off",
    ridge: float | None = None,
    resolution: Array | None = None,
) -> Guard:
    """The guard of a fit, in its coordinates.

    Args:
        mean, covariance: of the rows in the user's units. prior: which prior, see ``prior.py``.
        ridge: added to variances in the user's units, as scikit-learn's reg_covar.
        resolution: (d,) step to which each column was rounded (0 where none): a column cannot be known better than
            the variance of its rounding error, resolution^2 / 12. A column of few values, such as a pixel that is
            nearly always 0, varies less than its step allows: there the floor is a tenth of its variance.
    """
    d = len(mean)
    floor = np.full(d, FLOOR * max(float(np.diagonal(covariance).mean()), 1e-300))
    if ridge is not None:
        # The ridge keeps covariances proper; the floor only has to stay out of its way.
        floor = np.full(d, 1e-3 * ridge)
    if resolution is not None:
        rounding = np.minimum(resolution**2 / 12, ROUNDING_SHARE * np.diagonal(covariance))
        floor = np.maximum(floor, rounding)
    inner = frame.matrix(np.diag(floor))
    added = None if ridge is None else frame.matrix(ridge * np.eye(d))
    chosen: Prior | None = None
    if prior == "pooled":
        chosen = pooled(d)
    elif prior == "conjugate":
        chosen = fraley_raftery(frame.matrix(covariance), frame.to(mean[None])[0], components)
    guard = Guard((inner + inner.T) / 2, added, chosen)
    return guard.diagonal() if family in DIAGONAL else guard


def to_frame(frame: Frame, mixture: Mixture, diagonal: bool, guard: Guard) -> Parameters:
    """A mixture in the user's units as a batch of one chain in fit coordinates."""
    means = frame.to(mixture.means)[None]
    covariances = (frame.forward @ mixture.covariances @ frame.forward.T)[None]
    if diagonal:
        covariances = np.diagonal(covariances, axis1=-2, axis2=-1).copy()
    covariances, precisions, logs = keep_above(covariances, guard.floor)
    active = np.ones((1, len(mixture.weights)), bool)
    # Without their axes EVE and VVE would begin elsewhere.
    axes = shared_axes(covariances) if mixture.family in ("EVE", "VVE") else None
    params = Parameters(mixture.weights[None].copy(), means, covariances, precisions, logs, active, axes)
    return params if mixture.dof is None else replace(params, dof=mixture.dof[None].copy())
