"""Priors on covariances for thin data: what they add to the M-step and to the objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.families import SHARED, Family
from engine.studies.mixture.model.parameters import LOG_2PI, Array, Parameters

# A prior is the default below this many rows per free parameter.
THIN = 5.0
Fed = tuple[Array, Array, Array]


class Prior(Protocol):
    """A penalty on the parameters of each chain.

    Attributes:
        ranks_by_likelihood: whether chains are compared by log-likelihood, since the density of the prior itself
            rewards components with hardly any rows.
    """

    @property
    def ranks_by_likelihood(self) -> bool:
        """See above."""

    def feed(
        self,
        family: Family,
        n: Array,
        first: Array,
        means: Array,
        w: Array,
        active: NDArray[np.bool_],
        previous: Parameters | None,
    ) -> Fed:
        """Rows (R, G), means (R, G, d) and scatters to give to the family's M-step in place of the sums of the data.

        Args:
            n: (R, G). first: (R, G, d) sums. means: first / n. w: scatters, (R, G, d, d) or (R, G, d).
        """

    def log_density(self, family: Family, params: Parameters) -> Array:
        """What is added to the log-likelihood, (R,), up to a constant."""


@dataclass(frozen=True)
class PooledPrior:
    """Each covariance leans towards the common one: S_k ~ inverse Wishart around S_0, S_0 itself estimated.

    The objective adds m/2 sum_k [log |S_0| - log |S_k| - tr(S_0 S_k^-1) + d], which is greatest at the harmonic mean
    S_0 = (mean_k S_k^-1)^-1 and never positive; the M-step sees m more rows with scatter m S_0 in each component
    (empirical Bayes; as Friedman 1989, "Regularized discriminant analysis", for mixtures). Moving S_0 and S_k in turn
    never lowers it. It has no effect on families with one shared covariance.

    Attributes:
        strength: m, in rows.
    """

    strength: float
    ranks_by_likelihood: bool = False

    def feed(
        self,
        family: Family,
        n: Array,
        first: Array,
        means: Array,
        w: Array,
        active: NDArray[np.bool_],
        previous: Parameters | None,
    ) -> Fed:
        """As the protocol says."""
        if family in SHARED:
            return n, means, w
        total = np.maximum(n.sum(axis=1), 1e-300)
        common = w.sum(axis=1) / _wide(total, w[:, 0]) if previous is None else harmonic_mean(previous)
        added = self.strength * active
        return n + added, means, w + _wide(added, w) * common[:, None]

    def log_density(self, family: Family, params: Parameters) -> Array:
        """As the protocol says."""
        if family in SHARED:
            return np.zeros(params.chains)
        common = harmonic_mean(params)
        log = np.log(common).sum(-1) if params.diagonal else np.linalg.slogdet(common)[1]
        return 0.5 * self.strength * np.where(params.active, log[:, None] - params.log_determinants, 0.0).sum(axis=1)


def harmonic_mean(params: Parameters) -> Array:
    """(mean of S_k^-1 over active components)^-1 of each chain: (R, d, d) or (R, d)."""
    active = params.active
    share = active / active.sum(axis=1, keepdims=True)
    flat = params.precisions.reshape(*active.shape, -1)
    mean = (share[:, None] @ flat).reshape(params.precisions[:, 0].shape)
    return 1 / mean if params.diagonal else np.linalg.inv(mean)


@dataclass(frozen=True)
class ConjugatePrior:
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
    ranks_by_likelihood: bool = True

    def feed(
        self,
        family: Family,
        n: Array,
        first: Array,
        means: Array,
        w: Array,
        active: NDArray[np.bool_],
        previous: Parameters | None,
    ) -> Fed:
        """As the protocol says."""
        d, kappa = means.shape[-1], self.shrinkage
        part = self._part(family, active)
        away = means - self.location
        pull = kappa * n / (kappa + n) * active
        if w.ndim == 3:
            more = part[..., None] * np.diagonal(self.scale) + pull[..., None] * away**2
        else:
            more = _wide(part, w) * self.scale + _wide(pull, w) * away[..., :, None] * away[..., None, :]
        modes = (first + kappa * self.location) / (n + kappa)[..., None]
        return (n + part * (self.dof + d + 1) + active) * active, modes, (w + more) * _wide(active, w)

    def log_density(self, family: Family, params: Parameters) -> Array:
        """As the protocol says; unnormalised."""
        d = params.dimension
        away = params.means - self.location
        if params.diagonal:
            trace = (params.precisions * np.diagonal(self.scale)).sum(-1)
            distance = (params.precisions * away**2).sum(-1)
        else:
            trace = np.einsum("rgij,ji->rg", params.precisions, self.scale)
            distance = np.einsum("rgi,rgij,rgj->rg", away, params.precisions, away)
        wishart = -0.5 * ((self.dof + d + 1) * params.log_determinants + trace)
        normal = -0.5 * (params.log_determinants + self.shrinkage * distance + d * (LOG_2PI - np.log(self.shrinkage)))
        part = self._part(family, params.active)
        return (part * wishart + np.where(params.active, normal, 0.0)).sum(axis=1)

    @staticmethod
    def _part(family: Family, active: NDArray[np.bool_]) -> Array:
        """A shared covariance has one prior, of which each component carries an equal part."""
        return active / np.maximum(active.sum(axis=1, keepdims=True), 1) if family in SHARED else active * 1.0


def fraley_raftery(total: Array, location: Array, components: int) -> ConjugatePrior:
    """Scale = total covariance (d, d) / G^(2/d), d + 2 degrees of freedom, shrinkage 0.01, location the mean (d,)."""
    d = len(total)
    return ConjugatePrior(location, total / components ** (2 / d), d + 2.0)


def pooled(dimension: int) -> PooledPrior:
    """As many rows as Fraley & Raftery's prior adds to a component, 2 d + 4."""
    return PooledPrior(2.0 * dimension + 4)


def _wide(values: Array, like: Array) -> Array:
    return values.reshape(values.shape + (1,) * (like.ndim - values.ndim))
