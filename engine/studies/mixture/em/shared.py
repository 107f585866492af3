"""The pass over the rows for families with one covariance a chain, whose sums need no products of columns.

With S_k = S the term x' S^-1 x of the log density is the same for all components: memberships follow from linear
functions of x, and the sum over the rows of that term is tr(S^-1 T), T = sum_i w_i x_i x_i'. The M-step needs
sum_k W_k = T - sum_k n_k mu_k mu_k'. T never changes, so a pass costs G (d + 1) products a row, as k-means does,
in place of G (d + 1)(d + 2) / 2.
"""

from __future__ import annotations

import numpy as np

from engine.studies.mixture.model.families import SHARED, Family
from engine.studies.mixture.model.parameters import Array, Parameters


def common_precision(family: Family | None, params: Parameters) -> Array | None:
    """S^-1 of each chain, (R, d, d) or (R, d), or None where components differ or the family lets them."""
    if family not in SHARED:
        return None
    lead = params.active.argmax(axis=1)
    common = params.precisions[np.arange(params.chains), lead]
    same = (params.precisions == common[:, None]).reshape(*params.active.shape, -1).all(axis=-1)
    return common if (same | ~params.active).all() else None


class SquaresOfRows:
    """T of rows x (n, d), remembered for the last weights; (1, d, d), or (R, d, d) for weights of each chain."""

    def __init__(self, x: Array) -> None:
        self._x = x
        self._plain: dict[bool, Array] = {}
        self._weights: Array | None = None
        self._weighted: Array | None = None

    def totals(self, weights: Array | None, diagonal: bool) -> Array:
        """(1 or R, d, d), or its diagonals (1 or R, d)."""
        if weights is None:
            if diagonal not in self._plain:
                self._plain[diagonal] = self._sum(None, diagonal)
            return self._plain[diagonal]
        if self._weights is not weights or self._weighted is None or (self._weighted.ndim == 2) != diagonal:
            self._weights, self._weighted = weights, self._sum(np.atleast_2d(weights), diagonal)
        return self._weighted

    def _sum(self, weights: Array | None, diagonal: bool) -> Array:
        x = self._x
        if diagonal:
            squares = x * x
            return squares.sum(axis=0)[None] if weights is None else weights @ squares
        if weights is None:
            return (x.T @ x)[None]
        return np.array([(x.T * row) @ x for row in weights])


def quadratic(precision: Array, totals: Array) -> Array:
    """tr(S^-1 T) of each chain, (R,)."""
    flat = precision.reshape(len(precision), -1)
    return np.asarray((flat * totals.reshape(len(totals), -1)).sum(axis=1))
