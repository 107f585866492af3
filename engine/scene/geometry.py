"""What a scene is made of, brought to one form: triangles with a normal, a colour and a grid coordinate per corner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import EngineError

Array = np.ndarray[Any, Any]

_ROUND = 1e-12


class BadGeometry(EngineError):
    """Raised when an item of a scene contradicts itself."""

    what = "The 3D item {item} cannot be drawn."
    why = "{reason}"
    remedy = "Check the shapes of its arrays."


@dataclass(frozen=True)
class Placement:
    """How data coordinates lie in the picture: ``world = (data - centre) * scale``.

    Attributes:
        low, high: corners of the box in data units, (3,). half: half its extents in world units, (3,).
    """

    low: Array
    high: Array
    half: Array

    @property
    def centre(self) -> Array:
        """Middle of the box in data units."""
        return (self.low + self.high) / 2

    @property
    def scale(self) -> Array:
        """World units per data unit and axis."""
        return 2 * self.half / (self.high - self.low)

    @property
    def profile(self) -> Array:
        """The box as ``Scene.profile`` gives what is in it, (2, 2)."""
        radius = float(np.hypot(self.half[0], self.half[1]))
        return np.array([[radius, -self.half[2]], [radius, self.half[2]]])

    def world(self, points: Array) -> Array:
        """Data (..., 3) -> world (..., 3), float64."""
        return (np.asarray(points, np.float64) - self.centre) * self.scale

    def data(self, points: Array) -> Array:
        """World (..., 3) -> data (..., 3), float32."""
        return np.asarray(points * (1 / self.scale).astype(np.float32) + self.centre.astype(np.float32), np.float32)


@dataclass(frozen=True)
class Triangles:
    """An item as the ray caster takes it.

    Attributes:
        positions: world, (V, 3) float32. normals: (V, 3) float32, unit. colors: (V, 3) float32 in 0..1.
        grid: column and row of each vertex of a surface, (V, 2) float32. corners: (T, 3) int32.
        source: what to call each triangle's primitive: cell, triangle or segment number, (T,) int32.
        dropped: primitives left out because a coordinate is not finite.
    """

    positions: Array
    normals: Array
    colors: Array
    grid: Array
    corners: Array
    source: Array
    dropped: int


def placement(items: list[Mapping[str, Any]], box: Any, aspect: Any) -> Placement:
    """Fit the box of all items, or the one given, into a cube of side 1.

    Args:
        box: ((low, high) per axis) in data units, or None for the items' own finite bounds.
        aspect: relative lengths of the three sides, or "equal" for the data's own proportions.
    """
    if box is None:
        corners = np.array([bounds(item) for item in items] or [np.array([[0.0] * 3, [1.0] * 3])])
        low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    else:
        low, high = np.asarray(box, np.float64).T
    flat = high - low <= _ROUND * np.maximum(1, np.abs(high))
    low, high = np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high)
    sides = high - low if isinstance(aspect, str) else np.asarray(aspect, np.float64)
    return Placement(low, high, sides / sides.max() / 2)


def bounds(item: Mapping[str, Any]) -> Array:
    """Lowest and highest finite coordinates of an item, data units, (2, 3)."""
    columns = [item["x"], item["y"], item["z"]] if item["kind"] == "surface" else list(points_of(item).T)
    finite = [values[np.isfinite(values)] for values in map(np.asarray, columns)]
    return np.array([[v.min() if v.size else 0.0 for v in finite], [v.max() if v.size else 1.0 for v in finite]])


def points_of(item: Mapping[str, Any]) -> Array:
    """The item's vertices or positions, data units, (N, 3) float64.

    Raises:
        BadGeometry: they are not three columns.
    """
    points = np.asarray(item["vertices" if item["kind"] == "mesh" else "positions"], np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise BadGeometry(item=item["kind"], reason=f"Its positions have the shape {points.shape} and not (N, 3).")
    return points


def surface(item: Mapping[str, Any], placed: Placement) -> Triangles:
    """A height field: x (nx,), y (ny,), z (ny, nx), colors (ny, nx, 3). Cells with a non-finite corner are holes.

    Raises:
        BadGeometry: shapes contradict each other, or the grid has no cell.
    """
    x, y, z = (np.asarray(item[name], np.float64) for name in "xyz")
    if z.shape != (y.size, x.size) or min(z.shape) < 2:
        raise BadGeometry(item="surface", reason=f"z has the shape {z.shape} for {y.size} rows and {x.size} columns.")
    column, row = np.meshgrid(np.arange(x.size), np.arange(y.size))
    data = np.stack([x[column], y[row], z], axis=-1).reshape(-1, 3)
    first = (row * x.size + column)[:-1, :-1].reshape(-1)
    cells = np.stack([first, first + 1, first + x.size + 1, first + x.size], axis=1)
    # each cell is cut along the diagonal that is shorter in height, which keeps ridges and valleys unbroken
    height = data[cells, 2]
    with np.errstate(invalid="ignore"):
        turn = np.abs(height[:, 0] - height[:, 2]) > np.abs(height[:, 1] - height[:, 3])
    cells[turn] = np.roll(cells[turn], -1, axis=1)
    corners = np.stack([cells[:, [0, 1, 2]], cells[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    grid = np.stack([column, row], axis=-1).reshape(-1, 2)
    source = np.repeat(np.arange(len(cells)), 2)
    return assembled("surface", placed.world(data), corners, item["colors"], grid, source, two_for_one=True)


def mesh(item: Mapping[str, Any], placed: Placement) -> Triangles:
    """Vertices (V, 3), triangles (T, 3), colors (3,) or (V, 3) or (T, 3); smooth normals where ``smooth`` is not False.

    Raises:
        BadGeometry: a triangle names a vertex that is not there, or colours fit neither vertices nor triangles.
    """
    data, corners = points_of(item), np.asarray(item["triangles"])
    if corners.ndim != 2 or corners.shape[1] != 3 or corners.dtype.kind not in "iu":
        raise BadGeometry(item="mesh", reason=f"Its triangles are {corners.dtype} of the shape {corners.shape}.")
    if corners.size and not 0 <= corners.min() <= corners.max() < len(data):
        raise BadGeometry(item="mesh", reason=f"A triangle names a vertex beyond the {len(data)} that there are.")
    colors, world = np.asarray(item["colors"]), placed.world(data)
    by_face = colors.shape == corners.shape and colors.shape != data.shape
    if by_face or not item.get("smooth", True):
        colors = (
            np.repeat(colors, 3, axis=0) if by_face else colors[corners.reshape(-1)] if colors.ndim == 2 else colors
        )
        world, corners = world[corners.reshape(-1)], np.arange(corners.size).reshape(-1, 3)
    return assembled("mesh", world, corners, colors, None, np.arange(len(corners)))


def assembled(
    name: str,
    world: Array,
    corners: Array,
    colors: Any,
    grid: Array | None,
    source: Array,
    *,
    two_for_one: bool = False,
) -> Triangles:
    """Triangles from parts; those with a non-finite corner are left out, both of a pair where ``two_for_one``.

    Raises:
        BadGeometry: the colours do not fit.
    """
    finite = np.asarray(np.isfinite(world).all(axis=1))
    whole = np.asarray(finite[corners].all(axis=1))
    if two_for_one:
        whole = np.repeat(whole.reshape(-1, 2).all(axis=1), 2)
    corners = corners[whole]
    positions = np.where(finite[:, None], world, 0)
    return Triangles(
        positions=positions.astype(np.float32),
        normals=vertex_normals(positions, corners),
        colors=np.ascontiguousarray(np.broadcast_to(unit_colors(name, colors, len(world)), world.shape)),
        grid=np.zeros((len(world), 2), np.float32) if grid is None else grid.astype(np.float32),
        corners=corners.astype(np.int32),
        source=source[whole].astype(np.int32),
        dropped=len(np.unique(source[~whole])),
    )


def vertex_normals(positions: Array, corners: Array) -> Array:
    """Unit normals of the vertices, weighted by the area of the triangles around each, (V, 3) float32."""
    a, b, c = (positions[corners[:, index]] for index in range(3))
    face = np.cross(b - a, c - a)
    total = np.empty_like(positions)
    flat = corners.reshape(-1)
    for axis in range(3):
        total[:, axis] = np.bincount(flat, np.repeat(face[:, axis], 3), len(positions))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.divide(total, length, out=np.zeros_like(total), where=length > 0).astype(np.float32)


def unit_colors(name: str, colors: Any, count: int) -> Array:
    """Colours as float32 in 0..1, (3,) or (count, 3), from bytes or floats.

    Raises:
        BadGeometry: there are neither one nor ``count`` of them.
    """
    values = np.asarray(colors)
    values = values.reshape(-1, 3) if values.size != 3 else values.reshape(3)
    if values.ndim == 2 and len(values) != count:
        raise BadGeometry(item=name, reason=f"It has {len(values)} colours for {count} vertices.")
    return values.astype(np.float32) / np.float32(255 if values.dtype.kind in "iu" else 1)
