"""Common principal axes of several scatters, for EVE and VVE.

The M-step of these families (Browne & McNicholas 2014, "Estimating common principal components in high dimensions",
equation 4) minimises f(D) = sum_k tr(W_k D B_k D') over orthonormal D, B_k diagonal and positive. A plane rotation has
its exact minimum in closed form (Flury & Gautschi 1986), so a round of them over all planes never raises f; where all
data are in memory it costs less than the majorising steps of the former paper, and ends in the same places.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.model.parameters import Array

# A relative fall of f below this is no longer worth a step.
SMALL = 1e-10


def misfit(w: Array, b: Array, axes: Array) -> Array:
    """f(D), (R,): scatters w (R, G, d, d), inverse values b (R, G, d), axes D (R, d, d)."""
    return _value(axes.swapaxes(-1, -2)[:, None] @ w @ axes[:, None], b)


def shared_axes(covariances: Array) -> Array:
    """The principal axes (R, d, d) that covariances (R, G, d, d) of EVE or VVE have in common."""
    # Unequal weights separate eigenvalues that are equal on average.
    weights = 1 + np.arange(covariances.shape[1])[:, None, None] / covariances.shape[1]
    return np.linalg.eigh((covariances * weights).sum(axis=1))[1]


def common_axes(w: Array, b: Array, axes: Array) -> tuple[Array, bool]:
    """Axes that fit at least as well as ``axes`` after one round of plane rotations, and whether no chain moved more.

    In the plane of axes p and q, f is a constant plus u cos 2t + v sin 2t in the angle t, with
    u = sum_k (b_kp - b_kq)(A_kpp - A_kqq) / 2, v = sum_k (b_kp - b_kq) A_kpq, A_k = D' W_k D. Planes without a common
    axis turn together.

    Args:
        w: (R, G, d, d) scatters. b: (R, G, d) inverse values. axes: (R, d, d) orthonormal columns.
    """
    d = w.shape[-1]
    axes = axes.copy()
    turned = axes.swapaxes(-1, -2)[:, None] @ w @ axes[:, None]
    before = _value(turned, b)
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
    return axes, bool(np.all(before - _value(turned, b) <= SMALL * np.abs(before)))


def _value(turned: Array, b: Array) -> Array:
    return np.asarray((np.diagonal(turned, axis1=-2, axis2=-1) * b).sum(axis=(1, 2)))


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
