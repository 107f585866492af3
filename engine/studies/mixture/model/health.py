"""Signs that a solution is an artefact: collapsed, spurious or thin components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.families import OWN_SCATTER, SHARED, Family, degrees_of_freedom
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.prior import THIN, PooledPrior
from engine.studies.mixture.model.regularise import Guard

# Training minus out-of-bag log-likelihood per row above which a fit is called overfitted.
GAP = 0.5
AT_FLOOR = 1.01


def smallest_ratios(params: Parameters, guard: Guard) -> Array:
    """Smallest eigenvalue of each covariance relative to the floor, (R, G); 1 means at the floor."""
    if params.diagonal:
        return (params.covariances / guard.floor).min(axis=-1)
    inverse = np.linalg.inv(np.linalg.cholesky(guard.floor))
    return np.linalg.eigvalsh(inverse @ params.covariances @ inverse.T)[..., 0]


def spurious(params: Parameters, family: Family, guard: Guard, total: float) -> NDArray[np.bool_]:
    """Chains with a component at the floor that has fewer than d + 1 rows: (R,) (McLachlan & Peel 2000, section 3.10).

    The rows that a pooled prior adds to each component count too: with them the objective is bounded, and a component
    is at the floor because its columns are rounded, not because it sits on a few rows.

    Args:
        total: sum of row weights.
    """
    added = guard.prior.strength if isinstance(guard.prior, PooledPrior) and family not in SHARED else 0.0
    few = params.weights * total + added < params.dimension + 1
    found = np.atleast_1d((params.active & few).any(axis=1))
    asked = np.flatnonzero(found)
    if len(asked):
        low = smallest_ratios(params.take(asked), guard) <= AT_FLOOR
        found[asked] = (params.active[asked] & few[asked] & low).any(axis=1)
    return found


@dataclass(frozen=True)
class Health:
    """The model card's numbers for one mixture.

    Attributes:
        rows: (G,) effective rows of each component. smallest: (G,) smallest eigenvalue of each covariance.
        condition: (G,) largest / smallest eigenvalue. per_parameter: rows per free parameter.
        thin: (G,) bool, fewer than 5 rows per parameter of the component's own covariance. gap: training minus
            out-of-bag log-likelihood per row, nan when not computed. overfitted: gap above 0.5 nat.
    """

    rows: Array
    smallest: Array
    condition: Array
    per_parameter: float
    thin: NDArray[np.bool_]
    gap: float
    overfitted: bool


def examine(mixture: Mixture, rows: float, *, train: float = np.nan, out_of_bag: float = np.nan) -> Health:
    """Describe a mixture fitted to ``rows`` rows; ``train`` and ``out_of_bag`` are log-likelihoods per row."""
    values = np.linalg.eigvalsh(mixture.covariances)
    counts = mixture.weights * rows
    d = mixture.dimension
    own = d * (d + 1) / 2 if mixture.family in OWN_SCATTER else d
    gap = float(train - out_of_bag)
    degrees = degrees_of_freedom(mixture.family, mixture.components, d)
    return Health(
        counts,
        values[:, 0],
        values[:, -1] / np.maximum(values[:, 0], 1e-300),
        rows / degrees,
        counts < THIN * own,
        gap,
        bool(gap > GAP),
    )
