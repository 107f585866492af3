"""Points in the plane, in groups; above twenty thousand as an image of their density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.shell.text import short, tr
from app.shell.theme import SERIES
from app.widgets.plot import legend
from app.widgets.plot.canvas import Plot, Reading
from app.widgets.plot.frame import Frame, polygon
from app.widgets.plot.scale import Axis
from app.widgets.plot.table import Table

DENSITY_ABOVE = 20000
SHAPES_UP_TO = 3000
BINS = 160


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
        super().__init__(name, parent)
        self.axes = (x or Axis(), y or Axis())
        self.keep_aspect = keep_aspect
        self._groups: dict[str, Group] = {}
        self._outlines: dict[str, tuple[np.ndarray, str]] = {}
        self._density: tuple[object, QImage, QRectF] | None = None

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
        self._density = None
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
        self._density = self._view = None
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

    def entries(self) -> list[legend.Entry]:
        if self.is_density():
            return []
        return [
            legend.Entry(g.name, g.colour, symbol=legend.SYMBOLS[g.rank % 6], line=False, visible=g.visible)
            for g in self._groups.values()
        ]

    def toggle(self, name: str) -> None:
        if name in self._groups:
            self._groups[name].visible = not self._groups[name].visible
            self.refresh()

    def paint_data(self, painter: QPainter, frame: Frame) -> None:
        if self.is_density():
            image, box = self._density_image(frame)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRectF(frame.point(box.left(), box.bottom()), frame.point(box.right(), box.top())), image)
        else:
            for group in self._groups.values():
                if group.visible:
                    self._paint_group(painter, frame, group)
        for line, colour in self._outlines.values():
            painter.setPen(legend.pen(frame.look.colour(colour), 1.4))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            x, y = frame.x(self.axes[0].scaled(line[:, 0])), frame.y(self.axes[1].scaled(line[:, 1]))
            painter.drawPolyline(polygon(x, y))

    def _paint_group(self, painter: QPainter, frame: Frame, group: Group) -> None:
        sx, sy = self._scaled(group)
        px, py = frame.x(sx), frame.y(sy)
        area = frame.area.adjusted(-5, -5, 5, 5)
        good = np.isfinite(px) & np.isfinite(py)
        good &= (px >= area.left()) & (px <= area.right()) & (py >= area.top()) & (py <= area.bottom())
        radius = 3.6 if len(px) <= 300 else 2.6
        name = legend.SYMBOLS[group.rank % len(legend.SYMBOLS)]
        colour = frame.look.colour(group.colour, 0.85 if len(px) <= SHAPES_UP_TO else 0.5)
        hollow = name == "cross"
        painter.setPen(legend.pen(colour, 1.4) if hollow else legend.pen(frame.look.colour("panel"), 0.8))
        painter.setBrush(Qt.BrushStyle.NoBrush if hollow else colour)
        if len(px) > SHAPES_UP_TO:
            painter.setPen(QPen(colour, 2.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.SquareCap))
            painter.drawPoints(polygon(px[good], py[good]))
            return
        shape = legend.symbol(name, QPointF(0, 0), radius)
        for x, y in zip(px[good].tolist(), py[good].tolist(), strict=True):
            painter.drawPath(shape.translated(x, y))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _density_image(self, frame: Frame) -> tuple[QImage, QRectF]:
        view = frame.view
        key = (view, frame.look.name, tuple(group.visible for group in self._groups.values()))
        if self._density is None or self._density[0] != key:
            parts = [self._scaled(group) for group in self._groups.values() if group.visible]
            x, y = (np.concatenate(side) for side in zip(*parts, strict=True)) if parts else (np.empty(0), np.empty(0))
            good = np.isfinite(x) & np.isfinite(y)
            inside = good & (x >= view.x0) & (x < view.x1) & (y >= view.y0) & (y < view.y1)
            column = ((x[inside] - view.x0) / (view.x1 - view.x0) * BINS).astype(np.int64)
            row = ((y[inside] - view.y0) / (view.y1 - view.y0) * BINS).astype(np.int64)
            flat = np.bincount(np.minimum(row, BINS - 1) * BINS + np.minimum(column, BINS - 1), minlength=BINS * BINS)
            counts = flat.reshape(BINS, BINS)
            box = QRectF(view.x0, view.y0, view.x1 - view.x0, view.y1 - view.y0)
            self._density = (key, _shade(counts, frame), box)
        return self._density[1], self._density[2]

    def reading(self, frame: Frame, at: QPointF) -> Reading | None:
        if self.is_density():
            return None
        found = self._nearest(frame, at)
        if found is None:
            return None
        group, index = found
        sx, sy = self._scaled(group)
        names = [axis.label or default for axis, default in zip(self.axes, "xy", strict=True)]
        lines = [f"{names[0]} = {short(float(group.x[index]))}, {names[1]} = {short(float(group.y[index]))}"]
        head = " · ".join(part for part in (group.name, group.labels[index] if group.labels else "") if part)
        return Reading(
            (head, *lines) if head else tuple(lines), ((frame.point(float(sx[index]), float(sy[index])), group.colour),)
        )

    def _nearest(self, frame: Frame, at: QPointF) -> tuple[Group, int] | None:
        best: tuple[float, Group, int] | None = None
        for group in self._groups.values():
            if not group.visible or not len(group.x):
                continue
            sx, sy = self._scaled(group)
            distance = np.nan_to_num((frame.x(sx) - at.x()) ** 2 + (frame.y(sy) - at.y()) ** 2, nan=np.inf)
            index = int(np.argmin(distance))
            if distance[index] <= 400 and (best is None or distance[index] < best[0]):
                best = (float(distance[index]), group, index)
        return (best[1], best[2]) if best else None

    def paint_cross(self, painter: QPainter, frame: Frame, at: QPointF) -> None:
        """The ringed point is enough."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        clicked = self._drag is not None and (event.position() - self._drag[0]).manhattanLength() <= 3
        if clicked and self._frame is not None and not self.is_density():
            found = self._nearest(self._frame, event.position())
            if found is not None:
                self.picked.emit(found[0].name, found[1])
        super().mouseReleaseEvent(event)

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


def _shade(counts: np.ndarray, frame: Frame) -> QImage:
    """Counts as the accent colour, more opaque where there are more; logarithmic, so that a few points still show."""
    share = np.log1p(counts) / max(np.log1p(counts.max()), 1e-9)
    alpha = np.where(counts > 0, 0.15 + 0.85 * share, 0.0)[::-1]
    accent = frame.look.colour("accent")
    colour = np.array([accent.red(), accent.green(), accent.blue()])
    pixels = np.empty((*counts.shape, 4), dtype=np.uint8)
    pixels[..., :3] = np.rint(alpha[..., None] * colour)
    pixels[..., 3] = np.rint(alpha * 255)
    rows, columns = counts.shape
    return QImage(pixels.data, columns, rows, columns * 4, QImage.Format.Format_RGBA8888_Premultiplied).copy()
