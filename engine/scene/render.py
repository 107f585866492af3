"""Renders a scene: one ray a pixel, more where neighbours differ, points on top."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from engine.scene.cover import covered
from engine.scene.frame import Frame
from engine.scene.geometry import Array
from engine.scene.scene import Scene
from engine.scene.shade import Hits, cast, shade, wires
from engine.scene.splat import splat
from engine.scene.view import View

_BAND_RAYS = 1 << 16  # about 15 ms of work between two looks at whether the picture is still wanted
_COARSE_PIXELS = 400_000  # pictures with more have pixels small enough for the rims of points
_CONTRAST = 28  # of 255, in any channel, between neighbours: more rays there (Whitted 1980)


def render(scene: Scene, view: View, supersample: int, shading: str, point: Callable[[], None]) -> Frame:
    """Draw the scene as the view sees it.

    Args:
        supersample: rays across a pixel where the picture changes sharply; 1 for none but the first.
        shading: see ``shade``. point: called every few milliseconds; it may raise to give up.
    """
    shape = view.height, view.width
    image = np.zeros((*shape, 4), np.uint8)
    # grid lines are smooth already: a contrast that they alone make needs no more rays
    plain = np.zeros((*shape, 4), np.uint8) if scene.wires else image
    triangle = np.full(shape, -1, np.int32)
    depth = np.full(shape, np.inf, np.float32)
    for target in _chunks(covered(scene, view)):
        point()
        row, column = np.divmod(target, view.width)
        hit, hits = cast(scene, view, view.directions(column + 0.5, row + 0.5))
        target = target[hit]
        colors = shade(scene, view, hits, shading)
        plain.view(np.uint32).reshape(-1)[target] = _pixels(colors)
        if scene.wires:
            image.view(np.uint32).reshape(-1)[target] = _pixels(_inked(scene, view, hits, colors))
        triangle.reshape(-1)[target] = hits.triangle
        depth.reshape(-1)[target] = hits.depth
    if supersample > 1:
        _refine(scene, view, image, np.nonzero(_edges(plain)), supersample, shading, point)
    frame = Frame(image, _lookup(scene.item, triangle), _lookup(scene.source, triangle), depth)
    fine = 2 if supersample > 1 and image.size <= _COARSE_PIXELS * 4 else 1
    for cloud in scene.clouds:
        splat(cloud, view, frame, fine, shading, point)
    return frame


def _chunks(pixels: Array) -> Iterator[Array]:
    for begin in range(0, len(pixels), _BAND_RAYS):
        yield pixels[begin : begin + _BAND_RAYS]


def _pixels(colors: Array) -> Array:
    """Opaque RGBA pixels from (3, N) in 0..1, the four bytes of each as one number (N,)."""
    pixels = np.full((colors.shape[1], 4), 255, np.uint8)
    pixels[:, :3] = (colors * 255 + 0.5).T
    return pixels.view(np.uint32)[:, 0]


def _inked(scene: Scene, view: View, hits: Hits, colors: Array) -> Array:
    ink = wires(scene, view, hits)
    return np.asarray(colors + (ink[:3] - colors) * ink[3])


def _refine(
    scene: Scene,
    view: View,
    image: Array,
    edges: tuple[Array, ...],
    across: int,
    shading: str,
    point: Callable[[], None],
) -> None:
    y, x = edges
    offsets = (np.arange(across, dtype=np.float32) + 0.5) / across
    inner_y, inner_x = (grid.reshape(-1) for grid in np.meshgrid(offsets, offsets))
    chunk = max(1, _BAND_RAYS // across**2)
    for begin in range(0, len(x), chunk):
        point()
        here = slice(begin, begin + chunk)
        sample_x, sample_y = x[here, None] + inner_x, y[here, None] + inner_y
        hit, hits = cast(scene, view, view.directions(sample_x.reshape(-1), sample_y.reshape(-1)))
        colors = shade(scene, view, hits, shading)
        if scene.wires:
            colors = _inked(scene, view, hits, colors)
        samples = np.zeros((4, sample_x.size), np.float32)
        samples[:3, hit], samples[3, hit] = colors, 1
        image[y[here], x[here]] = samples.reshape(4, -1, across**2).mean(axis=2).T * 255 + 0.5


def _edges(image: Array) -> Array:
    """Pixels that differ from a neighbour, (H, W) bool."""
    edges = np.zeros(image.shape[:2], bool)
    for before, after in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        first, second = image[before], image[after]
        differ = np.maximum(first, second) - np.minimum(first, second) > _CONTRAST
        sharp = differ.view(np.uint32)[..., 0] != 0  # any of the four channels
        edges[before] |= sharp
        edges[after] |= sharp
    return edges


def _lookup(values: Array, index: Array) -> Array:
    """Values at indices, -1 where the index is -1."""
    return np.asarray(np.append(values, values.dtype.type(-1))[index])


def positions(scene: Scene, view: View, depth: Array) -> Array:
    """Data coordinates of what is seen at each pixel, NaN where nothing is, (H, W, 3) float32."""
    seen = np.full((*depth.shape, 3), np.nan, np.float32)
    target = np.flatnonzero(np.isfinite(depth))
    row, column = np.divmod(target, view.width)
    world = view.directions(column + 0.5, row + 0.5) * depth.reshape(-1).take(target)
    world += view.eye[:, None].astype(np.float32)
    seen.reshape(-1, 3)[target] = scene.placed.data(world.T)
    return seen
