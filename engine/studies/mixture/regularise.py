"""What keeps covariances proper: a floor, a ridge, and a conjugate prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.studies.mixture.families import SHARED, Family
from engine.studies.mixture.parameters import LOG_2PI, Array, Parameters

# The prior is the default below this many rows per free parameter.
THIN = 5.0


@dataclass(frozen=True)
class Prior:
    """Normal-inverse-Wishart prior on each component (Fraley & Raftery 2007, "Bayesian regularization", section 3).

    mu | S ~ N(location, S / shrinkage), S ~ IW(dof, scale): with these the posterior mode adds ``scale`` and
    shrinkage n / (shrinkage + n) (mean - location)(..)' to the scatter and dof + d + 2 to the rows of a component.

    Attributes:
        location: (d,). scale: (d, d). dof, shrinkage: positive.
    """

    location: Array
    scale: Array
    dof: float
    shrinkage: float = 0.01


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


def default_prior(total: Array, location: Array, components: int) -> Prior:
    """Scale = total covariance / G^(2/d), d + 2 degrees of freedom, shrinkage 0.01.

    Args:
        total: (d, d) covariance of all rows. location: (d,) their mean. components: G.
    """
    d = len(total)
    return Prior(location, total / components ** (2 / d), d + 2.0)


def with_prior(prior: Prior, family: Family, n: Array, means: Array, first: Array, w: Array,
               active: Array) -> tuple[Array, Array, Array]:
    """Posterior-mode means (R, G, d), and the rows and scatters that the family's M-step is then fed.

    Args:
        n: (R, G). means: (R, G, d) sample means. first: (R, G, d) sums. w: scatters, (R, G, d, d) or (R, G, d).
        active: (R, G).
    """
    d = means.shape[-1]
    kappa = prior.shrinkage
    # A shared covariance has one prior, of which each component carries an equal part.
    part = active / np.maximum(active.sum(axis=1, keepdims=True), 1) if family in SHARED else active * 1.0
    away = means - prior.location
    pull = kappa * n / (kappa + n) * active
    if w.ndim == 3:
        more = part[..., None] * np.diagonal(prior.scale) + pull[..., None] * away**2
    else:
        more = part[..., None, None] * prior.scale + pull[..., None, None] * away[..., :, None] * away[..., None, :]
    modes = (first + kappa * prior.location) / (n + kappa)[..., None]
    rows = n + part * (prior.dof + d + 1) + active
    return rows * active, modes, (w + more) * _expand(active, w)


def log_prior(prior: Prior, family: Family, params: Parameters) -> Array:
    """Unnormalised log density of the prior at each chain's parameters, (R,): what EM adds to the log-likelihood."""
    d = params.dimension
    away = params.means - prior.location
    if params.diagonal:
        trace = (params.precisions * np.diagonal(prior.scale)).sum(-1)
        distance = (params.precisions * away**2).sum(-1)
    else:
        trace = np.einsum("rgij,ji->rg", params.precisions, prior.scale)
        distance = np.einsum("rgi,rgij,rgj->rg", away, params.precisions, away)
    active = params.active
    part = active / active.sum(axis=1, keepdims=True) if family in SHARED else active * 1.0
    wishart = -0.5 * ((prior.dof + d + 1) * params.log_determinants + trace)
    normal = -0.5 * (params.log_determinants + prior.shrinkage * distance + d * (LOG_2PI - np.log(prior.shrinkage)))
    return (part * wishart + np.where(active, normal, 0.0)).sum(axis=1)


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


def _expand(mask: Array, like: Array) -> Array:
    return mask.reshape(mask.shape + (1,) * (like.ndim - 2))
