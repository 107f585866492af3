"""Maximum-likelihood covariances of the fourteen families, for R chains at once (Celeux & Govaert 1995, section 4).

Arrays: ``n`` (R, G) effective rows of each component, ``w`` its scatter sum_i z_i (x_i - mu)(x_i - mu)', (R, G, d, d),
or its diagonal (R, G, d) for the diagonal families. Switched off components have n = 0 and w = 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.orientation import common_axes
from engine.studies.mixture.model.parameters import Array

TINY = 1e-300
# The families without closed form alternate; each alternation only ever raises the likelihood, so few are enough.
ALTERNATIONS = 4
AXES_ALTERNATIONS = 1
SETTLED = 1e-9
# Variances below this share of the largest of a chain count as this much where components share shape or axes: fits
# keep them above a floor afterwards, and a component without extent must not decide for all others.
NARROW = 1e-7


def _total(n: Array) -> Array:
    return np.maximum(n.sum(axis=1), TINY)


def _each(n: Array) -> Array:
    return np.maximum(n, TINY)


def _not_narrow(variances: Array, over: tuple[int, ...]) -> Array:
    """Raised to NARROW of the largest over these axes of (R, G, ...)."""
    return np.maximum(variances, np.maximum(NARROW * variances.max(axis=over, keepdims=True), TINY))


def _geometric_mean(values: Array) -> Array:
    """Over the last axis, safe for zeros."""
    return np.exp(np.log(np.maximum(values, TINY)).mean(axis=-1))


def _root_determinant(matrices: Array) -> Array:
    """|M|^(1/d), 0 for singular matrices."""
    sign, log = np.linalg.slogdet(matrices)
    return np.where(sign > 0, np.exp(np.where(sign > 0, log, 0.0) / matrices.shape[-1]), 0.0)


def _spread(shared: Array, like: Array) -> Array:
    """One covariance a chain, repeated for its components."""
    return np.broadcast_to(shared[:, None], like.shape).copy()


def eii(n: Array, w: Array) -> Array:
    """S = v I."""
    volume = w.sum(axis=(1, 2)) / (_total(n) * w.shape[-1])
    return np.broadcast_to(volume[:, None, None], w.shape).copy()


def vii(n: Array, w: Array) -> Array:
    """S_k = v_k I."""
    return np.broadcast_to((w.mean(axis=-1) / _each(n))[..., None], w.shape).copy()


def eei(n: Array, w: Array) -> Array:
    """S = v A."""
    return _spread(w.sum(axis=1) / _total(n)[:, None], w)


def vvi(n: Array, w: Array) -> Array:
    """S_k = v_k A_k."""
    return w / _each(n)[..., None]


def evi(n: Array, w: Array) -> Array:
    """S_k = v A_k."""
    scale = _geometric_mean(w) * (n > 0)
    volume = scale.sum(axis=1) / _total(n)
    return volume[:, None, None] * w / np.maximum(scale, TINY)[..., None]


def vei(n: Array, w: Array, volume: Array) -> Array:
    """S_k = v_k A, from the volumes (R, G) to start with; A and v_k in turn."""
    for _ in range(ALTERNATIONS):
        shape = (w / volume[..., None]).sum(axis=1)
        shape /= _geometric_mean(shape)[:, None]
        fresh = np.where(n > 0, (w / np.maximum(shape, TINY)[:, None]).mean(axis=-1) / _each(n), 1.0)
        settled = np.all(np.abs(fresh - volume) <= SETTLED * np.abs(fresh))
        volume = _not_narrow(fresh, (1,))
        if settled:
            break
    return volume[..., None] * shape[:, None]


def eee(n: Array, w: Array) -> Array:
    """S = v D A D'."""
    return _spread(w.sum(axis=1) / _total(n)[:, None, None], w)


def vvv(n: Array, w: Array) -> Array:
    """S_k = v_k D_k A_k D_k'."""
    return w / _each(n)[..., None, None]


def evv(n: Array, w: Array) -> Array:
    """S_k = v D_k A_k D_k'."""
    scale = _root_determinant(w) * (n > 0)
    volume = scale.sum(axis=1) / _total(n)
    return volume[:, None, None, None] * w / np.maximum(scale, TINY)[..., None, None]


