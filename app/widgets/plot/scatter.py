"""Points in the plane, in groups; very many as an image of their density."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from app.shell.text import number, short, tr
from app.shell.theme import SERIES, Tokens
from app.widgets.plot import legend
from app.widgets.plot.density import COARSE, PIXELS, Bins, Cloud
from app.widgets.plot.legend import Entry
from app.widgets.plot.picture import Plot, Reading
from app.widgets.plot.redraw import redraw
from app.widgets.plot.scale import Axis, View
from app.widgets.plot.spots import Group, Spots, extent
from app.widgets.plot.table import Table

DENSITY_ABOVE = 20_000
AT_ONCE_UP_TO = 200_000  # rows; more are counted at the shared timer's next tick while the view moves
REACH = 20  # pixels from the pointer to a point
TOLD = 6  # groups told of one bin


class ScatterPlot(Plot):
    """Groups of points, outlines such as ellipses or circles, and a reading of the nearest point.

    Points are either in groups (``set_points``) or one density (``set_density``): each takes the place of the other.
    New points leave the user's view as it is; ``clear`` and ``fit_view`` start it anew.

    Signals:
        picked: the user clicked the point of this index in the group of this name.
    """

    picked = Signal(str, int)

    def __init__(
        self, name: str = "", parent: QWidget | None = None, *, x: Axis | None = None, y: Axis | None = None,
        keep_aspect: bool = False,
    ) -> None:  # fmt: skip
        self._groups: dict[str, Group] = {}
        self._spots: dict[str, Spots] = {}
        self._outlines: dict[str, tuple[np.ndarray, str]] = {}
        self._curves: dict[str, pg.PlotCurveItem] = {}
        self._given: Cloud | None = None
        self._made: tuple[list[Group], Cloud] | None = None
        self._bins: tuple[Cloud, Bins] | None = None
        super().__init__(name, parent, x=x, y=y)
        self.keep_aspect = keep_aspect
        self._image = pg.ImageItem(axisOrder="row-major")
        self._image.setZValue(-1)
        self.box.addItem(self._image, ignoreBounds=True)

    # Data ------------------------------------------------------------------------------------------------------------
    def set_points(
        self, name: str, x: Any, y: Any, *, labels: list[str] | None = None, colour: str = "", sizes: Any = None,
        symbol: str = "",
    ) -> None:  # fmt: skip
        """Add or replace a group.

        Args:
            x, y: (n,) each; points with a value that is not finite are not drawn. labels: n names told on hover.
            colour: "#rrggbb" or a token's name; "" takes the next series colour.
            sizes: diameters in pixels, one number or (n,), drawn in classes a quarter apart; None suits the count.
            symbol: one of legend.SYMBOLS; "" takes the next.

        Raises:
            ValueError: the arrays differ in length.
        """
        xs, ys = np.array(x, dtype=float).reshape(-1), np.array(y, dtype=float).reshape(-1)
        if len(xs) != len(ys) or (labels is not None and len(labels) != len(xs)):
            raise ValueError(f"{name}: {len(xs)} x, {len(ys)} y, {len(labels or [])} labels")
        if np.shape(sizes) not in ((), xs.shape):
            raise ValueError(f"{name}: {len(xs)} x, {np.size(sizes)} sizes")
        wide = None if sizes is None else np.array(sizes, dtype=float)
        old = self._groups.get(name)
        taken = {group.rank for group in self._groups.values()}
        rank = old.rank if old else next(rank for rank in range(len(taken) + 1) if rank not in taken)
        self._groups[name] = Group(
            name, colour or SERIES[rank % len(SERIES)], rank, xs, ys, list(labels or []), wide,
            visible=old.visible if old else True, mark=symbol,
        )  # fmt: skip
        self._given = None
        self.refresh()

    def set_density(self, x: Any, y: Any, labels: Any, colours: Mapping[str, str], share: Any = None) -> None:
        """Show very many points as an image of their density, in place of all groups.

        Each bin of a few pixels has the mixture of the colours of its rows' groups, weighted by count, the more opaque
        the more rows it has (logarithmically); it is counted anew for what is seen.

        Args:
            x, y: (n,) each, not copied; rows with a value that is not finite are left out. labels: (n,) integers, the
                group of each row. colours: name -> "#rrggbb" or token's name of group 0, 1, ...
            share: (n,) in [0, 1], how surely each row belongs to its group, the rest of it being drawn muted; None
                for 1.

        Raises:
            ValueError: the arrays differ in length, or a label has no colour.
        """
        cloud = Cloud(x, y, labels, colours, share)
        if self._given is not None:
            known = dict(zip(self._given.names, self._given.visible, strict=True))
            cloud.visible = [known.get(name, True) for name in cloud.names]
        self._given = cloud
        self._groups.clear()
        self.refresh()

    def set_outline(self, name: str, points: Any | None, colour: str = "muted") -> None:
        """Draw a closed or open curve (n, 2) over the points, such as a unit circle; None takes it away."""
        if points is None:
            self._outlines.pop(name, None)
        else:
            self._outlines[name] = (np.array(points, dtype=float).reshape(-1, 2), colour)
        self.refresh()

    def remove(self, name: str) -> None:
        """Take the group and the outline of this name away."""
        self.keep((self._groups.keys() | self._outlines.keys()) - {name})

    def keep(self, names: Iterable[str]) -> None:
        """Take groups and outlines away that are not named; a density stays."""
        kept = set(names)
        self._groups = {name: group for name, group in self._groups.items() if name in kept}
        self._outlines = {name: outline for name, outline in self._outlines.items() if name in kept}
        self.refresh()

    def clear(self) -> None:
        """Take everything away."""
        self._given = None
        self._groups.clear()
        self._outlines.clear()
        self._view = None
        self.refresh()

    def count(self) -> int:
        """How many points there are in all."""
        return len(self._given) if self._given else sum(len(group.x) for group in self._groups.values())

    def is_density(self) -> bool:
        """Whether a density is shown: it was asked for, or there are too many points."""
        return self._given is not None or self.count() > DENSITY_ABOVE

    def _cloud(self) -> Cloud | None:
        """What is shown as density; groups with too many points are made into one."""
        if self._given is not None or not self.is_density():
            return self._given
        groups = list(self._groups.values())
        if self._made is None or self._made[0] != groups:
            x, y = (np.concatenate([getattr(group, side) for group in groups]) for side in "xy")
            labels = np.repeat(np.arange(len(groups)), [len(group.x) for group in groups])
            self._made = (groups, Cloud(x, y, labels, {group.name: group.colour for group in groups}))
        self._made[1].visible = [group.visible for group in groups]
        return self._made[1]

    # Plot ------------------------------------------------------------------------------------------------------------
    def bounds(self) -> tuple[float, float, float, float] | None:
        parts = [group.extent(self.axes) for group in self._groups.values() if group.visible]
        parts += [extent(*self._along(line)) for line, _ in self._outlines.values()]
        parts += [self._given.extent(self.axes)] if self._given is not None else []
        found = [part for part in parts if part is not None]
        if not found:
            return None
        low_x, high_x, low_y, high_y = zip(*found, strict=True)
        return min(low_x), max(high_x), min(low_y), max(high_y)

    def _along(self, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.axes[0].scaled(line[:, 0]), self.axes[1].scaled(line[:, 1])

    def entries(self) -> list[Entry]:
        if self._given is not None:
            looks = zip(self._given.names, self._given.colours, self._given.visible, strict=True)
            return [Entry(name, colour, symbol="s", line=False, visible=visible) for name, colour, visible in looks]
        dense = self.is_density()
        return [
            Entry(g.name, g.colour, symbol="s" if dense else g.symbol(), line=False, visible=g.visible)
            for g in self._groups.values()
        ]

    def toggle(self, name: str) -> None:
        if name in self._groups:
            self._groups[name].visible = not self._groups[name].visible
        elif self._given is not None and name in self._given.names:
            place = self._given.names.index(name)
            self._given.visible[place] = not self._given.visible[place]
        self.refresh()

    def show_data(self, look: Tokens) -> None:
        cloud = self._cloud()
        self._image.setVisible(cloud is not None)
        if cloud is not None:
            self._show_density(cloud, look)
        groups = self._groups if cloud is None else {}
        for name in self._spots.keys() - groups.keys():
            self._spots.pop(name).remove()
        for depth, (name, group) in enumerate(groups.items()):
            if name not in self._spots:
                self._spots[name] = Spots(self.box)
            self._spots[name].show(group, self.axes, look, depth)
        self._show_outlines(look)

    def _show_outlines(self, look: Tokens) -> None:
        for name in self._curves.keys() - self._outlines.keys():
            self.box.removeItem(self._curves.pop(name))
        for depth, (name, (line, colour)) in enumerate(self._outlines.items()):
            if name not in self._curves:
                self._curves[name] = pg.PlotCurveItem(connect="finite")
                self.box.addItem(self._curves[name], ignoreBounds=True)
            self._curves[name].setZValue(1000 + depth)
            pen = legend.pen(look.colour(colour), 1.4, ratio=self._ratio)
            self._curves[name].setData(*self._along(line), pen=pen)

    # Density ---------------------------------------------------------------------------------------------------------
    def _show_density(self, cloud: Cloud, look: Tokens) -> None:
        logs = (self.axes[0].log, self.axes[1].log)
        known = self._bins is not None and self._bins[0] is cloud and self._bins[1].logs == logs
        if not known or (not self._is_counted() and (self._to_file or len(cloud) <= AT_ONCE_UP_TO)):
            self._count(cloud)
        elif not self._is_counted():
            redraw().request(self._count_again)  # until then the old image moves with the axes
        assert self._bins is not None
        found = self._bins[1]
        self._image.setImage(cloud.image(found, look), autoLevels=False, levels=None)
        view = found.view
        self._image.setRect(QRectF(view.x0, view.y0, view.x1 - view.x0, view.y1 - view.y0))

    def _to_count(self) -> tuple[View, tuple[int, int]]:
        """The part of the plane and the bins in it: whole pixels each, so the last ones reach beyond the plot area."""
        view, area = self._shown, self._area
        high, wide = max(1.0, area.height()), max(1.0, area.width())
        rows, columns = math.ceil(high / PIXELS), math.ceil(wide / PIXELS)
        x1 = view.x0 + (view.x1 - view.x0) * columns * PIXELS / wide
        y1 = view.y0 + (view.y1 - view.y0) * rows * PIXELS / high
        return View(view.x0, x1, view.y0, y1), (rows, columns)

    def _is_counted(self) -> bool:
        return self._bins is not None and (self._bins[1].view, self._bins[1].shape) == self._to_count()

    def _count(self, cloud: Cloud) -> None:
        self._bins = (cloud, cloud.binned(*self._to_count(), self.axes))

    def _count_again(self) -> None:
        cloud = self._cloud()
        if cloud is not None and not self._is_counted():
            self._count(cloud)
            self.refresh()

    def _counted(self) -> tuple[Cloud, Bins] | None:
        """The density as it was last painted, or coarse counts before that."""
        cloud = self._cloud()
        if cloud is not None and (self._bins is None or self._bins[0] is not cloud):
            return cloud, cloud.binned(self.view(), COARSE, self.axes)
        return self._bins if cloud is not None else None

    # Pointing --------------------------------------------------------------------------------------------------------
    def reading(self, at: QPointF) -> Reading | None:
        counted = self._counted()
        if counted is not None:
            return self._read_bin(*counted, at)
        found = self._nearest(at)
        if found is None:
            return None
        group, index = found
        sx, sy = group.scaled(self.axes)
        head = " · ".join(part for part in (group.name, group.labels[index] if group.labels else "") if part)
        line = self._where(float(group.x[index]), float(group.y[index]))
        place = self.point(float(sx[index]), float(sy[index]))
        return Reading((head, line) if head else (line,), ((place, group.colour),))

    def _where(self, x: float, y: float, digits: int = 4) -> str:
        names = [axis.label or default for axis, default in zip(self.axes, "xy", strict=True)]
        return f"{names[0]} = {self.axes[0].word(x, digits)}, {names[1]} = {self.axes[1].word(y, digits)}"

    def _read_bin(self, cloud: Cloud, bins: Bins, at: QPointF) -> Reading | None:
        x, y = self.place(at)
        counts = bins.near(x, y)
        if counts is None:
            return None
        told = [(int(n), name) for n, name in zip(counts, cloud.names, strict=True) if n]
        told.sort(key=lambda pair: -pair[0])
        lines = [f"{name}: {number(n)}" for n, name in told[:TOLD] if name]
        if len(told) > TOLD:
            lines.append(tr("{n} more groups", n=len(told) - TOLD))
        head = self._where(self.axes[0].unscaled(x), self.axes[1].unscaled(y), 3)
        return Reading((head, tr("{n} rows here", n=number(int(counts.sum()))), *lines))

    def _nearest(self, at: QPointF) -> tuple[Group, int] | None:
        best: tuple[float, Group, int] | None = None
        for group in self._groups.values():
            if not group.visible or not len(group.x):
                continue
            px, py = self.pixels(*group.scaled(self.axes))
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

    # Words -----------------------------------------------------------------------------------------------------------
    def _heads(self) -> list[str]:
        return [axis.title() or default for axis, default in zip(self.axes, "xy", strict=True)]

    def table(self) -> Table:
        counted = self._counted()
        if counted is not None:
            return self._binned_table(*counted)
        groups, heads = list(self._groups.values()), self._heads()
        if not groups:
            return Table([])
        columns: list[Any] = [
            axis.column(np.concatenate([getattr(group, side) for group in groups]))
            for axis, side in zip(self.axes, "xy", strict=True)
        ]
        if len(groups) > 1 or groups[0].name:
            heads.insert(0, tr("group"))
            columns.insert(0, [g.name for g in groups for _ in range(len(g.x))])
        if any(g.labels for g in groups):
            heads.append(tr("name"))
            columns.append([label for g in groups for label in (g.labels or [""] * len(g.x))])
        return Table(heads, columns)

    def _binned_table(self, cloud: Cloud, bins: Bins) -> Table:
        rows, columns = np.nonzero(bins.counts.sum(axis=0))
        x, y = (
            10.0 ** middles[places] if axis.log else middles[places]
            for axis, middles, places in zip(self.axes, bins.middles(), (columns, rows), strict=True)
        )
        names = [name or tr("rows") for name in cloud.names]
        return Table([*self._heads(), *names], [x, y, *(counts[rows, columns] for counts in bins.counts)])

    def summary(self) -> str:
        heads, cloud = self._heads(), self._cloud()
        if cloud is not None:
            parts = [tr("Density of {n} rows: {y} against {x}.", n=number(len(cloud)), x=heads[0], y=heads[1])]
            sizes = zip(cloud.names, cloud.sizes.tolist(), strict=True)
            return " ".join(parts + [tr("{name}: {n} rows.", name=name, n=number(n)) for name, n in sizes if name])
        parts = [tr("Points of {y} against {x}.", x=heads[0], y=heads[1])]
        for group in self._groups.values():
            good = np.isfinite(group.x) & np.isfinite(group.y)
            x, y = group.x[good], group.y[good]
            if len(x):
                ends = {
                    k: short(float(v), 3) for k, v in (("a", x.min()), ("b", x.max()), ("c", y.min()), ("d", y.max()))
                }
                words = {"name": group.name, "n": len(x), "x": heads[0], "y": heads[1], **ends}
                parts.append(tr("{name}: {n} points, {x} {a} to {b}, {y} {c} to {d}.", **words))
        return " ".join(parts)
