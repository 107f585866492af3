"""What keeps covariances proper: a floor, a ridge, a prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.model.prior import Prior

LOOP_FROM = 16
LARGEST = float(np.finfo(np.float64).max)
CLEARLY = 1e-13  # smallest eigenvalue beside the largest of a matrix that has a factor for certain
# Matrices of 60 columns that fit a core's cache with what is computed from them.
CLIP_AT_ONCE = 16


@dataclass(frozen=True)
class Guard:
    """How a fit keeps covariances away from zero, in the coordinates of the fit.

    Attributes:
        floor: (d, d) positive definite F; covariances are kept S >= F in the order of positive definite matrices.
        ridge: (d, d) added to every covariance after each M-step (scikit-learn's reg_covar), or None.
        prior: or None for maximum likelihood.
    """

    floor: Array
    ridge: Array | None = None
    prior: Prior | None = None

    def diagonal(self) -> Guard:
        """The same for families whose covariances are stored as variances: floor (d,), ridge (d,)."""
        ridge = None if self.ridge is None else np.diagonal(self.ridge).copy()
        return Guard(np.diagonal(self.floor).copy(), ridge, self.prior)


def keep_above(covariances: Array, floor: Array) -> tuple[Array, Array, Array]:
    """Raise covariances to S >= F; returns them, their inverses and log-determinants (R, G).

    The eigenvalues of F^-1/2 S F^-1/2 are clipped at 1, which is the constrained maximum for a scatter. Since
    1 / lambda_min <= tr(S^-1 F), nothing is to do where that trace is below 1, nor where S - F has a Cholesky factor.

    Args:
        covariances: (R, G, d, d) with floor (d, d), or (R, G, d) with floor (d,).
    """
    if covariances.ndim == 3:
        raised = raised_to(covariances, floor)
        return raised, 1 / raised, np.log(raised).sum(-1)
    precision, logs = inverses(covariances)
    low = ~(np.einsum("rgij,ij->rg", precision, floor) <= 1)
    if low.any():
        low[low] = ~positive_definite(covariances[low] - floor)
    if not low.any():
        return covariances, precision, logs
    raised = covariances.copy()
    raised[low], precision[low], logs[low] = _clip(covariances[low], floor)
    return raised, precision, logs


def raised_to(covariances: Array, floor: Array) -> Array:
    """Only the covariances of ``keep_above``, for which fewer factors are needed."""
    if covariances.ndim == 3:
        # fmax takes the floor in place of nan.
        return np.fmin(np.fmax(covariances, floor), LARGEST)
    above = covariances - floor
    try:
        np.linalg.cholesky(above)
    except np.linalg.LinAlgError:
        d = above.shape[-1]
        low = ~positive_definite(above.reshape(-1, d, d)).reshape(above.shape[:-2])
        raised = covariances.copy()
        raised[low] = _clip(covariances[low], floor)[0]
        return raised
    return covariances


def positive_definite(matrices: Array) -> NDArray[np.bool_]:
    """Which of these symmetric matrices (m, d, d) have a Cholesky factor."""
    from scipy.linalg.lapack import dpotrf

    return np.array([dpotrf(matrix.T, lower=1, clean=0)[1] == 0 for matrix in matrices], dtype=bool)


def inverses(matrices: Array) -> tuple[Array, Array]:
    """Inverses and log-determinants of symmetric matrices (..., d, d); nan where one is not positive definite.

    LAPACK's Cholesky inverse matrix by matrix from dimension 16 on, where its saving exceeds the cost of the loop; it
    also tells which matrix fails, where the batched factorisation gives up on all.
    """
    d = matrices.shape[-1]
    if d < LOOP_FROM:
        try:
            return _inverses_at_once(matrices)
        except np.linalg.LinAlgError:
            values = np.linalg.eigvalsh(np.nan_to_num(matrices, nan=0.0, posinf=0.0, neginf=0.0))
            good = values[..., 0] > CLEARLY * np.abs(values[..., -1])
            inverse, logs = _inverses_at_once(np.where(good[..., None, None], matrices, np.eye(d)))
            return np.where(good[..., None, None], inverse, np.nan), np.where(good, logs, np.nan)
    from scipy.linalg.lapack import dpotrf, dpotri

    flat = np.ascontiguousarray(matrices, dtype=np.float64).reshape(-1, d, d)
    out, logs = np.full(flat.shape, np.nan), np.full(len(flat), np.nan)
    for index, matrix in enumerate(flat):
        # LAPACK reads columns: the transpose of a C-ordered symmetric matrix is handed over without a copy.
        factor, failed = dpotrf(matrix.T, lower=1, clean=0)
        if failed:
            continue
        logs[index] = 2 * np.log(np.diagonal(factor)).sum()
        out[index] = dpotri(factor, lower=1, overwrite_c=1)[0].T
    rows, columns = np.tril_indices(d, -1)
    out[:, rows, columns] = out[:, columns, rows]
    return out.reshape(matrices.shape), logs.reshape(matrices.shape[:-2])


def _inverses_at_once(matrices: Array) -> tuple[Array, Array]:
    factor = np.linalg.cholesky(matrices)
    inverse = np.linalg.inv(factor)
    return (inverse.swapaxes(-1, -2) @ inverse, 2 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1))


def _clip(matrices: Array, floor: Array) -> tuple[Array, Array, Array]:
    """Matrices (m, d, d) raised to the floor, their inverses and log-determinants, all from one decomposition."""
    root = np.linalg.cholesky(floor)
    inverse = np.linalg.inv(root)
    log_floor = 2 * np.log(np.diagonal(root)).sum()
    raised, precision, logs = np.empty_like(matrices), np.empty_like(matrices), np.empty(len(matrices))
    for start in range(0, len(matrices), CLIP_AT_ONCE):
        part = slice(start, start + CLIP_AT_ONCE)
        turned = inverse @ np.nan_to_num(matrices[part], nan=0.0, posinf=0.0, neginf=0.0) @ inverse.T
        values, axes = np.linalg.eigh((turned + turned.swapaxes(-1, -2)) / 2)
        kept = np.sqrt(np.maximum(values, 1.0))
        half, other = (root @ axes) * kept[:, None], (inverse.T @ axes) / kept[:, None]
        raised[part], precision[part] = half @ half.swapaxes(-1, -2), other @ other.swapaxes(-1, -2)
        logs[part] = 2 * np.log(kept).sum(axis=-1) + log_floor
    return raised, precision, logs
