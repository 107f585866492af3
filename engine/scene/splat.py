"""Clouds of points as small lit balls, drawn into a z-buffer with numpy, nearest last."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from engine.scene.frame import Frame
from engine.scene.geometry import Array
from engine.scene.scene import Cloud
from engine.scene.shade import lit
from engine.scene.view import View

_SMALLEST_PX = 0.75
_LARGEST = 0.1  # sides of the picture


def splat(cloud: Cloud, view: View, frame: Frame, fine: int, shading: str, point: Callable[[], None]) -> None:
    """Draw a cloud into a frame, where its balls are nearer than what was there.

    Args:
        fine: subpixels across a pixel, for smooth rims. point: called now and then; it may raise to give up.
    """
    flat, far = view.project(cloud.positions)
    limit = max(_LARGEST * min(view.width, view.height), _SMALLEST_PX)
    radius = np.clip(cloud.radius * view.focal / np.maximum(far, 1e-9), _SMALLEST_PX, limit)
    seen = (far > 0) & np.all((flat > -radius[:, None]) & (flat < (view.width, view.height) + radius[:, None]), axis=1)
    order = np.flatnonzero(seen)
    order = order[np.argsort(-far[order])]  # of equal targets the last written stays: the nearest
    nearest = np.repeat(np.repeat(frame.depth, fine, axis=0), fine, axis=1)
    owner, height, nearest = _rasterised(
        flat[order] * fine, radius[order] * fine, far[order], cloud.radius, nearest, point
    )
    row, column = np.nonzero(owner >= 0)
    if not row.size:
        return
    chosen = order[owner[row, column]]
    offset = np.stack([column + 0.5, row + 0.5], axis=1) / fine - flat[chosen]
    colors = cloud.colors[chosen].T
    if shading != "unlit":
        normals = _normals(view, offset / radius[chosen, None], height[row, column])
        colors = lit(view, normals, view.directions(*flat[chosen].T), colors, as_normals=shading == "normals")
    y, x = row // fine, column // fine
    _blend(frame.image, y, x, colors, fine)
    frame.item[y, x] = cloud.item
    frame.primitive[y, x] = cloud.source[chosen]
    frame.depth[y, x] = nearest[row, column]


def _rasterised(
    centre: Array, radius: Array, far: Array, thickness: float, nearest: Array, point: Callable[[], None]
) -> tuple[Array, Array, Array]:
    """Balls into subpixels, with ``nearest`` (H, W) as what stands in their way.

    Returns:
        which ball each subpixel shows (-1: none), how high it stands there (0 rim, 1 middle), and the new depths.
    """
    reach = math.ceil(radius.max(initial=0))
    border = 2 * reach  # balls may stand out by one reach; its depth of 0 lets nothing be drawn there
    wide = nearest.shape[1] + 2 * border
    depth = np.zeros((nearest.shape[0] + 2 * border, wide), np.float32)
    middle = np.s_[border : border + nearest.shape[0], border : border + nearest.shape[1]]
    depth[middle] = nearest
    owner, height = np.full(depth.shape, -1, np.int32), np.zeros(depth.shape, np.float32)
    pixel = np.floor(centre).astype(np.intp)
    steps = np.arange(-reach, reach + 1, dtype=np.float32)
    within = (pixel - centre + 0.5).astype(np.float32) / radius[:, None].astype(np.float32)
    across, down = ((within[:, axis] + steps[:, None] / radius.astype(np.float32)) ** 2 for axis in range(2))
    target = (pixel[:, 1] + border) * wide + pixel[:, 0] + border
    far = far.astype(np.float32)
    for dy, rows in zip(range(-reach, reach + 1), down, strict=True):
        point()
        for dx, columns in zip(range(-reach, reach + 1), across, strict=True):
            low = 1 - rows - columns
            inside = np.flatnonzero(low > 0)
            rise = np.sqrt(low[inside])
            z = far[inside] - np.float32(thickness) * rise
            place = target[inside] + (dy * wide + dx)
            front = np.flatnonzero(z < depth.ravel()[place])
            place, inside = place[front], inside[front]
            depth.ravel()[place] = z[front]
            owner.ravel()[place] = inside
            height.ravel()[place] = rise[front]
    return owner[middle], height[middle], depth[middle]


def _normals(view: View, offset: Array, height: Array) -> Array:
    """Normals of balls, (3, N), from the place on their discs (N, 2), in radii, and the height there (N,)."""
    frame = np.stack([view.right, -view.up, -view.forward], axis=1).astype(np.float32)
    return np.asarray(frame @ np.concatenate([offset.T.astype(np.float32), height[None]]))


def _blend(image: Array, y: Array, x: Array, colors: Array, fine: int) -> None:
    """Lay covered subpixels over the premultiplied picture."""
    pixel = y * image.shape[1] + x
    touched, inverse, count = np.unique(pixel, return_inverse=True, return_counts=True)
    total = np.stack([np.bincount(inverse, channel) for channel in colors], axis=1)
    cover = count[:, None] / fine**2
    flat = image.reshape(-1, 4)
    over = np.concatenate([total * 255 / fine**2, 255 * cover], axis=1)
    flat[touched] = over + flat[touched] * (1 - cover) + 0.5
