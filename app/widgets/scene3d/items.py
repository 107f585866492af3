"""A scene in the app's words: theme colours and defaults filled in for the service, told in words and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PySide6.QtGui import QColor

from app.shell.text import number, tr
from app.shell.theme import Tokens
from app.widgets.plot.table import Table

Item = Mapping[str, Any]

# grid lines lighten the surface on a light ground and darken it on a dark one
_WIRE_LIGHT, _WIRE_DARK = (1.0, 1.0, 1.0, 0.34), (0.04, 0.05, 0.08, 0.30)
_RADIUS = {"line": 0.0045, "points": 0.009}
_MARKER = 0.012


def for_service(items: Sequence[Item], look: Tokens) -> list[dict[str, Any]]:
    """The items as ``engine.scene.scene.build`` takes them.

    A surface's ``wire`` may be the number of cells from line to line; ``color`` may stand for ``colors`` and be
    "#rrggbb" or a QColor; ``points`` may stand for ``positions``; radii have defaults.
    """
    return [_item(item, look) for item in items]


def _item(item: Item, look: Tokens) -> dict[str, Any]:
    made = {name: value for name, value in item.items() if name not in ("points", "color")}
    kind = made["kind"]
    if "points" in item:
        made["positions"] = item["points"]
    colors = item.get("colors", item.get("color", look.series[0]))
    made["colors"] = _rgb(colors) if isinstance(colors, str | QColor) else np.asarray(colors)
    wire = made.pop("wire", None)
    if wire:
        ink = list(_WIRE_DARK if look.dark else _WIRE_LIGHT)
        made["wire"] = wire if isinstance(wire, Mapping) else {"every": float(wire), "color": ink}
    if kind in _RADIUS:
        made.setdefault("radius", _RADIUS[kind])
    if kind == "line":
        made.setdefault("marker", _MARKER)
    return made


def _rgb(color: str | QColor) -> list[float]:
    known = QColor(color)
    return [known.redF(), known.greenF(), known.blueF()]


def coordinates(item: Item) -> list[np.ndarray]:
    """x, y, z of an item's vertices, (N,) each."""
    if item["kind"] == "surface":
        x, y = np.meshgrid(item["x"], item["y"])
        return [x.ravel(), y.ravel(), np.asarray(item["z"]).ravel()]
    name = "vertices" if item["kind"] == "mesh" else "points" if "points" in item else "positions"
    return list(np.asarray(item[name]).T)


def table(items: Sequence[Item], labels: Sequence[str]) -> Table:
    """The coordinates of the first item."""
    headers = [label or axis for label, axis in zip(labels, "xyz", strict=True)]
    return Table(headers, coordinates(items[0])) if items else Table(headers)


def summary(items: Sequence[Item], labels: Sequence[str]) -> str:
    """The scene in words, for those who do not see it."""
    return " ".join(_told(item, labels[2] or "z") for item in items) or tr("Nothing is shown yet.")


def _told(item: Item, height: str) -> str:
    columns = coordinates(item)
    kind, count = item["kind"], len(columns[0])
    if kind == "mesh":
        return tr("A mesh of {count} triangles.", count=len(item["triangles"]))
    if kind == "line":
        return tr("A path of {count} points.", count=count)
    if kind == "points":
        return tr("{count} points.", count=count)
    finite = columns[2][np.isfinite(columns[2])]
    low, high = (number(float(value), 3) for value in ((finite.min(), finite.max()) if finite.size else (0.0, 0.0)))
    words = {"rows": len(item["y"]), "columns": len(item["x"]), "label": height, "low": low, "high": high}
    return tr("A surface of {columns} × {rows} points; {label} goes from {low} to {high}.", **words)
