"""The orbit camera: where the scene is seen from, and what drags, wheels and keys make of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

_TURN = 0.45  # degrees a pixel
_STEEPEST = 89.0
_ZOOMS = 0.2, 60.0
_REACH = 1.0  # of the target from the middle, in sides of the box


@dataclass(frozen=True)
class Camera:
    """Looks at a target from a direction.

    Attributes:
        yaw, pitch: where it stands, degrees; yaw turns from the x axis to the y axis, pitch rises from the floor.
        zoom: 1 shows the whole scene. target: what it looks at, in sides of the box from its middle.
    """

    yaw: float = -52.0
    pitch: float = 26.0
    zoom: float = 1.0
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def turned(self, dx: float, dy: float) -> Camera:
        """After a drag by pixels, as if the scene were held by its middle."""
        pitch = max(-_STEEPEST, min(_STEEPEST, self.pitch + dy * _TURN))
        return replace(self, yaw=(self.yaw - dx * _TURN + 180) % 360 - 180, pitch=pitch)

    def panned(self, dx: float, dy: float, per_pixel: float) -> Camera:
        """After the scene was pushed by pixels, each ``per_pixel`` sides of the box."""
        yaw, pitch = math.radians(self.yaw), math.radians(self.pitch)
        right = (-math.sin(yaw), math.cos(yaw), 0.0)
        up = (-math.sin(pitch) * math.cos(yaw), -math.sin(pitch) * math.sin(yaw), math.cos(pitch))
        moved = (t + per_pixel * (dy * u - dx * r) for t, u, r in zip(self.target, up, right, strict=True))
        x, y, z = (max(-_REACH, min(_REACH, value)) for value in moved)
        return replace(self, target=(x, y, z))

    def zoomed(self, factor: float) -> Camera:
        """Nearer by a factor."""
        return replace(self, zoom=max(_ZOOMS[0], min(_ZOOMS[1], self.zoom * factor)))

    def params(self) -> dict[str, Any]:
        """As the service "scene" takes it."""
        return {"yaw": self.yaw, "pitch": self.pitch, "zoom": self.zoom, "target": list(self.target)}
