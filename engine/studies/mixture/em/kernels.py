"""Matrix-product kernels: log densities and sufficient statistics of all chains x components at once.

A kernel turns rows x into features phi(x) such that log(pi_k N(x | mu_k, S_k)) = theta_k' phi(x). Then the E-step of
R chains x G components is one product theta phi', and all weighted sums that EM needs are one product z' phi.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.parameters import LOG_2PI, Parameters

Real = NDArray[np.floating[Any]]
# Above this dimension the features of one block no longer fit the cache and the Cholesky kernel is as fast.
FEATURE_LIMIT = 220


class Kernel(Protocol):
    """What EM asks of a kernel; arrays over components have G * R rows, component-major.

    Attributes:
        diagonal: whether second moments and covariances are (.., d) instead of (.., d, d).
    """

    diagonal: bool

    def width(self, dimension: int) -> int:
        """Columns of the features."""

    def features(self, x: Real) -> Real:
        """phi of rows x (c, d): (c, F)."""

    def coefficients(self, params: Parameters, dtype: Any, *, joint: bool = True) -> Any:
        """theta; with ``joint`` False it gives -m/2, half the negative squared Mahalanobis distance, instead."""

    def evaluate(self, theta: Any, phi: Real) -> Real:
        """theta' phi: (G * R, c), a new array."""

    def gather(self, z: Real, phi: Real) -> NDArray[np.float64]:
        """Sums over the block: (G * R, width of the moments)."""

    def moments(self, sums: NDArray[np.float64], shape: tuple[int, int, int]) -> tuple[NDArray[np.float64], ...]:
        """Sums (G * R, .) as N (R, G), M1 (R, G, d) and M2 (R, G, d, d) or (R, G, d)."""


def choose(diagonal: bool, dimension: int) -> Kernel:
    """The kernel measured fastest for this kind of covariance and dimension."""
    if diagonal:
        return DiagonalKernel()
    return FeatureKernel() if dimension <= FEATURE_LIMIT else CholeskyKernel()


def _constant(params: Parameters, joint: bool) -> NDArray[np.float64]:
    if not joint:
        return np.zeros_like(params.weights)
    return params.log_weights() - 0.5 * (params.dimension * LOG_2PI + params.log_determinants)


@cache
def _upper(d: int) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    """Of symmetric matrices, flattened: where the upper triangle is, its factors in -x'Px / 2; the way back."""
    i, j = np.triu_indices(d)
    back = np.empty((d, d), np.intp)
    back[i, j] = back[j, i] = np.arange(len(i))
    return i * d + j, np.where(i == j, -0.5, -1.0), back.reshape(-1)


def _component_major(theta: NDArray[np.float64], dtype: Any) -> Real:
    r, g, width = theta.shape
    return np.ascontiguousarray(theta.transpose(1, 0, 2).reshape(g * r, width), dtype=dtype)


def _chain_major(sums: NDArray[np.float64], r: int, g: int) -> NDArray[np.float64]:
    return np.ascontiguousarray(sums.reshape(g, r, -1).transpose(1, 0, 2))


class FeatureKernel:
    """Full covariances through phi(x) = [x_i x_j (i <= j), x, 1]; half the operations of the Cholesky form."""

    diagonal = False

    def width(self, dimension: int) -> int:
        """(d + 1)(d + 2) / 2."""
        return (dimension + 1) * (dimension + 2) // 2

    def features(self, x: Real) -> Real:
        """(c, F)."""
        n, d = x.shape
        phi = np.empty((n, self.width(d)), x.dtype)
        start = 0
        for i in range(d):
            np.multiply(x[:, i:], x[:, i : i + 1], out=phi[:, start : start + d - i])
            start += d - i
        phi[:, start:-1] = x
        phi[:, -1] = 1
        return phi

    def coefficients(self, params: Parameters, dtype: Any, *, joint: bool = True) -> Real:
        """(G * R, F)."""
        r, g, d = params.means.shape
        upper, factors, _ = _upper(d)
        linear = (params.precisions @ params.means[..., None])[..., 0]
        constant = _constant(params, joint) - 0.5 * (linear * params.means).sum(-1)
        theta = np.empty((r, g, self.width(d)))
        flat = params.precisions.reshape(r, g, d * d)
        np.multiply(flat.take(upper, axis=-1), factors, out=theta[..., : len(upper)])
        theta[..., len(upper) : -1] = linear
        theta[..., -1] = constant
        return _component_major(theta, dtype)

    def evaluate(self, theta: Real, phi: Real) -> Real:
        """(G * R, c)."""
        return theta @ phi.T

    def gather(self, z: Real, phi: Real) -> NDArray[np.float64]:
        """(G * R, F)."""
        return z @ phi

    def moments(self, sums: NDArray[np.float64], shape: tuple[int, int, int]) -> tuple[NDArray[np.float64], ...]:
        """N, M1, M2 (R, G, d, d)."""
        r, g, d = shape
        sums = _chain_major(sums, r, g)
        upper, _, back = _upper(d)
        second = sums.take(back, axis=-1).reshape(r, g, d, d)
        return sums[..., -1], sums[..., len(upper) : -1], second


