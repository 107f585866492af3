"""The service "scene": holds a scene and draws it."""

from __future__ import annotations

import contextlib
import ctypes
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.errors import EngineError
from engine.scene.axes import box_lines
from engine.scene.render import positions, render
from engine.scene.scene import Scene, build
from engine.scene.shade import SHADINGS
from engine.scene.view import View, orbit
from engine.sessions.service import Context, method

QUICK_RAYS = 40_000  # some 10 ms: what a hand on the mouse does not notice
_LARGEST = 1 << 25  # pixels
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them


class NothingToDraw(EngineError):
    """Raised when a picture is asked for before there is a scene."""

    what = "There is nothing to draw yet."
    remedy = "Give the scene its items first."


class TooLarge(EngineError):
    """Raised when a picture would not fit into memory."""

    what = "A picture of {width} × {height} pixels is too large."
    remedy = "Ask for at most 32 million pixels."


class SceneService:
    """Service "scene"; its spec and inputs are empty."""

    device = "cpu"

    def __init__(self, spec: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        self._scene: Scene | None = None
        _keep_freed_memory()

    @method
    def set_scene(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Replace the scene.

        Args:
            params: ``items``, a list of mappings (see ``scene.build``); ``box``, ((low, high) per axis) or None;
                ``aspect``, three relative lengths or "equal".

        Returns:
            box: ((low, high) per axis) in data units. half: half extents in world units. triangles, points: counts.
            dropped: cells, triangles or segments left out because they are not finite.
        """
        scene = build(params["items"], params.get("box"), params.get("aspect", "equal"), context.point)
        self._scene = scene
        return {
            "box": np.stack([scene.placed.low, scene.placed.high], axis=1).tolist(),
            "half": scene.placed.half.tolist(),
            "triangles": len(scene.corners),
            "points": sum(len(cloud.positions) for cloud in scene.clouds),
            "dropped": scene.dropped,
        }

    @method
    def render(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """Draw the scene, on request first a quick coarse picture as a partial.

        Args:
            params: ``camera`` (see ``view.orbit``). ``width``, ``height`` in logical pixels. ``scale``: device pixels a
                logical one. ``margin``: logical pixels left free left, above, right and below. ``supersample``,
                ``shading``: see ``render``. ``ticks``: see ``axes.box_lines``, or None. ``quick``: whether a coarse
                picture comes first. ``hits``: whether to send what lies under each pixel.

        Returns:
            image (H, W, 4); with ``hits`` also item, primitive, depth (see ``frame.Frame``) and position; axes in
            logical pixels where ticks were given; quick: whether this is the coarse one; per_pixel: world units that
            a logical pixel spans at the target; width, height as asked.
        """
        if params.get("quick") and (coarse := _coarser(params)) is not None:
            context.partial(self._frame(coarse, context, quick=True))
            context.point()
        return self._frame(params, context, quick=False)

    def _frame(self, params: Mapping[str, Any], context: Context, *, quick: bool) -> dict[str, Any]:
        if self._scene is None:
            raise NothingToDraw
        scale, placed = params.get("scale", 1.0), self._scene.placed
        width, height = (max(1, round(params[name] * scale)) for name in ("width", "height"))
        if width * height > _LARGEST:
            raise TooLarge(width=width, height=height)
        view = self._view(params, width, height, scale)
        shading = params.get("shading", SHADINGS[0])
        point = context.point if not quick else _go_on
        drawn = render(self._scene, view, 1 if quick else params.get("supersample", 3), shading, point)
        frame: dict[str, Any] = {"image": drawn.image, "quick": quick}
        frame |= {"width": params["width"], "height": params["height"], "per_pixel": view.per_pixel * scale}
        if params.get("hits") and not quick:
            frame |= {"item": drawn.item, "primitive": drawn.primitive, "depth": drawn.depth}
            frame["position"] = positions(self._scene, view, drawn.depth)
        if params.get("ticks") is not None:
            frame["axes"] = box_lines(placed, self._view(params, params["width"], params["height"], 1), params["ticks"])
        return frame

    def _view(self, params: Mapping[str, Any], width: int, height: int, scale: float) -> View:
        assert self._scene is not None
        profile = self._scene.profile if params.get("ticks") is None else self._scene.placed.profile
        margin = [scale * side for side in params.get("margin", (0, 0, 0, 0))]
        return orbit(params["camera"], profile, width, height, margin)


def _coarser(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same picture with few enough rays to be quick; None when it is quick as it is."""
    scale = params.get("scale", 1.0)
    finest = math.sqrt(QUICK_RAYS / (params["width"] * params["height"]))
    return {**params, "scale": finest} if finest < scale else None


def _keep_freed_memory() -> None:
    """Have glibc keep some freed memory: giving the arrays of each frame back and asking again took a sixth of it."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, 128 << 20)
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)


def _go_on() -> None:
    pass


SERVICES = {"scene": SceneService}
