"""Planes with a meaning: the axes of the optimiser's path, three models; and what lies how far from a plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import EngineError
from engine.studies.landscape.directions import ParallelDirections, orthogonalised

Array = NDArray[Any]
COLUMNS = 65_536  # weights taken at a time, so that snapshots may stay on disk


class ShortPath(EngineError):
    """Raised for a path that spans less than a plane."""

    what = "The optimiser's path spans no plane."
    why = "It has {snapshots} snapshots, and they lie on a point or a line."
    remedy = "Train for longer, keep more snapshots, or choose random directions."


@dataclass(frozen=True)
class PrincipalPlane:
    """The principal axes of a path.

    Attributes:
        directions: (K, n) orthonormal; the first snapshot has coordinates >= 0.
        explained: (K,) share of the path's variance (or squared distance, uncentred) along each.
        spectrum: (S,) those shares for all axes, falling.
    """

    directions: Tensor
    explained: Array
    spectrum: Array


def principal_plane(snapshots: Any, final: Tensor, *, centred: bool = True, count: int = 2) -> PrincipalPlane:
    """Principal component analysis of the snapshots minus the final weights (Li et al. 2018, section 7.2).

    Args:
        snapshots: (S, n) array or tensor, may be memory-mapped; the last one may be the final weights themselves.
        final: (n,) the weights at the centre of the picture.
        centred: subtract the mean snapshot first, as principal components are defined. Otherwise the axes are those
            of the plane through ``final`` itself that lies nearest to the path in the sum of squares.
        count: K, how many axes.
    Raises:
        ShortPath: the snapshots span fewer than ``count`` dimensions.
    """
    size = len(snapshots)
    centre = torch.eye(size, dtype=torch.float64) - (1 / size if centred and size else 0.0)
    gram = torch.zeros(size, size, dtype=torch.float64)
    for _, part in _columns(snapshots, final):
        gram += part @ part.T
    values, vectors = torch.linalg.eigh(centre @ gram @ centre)
    values = values.flip(0).clamp(min=0)
    if size < count or not bool(values[count - 1] > 1e-12 * values[0]):
        raise ShortPath(snapshots=size)
    combine = (centre @ vectors.flip(1)[:, :count]).T
    directions = torch.empty(count, len(final), dtype=torch.float64)
    for columns, part in _columns(snapshots, final):
        directions[:, columns] = combine @ part
    directions = orthogonalised(directions, unit=True)
    first = _first(snapshots, final)
    directions *= torch.where(directions @ first < 0, -1.0, 1.0)[:, None]
    shares = (values / values.sum()).numpy()
    return PrincipalPlane(directions.to(final.device, final.dtype), shares[:count], shares)


def _columns(snapshots: Any, final: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """(columns, (S, c) float64 part of snapshots - final), in steps that fit in memory."""
    origin = final.detach().cpu().double()
    for start in range(0, len(final), COLUMNS):
        columns = slice(start, start + COLUMNS)
        part = np.asarray(snapshots[:, columns]).astype(np.float64)
        yield columns, torch.from_numpy(part) - origin[columns]


def _first(snapshots: Any, final: Tensor) -> Tensor:
    return torch.cat([part[0] for _, part in _columns(snapshots[:1], final)])


@dataclass(frozen=True)
class ThreePointPlane:
    """The plane through three weight vectors.

    Attributes:
        origin: (n,) the first of them. directions: (2, n) orthonormal.
        positions: (3, 2) coordinates of the three: (0, 0), (distance, 0), (x, height).
    """

    origin: Tensor
    directions: Tensor
    positions: Array


def three_point_plane(first: Tensor, second: Tensor, third: Tensor) -> ThreePointPlane:
    """The plane through three weight vectors (n,) each (Garipov et al. 2018, section 3.3).

    Raises:
        ParallelDirections: they lie on one line.
    """
    edges = torch.stack([second.double() - first.double(), third.double() - first.double()])
    if not bool(edges.any(dim=1).all()):
        raise ParallelDirections(index=1 if not bool(edges[0].any()) else 2)
    directions = orthogonalised(edges, unit=True)
    positions = np.concatenate([np.zeros((1, 2)), (edges @ directions.T).cpu().numpy()])
    positions[1, 1] = 0.0
    return ThreePointPlane(first.detach(), directions.to(first.dtype), positions)


@dataclass(frozen=True)
class Projection:
    """Weight vectors as seen from a plane.

    Attributes:
        coordinates: (S, K) of the nearest point of the plane. residual: (S,) Euclidean distance from it.
        distance: (S,) Euclidean distance from the origin; residual / distance tells how much the picture hides.
    """

    coordinates: Array
    residual: Array
    distance: Array


def project(points: Any, origin: Tensor, directions: Tensor) -> Projection:
    """Orthogonal projection of ``points`` (S, n) onto origin + span(directions), in double precision.

    Args:
        points: array or tensor, may be memory-mapped. origin: (n,). directions: (K, n), independent, of any length.
    """
    axes = directions.detach().cpu().double()
    inner = torch.zeros(len(points), len(axes), dtype=torch.float64)
    squared = torch.zeros(len(points), dtype=torch.float64)
    for columns, part in _columns(points, origin):
        inner += part @ axes[:, columns].T
        squared += part.square().sum(1)
    coordinates = torch.linalg.solve(axes @ axes.T, inner.T).T
    left = torch.zeros_like(squared)
    for columns, part in _columns(points, origin):
        left += (part - coordinates @ axes[:, columns]).square().sum(1)
    return Projection(coordinates.numpy(), left.sqrt().numpy(), squared.sqrt().numpy())
