"""Points in the plane, in groups; above twenty thousand as an image of their density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from app.shell.text import short, tr
from app.shell.theme import SERIES, Tokens
from app.widgets.plot import legend
from app.widgets.plot.legend import Entry
from app.widgets.plot.picture import Plot, Reading
from app.widgets.plot.scale import Axis
from app.widgets.plot.table import Table

DENSITY_ABOVE = 20000
SHAPES_UP_TO = 3000
BINS = 160
REACH = 20  # pixels from the pointer to a point


@dataclass
class Group:
    """Points of one colour and symbol, with an optional label for each."""

    name: str
    colour: str
    rank: int
    x: np.ndarray
    y: np.ndarray
    labels: list[str]
    visible: bool = True


class ScatterPlot(Plot):
    """Groups of points, outlines such as ellipses or circles, and a reading of the nearest point.

    Signals:
        picked: the user clicked the point of this index in the group of this name.
    """

    picked = Signal(str, int)

    def __init__(
        self, name: str = "", parent: QWidget | None = None, *, x: Axis | None = None, y: Axis | None = None,
        keep_aspect: bool = False,
    ) -> None:  # fmt: skip
        self._groups: dict[str, Group] = {}
        self._outlines: dict[str, tuple[np.ndarray, str]] = {}
        self._items: list[Any] = []
        super().__init__(name, parent, x=x, y=y)
        self.keep_aspect = keep_aspect
        self._image = pg.ImageItem(axisOrder="row-major")
        self.box.addItem(self._image, ignoreBounds=True)

    def set_points(self, name: str, x: Any, y: Any, *, labels: list[str] | None = None, colour: str = "") -> None:
        """Add or replace a group.

        Args:
            x, y: (n,) each; points with a value that is not finite are not drawn. labels: n names told on hover.
            colour: "#rrggbb" or a token's name; "" takes the next series colour.

        Raises:
            ValueError: the arrays differ in length.
        """
        xs, ys = np.array(x, dtype=float).reshape(-1), np.array(y, dtype=float).reshape(-1)
        if len(xs) != len(ys) or (labels is not None and len(labels) != len(xs)):
            raise ValueError(f"{name}: {len(xs)} x, {len(ys)} y, {len(labels or [])} labels")
        old = self._groups.get(name)
        rank = old.rank if old else len(self._groups)
        self._groups[name] = Group(name, colour or SERIES[rank % len(SERIES)], rank, xs, ys, list(labels or []))
        self.refresh()

    def set_outline(self, name: str, points: Any | None, colour: str = "muted") -> None:
        """Draw a closed or open curve (n, 2) over the points, such as a unit circle; None takes it away."""
        if points is None:
            self._outlines.pop(name, None)
        else:
            self._outlines[name] = (np.array(points, dtype=float).reshape(-1, 2), colour)
        self.refresh()

    def clear(self) -> None:
        """Take everything away."""
        self._groups.clear()
        self._outlines.clear()
        self._view = None
        self.refresh()

    def count(self) -> int:
        """How many points there are in all."""
        return sum(len(group.x) for group in self._groups.values())

    def is_density(self) -> bool:
        """Whether there are so many points that their density is shown."""
        return self.count() > DENSITY_ABOVE

    def _scaled(self, group: Group) -> tuple[np.ndarray, np.ndarray]:
        return self.axes[0].scaled(group.x), self.axes[1].scaled(group.y)

    def bounds(self) -> tuple[float, float, float, float] | None:
        parts = [self._scaled(group) for group in self._groups.values() if group.visible]
        parts += [
            (self.axes[0].scaled(line[:, 0]), self.axes[1].scaled(line[:, 1])) for line, _ in self._outlines.values()
        ]
        if not parts:
            return None
        x, y = (np.concatenate(side) for side in zip(*parts, strict=True))
        good = np.isfinite(x) & np.isfinite(y)
        if not good.any():
            return None
        return float(x[good].min()), float(x[good].max()), float(y[good].min()), float(y[good].max())

    def entries(self) -> list[Entry]:
        if self.is_density():
            return []
        return [
            Entry(g.name, g.colour, symbol=legend.SYMBOLS[g.rank % 6], line=False, visible=g.visible)
            for g in self._groups.values()
        ]

    def toggle(self, name: str) -> None:
        if name in self._groups:
            self._groups[name].visible = not self._groups[name].visible
            self.refresh()

    def show_data(self, look: Tokens) -> None:
        for item in self._items:
            self.box.removeItem(item)
        dense = self.is_density()
        self._image.setVisible(dense)
        self.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, dense)
        if dense:
            self._show_density(look)
        groups = [] if dense else [group for group in self._groups.values() if group.visible]
        self._items = [self._spots(group, look) for group in groups]
        for line, colour in self._outlines.values():
            x, y = self.axes[0].scaled(line[:, 0]), self.axes[1].scaled(line[:, 1])
            pen = legend.pen(look.colour(colour), 1.4, ratio=self._ratio)
            self._items.append(pg.PlotCurveItem(x, y, connect="finite", pen=pen))
        for item in self._items:
            self.box.addItem(item, ignoreBounds=True)

    def _spots(self, group: Group, look: Tokens) -> pg.ScatterPlotItem:
        x, y = self._scaled(group)
        good = np.isfinite(x) & np.isfinite(y)
        many = len(x) > SHAPES_UP_TO
        colour = look.colour(group.colour, 0.5 if many else 0.85)
        name = legend.SYMBOLS[group.rank % len(legend.SYMBOLS)]
        pen, brush = legend.symbol_style(name, colour, colour if many else look.colour("panel"))
        size = 2.4 if many else legend.SIZE if len(x) <= 300 else 5.4
        name = "s" if many else name
        return pg.ScatterPlotItem(
            x[good], y[good], symbol=name, size=size, pen=None if many else pen, brush=brush, antialias=not many
        )

    def _show_density(self, look: Tokens) -> None:
        """The accent colour, more opaque where there are more; logarithmic, so that a few points still show."""
        view = self._shown
        parts = [self._scaled(group) for group in self._groups.values() if group.visible]
        x, y = (np.concatenate(side) for side in zip(*parts, strict=True)) if parts else (np.empty(0), np.empty(0))
        good = np.isfinite(x) & np.isfinite(y)
        limits = ((view.y0, view.y1), (view.x0, view.x1))
        counts, _, _ = np.histogram2d(y[good], x[good], bins=BINS, range=limits)
        share = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9)
        accent = look.colour("accent")
        pixels = np.empty((*counts.shape, 4), dtype=np.uint8)
        pixels[..., :3] = (accent.red(), accent.green(), accent.blue())
        pixels[..., 3] = np.rint(255 * np.where(counts > 0, 0.15 + 0.85 * share, 0.0))
        self._image.setImage(pixels, levels=(0, 255))
        self._image.setRect(QRectF(view.x0, view.y0, view.x1 - view.x0, view.y1 - view.y0))

    def reading(self, at: QPointF) -> Reading | None:
        found = None if self.is_density() else self._nearest(at)
        if found is None:
            return None
        group, index = found
        sx, sy = self._scaled(group)
        names = [axis.label or default for axis, default in zip(self.axes, "xy", strict=True)]
        words = [axis.word(float(side[index])) for axis, side in zip(self.axes, (group.x, group.y), strict=True)]
        lines = [f"{names[0]} = {words[0]}, {names[1]} = {words[1]}"]
        head = " · ".join(part for part in (group.name, group.labels[index] if group.labels else "") if part)
        place = self.point(float(sx[index]), float(sy[index]))
        return Reading((head, *lines) if head else tuple(lines), ((place, group.colour),))

    def _nearest(self, at: QPointF) -> tuple[Group, int] | None:
        best: tuple[float, Group, int] | None = None
        for group in self._groups.values():
            if not group.visible or not len(group.x):
                continue
            px, py = self.pixels(*self._scaled(group))
            distance = np.nan_to_num((px - at.x()) ** 2 + (py - at.y()) ** 2, nan=np.inf)
            index = int(np.argmin(distance))
            if distance[index] <= REACH**2 and (best is None or distance[index] < best[0]):
                best = (float(distance[index]), group, index)
        return (best[1], best[2]) if best else None

    def paint_cross(self, painter: QPainter, at: QPointF) -> None:
        """The ringed point is enough."""

    def clicked(self, at: QPointF) -> None:
        found = None if self.is_density() else self._nearest(at)
        if found is not None:
            self.picked.emit(found[0].name, found[1])

    def table(self) -> Table:
        groups = list(self._groups.values())
        if not groups:
            return Table([])
        heads = [axis.title() or default for axis, default in zip(self.axes, "xy", strict=True)]
        columns: list[Any] = [np.concatenate([g.x for g in groups]), np.concatenate([g.y for g in groups])]
        if len(groups) > 1 or groups[0].name:
            heads.insert(0, tr("group"))
            columns.insert(0, [g.name for g in groups for _ in range(len(g.x))])
        if any(g.labels for g in groups):
            heads.append(tr("name"))
            columns.append([label for g in groups for label in (g.labels or [""] * len(g.x))])
        return Table(heads, columns)

    def summary(self) -> str:
        heads = [axis.title() or default for axis, default in zip(self.axes, "xy", strict=True)]
        parts = [tr("Points of {y} against {x}.", x=heads[0], y=heads[1])]
        for group in self._groups.values():
            good = np.isfinite(group.x) & np.isfinite(group.y)
            x, y = group.x[good], group.y[good]
            if len(x):
                ends = {
                    k: short(float(v), 3) for k, v in (("a", x.min()), ("b", x.max()), ("c", y.min()), ("d", y.max()))
                }
                text = tr(
                    "{name}: {n} points, {x} {a} to {b}, {y} {c} to {d}.",
                    name=group.name,
                    n=len(x),
                    x=heads[0],
                    y=heads[1],
                    **ends,
                )
                parts.append(text)
        return " ".join(parts)
