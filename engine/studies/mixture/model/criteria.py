"""Criteria that weigh fit against size: BIC, ICL, AIC, NEC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array


@dataclass(frozen=True)
class Criteria:
    """Of one fit; larger is better for bic and icl, smaller for aic and nec.

    Attributes:
        log_likelihood: nats. degrees: free parameters.
        bic: 2 ll - df log n (the sign of mclust; scikit-learn's is the negative).
        icl: bic + 2 sum_i log of the largest membership of row i. aic: 2 df - 2 ll.
        nec: entropy / (ll - ll of one component), nan where G = 1 or nothing was gained.
        entropy: -sum_ik z_ik log z_ik, nats.
    """

    log_likelihood: float
    degrees: int
    bic: float
    icl: float
    aic: float
    nec: float
    entropy: float


def bic(log_likelihood: float, degrees: int, n: float) -> float:
    """2 ll - df log n (Schwarz 1978)."""
    return 2 * log_likelihood - degrees * float(np.log(n))


def entropy(z: Array, weights: Array | None = None) -> float:
    """-sum_ik z_ik log z_ik of memberships (n, G), nats; rows counted by ``weights`` (n,)."""
    rows = -np.where(z > 0, z * np.log(np.maximum(z, 1e-300)), 0.0).sum(axis=1)
    return float(rows.sum() if weights is None else rows @ weights)


def criteria(
    mixture: Mixture,
    x: Array,
    log_likelihood: float,
    degrees: int,
    single: float = np.nan,
    weights: Array | None = None,
    *,
    z: Array | None = None,
) -> Criteria:
    """All criteria of a fit (ICL: Biernacki, Celeux & Govaert 2000; NEC: Celeux & Soromenho 1996).

    Args:
        x: (n, d) rows that it was fitted to. single: log-likelihood of one component of the same family.
        z: (n, G) memberships of the rows, where they are known.
    """
    if z is None:
        z = mixture.responsibilities(x)
    n = float(len(x)) if weights is None else float(weights.sum())
    sure = np.log(z.max(axis=1))
    value = bic(log_likelihood, degrees, n)
    blur = entropy(z, weights)
    gained = log_likelihood - single
    nec = blur / gained if mixture.components > 1 and gained > 0 else float("nan")
    total = float(sure.sum() if weights is None else sure @ weights)
    return Criteria(log_likelihood, degrees, value, value + 2 * total, 2 * degrees - 2 * log_likelihood, nec, blur)
