"""One finite mixture in the user's units: densities, memberships, samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.families import Family, degrees_of_freedom
from engine.studies.mixture.model.parameters import LOG_2PI, Array

BLOCK = 8192


@dataclass(frozen=True)
class Mixture:
    """f(x) = sum_k weights_k N(x | means_k, covariances_k), or multivariate t where ``dof`` is given.

    Attributes:
        weights: (G,). means: (G, d). covariances: (G, d, d); scale matrices of a t-mixture. family: of covariances.
        dof: (G,) degrees of freedom of the t components, or None for Gaussians.
    """

    weights: Array
    means: Array
    covariances: Array
    family: Family = "VVV"
    dof: Array | None = None

    @property
    def components(self) -> int:
        """G."""
        return len(self.weights)

    @property
    def dimension(self) -> int:
        """d."""
        return self.means.shape[1]

    def free_parameters(self) -> int:
        """Degrees of freedom of the Gaussian part; estimated dof of t components are counted by the fit."""
        return degrees_of_freedom(self.family, self.components, self.dimension)

    def log_joint(self, x: Array) -> Array:
        """log(weights_k f_k(x)), (n, G), by Cholesky factors in float64; marginal densities where values are missing.

        Args:
            x: (n, d), nan where missing.
        """
        if np.isnan(x).any():
            return self._marginal_joint(x)
        factors = np.linalg.cholesky(self.covariances)
        half_logs = np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(-1)
        inverses = np.linalg.inv(factors)
        out = np.empty((len(x), self.components))
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        for start in range(0, len(x), BLOCK):
            rows = x[start : start + BLOCK]
            for k in range(self.components):
                residuals = (rows - self.means[k]) @ inverses[k].T
                out[start : start + BLOCK, k] = self._log_kernel(k, np.einsum("ij,ij->i", residuals, residuals))
        return out - half_logs + log_weights

    def _marginal_joint(self, x: Array) -> Array:
        out = np.empty((len(x), self.components))
        masks, which = np.unique(~np.isnan(x), axis=0, return_inverse=True)
        for index, mask in enumerate(masks):
            rows = np.flatnonzero(which.reshape(-1) == index)
            out[rows] = self.marginal(mask).log_joint(x[np.ix_(rows, mask)]) if mask.any() else np.log(self.weights)
        return out

    def marginal(self, columns: NDArray[Any]) -> Mixture:
        """The mixture of some columns: a mask (d,) or indices; margins of t components keep their dof."""
        covariances = self.covariances[:, columns][:, :, columns]
        return Mixture(self.weights, self.means[:, columns], covariances, self.family, self.dof)

    def _log_kernel(self, k: int, distance: Array) -> Array:
        d = self.dimension
        if self.dof is None:
            return -0.5 * (d * LOG_2PI + distance)
        from scipy.special import gammaln

        nu = self.dof[k]
        constant = gammaln((nu + d) / 2) - gammaln(nu / 2) - 0.5 * d * np.log(nu * np.pi)
        return constant - 0.5 * (nu + d) * np.log1p(distance / nu)

    def log_density(self, x: Array) -> Array:
        """log f(x), (n,)."""
        joint = self.log_joint(x)
        top = joint.max(axis=1)
        return top + np.log(np.exp(joint - top[:, None]).sum(axis=1))

    def responsibilities(self, x: Array) -> Array:
        """p(k | x), (n, G), rows sum to 1."""
        joint = self.log_joint(x)
        z = np.exp(joint - joint.max(axis=1, keepdims=True))
        return z / z.sum(axis=1, keepdims=True)

    def labels(self, x: Array) -> NDArray[np.intp]:
        """The most probable component of each row, (n,)."""
        return self.log_joint(x).argmax(axis=1)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
        """n rows (n, d) and the components (n,) that they came from."""
        labels = rng.choice(self.components, size=n, p=self.weights)
        x = rng.standard_normal((n, self.dimension))
        factors = np.linalg.cholesky(self.covariances)
        if self.dof is not None:
            x *= np.sqrt(self.dof[labels] / rng.chisquare(self.dof[labels]))[:, None]
        for k in range(self.components):
            mine = labels == k
            x[mine] = x[mine] @ factors[k].T + self.means[k]
        return x, labels

    def permuted(self, order: NDArray[np.intp]) -> Mixture:
        """The same mixture with its components in the order given."""
        dof = None if self.dof is None else self.dof[order]
        return Mixture(self.weights[order], self.means[order], self.covariances[order], self.family, dof)

    def arrays(self) -> dict[str, Any]:
        """For storage: plain arrays and strings; ``from_arrays`` reads them back."""
        found = {"weights": self.weights, "means": self.means, "covariances": self.covariances, "family": self.family}
        return found if self.dof is None else {**found, "dof": self.dof}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Mixture:
        """The mixture that ``arrays`` describes."""
        dof = None if arrays.get("dof") is None else np.asarray(arrays["dof"], float)
        return cls(
            np.asarray(arrays["weights"], float),
            np.asarray(arrays["means"], float),
            np.asarray(arrays["covariances"], float),
            arrays["family"],
            dof,
        )
