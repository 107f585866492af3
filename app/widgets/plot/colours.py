"""Colour maps of fields: viridis for amounts, blue-white-orange for what has a sign."""

from __future__ import annotations

from functools import cache

import numpy as np
from PySide6.QtGui import QImage

# Eleven equidistant colours of viridis (Smith and van der Walt, CC0), and a diverging map with white in the middle.
_ANCHORS = {
    "viridis": "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725",
    "diverging": "17407f 2f68b8 6f9bd8 b3cdee f5f6f8 f6d0a8 e9a25c cf781c 8f4a08",
}


@cache
def lut(name: str) -> np.ndarray:
    """The map as 256 colours: uint8 (256, 3). KeyError for an unknown name."""
    anchors = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in _ANCHORS[name].split()], dtype=float)
    at = np.linspace(0, len(anchors) - 1, 256)
    columns = [np.interp(at, np.arange(len(anchors)), anchors[:, k]) for k in range(3)]
    table = np.rint(np.stack(columns, axis=1)).astype(np.uint8)
    table.setflags(write=False)
    return table


def levels(values: np.ndarray, name: str) -> tuple[float, float]:
    """The values at the two ends of the map: the finite range, symmetric about zero for the diverging one."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if name == "diverging":
        reach = max(abs(low), abs(high)) or 1.0
        return -reach, reach
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def painted(values: np.ndarray, name: str, low: float, high: float) -> QImage:
    """A field as an image whose first row is the last row of ``values`` (the y axis points up).

    Args:
        values: (rows, columns); what is not finite becomes transparent.
    """
    with np.errstate(invalid="ignore"):
        index = np.nan_to_num((values - low) * (255.0 / (high - low)), nan=0.0, posinf=255.0, neginf=0.0)
    index = np.clip(np.rint(index), 0, 255).astype(np.uint8)
    pixels = np.empty((*values.shape, 4), dtype=np.uint8)
    pixels[..., :3] = lut(name)[index]
    pixels[..., 3] = np.where(np.isfinite(values), 255, 0)
    pixels[pixels[..., 3] == 0] = 0
    pixels = np.ascontiguousarray(pixels[::-1])
    rows, columns = values.shape
    image = QImage(pixels.data, columns, rows, columns * 4, QImage.Format.Format_RGBA8888_Premultiplied)
    return image.copy()  # the image owns its pixels


def ramp(name: str, height: int = 256) -> QImage:
    """The map as an image one pixel wide, low values below."""
    return painted(np.linspace(0, 1, height)[:, None], name, 0.0, 1.0)
