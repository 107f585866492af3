"""Common principal axes of several scatters by majorise-minimise steps (Browne & McNicholas 2014; Kiers 2002).

Minimises f(D) = sum_k tr(W_k D B_k D') over orthonormal D, B_k diagonal and positive. Both W_k - w_k 1 (w_k at least
its largest eigenvalue) and B_k - b_k 1 (b_k its largest entry) are negative semidefinite, so replacing either makes f
concave in D: its tangent at D_t lies above it, and over orthonormal matrices a linear function tr(F'D) is least at
D = -U V', F = U S V'. Neither step can raise f.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.parameters import Array

# A relative fall of f below this is no longer worth a step.
SMALL = 1e-10


def misfit(w: Array, b: Array, axes: Array) -> Array:
    """f(D), (R,): scatters w (R, G, d, d), inverse values b (R, G, d), axes D (R, d, d)."""
    turned = axes.swapaxes(-1, -2)[:, None] @ w @ axes[:, None]
    return (np.diagonal(turned, axis1=-2, axis2=-1) * b).sum(axis=(1, 2))


def shared_axes(covariances: Array) -> Array:
    """The principal axes (R, d, d) that covariances (R, G, d, d) of EVE or VVE have in common."""
    # Unequal weights separate eigenvalues that are equal on average.
    weights = 1 + np.arange(covariances.shape[1])[:, None, None] / covariances.shape[1]
    return np.linalg.eigh((covariances * weights).sum(axis=1))[1]


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

    A majorise-minimise step moves all axes at once, one of the other kind where the first does not help; a round of
    plane rotations, each the exact minimum of f in its plane (Flury & Gautschi 1986), then does what the bounds are too
    loose for.

    Args:
        w: (R, G, d, d) scatters. b: (R, G, d) inverse values. axes: (R, d, d) orthonormal columns.
    """
    start = before = misfit(w, b, axes)
    axes, before = _descend(w, b, axes, before, step_values(w, b, axes))
    if not np.all(before < start):
        # Any bound on the largest eigenvalue will do; the norm costs no decomposition.
        largest = np.sqrt((w * w).sum(axis=(-1, -2)))
        axes, before = _descend(w, b, axes, before, step_scatter(w, b, axes, largest))
    axes = rotate_planes(w, b, axes)
    after = misfit(w, b, axes)
    return axes, bool(np.all(start - after <= SMALL * np.abs(start)))


def _descend(w: Array, b: Array, axes: Array, before: Array, fresh: Array) -> tuple[Array, Array]:
    """The fresh axes of the chains where they fit better, and the misfit."""
    value = misfit(w, b, fresh)
    better = value < before
    return np.where(better[:, None, None], fresh, axes), np.where(better, value, before)


def rotate_planes(w: Array, b: Array, axes: Array) -> Array:
    """One round of exact rotations in all planes of two axes; planes without a common axis turn together.

    In the plane of axes p and q, f is a constant plus u cos 2t + v sin 2t in the angle t, with
    u = sum_k (b_kp - b_kq)(A_kpp - A_kqq) / 2, v = sum_k (b_kp - b_kq) A_kpq, A_k = D' W_k D.
    """
    d = w.shape[-1]
    axes = axes.copy()
    turned = axes.swapaxes(-1, -2)[:, None] @ w @ axes[:, None]
    for p, q in _schedule(d):
        gap = b[..., p] - b[..., q]
        u = (gap * (turned[..., p, p] - turned[..., q, q])).sum(axis=1) / 2
        v = (gap * turned[..., p, q]).sum(axis=1)
        angle = np.where(np.hypot(u, v) > 0, np.arctan2(-v, -u) / 2, 0.0)
        c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
        axes[..., p], axes[..., q] = axes[..., p] * c + axes[..., q] * s, axes[..., q] * c - axes[..., p] * s
        c, s = c[:, None], s[:, None]
        left, right = turned[..., p], turned[..., q]
        turned[..., p], turned[..., q] = left * c + right * s, right * c - left * s
        c, s = c.swapaxes(-1, -2), s.swapaxes(-1, -2)
        top, low = turned[..., p, :], turned[..., q, :]
        turned[..., p, :], turned[..., q, :] = top * c + low * s, low * c - top * s
    return axes


@cache
def _schedule(d: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Every pair of d axes once, in rounds of disjoint pairs (the round-robin of tournaments)."""
    seats = list(range(d + d % 2))
    rounds = []
    for _ in range(len(seats) - 1):
        pairs = [(a, z) for a, z in zip(seats, reversed(seats), strict=True)][: len(seats) // 2]
        kept = np.array([pair for pair in pairs if max(pair) < d])
        if len(kept):
            rounds.append((kept[:, 0], kept[:, 1]))
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return rounds