def _inverse(shapes: Array) -> Array:
    try:
        return np.linalg.inv(shapes)
    except np.linalg.LinAlgError:
        return np.linalg.pinv(shapes, hermitian=True)


def vee(n: Array, w: Array, volume: Array) -> Array:
    """S_k = v_k C, det C = 1; C and v_k in turn."""
    d = w.shape[-1]
    for _ in range(ALTERNATIONS):
        shape = (w / volume[..., None, None]).sum(axis=1)
        shape /= np.maximum(_root_determinant(shape), TINY)[:, None, None]
        traces = (_inverse(shape)[:, None] * w).sum(axis=(-1, -2))
        fresh = np.where(n > 0, traces / (d * _each(n)), 1.0)
        settled = np.all(np.abs(fresh - volume) <= SETTLED * np.abs(fresh))
        volume = _not_narrow(fresh, (1,))
        if settled:
            break
    return volume[..., None, None] * shape[:, None]


def _rotated(axes: Array, values: Array) -> Array:
    return (axes * values[..., None, :]) @ axes.swapaxes(-1, -2)


def eev(n: Array, w: Array) -> Array:
    """S_k = v D_k A D_k'."""
    values, axes = np.linalg.eigh(w)
    return _rotated(axes, np.broadcast_to((values.sum(axis=1) / _total(n)[:, None])[:, None], values.shape))


def vev(n: Array, w: Array, volume: Array) -> Array:
    """S_k = v_k D_k A D_k'; A and v_k in turn on the eigenvalues."""
    values, axes = np.linalg.eigh(w)
    return _rotated(axes, vei(n, np.maximum(values, 0.0), volume))


def _inner(w: Array, axes: Array) -> Array:
    """diag(D' W_k D), (R, G, d)."""
    return ((w @ axes[:, None]) * axes[:, None]).sum(axis=-2)


def eve(n: Array, w: Array, axes: Array) -> tuple[Array, Array]:
    """S_k = v D A_k D'; also the common axes D (R, d, d)."""
    for _ in range(AXES_ALTERNATIONS):
        inner = _inner(w, axes)
        scale = np.maximum(_geometric_mean(inner), TINY)
        shapes = np.maximum(inner / scale[..., None], TINY) * (n > 0)[..., None] + (n <= 0)[..., None]
        axes, settled = common_axes(w, 1 / shapes, axes)
        if settled:
            break
    inner = _inner(w, axes)
    return _rotated(axes[:, None], evi(n, inner)), axes


def vve(n: Array, w: Array, axes: Array) -> tuple[Array, Array]:
    """S_k = v_k D A_k D'; also the common axes D (R, d, d)."""
    for _ in range(AXES_ALTERNATIONS):
        inner = _inner(w, axes)
        values = np.where((n > 0)[..., None], _not_narrow(vvi(n, inner), (1, 2)), 1.0)
        axes, settled = common_axes(w, 1 / values, axes)
        if settled:
            break
    inner = _inner(w, axes)
    return _rotated(axes[:, None], vvi(n, inner)), axes


_CLOSED: dict[Family, Callable[[Array, Array], Array]] = {
    "EII": eii, "VII": vii, "EEI": eei, "VVI": vvi, "EVI": evi, "EEE": eee, "VVV": vvv, "EVV": evv, "EEV": eev,
}  # fmt: skip
_BY_VOLUME: dict[Family, Callable[[Array, Array, Array], Array]] = {"VEI": vei, "VEE": vee, "VEV": vev}
_BY_AXES: dict[Family, Callable[[Array, Array, Array], tuple[Array, Array]]] = {"EVE": eve, "VVE": vve}


def maximise_covariances(
    family: Family, n: Array, w: Array, volume: Array, axes: Array | None
) -> tuple[Array, Array | None]:
    """Covariances (shape of ``w``) that maximise the expected log-likelihood, and the common axes of EVE and VVE.

    Args:
        n, w: rows and scatter of each component. volume: (R, G) positive, where the alternating families start.
        axes: (R, d, d) where EVE and VVE start; None starts them at the axes of the pooled scatter.
    """
    if family in _CLOSED:
        return _CLOSED[family](n, w), None
    if family in _BY_VOLUME:
        return _BY_VOLUME[family](n, w, volume), None
    if axes is None:
        axes = np.linalg.eigh(w.sum(axis=1))[1]
    return _BY_AXES[family](n, w, axes)
