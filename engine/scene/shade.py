"""From hits to colours: interpolated normals, a headlight with a key light over the shoulder, thin grid lines.

Vectors of many pixels lie as (3, N) here: numpy is several times faster on whole rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.scene import open3d
from engine.scene.geometry import Array
from engine.scene.scene import Scene, Wire
from engine.scene.view import View

SHADINGS = ("smooth", "flat", "unlit", "normals")

_AMBIENT, _HEADLIGHT, _KEY = 0.58, 0.26, 0.22
_GLOSS, _SHININESS = 0.07, 24
_KEY_LIGHT = np.array([-0.45, 0.70, -0.55]) / np.linalg.norm([-0.45, 0.70, -0.55])  # right, up, forward
_LINE_PX = 1.0
_CLOSEST_PX = 3.0  # grid lines nearer to each other than this fade away, or they would fill the surface
_SMALLEST = np.float32(1e-9)


class Hits(NamedTuple):
    """Rays that met a triangle, N of them.

    Attributes:
        triangle: (N,) int. second, third: weights of those corners, (N,). depth: along the view, (N,).
        direction: of the rays, depth 1 each, (3, N). normal: of the triangle's plane, (3, N).
    """

    triangle: Array
    second: Array
    third: Array
    depth: Array
    direction: Array
    normal: Array


def cast(scene: Scene, view: View, directions: Array) -> tuple[Array, Hits]:
    """Send rays from the eye; the numbers of those that hit something, and their hits.

    Args:
        directions: (3, N) float32.
    """
    if not len(scene.corners) or not directions.size:
        none = np.empty(0, np.float32)
        return np.empty(0, np.intp), Hits(np.empty(0, np.intp), none, none, none, directions[:, :0], directions[:, :0])
    rays = np.empty((directions.shape[1], 6), np.float32)
    rays[:, :3] = view.eye
    rays[:, 3:] = directions.T
    found = {name: values.numpy() for name, values in scene.caster.cast_rays(_tensor(rays)).items()}
    hit = np.flatnonzero(np.isfinite(found["t_hit"]))
    triangle = scene.first[found["geometry_ids"][hit]] + found["primitive_ids"][hit]
    second, third = found["primitive_uvs"].take(hit, 0).T
    normal = np.ascontiguousarray(found["primitive_normals"].take(hit, 0).T)
    return hit, Hits(triangle, second.copy(), third.copy(), found["t_hit"][hit], directions.take(hit, 1), normal)


def _tensor(rays: Array) -> object:
    return open3d.library().core.Tensor.from_numpy(rays)


def shade(scene: Scene, view: View, hits: Hits, shading: str) -> Array:
    """Colours of hits without their grid lines, (3, N) float32 in 0..1.

    Args:
        shading: "smooth", "flat" (the triangles' own normals), "unlit" (bare colours), "normals" (as colours,
            in the camera's frame).
    """
    colors = _interpolated(scene.colors, scene, hits)
    if shading == "unlit":
        return colors
    normals = hits.normal if shading == "flat" else _interpolated(scene.normals, scene, hits)
    return lit(view, normals, hits.direction, colors, as_normals=shading == "normals")


def _interpolated(values: Array, scene: Scene, hits: Hits) -> Array:
    """Values of vertices (K, V) at hits, (K, N)."""
    corners = scene.corners.take(hits.triangle, 0)
    a, b, c = (corners[:, index].copy() for index in range(3))
    first = 1 - hits.second - hits.third
    return np.stack([row.take(a) * first + row.take(b) * hits.second + row.take(c) * hits.third for row in values])


def lit(view: View, normals: Array, directions: Array, colors: Array, *, as_normals: bool = False) -> Array:
    """Colours under the lights, (3, N) in 0..1; both sides of a face are lit alike (gloss: Blinn 1977)."""
    axes = np.stack([view.right, view.up, view.forward]).astype(np.float32)
    normals, gaze = axes @ normals, axes @ directions
    gaze /= np.sqrt(_dot(gaze, gaze))
    facing = _dot(normals, gaze)
    scale = -np.sign(facing) / np.maximum(np.sqrt(_dot(normals, normals)), _SMALLEST)
    normals *= scale
    if as_normals:
        return np.asarray(0.5 + 0.5 * normals * np.array([[1], [1], [-1]], np.float32))
    key = _KEY_LIGHT.astype(np.float32)[:, None]
    light = _AMBIENT + _HEADLIGHT * np.abs(facing * scale) + _KEY * np.maximum(_dot(normals, key), 0)
    half = key - gaze
    gloss = np.maximum(_dot(normals, half) / np.sqrt(_dot(half, half)), 0) ** _SHININESS
    return np.clip(colors * light + _GLOSS * gloss, 0, 1)


def _dot(a: Array | list[Array], b: Array) -> Array:
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def wires(scene: Scene, view: View, hits: Hits) -> Array:
    """Ink of the grid lines over hits: colour and opacity, (4, N) float32 in 0..1."""
    ink = np.zeros((4, len(hits.triangle)), np.float32)
    owner = scene.item.take(hits.triangle)
    for item, wire in scene.wires.items():
        chosen = np.flatnonzero(owner == item)
        whole = len(chosen) == len(owner)
        part = hits if whole else Hits(*(values[..., chosen] for values in hits))
        ink[:, chosen] = wire.color[:, None]
        ink[3, chosen] *= _line_coverage(scene, view, part, wire)
    return ink


def _line_coverage(scene: Scene, view: View, hits: Hits, wire: Wire) -> Array:
    """How much of each pixel the nearest grid line covers, from the grid coordinate's change per pixel, (N,).

    A step of one pixel turns the ray by 1 / focal; on the triangle's plane the hit moves by
    depth * (step - direction * (normal . step) / (normal . direction)), and the coordinate by its gradient times that.
    """
    right, up = view.right.astype(np.float32), view.up.astype(np.float32)
    normal, direction = hits.normal, hits.direction
    toward = _dot(normal, direction)
    toward = np.where(np.abs(toward) < _SMALLEST, _SMALLEST, toward)
    size = hits.depth / np.float32(view.focal * wire.every)
    position = _interpolated(scene.grid, scene, hits) / np.float32(wire.every)
    coverage = np.zeros(len(toward), np.float32)
    for axis in range(2):
        gradient = [row.take(hits.triangle) for row in scene.gradients[axis]]
        slope = _dot(gradient, direction) / toward
        change = [g - n * slope for g, n in zip(gradient, normal, strict=True)]
        per_pixel = size * np.sqrt(_dot(change, right) ** 2 + _dot(change, up) ** 2) + _SMALLEST
        distance = np.abs(position[axis] - np.rint(position[axis])) / per_pixel
        fade = np.clip(1 / (per_pixel * _CLOSEST_PX) - 1, 0, 1)
        np.maximum(coverage, np.clip((_LINE_PX + 1) / 2 - distance, 0, 1) * fade, out=coverage)
    return coverage
