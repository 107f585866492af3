"""The M-step: from sums over the rows to the parameters of every chain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.sweep import Moments
from engine.studies.mixture.model.covariance import maximise_covariances
from engine.studies.mixture.model.families import DIAGONAL, SHARED, Family
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard, keep_above, raised_to

# Families that divide by each component's own determinant: it must not be 0.
_NEEDS_DETERMINANTS = frozenset({"EVI", "EVE", "EVV"})


def scatter(moments: Moments, means: Array) -> Array:
    """sum_i z_i (x_i - mean)(x_i - mean)' of each component, from raw moments; ``means`` are the sample means.

    Where only the sum over components is known, each has its part of that by rows.
    """
    if moments.second.shape[1] < means.shape[1]:
        return _parts_of_sum(moments, means)
    if moments.second.ndim == 3:
        return np.maximum(moments.second - moments.n[..., None] * means**2, 0.0)
    w = (-moments.n[..., None] * means)[..., :, None] * means[..., None, :]
    w += moments.second
    return w


def _parts_of_sum(moments: Moments, means: Array) -> Array:
    share = moments.n / np.maximum(moments.n.sum(axis=1, keepdims=True), 1e-300)
    weighted = moments.n[..., None] * means
    if moments.second.ndim == 3:
        total = np.maximum(moments.second[:, 0] - (weighted * means).sum(axis=1), 0.0)
    else:
        total = moments.second[:, 0] - weighted.swapaxes(-1, -2) @ means
    return total[:, None] * _like(share, moments.second)


def maximise(
    family: Family,
    moments: Moments,
    guard: Guard,
    *,
    previous: Parameters | None = None,
    active: NDArray[np.bool_] | None = None,
) -> Parameters:
    """Parameters that maximise the expected log-likelihood (or posterior) given the sums.

    Args:
        moments: of R chains; second moments (R, G, d) for diagonal families. guard: as ``Guard.diagonal()`` for those.
        previous: the parameters that the E-step used: where the families without closed form start.
        active: (R, G); default those of ``previous``, else all.
    """
    if active is None:
        active = previous.active if previous is not None else np.ones(moments.n.shape, bool)
    n = np.where(active, moments.n, 0.0)
    weights = n / np.maximum(n.sum(axis=1, keepdims=True), 1e-300)
    means = moments.first / np.maximum(n, 1e-300)[..., None]
    w = scatter(moments, means)
    empty = ~(n > 0)
    if empty.any():
        means[empty] = 0.0
        w[empty] = 0.0
    rows = n
    if guard.prior is not None:
        rows, means, w = guard.prior.feed(family, n, moments.first, means, w, active, previous)
    if family in _NEEDS_DETERMINANTS:
        w = _raise_scatter(rows, w, guard.floor)
    covariances, axes = maximise_covariances(
        family, rows, w, _volumes(family, rows, w, previous), None if previous is None else previous.orientation
    )
    if guard.ridge is not None:
        covariances = covariances + guard.ridge
    if not (rows > 0).all():
        unit = np.ones(w.shape[-1]) if w.ndim == 3 else np.eye(w.shape[-1])
        covariances = np.where(_like(rows > 0, covariances), covariances, unit)
    covariances, precisions, log_determinants = _kept(family, covariances, rows, guard)
    return Parameters(weights, means, covariances, precisions, log_determinants, active, axes)


def _kept(family: Family, covariances: Array, rows: Array, guard: Guard) -> tuple[Array, Array, Array]:
    """``keep_above``; once a chain where all components share one covariance."""
    if family not in SHARED:
        return keep_above(covariances, guard.floor)
    one = covariances[np.arange(len(rows)), rows.argmax(axis=1)][:, None]
    raised, precisions, logs = keep_above(one, guard.floor)
    shape = covariances.shape
    return np.broadcast_to(raised, shape), np.broadcast_to(precisions, shape), np.broadcast_to(logs, rows.shape)


def from_covariance(covariance: Array, means: Array, family: Family, guard: Guard) -> Parameters:
    """Equal weights and one covariance (d, d) for all components of all chains; means (R, G, d)."""
    r, g, d = means.shape
    if family in DIAGONAL:
        covariances = np.broadcast_to(np.diagonal(covariance), (r, g, d)).copy()
    else:
        covariances = np.broadcast_to(covariance, (r, g, d, d)).copy()
    raised, precisions, log_determinants = keep_above(covariances, guard.floor)
    active = np.ones((r, g), bool)
    return Parameters(np.full((r, g), 1 / g), means, raised, precisions, log_determinants, active)


def _volumes(family: Family, n: Array, w: Array, previous: Parameters | None) -> Array:
    """|S_k|^(1/d) of the previous parameters, or the mean variance of each scatter to begin with."""
    if previous is not None:
        return np.exp(previous.log_determinants / previous.dimension)
    trace = w.sum(-1) if w.ndim == 3 else np.trace(w, axis1=-2, axis2=-1)
    return np.where(n > 0, np.maximum(trace / (w.shape[-1] * np.maximum(n, 1e-300)), 1e-300), 1.0)


def _raise_scatter(n: Array, w: Array, floor: Array) -> Array:
    """Scatters at least n times the floor; components without rows keep theirs, 0."""
    empty = n <= 0
    each = w / np.maximum(_like(n, w), 1e-300)
    if empty.any():
        each[empty] = 1.0 if w.ndim == 3 else np.eye(w.shape[-1])
    return raised_to(each, floor) * _like(n, w)


def _like(mask: Array, target: Array) -> Array:
    return mask.reshape(mask.shape + (1,) * (target.ndim - mask.ndim))
