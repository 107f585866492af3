"""What keeps covariances proper: a floor, a ridge, a prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.studies.mixture.parameters import Array
from engine.studies.mixture.prior import Prior


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
    1 / lambda_min <= tr(S^-1 F), the decomposition is done only where that trace exceeds 1.

    Args:
        covariances: (R, G, d, d) with floor (d, d), or (R, G, d) with floor (d,).
    """
    if covariances.ndim == 3:
        raised = np.maximum(np.nan_to_num(covariances, nan=0.0), floor)
        return raised, 1 / raised, np.log(raised).sum(-1)
    try:
        factor = np.linalg.cholesky(covariances)
        inverse = np.linalg.inv(factor)
        precision = inverse.swapaxes(-1, -2) @ inverse
        low = ~(np.einsum("rgij,ij->rg", precision, floor) <= 1)
        if not low.any():
            return covariances, precision, 2 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    except np.linalg.LinAlgError:
        low = np.ones(covariances.shape[:2], bool)
    raised = covariances.copy()
    raised[low] = _clip(covariances[low], floor)
    factor = np.linalg.cholesky(raised)
    inverse = np.linalg.inv(factor)
    precision = inverse.swapaxes(-1, -2) @ inverse
    return raised, precision, 2 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)


def _clip(matrices: Array, floor: Array) -> Array:
    root = np.linalg.cholesky(floor)
    inverse = np.linalg.inv(root)
    turned = inverse @ np.nan_to_num(matrices, nan=0.0, posinf=0.0, neginf=0.0) @ inverse.T
    values, axes = np.linalg.eigh((turned + turned.swapaxes(-1, -2)) / 2)
    half = root @ axes
    return (half * np.maximum(values, 1.0)[..., None, :]) @ half.swapaxes(-1, -2)
