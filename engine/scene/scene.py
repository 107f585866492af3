"""A scene ready to be looked at: its triangles in Embree's tree with the tables that shading needs, and its points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.scene import geometry, open3d, tubes
from engine.scene.geometry import Array, BadGeometry, Placement, Triangles

_SLICES = 16
_THINNEST = 0.05  # a single point does not fill the picture
_NEEDED = {
    "surface": ("x", "y", "z", "colors"),
    "mesh": ("vertices", "triangles", "colors"),
    "line": ("positions", "colors", "radius"),
    "points": ("positions", "colors", "radius"),
}
_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], Placement], Triangles]] = {
    "surface": geometry.surface,
    "mesh": geometry.mesh,
    "line": tubes.line,
}


@dataclass(frozen=True)
class Wire:
    """Grid lines of a surface: one in ``every`` columns and rows, ``color`` (4,) in 0..1 with its opacity."""

    every: float
    color: Array


@dataclass(frozen=True)
class Cloud:
    """Points drawn as small balls.

    Attributes:
        item: its number in the scene. positions: world, (N, 3) float64. colors: (N, 3) float32. radius: world units.
        source: number of each point in the item, (N,) int32.
    """

    item: int
    positions: Array
    colors: Array
    radius: float
    source: Array


@dataclass(frozen=True)
class Scene:
    """What ``render`` draws. Triangles are numbered through all items in the order they were added.

    Attributes:
        placed: data to world. caster: Open3D's RaycastingScene. first: number of the first triangle of each of
            Embree's geometries, (G,). corners: vertices of each triangle, (T, 3).
        positions: of the vertices, world, (V, 3) float32. normals, colors: theirs, (3, V) float32. grid: their column
            and row, (2, V) float32.
        item, source: item number and primitive of each triangle, (T,). gradients: change of grid column and row per
            world unit in each triangle's plane, (2, 3, T) float32. wires: item number -> grid lines; grid and gradients
            are empty without any.
        clouds: the points. reach: lowest and highest corner of all triangles, world, (2, 3).
        profile: distance from the upright axis and height of what the camera must fit, world, (P, 2).
        dropped: primitives that were not finite.
    """

    placed: Placement
    caster: Any
    first: Array
    corners: Array
    positions: Array
    normals: Array
    colors: Array
    grid: Array
    item: Array
    source: Array
    gradients: Array
    wires: Mapping[int, Wire]
    clouds: Sequence[Cloud]
    reach: Array
    profile: Array
    dropped: int


def build(items: list[Mapping[str, Any]], box: Any, aspect: Any, point: Callable[[], None]) -> Scene:
    """Make a scene of items: mappings with ``kind`` surface, mesh, line or points (see the builders for the rest).

    Args:
        point: called between items; it may raise to give up.

    Raises:
        BadGeometry: an item contradicts itself or has an unknown kind. Open3DMissing.
    """
    for item in items:
        _check(item)
    placed = geometry.placement(items, box, aspect)
    library = open3d.library()
    caster = library.t.geometry.RaycastingScene()
    solids: list[tuple[int, Triangles]] = []
    clouds = []
    for number, item in enumerate(items):
        point()
        if item["kind"] == "points":
            clouds.append(_cloud(number, item, placed))
        else:
            solid = _BUILDERS[item["kind"]](item, placed)
            if len(solid.corners):
                solids.append((number, solid))
                caster.add_triangles(
                    library.core.Tensor(solid.positions), library.core.Tensor(solid.corners.astype(np.uint32))
                )
    wires = {
        number: Wire(float(item["wire"]["every"]), np.asarray(item["wire"]["color"], np.float32))
        for number, item in enumerate(items)
        if item.get("wire")
    }
    return _joined(placed, caster, solids, wires, clouds, box)


def _check(item: Mapping[str, Any]) -> None:
    needed = _NEEDED.get(item["kind"])
    if needed is None:
        raise BadGeometry(item=item["kind"], reason=f"Known are {', '.join(_NEEDED)}.")
    if missing := [name for name in needed if name not in item]:
        raise BadGeometry(item=item["kind"], reason=f"It lacks {', '.join(missing)}.")


def _cloud(number: int, item: Mapping[str, Any], placed: Placement) -> Cloud:
    world = placed.world(geometry.points_of(item))
    colors = np.broadcast_to(geometry.unit_colors("points", item["colors"], len(world)), world.shape)
    kept = np.flatnonzero(np.isfinite(world).all(axis=1))
    return Cloud(number, world[kept], colors[kept], float(item["radius"]), kept.astype(np.int32))


def _joined(
    placed: Placement,
    caster: Any,
    solids: list[tuple[int, Triangles]],
    wires: Mapping[int, Wire],
    clouds: list[Cloud],
    box: Any,
) -> Scene:
    counts = [len(solid.corners) for _, solid in solids]
    before = np.cumsum([0, *(len(solid.positions) for _, solid in solids)])[:-1]
    return Scene(
        placed=placed,
        caster=caster,
        first=np.cumsum([0, *counts])[:-1],
        corners=_stacked([solid.corners + v for (_, solid), v in zip(solids, before, strict=True)], (0, 3), np.intp),
        positions=_stacked([solid.positions for _, solid in solids], (0, 3), np.float32),
        normals=_rows([solid.normals for _, solid in solids], 3),
        colors=_rows([solid.colors for _, solid in solids], 3),
        grid=_rows([solid.grid for _, solid in solids if wires], 2),
        item=np.repeat([number for number, _ in solids], counts).astype(np.int16),
        source=_stacked([solid.source for _, solid in solids], (0,), np.int32),
        gradients=np.concatenate(
            [np.empty((2, 3, 0), np.float32), *(_gradients(s) for _, s in solids if wires)], axis=2
        ),
        wires=wires,
        clouds=clouds,
        reach=_reach([solid.positions for _, solid in solids]),
        profile=_profile([solid for _, solid in solids], clouds) if box is None else placed.profile,
        dropped=sum(solid.dropped for _, solid in solids),
    )


def _reach(positions: list[Array]) -> Array:
    if not positions:
        return np.zeros((2, 3))
    return np.array(
        [np.min([p.min(axis=0) for p in positions], axis=0), np.max([p.max(axis=0) for p in positions], axis=0)]
    )


def _profile(solids: list[Triangles], clouds: list[Cloud]) -> Array:
    """Outline of the body that everything sweeps when the scene is turned, in slices of height, (P, 2)."""
    parts = [(solid.positions, 0.0) for solid in solids] + [(cloud.positions, cloud.radius) for cloud in clouds]
    radius = np.concatenate([np.zeros(1), *(np.hypot(p[:, 0], p[:, 1]) + thick for p, thick in parts)])
    height = np.concatenate([np.zeros(1), *(p[:, 2] for p, _ in parts)])
    low, high = height.min(), height.max()
    slices = ((height - low) / max(high - low, 1e-12) * _SLICES).astype(int).clip(0, _SLICES - 1)
    widest = np.full(_SLICES, _THINNEST)
    np.maximum.at(widest, slices, radius)
    edges = np.linspace(low, high, _SLICES + 1)
    return np.concatenate([np.stack([widest, edges[:-1]], axis=1), np.stack([widest, edges[1:]], axis=1)])


def _stacked(parts: list[Array], shape: tuple[int, ...], kind: type) -> Array:
    return np.concatenate([np.empty(shape, kind), *parts]).astype(kind, copy=False)


def _rows(parts: list[Array], columns: int) -> Array:
    """(V, K) of all parts -> (K, V), contiguous."""
    return np.ascontiguousarray(_stacked(parts, (0, columns), np.float32).T)


def _all_gradients(solids: list[Triangles]) -> Array:
    return np.concatenate([np.empty((2, 3, 0), np.float32), *map(_gradients, solids)], axis=2)


def _gradients(solid: Triangles) -> Array:
    """Gradient of the linear interpolants of grid column and row over each triangle, (2, 3, T) float32."""
    a, b, c = (solid.positions[solid.corners[:, index]].astype(np.float64) for index in range(3))
    u, v, w = (solid.grid[solid.corners[:, index]].astype(np.float64) for index in range(3))
    first, second = b - a, c - a
    normal = np.cross(first, second)
    area = np.maximum((normal**2).sum(axis=1), 1e-30)[:, None]
    along, across = np.cross(second, normal) / area, np.cross(normal, first) / area
    gradients = (v - u).T[:, None] * along.T + (w - u).T[:, None] * across.T
    return gradients.astype(np.float32)
