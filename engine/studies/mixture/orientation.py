"""Common principal axes of several scatters by majorise-minimise steps (Browne & McNicholas 2014; Kiers 2002).

Minimises f(D) = sum_k tr(W_k D B_k D') over orthonormal D, B_k diagonal and positive. Both W_k - w_k 1 (w_k its largest
eigenvalue) and B_k - b_k 1 (b_k its largest entry) are negative semidefinite, so replacing either makes f concave in D:
its tangent at D_t lies above it, and over orthonormal matrices a linear function tr(F'D) is least at D = -U V',
F = U S V'. Neither step can raise f.
"""

from __future__ import annotations

import numpy as np

from engine.studies.mixture.parameters import Array

STEPS = 5
# A relative fall of f below this is no longer worth a step.
SMALL = 1e-10


def misfit(w: Array, b: Array, axes: Array) -> Array:
    """f(D), (R,): scatters w (R, G, d, d), inverse values b (R, G, d), axes D (R, d, d)."""
    turned = axes.swapaxes(-1, -2)[:, None] @ w @ axes[:, None]
    return (np.diagonal(turned, axis1=-2, axis2=-1) * b).sum(axis=(1, 2))


def _nearest(gradient: Array) -> Array:
    u, _, v = np.linalg.svd(gradient)
    return -u @ v


def step_scatter(w: Array, b: Array, axes: Array, largest: Array) -> Array:
    """One step that bounds the scatters by their largest eigenvalues (R, G)."""
    turned = w @ axes[:, None] - largest[..., None, None] * axes[:, None]
    return _nearest((turned * b[..., None, :]).sum(axis=1))


def step_values(w: Array, b: Array, axes: Array) -> Array:
    """One step that bounds the inverse values by their largest."""
    shifted = b - b.max(axis=-1, keepdims=True)
    return _nearest(((w @ axes[:, None]) * shifted[..., None, :]).sum(axis=1))


def common_axes(w: Array, b: Array, axes: Array) -> tuple[Array, bool]:
    """Axes that fit at least as well as ``axes``, and whether no chain moved any more.

    Args:
        w: (R, G, d, d) scatters. b: (R, G, d) inverse values. axes: (R, d, d) orthonormal columns.
    """
    largest = np.linalg.eigvalsh(w)[..., -1]
    start = before = misfit(w, b, axes)
    for _ in range(STEPS):
        first = before
        for fresh in (step_values(w, b, axes), step_scatter(w, b, axes, largest)):
            value = misfit(w, b, fresh)
            better = value < before
            axes = np.where(better[:, None, None], fresh, axes)
            before = np.where(better, value, before)
        if np.all(first - before <= SMALL * np.abs(first)):
            break
    return axes, bool(np.all(start - before <= SMALL * np.abs(start)))
