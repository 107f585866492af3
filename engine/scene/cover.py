"""Which pixels the triangles of a scene can cover at all: the others need no rays."""

from __future__ import annotations

import numpy as np

from engine.scene.geometry import Array
from engine.scene.scene import Scene
from engine.scene.view import View

_TILE = 8  # pixels
_FEW = 60_000  # triangles; of more, finding their tiles costs more than it saves


def covered(scene: Scene, view: View) -> Array:
    """Numbers of the pixels in tiles that the bounds of a triangle touch, row by row, (N,)."""
    if not len(scene.corners):
        return np.empty(0, np.intp)
    if len(scene.corners) <= _FEW:
        flat = view.project(scene.positions)[0][scene.corners]  # (T, 3, 2)
        low, high = flat.min(axis=1), flat.max(axis=1)
    else:
        signs = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), axis=-1).reshape(-1, 3)
        flat = view.project(scene.reach[signs, np.arange(3)])[0]
        low, high = flat.min(axis=0)[None], flat.max(axis=0)[None]
    tiles = _touched(low, high, -(-view.width // _TILE), -(-view.height // _TILE))
    pixels = np.repeat(np.repeat(tiles, _TILE, axis=0), _TILE, axis=1)[: view.height, : view.width]
    return np.flatnonzero(pixels)


def _touched(low: Array, high: Array, columns: int, rows: int) -> Array:
    """Tiles that rectangles (N, 2) in pixels touch, (rows, columns) bool: +1 and -1 at corners, summed up."""
    first = np.clip(np.floor(low / _TILE), 0, (columns, rows)).astype(np.intp)
    last = np.clip(np.floor(high / _TILE) + 1, 0, (columns, rows)).astype(np.intp)
    change = np.zeros((rows + 1) * (columns + 1), np.int64)
    for x, y, sign in ((first, first, 1), (last, last, 1), (first, last, -1), (last, first, -1)):
        change += sign * np.bincount(y[:, 1] * (columns + 1) + x[:, 0], minlength=len(change))
    return np.asarray(change.reshape(rows + 1, columns + 1).cumsum(axis=0).cumsum(axis=1)[:rows, :columns] > 0)
