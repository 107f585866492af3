"""Polylines as solid bodies: a tube along the segments, a ball at each point."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.scene.geometry import Array, Placement, Triangles, assembled, points_of, unit_colors

_SIDES = 10
_SHORTEST = 1e-9  # world units; shorter segments have no direction


def line(item: Mapping[str, Any], placed: Placement) -> Triangles:
    """Positions (N, 3), colors (3,) or (N, 3), ``radius`` of the tube and ``marker`` of the balls in sides of the box.

    Non-finite points interrupt it. A marker smaller than the radius still rounds the bends.

    Raises:
        BadGeometry: shapes contradict each other.
    """
    world, radius = placed.world(points_of(item)), float(item["radius"])
    colors = np.broadcast_to(unit_colors("line", item["colors"], len(world)), world.shape)
    there = np.asarray(np.isfinite(world).all(axis=1))
    steps = np.where(there[1:, None] & there[:-1, None], np.diff(world, axis=0), 0)
    start = np.flatnonzero(np.linalg.norm(steps, axis=1) > _SHORTEST)
    around, faces = _ring(_frames(steps[start]))
    ends = np.stack([start, start + 1], axis=1)
    tube = world[ends][:, :, None] + radius * around[:, None]  # (S, 2, SIDES, 3)
    sphere, ball_faces = _ball()
    points = np.flatnonzero(there)
    balls = world[points][:, None] + max(radius, float(item.get("marker", 0))) * sphere
    corners = [
        (np.arange(start.size) * 2 * _SIDES)[:, None, None] + faces,
        2 * _SIDES * start.size + (np.arange(points.size) * len(sphere))[:, None, None] + ball_faces,
    ]
    return assembled(
        "line",
        np.concatenate([tube.reshape(-1, 3), balls.reshape(-1, 3)]),
        np.concatenate([part.reshape(-1, 3) for part in corners]),
        np.concatenate([np.repeat(colors[ends.reshape(-1)], _SIDES, 0), np.repeat(colors[points], len(sphere), 0)]),
        None,
        np.concatenate([np.repeat(start, len(faces)), np.repeat(points, len(ball_faces))]),
    )


def _frames(steps: Array) -> Array:
    """Two unit vectors across each step, carried along by parallel transport (Bishop 1975), (S, 2, 3)."""
    along = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    across = np.empty((len(steps), 2, 3))
    side = np.eye(3)[np.abs(along[0]).argmin()] if len(steps) else np.zeros(3)
    for index, direction in enumerate(along):
        flat = side - (side @ direction) * direction
        if flat @ flat < _SHORTEST:  # a turn by a right angle into the old side
            flat = np.cross(direction, np.eye(3)[np.abs(direction).argmin()])
        side = flat / np.sqrt(flat @ flat)
        across[index] = side, np.cross(direction, side)
    return across


def _ring(frames: Array) -> tuple[Array, Array]:
    """Points of a unit ring across each segment (S, SIDES, 3), and the faces between a segment's two rings."""
    angle = np.linspace(0, 2 * np.pi, _SIDES, endpoint=False)
    side = np.arange(_SIDES)
    after = (side + 1) % _SIDES
    lower = np.stack([side, after, side + _SIDES], axis=1)
    upper = np.stack([after, after + _SIDES, side + _SIDES], axis=1)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) @ frames, np.concatenate([lower, upper])


@functools.cache
def _ball() -> tuple[Array, Array]:
    """A unit sphere: an icosahedron subdivided once, vertices (42, 3) and faces (80, 3)."""
    golden = (1 + 5**0.5) / 2
    plane = np.array([[0, s, t * golden] for s in (-1, 1) for t in (-1, 1)])
    points = np.concatenate([np.roll(plane, shift, axis=1) for shift in range(3)])
    near = np.linalg.norm(points[:, None] - points, axis=2) < 2.1
    faces = [
        (a, b, c) for a in range(12) for b in range(a) for c in range(b) if near[a, b] and near[b, c] and near[a, c]
    ]
    edges = {edge: 12 + index for index, edge in enumerate(sorted({e for f in faces for e in _edges(f)}))}
    middles = np.array([(points[a] + points[b]) / 2 for a, b in edges])
    split = []
    for face in faces:
        a, b, c = face
        ab, bc, ac = (edges[edge] for edge in _edges(face))
        split += [(a, ab, ac), (b, ab, bc), (c, ac, bc), (ab, bc, ac)]
    points = np.concatenate([points, middles])
    corners = np.array(split)
    a, b, c = (points[corners[:, index]] for index in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a + b + c) < 0
    corners[inward] = corners[inward][:, ::-1]
    return points / np.linalg.norm(points, axis=1, keepdims=True), corners


def _edges(face: tuple[int, int, int]) -> list[tuple[int, int]]:
    a, b, c = face
    return [(a, b), (b, c), (a, c)]