class DiagonalKernel:
    """Diagonal covariances through phi(x) = [x_i^2, x_i, 1]."""

    diagonal = True

    def width(self, dimension: int) -> int:
        """2 d + 1."""
        return 2 * dimension + 1

    def features(self, x: Real) -> Real:
        """(c, 2 d + 1)."""
        return np.concatenate([x * x, x, np.ones((len(x), 1), x.dtype)], axis=1)

    def coefficients(self, params: Parameters, dtype: Any, *, joint: bool = True) -> Real:
        """(G * R, 2 d + 1)."""
        linear = params.precisions * params.means
        constant = _constant(params, joint) - 0.5 * (linear * params.means).sum(-1)
        return _component_major(np.concatenate([-0.5 * params.precisions, linear, constant[..., None]], -1), dtype)

    def evaluate(self, theta: Real, phi: Real) -> Real:
        """(G * R, c)."""
        return theta @ phi.T

    def gather(self, z: Real, phi: Real) -> NDArray[np.float64]:
        """(G * R, 2 d + 1)."""
        return z @ phi

    def moments(self, sums: NDArray[np.float64], shape: tuple[int, int, int]) -> tuple[NDArray[np.float64], ...]:
        """N, M1, M2 (R, G, d)."""
        r, g, d = shape
        sums = _chain_major(sums, r, g)
        return sums[..., -1], sums[..., d:-1], sums[..., :d]


class LinearKernel:
    """One covariance for all components, through phi(x) = [x, 1]: log densities up to -x' S^-1 x / 2.

    Second moments are not gathered; see ``shared``.
    """

    def __init__(self, diagonal: bool) -> None:
        self.diagonal = diagonal

    def width(self, dimension: int) -> int:
        """d + 1."""
        return dimension + 1

    def features(self, x: Real) -> Real:
        """(c, d + 1)."""
        return np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)

    def coefficients(self, params: Parameters, dtype: Any, *, joint: bool = True) -> Real:
        """(G * R, d + 1)."""
        if self.diagonal:
            slopes = params.precisions * params.means
        else:
            slopes = (params.precisions @ params.means[..., None])[..., 0]
        constant = _constant(params, joint) - 0.5 * (slopes * params.means).sum(-1)
        return _component_major(np.concatenate([slopes, constant[..., None]], -1), dtype)

    def evaluate(self, theta: Real, phi: Real) -> Real:
        """(G * R, c)."""
        return theta @ phi.T

    def gather(self, z: Real, phi: Real) -> NDArray[np.float64]:
        """(G * R, d + 1)."""
        return z @ phi

    def moments(self, sums: NDArray[np.float64], shape: tuple[int, int, int]) -> tuple[NDArray[np.float64], ...]:
        """N, M1, and nothing for M2: (R, 0, d)."""
        r, g, d = shape
        sums = _chain_major(sums, r, g)
        return sums[..., -1], sums[..., :-1], np.empty((r, 0, d))


class CholeskyKernel:
    """Full covariances through whitened residuals |L^-1 (x - mu)|^2, S = L L'; for many columns, and as reference."""

    diagonal = False

    def width(self, dimension: int) -> int:
        """d: the rows themselves."""
        return dimension

    def features(self, x: Real) -> Real:
        """The rows."""
        return x

    def coefficients(self, params: Parameters, dtype: Any, *, joint: bool = True) -> tuple[Real, Real, Real]:
        """Whitening maps (d, G * R * d), their offsets (G * R * d,), constants (G * R, 1)."""
        r, g, d = params.means.shape
        factors = np.linalg.cholesky(params.precisions)
        offsets = (params.means[..., None, :] @ factors)[..., 0, :]
        flat = factors.transpose(2, 1, 0, 3).reshape(d, g * r * d)
        constants = _constant(params, joint).T.reshape(g * r, 1)
        return flat.astype(dtype), offsets.transpose(1, 0, 2).reshape(-1).astype(dtype), constants.astype(dtype)

    def evaluate(self, theta: tuple[Real, Real, Real], phi: Real) -> Real:
        """(G * R, c)."""
        maps, offsets, constants = theta
        c, d = phi.shape
        out = np.empty((len(constants), c), phi.dtype)
        # One component at a time: the residuals of all would not fit the cache.
        for k in range(len(out)):
            own = slice(k * d, (k + 1) * d)
            residuals = phi @ maps[:, own]
            residuals -= offsets[own]
            np.einsum("cd,cd->c", residuals, residuals, out=out[k])
        return np.asarray(constants - 0.5 * out)

    def gather(self, z: Real, phi: Real) -> NDArray[np.float64]:
        """(G * R, d * d + d + 1)."""
        d = phi.shape[1]
        out = np.empty((len(z), d * d + d + 1))
        out[:, d * d : -1] = z @ phi
        out[:, -1] = z.sum(1)
        for row, weight in zip(out, z, strict=True):
            row[: d * d] = (phi.T @ (phi * weight[:, None])).ravel()
        return out

    def moments(self, sums: NDArray[np.float64], shape: tuple[int, int, int]) -> tuple[NDArray[np.float64], ...]:
        """N, M1, M2 (R, G, d, d)."""
        r, g, d = shape
        sums = _chain_major(sums, r, g)
        second = sums[..., : d * d].reshape(r, g, d, d)
        return sums[..., -1], sums[..., d * d : -1], (second + second.swapaxes(-1, -2)) / 2
