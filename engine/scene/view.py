"""The camera: where it stands, which rays it sends, where it sees a point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.scene.geometry import Array

_DISTANCE = 3.6  # sides of the cube that holds a scene: like a long lens, which keeps surfaces undistorted
_FARTHEST = 1.5  # of a target from the middle: the scene stays before the camera
_SMALLEST = 1e-6
_POLE = math.radians(89.9)


@dataclass(frozen=True)
class View:
    """A pinhole camera. Depth is measured along ``forward``.

    Attributes:
        eye, right, up, forward: position and unit axes, world, (3,) float64.
        focal: pixels per unit of direction. middle: where ``forward`` meets the picture, pixels (2,).
        width, height: of the picture, pixels.
    """

    eye: Array
    right: Array
    up: Array
    forward: Array
    focal: float
    middle: Array
    width: int
    height: int

    @property
    def per_pixel(self) -> float:
        """World units that a pixel spans at the target's depth."""
        return _DISTANCE / self.focal

    def directions(self, x: Array, y: Array) -> Array:
        """Directions through picture points x, y (pixels, shapes that broadcast): depth 1 each, (3, ...) float32."""
        across = ((x - self.middle[0]) / self.focal).astype(np.float32)
        along = ((self.middle[1] - y) / self.focal).astype(np.float32)
        right, up, forward = (axis.astype(np.float32) for axis in (self.right, self.up, self.forward))
        return np.stack([across * right[i] + (along * up[i] + forward[i]) for i in range(3)])

    def project(self, points: Array) -> tuple[Array, Array]:
        """World (N, 3) -> picture points in pixels (N, 2) and depths (N,)."""
        offset = points - self.eye
        depth = offset @ self.forward
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = np.stack([offset @ self.right, -(offset @ self.up)], axis=1) / depth[:, None] * self.focal
        return flat + self.middle, depth


def orbit(
    camera: Mapping[str, Any], profile: Array, width: int, height: int, margin: Sequence[float] = (0, 0, 0, 0)
) -> View:
    """A camera that looks at a target from yaw and pitch; at zoom 1 a body of revolution around z just fits.

    Turning the scene then changes neither its size nor its place in the picture.

    Args:
        camera: yaw, pitch in degrees (0, 0 looks along -x); zoom (a lens, not a walk: the camera never enters the
            scene); target in world units.
        profile: radius and height of the body's outline, world, (P, 2). margin: pixels to leave free left, above, right
            and below.
    """
    yaw, pitch = math.radians(camera["yaw"]), math.radians(camera["pitch"])
    pitch = max(-_POLE, min(_POLE, pitch))
    away = np.array([math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch)])
    right = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
    bare = View(_DISTANCE * away, right, np.cross(away, right), -away, 1.0, np.zeros(2), width, height)
    low, high = _seen(bare, profile, yaw)
    first, last = np.array(margin[:2]), np.array([width, height]) - margin[2:]
    room = np.maximum(last - first, 1)
    focal = float((room / np.maximum(high - low, _SMALLEST)).min()) * float(camera["zoom"])
    middle = (first + last) / 2 - focal * (low + high) / 2
    target = np.asarray(camera["target"], np.float64)
    eye = bare.eye + target / max(1.0, float(np.linalg.norm(target)) / _FARTHEST)
    return View(eye, right, bare.up, -away, focal, middle, width, height)


def _seen(view: View, profile: Array, yaw: float) -> tuple[Array, Array]:
    """Lowest and highest picture point of a body of revolution."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False) + yaw
    around = np.stack([np.cos(angle), np.sin(angle), np.ones_like(angle)], axis=1)
    rings = profile[:, None, [0, 0, 1]] * around
    flat, _ = view.project(rings.reshape(-1, 3))
    return flat.min(axis=0), flat.max(axis=0)
