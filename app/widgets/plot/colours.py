"""Colour maps of fields: viridis for amounts, blue-white-orange for what has a sign."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyqtgraph as pg

_DIVERGING = ("#17407f", "#2f68b8", "#6f9bd8", "#b3cdee", "#f5f6f8", "#f6d0a8", "#e9a25c", "#cf781c", "#8a4f08")


@cache
def colour_map(name: str) -> pg.ColorMap:
    """A map by its name, "viridis" or "diverging"; KeyError for another."""
    if name == "viridis":
        return pg.colormap.get("viridis")
    return {"diverging": pg.ColorMap(None, list(_DIVERGING), name="diverging")}[name]


@cache
def lut(name: str) -> np.ndarray:
    """The map as 256 colours: uint8 (256, 3). KeyError for an unknown name."""
    table = np.array(colour_map(name).getLookupTable(nPts=256, alpha=False), dtype=np.uint8)
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
