"""The box around a scene as lines in the picture, for the app to draw: back walls, grid lines, places of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.scene.geometry import Array, Placement
from engine.scene.view import View

AXES = "xyz"
_ROUND = 1e-9


def box_lines(placed: Placement, view: View, ticks: Mapping[str, Any]) -> dict[str, Any]:
    """What frames the scene, in picture points (pixels).

    Args:
        ticks: values in data units for each of "x", "y", "z"; those beyond the box are left out.

    Returns:
        walls: outlines of the three walls behind the scene, (3, 4, 2). grid: lines on them at the ticks, (n, 2, 2).
        ticks: axis -> {values (m,), at (m, 2): ends of the grid lines on the labelled edge, out (2,): unit direction
        away from the box}. titles: axis -> {at (2,): middle of the edge, of z its upper end, out (2,)}.
    """
    back = np.where(view.eye >= 0, -1.0, 1.0)  # per axis, the side of the box that is farther away
    shown = {axis: _within(placed, index, ticks.get(axis, ())) for index, axis in enumerate(AXES)}
    found: dict[str, Any] = {"walls": _walls(placed, view, back), "ticks": {}, "titles": {}}
    grid = []
    for index, axis in enumerate(AXES):
        world = (shown[axis] - placed.centre[index]) * placed.scale[index]
        for wall in range(3):
            if wall != index:
                grid.append(_across(placed.half, back, index, wall, world))
        corner, away = _labelled_edge(placed.half, back, view, index)
        at = np.repeat(corner[None], len(world) + 1, axis=0)
        at[:, index] = [*world, 0]
        flat = view.project(at)[0]
        out = _unit(flat[-1] - view.project(at[-1:] - away * 0.1)[0][0])
        found["ticks"][axis] = {"values": shown[axis], "at": flat[:-1], "out": out}
        found["titles"][axis] = {"at": flat[-1], "out": out}
        if axis == "z":
            at[-1, 2] = placed.half[2]
            end = view.project(at[-1:])[0][0]
            found["titles"][axis] = {"at": end, "out": _unit(end - flat[-1])}
    lines = np.concatenate(grid)
    found["grid"] = view.project(lines.reshape(-1, 3))[0].reshape(-1, 2, 2)
    return found


def _unit(vector: Array) -> Array:
    return np.asarray(vector / max(float(np.hypot(*vector)), _ROUND))


def _within(placed: Placement, index: int, values: Any) -> Array:
    values = np.asarray(values, np.float64).reshape(-1)
    slack = _ROUND * (placed.high[index] - placed.low[index])
    return values[(values >= placed.low[index] - slack) & (values <= placed.high[index] + slack)]


def _walls(placed: Placement, view: View, back: Array) -> Array:
    around = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    walls = np.empty((3, 4, 3))
    for axis in range(3):
        walls[axis] = np.insert(around, axis, back[axis], axis=1) * placed.half
    return view.project(walls.reshape(-1, 3))[0].reshape(3, 4, 2)


def _across(half: Array, back: Array, axis: int, wall: int, world: Array) -> Array:
    """Lines on the wall across ``wall`` where ``axis`` has the values ``world``, (n, 2, 3)."""
    lines = np.empty((len(world), 2, 3))
    (other,) = {0, 1, 2} - {axis, wall}
    lines[:, :, axis] = world[:, None]
    lines[:, :, wall] = back[wall] * half[wall]
    lines[:, :, other] = [-half[other], half[other]]
    return lines


def _labelled_edge(half: Array, back: Array, view: View, axis: int) -> tuple[Array, Array]:
    """A point on the edge that carries an axis's labels, and the direction away from the box there, world.

    x and y have theirs along the floor's near edges; z along the upright edge that stands furthest to the left.
    """
    if axis < 2:
        other = 1 - axis
        away = -np.eye(3)[other] * back[other]
        return (away + np.eye(3)[2] * back[2]) * half, away
    corners = np.array([[back[0], -back[1], 0], [-back[0], back[1], 0]])
    corner = corners[view.project(corners * half)[0][:, 0].argmin()]
    return corner * half, corner
