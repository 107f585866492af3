"""Axes along which the components of a fitted mixture differ most: better for pictures than principal axes."""

from __future__ import annotations

import numpy as np

from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array


def discriminant_axes(mixture: Mixture, axes: int = 2) -> tuple[Array, Array]:
    """Directions that separate means and covariances of the components (Scrucca 2010, "Dimension reduction for
    model-based clustering", equations 3-5).

    Returns: axes (d, q) with unit variance of the data along each, and their eigenvalues (q,), falling.
    """
    centre = mixture.weights @ mixture.means
    away = mixture.means - centre
    within = np.tensordot(mixture.weights, mixture.covariances, axes=1)
    between = (away * mixture.weights[:, None]).T @ away
    total = within + between
    inverse = np.linalg.inv(total)
    differ = mixture.covariances - within
    spread = np.tensordot(mixture.weights, differ @ inverse @ differ, axes=1)
    kernel = between @ inverse @ between + spread
    root = np.linalg.inv(np.linalg.cholesky(total))
    values, turned = np.linalg.eigh(root @ kernel @ root.T)
    return (root.T @ turned)[:, ::-1][:, :axes], np.maximum(values[::-1][:axes], 0.0)
