"""The spectral step: leading axes of a table, how many to keep, and a proper density on all columns.

With scores t = V'(x - m) on q axes, log f(x) = log f_q(t) - [|x - m - V t|^2 / s2 + (p - q) log(2 pi s2)] / 2, where
s2 is the mean of the discarded eigenvalues (the shared residual of probabilistic PCA, Tipping & Bishop 1999). So
likelihoods stay comparable over q and over bases; they are those of a mixture on all p columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from engine.seeding import generator
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import LOG_2PI, Array

QRule = Literal["parallel", "gavish_donoho", "variance", "elbow"]
PERMUTATIONS = 8
QUANTILE = 0.95
# In-bag share of rows, and rows wanted of a component for each of its q + 1 location parameters.
IN_BAG = 0.632
# Share of the largest eigenvalue below which an axis carries nothing but rounding errors.
RANK = 1e-10
ROWS_PER_AXIS = 5
# In-bag rows wanted per covariance parameter. With 5 in place of 2, digits keep 5 axes instead of 9 and the adjusted
# Rand index with the true digits falls from .71 to .56.
ROWS_PER_PARAMETER = 2


@dataclass(frozen=True)
class Spectrum:
    """Principal axes of centred rows.

    Attributes:
        mean: (p,). values: (k,) eigenvalues of the covariance, falling, k = min(n, p). axes: (p, k) orthonormal.
        n, p: rows and columns. total: trace of the covariance.
    """

    mean: Array
    values: Array
    axes: Array
    n: int
    p: int
    total: float

    @property
    def rank(self) -> int:
        """Axes that exist: further ones carry rounding errors."""
        return int((self.values > RANK * self.values[0]).sum())


@dataclass(frozen=True)
class Projection:
    """q leading axes with the density of what they leave out.

    Attributes:
        mean: (p,). axes: (p, q) orthonormal columns. residual: s2, the variance of each discarded direction.
    """

    mean: Array
    axes: Array
    residual: float

    @property
    def q(self) -> int:
        """Axes kept."""
        return self.axes.shape[1]

    def scores(self, x: Array) -> Array:
        """t, (n, q)."""
        return (x - self.mean) @ self.axes

    def tail(self, x: Array) -> Array:
        """The residual term of log f for each row, (n,)."""
        p, q = self.axes.shape
        if p == q:
            return np.zeros(len(x))
        centred = x - self.mean
        left = np.maximum((centred**2).sum(axis=1) - ((centred @ self.axes) ** 2).sum(axis=1), 0.0)
        return -0.5 * (left / self.residual + (p - q) * (LOG_2PI + np.log(self.residual)))

    def lift(self, mixture: Mixture) -> Mixture:
        """The mixture on all p columns that this mixture of scores stands for."""
        across = self.residual * (np.eye(len(self.mean)) - self.axes @ self.axes.T)
        covariances = self.axes @ mixture.covariances @ self.axes.T + across
        return replace(mixture, means=self.mean + mixture.means @ self.axes.T, covariances=covariances)


def spectrum(x: Array) -> Spectrum:
    """Axes and eigenvalues by the smaller of the two Gram matrices.

    Args:
        x: (n, p) finite rows.
    """
    n, p = x.shape
    mean = x.mean(axis=0)
    centred = x - mean
    if n < p:
        values, left = np.linalg.eigh(centred @ centred.T)
        values, left = values[::-1], left[:, ::-1]
        keep = values > max(values[0], 1e-300) * 1e-12
        axes = centred.T @ left[:, keep] / np.sqrt(values[keep])
        values = np.where(keep, values, 0.0)
        axes = np.concatenate([axes, np.zeros((p, n - axes.shape[1]))], axis=1)
    else:
        values, axes = np.linalg.eigh(centred.T @ centred)
        values, axes = values[::-1], axes[:, ::-1]
    values = np.maximum(values, 0.0) / n
    return Spectrum(mean, values, axes, n, p, float(values.sum()))


def project(found: Spectrum, q: int) -> Projection:
    """The first q axes; 1 <= q <= min(n, p)."""
    left = found.total - found.values[:q].sum()
    residual = left / max(found.p - q, 1)
    return Projection(found.mean, found.axes[:, :q], max(float(residual), 1e-9 * max(found.total / found.p, 1e-300)))


def permuted_values(x: Array, seed: int, permutations: int = PERMUTATIONS) -> Array:
    """Eigenvalues of the covariance after every column was permuted on its own: (permutations, min(n, p))."""
    out = []
    for index in range(permutations):
        rng = generator(seed, "parallel analysis", index)
        shuffled = rng.permuted(x, axis=0)
        shuffled -= shuffled.mean(axis=0)
        gram = shuffled @ shuffled.T if len(x) < x.shape[1] else shuffled.T @ shuffled
        out.append(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0) / len(x))
    return np.array(out)


def parallel_analysis(found: Spectrum, permuted: Array) -> int:
    """Leading axes whose eigenvalue exceeds the 95 % quantile of permuted data (Horn 1965; Buja & Eyuboglu 1992)."""
    below = np.flatnonzero(found.values <= np.quantile(permuted, QUANTILE, axis=0))
    return max(1, int(below[0]) if len(below) else len(found.values))


def gavish_donoho(found: Spectrum) -> int:
    """Axes above the optimal hard threshold for unknown noise (Gavish & Donoho 2014, equation 5)."""
    beta = min(found.n, found.p) / max(found.n, found.p)
    factor = 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43
    singular = np.sqrt(found.values)
    return max(1, int((singular > factor * np.median(singular)).sum()))


def cumulative_variance(found: Spectrum, share: float = 0.9) -> int:
    """Fewest axes that carry this share of the variance."""
    return int(np.searchsorted(np.cumsum(found.values) / found.total, share - 1e-12)) + 1


def elbow(found: Spectrum) -> int:
    """Where two groups of eigenvalues with one common variance fit best (Zhu & Ghodsi 2006, profile likelihood)."""
    values = found.values
    k = len(values)
    best, where = -np.inf, 1
    for q in range(1, k):
        first, second = values[:q], values[q:]
        squares = ((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum()
        profile = -0.5 * k * np.log(max(squares / max(k - 2, 1), 1e-300))
        if profile > best:
            best, where = profile, q
    return where


def largest_q(n: int, components: int) -> int:
    """The most axes that n rows carry: G (q + 1)(q + 2) / 2 <= 0.632 n / 2, and at least 1."""
    q = 1
    while components * (q + 2) * (q + 3) / 2 <= IN_BAG * n / ROWS_PER_PARAMETER:
        q += 1
    return q


def bootstrap_allowed(rows: Array, q: int) -> bool:
    """Whether resampled EM is safe: min_k N_k 0.632 >= 5 (q + 1), else thin components are swallowed.

    Args:
        rows: (G,) effective rows of each component.
    """
    return bool(rows.min() * IN_BAG >= ROWS_PER_AXIS * (q + 1))


def rows_wanted(q: int) -> int:
    """The fewest rows of a component with which resampled EM is safe on q axes."""
    return int(np.ceil(ROWS_PER_AXIS * (q + 1) / IN_BAG))


def suggested_q(x: Array, found: Spectrum, rule: QRule = "parallel", seed: int = 0, share: float = 0.9) -> int:
    """Axes to keep by the rule named, of those that exist.

    At least two where columns allow: clusters that a single axis separates are rare (iris needs the second).
    """
    if rule == "parallel":
        q = parallel_analysis(found, permuted_values(x, seed))
    elif rule == "gavish_donoho":
        q = gavish_donoho(found)
    elif rule == "variance":
        q = cumulative_variance(found, share)
    else:
        q = elbow(found)
    return min(max(q, 2), found.rank)


def carried_q(q: int, n: int, components: int) -> int:
    """At most q axes, as many as ``largest_q`` and, with components of equal size, the bootstrap's limit allow."""
    q = min(q, largest_q(n, components))
    even = np.full(components, n / components)
    while q > 1 and not bootstrap_allowed(even, q):
        q -= 1
    return q


def choose_q(
    x: Array, found: Spectrum, components: int, rule: QRule = "parallel", seed: int = 0, share: float = 0.9
) -> int:
    """Axes to keep by the rule named, within what the rows carry."""
    return carried_q(suggested_q(x, found, rule, seed, share), found.n, components)


def smallest_cosine(a: Array, b: Array) -> float:
    """Cosine of the largest principal angle between the spans of a and b (p, q), 1 for equal spans (Bjorck & Golub)."""
    return float(np.linalg.svd(a.T @ b, compute_uv=False).min())
