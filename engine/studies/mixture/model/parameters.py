"""Parameters of many mixtures at once: R chains x G components, in the coordinates that a fit runs in."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# float64 unless said otherwise.
Array = NDArray[Any]
LOG_2PI = float(np.log(2 * np.pi))
# Stands for log 0: far below any density, yet finite in float32, so that products with 0 stay 0.
NOTHING = -1e30


@dataclass(frozen=True)
class Parameters:
    """R mixtures of G components in d dimensions; a component that is switched off has weight 0.

    Attributes:
        weights: (R, G), rows sum to 1.
        means: (R, G, d).
        covariances: (R, G, d, d), or (R, G, d) variances for the diagonal families.
        precisions: inverses of ``covariances``, same shape.
        log_determinants: (R, G) of the covariances.
        active: (R, G) bool; False for components that do not exist in a chain.
        orientation: (R, d, d) common principal axes of EVE and VVE, else None.
        dof: (R, G) degrees of freedom of a t-mixture, else None.
    """

    weights: Array
    means: Array
    covariances: Array
    precisions: Array
    log_determinants: Array
    active: NDArray[np.bool_]
    orientation: Array | None = None
    dof: Array | None = None

    @property
    def chains(self) -> int:
        """R."""
        return self.weights.shape[0]

    @property
    def components(self) -> int:
        """G, switched off ones included."""
        return self.weights.shape[1]

    @property
    def dimension(self) -> int:
        """d."""
        return self.means.shape[2]

    @property
    def diagonal(self) -> bool:
        """Whether covariances are stored as (R, G, d)."""
        return self.covariances.ndim == 3

    def take(self, chains: NDArray[np.integer] | NDArray[np.bool_] | slice) -> Parameters:
        """Only the chains asked for, in that order."""
        extra = (
            None if self.orientation is None else self.orientation[chains],
            None if self.dof is None else self.dof[chains],
        )
        return Parameters(
            self.weights[chains],
            self.means[chains],
            self.covariances[chains],
            self.precisions[chains],
            self.log_determinants[chains],
            self.active[chains],
            *extra,
        )

    def put(self, chains: NDArray[np.integer], other: Parameters) -> Parameters:
        """A copy in which these chains are those of ``other`` (same G and d)."""
        merged: dict[str, Any] = {}
        for f in fields(self):
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            merged[f.name] = None
            if mine is not None and theirs is not None:
                merged[f.name] = mine.copy()
                merged[f.name][chains] = theirs
        return Parameters(**merged)

    def copy(self) -> Parameters:
        """With arrays of its own, which may be written to."""
        own: dict[str, Any] = {name: None if value is None else value.copy() for name, value in vars(self).items()}
        return Parameters(**own)

    def log_weights(self) -> Array:
        """log weights (R, G), NOTHING where a component is switched off."""
        return np.where(self.active, np.log(np.maximum(self.weights, 1e-300)), NOTHING)

    def full_covariances(self) -> Array:
        """(R, G, d, d) whatever the storage."""
        if not self.diagonal:
            return self.covariances
        return self.covariances[..., None] * np.eye(self.dimension)


def concatenate(parts: list[Parameters]) -> Parameters:
    """The chains of several batches in one; components are padded with switched off ones to the largest G."""
    most = max(part.components for part in parts)
    parts = [pad(part, most) for part in parts]
    joined: dict[str, Any] = {}
    for f in fields(Parameters):
        values = [getattr(part, f.name) for part in parts]
        joined[f.name] = None if any(v is None for v in values) else np.concatenate(values)
    return Parameters(**joined)


def pad(params: Parameters, components: int) -> Parameters:
    """The same mixtures with switched off components appended up to ``components``."""
    extra = components - params.components
    if extra == 0:
        return params
    r, d = params.chains, params.dimension
    unit = np.ones((r, extra, d)) if params.diagonal else np.tile(np.eye(d), (r, extra, 1, 1))
    grow = {
        "weights": np.zeros((r, extra)), "means": np.zeros((r, extra, d)), "covariances": unit, "precisions": unit,
        "log_determinants": np.zeros((r, extra)), "active": np.zeros((r, extra), bool),
    }  # fmt: skip
    changed = {name: np.concatenate([getattr(params, name), more], axis=1) for name, more in grow.items()}
    if params.dof is not None:
        changed["dof"] = np.concatenate([params.dof, np.full((r, extra), 30.0)], axis=1)
    return replace(params, **changed)
