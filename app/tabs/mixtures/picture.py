"""What the scatters show: rows along two axes with their memberships, and the ellipses of the clusters. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.kinds import Fitted

Array = NDArray[np.float64]

DISCRIMINANT, PRINCIPAL, ROW = "discriminant", "principal", "row"
POINTS = 20_000  # rows that are drawn one by one; of more, their density
RADII = (1.0, 2.0)  # standard deviations of the ellipses


@dataclass(frozen=True)
class Picture:
    """Rows in the plane of two axes.

    Attributes:
        x, y: (m,). memberships: (m, G). known: (m,) class or -1. ellipses: two closed curves (p, 2) for each of the G
            clusters, at one and two standard deviations; empty where an axis is no combination of columns.
    """

    x: Array
    y: Array
    memberships: Array
    known: NDArray[np.intp]
    ellipses: list[list[Array]]


@dataclass(frozen=True)
class Density:
    """Many rows in the plane of two axes.

    Attributes:
        x, y: (n,). labels: (n,) cluster of each row, from 0. known: (n,) class or -1.
    """

    x: Array
    y: Array
    labels: NDArray[np.intp]
    known: NDArray[np.intp]


def axis_names(found: Fitted) -> list[str]:
    """What can be drawn along an axis: combinations first where there are more than two columns."""
    mixed = [f"{kind} {i}" for kind in (DISCRIMINANT, PRINCIPAL) for i in (1, 2)]
    if found.discriminant.shape[1] < 2:
        mixed = mixed[2:]
    columns = list(found.names)
    if len(columns) == 1:
        return [*columns, ROW]
    return [*columns, *mixed] if len(columns) == 2 else [*mixed, *columns]


def is_dense(found: Fitted) -> bool:
    """Whether there are too many rows to draw each."""
    return len(found.x) > POINTS


def picture(found: Fitted, axes: tuple[str, str], solution: int) -> Picture:
    """The rows of a solution along two axes: all of them where they can be drawn, else the sample.

    Args:
        solution: 0 is the best; of the others only the sample's memberships are known.
    """
    best = solution == 0 or solution >= len(found.solution_weights)
    at = slice(None) if best and found.complete and not is_dense(found) else np.asarray(found.sample)
    rows = np.asarray(found.x)[at]
    weights, means, covariances = parameters(found, solution)
    z = np.asarray(found.memberships)[at] if best else np.asarray(found.solution_memberships[solution])
    directions = [direction(found, name) for name in axes]
    across, up = (along(found, rows, np.asarray(found.rows)[at], one) for one in directions)
    return Picture(across, up, z, np.asarray(found.known)[at], ellipses(weights, means, covariances, directions))


def density(found: Fitted, axes: tuple[str, str]) -> Density:
    """All rows of the artifact along two axes; reads the whole of its arrays."""
    rows = np.asarray(found.x)
    x, y = (along(found, rows, np.asarray(found.rows), direction(found, name)) for name in axes)
    return Density(x, y, found.labels(), np.asarray(found.known))


def parameters(found: Fitted, solution: int) -> tuple[Array, Array, Array]:
    """Weights (G,), means (G, d) and covariances (G, d, d) of a solution, 0 the best; weight 0 is no component."""
    if 0 < solution < len(found.solution_weights):
        parts = (found.solution_weights, found.solution_means, found.solution_covariances)
        weights, means, covariances = (np.asarray(part[solution]) for part in parts)
        return weights, means, covariances
    return np.asarray(found.weights), np.asarray(found.means), np.asarray(found.covariances)


def ellipses(weights: Array, means: Array, covariances: Array, directions: list[Array | None]) -> list[list[Array]]:
    """Curves (p, 2) for each component with weight, at each of RADII; none where a direction is no combination."""
    first, second = directions
    if first is None or second is None:
        return []
    turn = np.column_stack([first, second])
    used = weights > 0
    centres, shapes = means[used] @ turn, turn.T @ covariances[used] @ turn
    return [[ellipse(c, s, r) for r in RADII] for c, s in zip(centres, shapes, strict=True)]


def direction(found: Fitted, name: str) -> Array | None:
    """(d,) the combination of columns behind an axis; None for row numbers."""
    if name in found.names:
        return np.eye(len(found.names))[found.names.index(name)]
    if name == ROW:
        return None
    kind, _, index = name.partition(" ")
    if kind == DISCRIMINANT:
        return np.asarray(found.discriminant)[:, int(index) - 1]
    return principal_axes(np.asarray(found.x)[np.asarray(found.sample)])[:, int(index) - 1]


def along(found: Fitted, rows: Array, numbers: NDArray[np.intp], towards: Array | None) -> Array:
    """(m,) rows along a direction; a single column keeps its gaps, a combination fills them with the sample's means."""
    if towards is None:
        return np.asarray(numbers, dtype=float)
    used = np.flatnonzero(towards)
    if len(used) == 1:
        return np.asarray(rows[:, used[0]])
    gaps = np.isnan(rows)
    if gaps.any():
        rows = np.where(gaps, np.nanmean(np.asarray(found.x)[np.asarray(found.sample)], axis=0), rows)
    return np.asarray(rows @ towards)


def principal_axes(rows: Array) -> Array:
    """(d, 2) combinations of the columns, each in its own units, that are the leading axes of the standardised rows."""
    filled = np.where(np.isnan(rows), np.nanmean(rows, axis=0), rows)
    scale = filled.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    scaled = (filled - filled.mean(axis=0)) / scale
    _, axes = np.linalg.eigh(scaled.T @ scaled)
    return np.asarray(axes[:, :-3:-1] / scale[:, None])


def ellipse(centre: Array, covariance: Array, radius: float, points: int = 73) -> Array:
    """(points, 2) the closed curve at Mahalanobis distance ``radius`` of a covariance (2, 2)."""
    values, axes = np.linalg.eigh(covariance)
    angle = np.linspace(0, 2 * np.pi, points)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return np.asarray(centre + radius * (circle * np.sqrt(np.maximum(values, 0))) @ axes.T)


def discriminating(found: Fitted) -> list[str]:
    """The columns, those first that differ most between clusters: variance of the means over that within (d names)."""
    weights, means = np.asarray(found.weights)[:, None], np.asarray(found.means)
    between = (weights * (means - (weights * means).sum(axis=0)) ** 2).sum(axis=0)
    within = (weights * np.diagonal(np.asarray(found.covariances), axis1=1, axis2=2)).sum(axis=0)
    order = np.argsort(-between / np.maximum(within, 1e-300), kind="stable")
    return [found.names[i] for i in order]
