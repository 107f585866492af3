"""A rendered picture."""

from __future__ import annotations

from dataclasses import dataclass

from engine.scene.geometry import Array


@dataclass(frozen=True)
class Frame:
    """A picture of height H and width W, and what lies under each pixel.

    Attributes:
        image: RGBA, premultiplied, transparent where nothing is, (H, W, 4) uint8.
        item: number of the item in front, -1 for none, (H, W) int16. primitive: its cell, triangle, segment or
            point, (H, W) int32. depth: along the view, infinite for none, (H, W) float32.
    """

    image: Array
    item: Array
    primitive: Array
    depth: Array
