"""EM on the marginal likelihood of incomplete rows, missing at random (Little & Rubin 2002, section 11.3).

Rows are grouped by which columns are known. Within a group the conditional mean of the unknown part is an affine
function of the known part, so a group needs only the sums of its known columns, from the same matrix products as
complete rows; the rest is algebra on sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.kernels import FeatureKernel, Kernel
from engine.studies.mixture.em.sweep import Block, Moments, Respond, Visit, block_height
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import inverses


def patterns(x: Array) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.intp]]]:
    """Each mask of known columns (d,) with the rows (m,) that have it."""
    known = ~np.isnan(x)
    masks, which = np.unique(known, axis=0, return_inverse=True)
    which = which.reshape(-1)
    order = np.argsort(which, kind="stable")
    edges = np.searchsorted(which[order], np.arange(len(masks) + 1))
    for index, mask in enumerate(masks):
        yield mask, order[edges[index] : edges[index + 1]]


class IncompleteRows:
    """Rows with missing values; EM passes over them with ``own_sweep``.

    Args:
        x: (n, d) in fit coordinates (a scale per column at most, since a turn would spread the gaps), nan if missing.
    """

    def __init__(self, x: Array) -> None:
        self.x = np.ascontiguousarray(x, dtype=np.float64)
        self.n, self.dimension = x.shape
        self._groups = [(mask, rows, self.x[np.ix_(rows, mask)]) for mask, rows in patterns(self.x)]

    def blocks(self, kernel: Kernel, dtype: Any, height: int) -> Iterator[Block]:
        """Complete rows only; partitions to start from are made on filled rows."""
        whole = self.x[~np.isnan(self.x).any(axis=1)].astype(dtype)
        for start in range(0, len(whole), height):
            yield slice(start, min(start + height, len(whole))), kernel.features(whole[start : start + height])

    def row(self, index: int) -> Array:
        """One row, gaps at the origin of the coordinates, the mean."""
        return np.nan_to_num(self.x[index], nan=0.0)

    def filled(self) -> Array:
        """All rows, gaps at the column means."""
        return np.where(np.isnan(self.x), np.nanmean(self.x, axis=0), self.x)

    def own_sweep(self, params: Parameters, weights: Array | None, respond: Respond, visit: Visit | None) -> Moments:
        """E-step and expected sums over all rows, as ``sweep.sweep`` for complete ones."""
        r, g, d = params.means.shape
        total = Moments(np.zeros(r), np.zeros((r, g)), np.zeros((r, g, d)), np.zeros((r, g, d, d)))
        covariances = params.full_covariances()
        for mask, rows, x in self._groups:
            part = _group(mask, rows, x, params, covariances, weights, respond, visit)
            for name in ("log_likelihood", "n", "first", "second"):
                getattr(total, name)[...] += getattr(part, name)
        if params.diagonal:
            second = np.diagonal(total.second, axis1=-2, axis2=-1).copy()
            return Moments(total.log_likelihood, total.n, total.first, second)
        return total


def _group(
    mask: NDArray[np.bool_],
    rows: NDArray[np.intp],
    x: Array,
    params: Parameters,
    covariances: Array,
    weights: Array | None,
    respond: Respond,
    visit: Visit | None,
) -> Moments:
    """Expected sums over the rows of one pattern; x (m, known)."""
    r, g, _ = params.means.shape
    seen = covariances[..., mask, :][..., mask]
    precisions, logs = inverses(np.ascontiguousarray(seen))
    marginal = Parameters(params.weights, params.means[..., mask], seen, precisions, logs, params.active)
    kernel = FeatureKernel()
    theta = kernel.coefficients(marginal, np.float64)
    sums: Any = 0.0
    likelihood = np.zeros(r)
    height = block_height(r * g)
    for start in range(0, len(rows), height):
        at = rows[start : start + height]
        phi = kernel.features(x[start : start + height])
        z = kernel.evaluate(theta, phi).reshape(g, r, -1)
        density = respond(z, slice(start, start + len(at)))
        if visit is not None:
            # An index array serves as a block wherever a slice does.
            visit(at, z, density)  # type: ignore[arg-type]
        if weights is not None:
            density = density * weights[..., at]
            z *= weights[..., at]
        likelihood += density.sum(axis=1)
        sums = sums + kernel.gather(z.reshape(g * r, -1), phi)
    n, first, second = kernel.moments(np.asarray(sums), (r, g, int(mask.sum())))
    if mask.all():
        return Moments(likelihood, n, first, second)
    return _complete(mask, params.means, covariances, precisions, likelihood, n, first, second)


def _complete(
    mask: NDArray[np.bool_],
    means: Array,
    covariances: Array,
    precisions: Array,
    likelihood: Array,
    n: Array,
    first: Array,
    second: Array,
) -> Moments:
    """Sums of all columns from those of the known: E[x | known] = a + A known, plus n times the conditional covariance.

    Args:
        precisions: (R, G, o, o) of the known columns. n, first, second: their sums.
    """
    cross = covariances[..., :, mask]
    slope = cross @ precisions
    offset = means - (slope @ means[..., mask, None])[..., 0]
    turned = (slope @ first[..., None])[..., 0]
    whole = n[..., None] * offset + turned
    mixed = offset[..., :, None] * turned[..., None, :]
    square = (
        n[..., None, None] * offset[..., :, None] * offset[..., None, :]
        + mixed
        + mixed.swapaxes(-1, -2)
        + slope @ second @ slope.swapaxes(-1, -2)
    )
    left = covariances - slope @ cross.swapaxes(-1, -2)
    left[..., mask, :] = 0.0
    left[..., :, mask] = 0.0
    square = square + n[..., None, None] * left
    return Moments(likelihood, n, whole, (square + square.swapaxes(-1, -2)) / 2)


def nan_mean_and_covariance(x: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Weighted means (d,) of the known values, and a diagonal (d, d) of their variances."""
    known = ~np.isnan(x)
    w = known * (np.ones(len(x)) if weights is None else weights)[:, None]
    total = np.maximum(w.sum(axis=0), 1e-300)
    mean = (w * np.where(known, x, 0.0)).sum(axis=0) / total
    variance = (w * np.where(known, x - mean, 0.0) ** 2).sum(axis=0) / total
    return mean, np.diag(variance)
