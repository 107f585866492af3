"""A field over two coordinates: colours, contour lines, a colour bar, a path, a star, a cursor to drag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QFontMetricsF, QImage, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QWidget

from app.shell.text import short, tr
from app.shell.theme import CAPTION, theme
from app.widgets.plot import axes as axis_paint
from app.widgets.plot import colours, contours, legend
from app.widgets.plot.canvas import Plot, Reading
from app.widgets.plot.frame import Frame, polygon
from app.widgets.plot.scale import Axis, View
from app.widgets.plot.table import Table

BAR = 12.0


@dataclass(frozen=True)
class Field:
    """What is shown: coordinates x (nx,), y (ny,), shown values z (ny, nx), and the same before a logarithm."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    raw: np.ndarray

    def nearest(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of the grid point nearest to a place."""
        return int(np.argmin(np.abs(self.y - y))), int(np.argmin(np.abs(self.x - x)))

    def edges(self) -> tuple[float, float, float, float]:
        """x0, x1, y0, y1 of the outer edges of the cells."""
        sx = (self.x[-1] - self.x[0]) / max(1, len(self.x) - 1) / 2 or 0.5
        sy = (self.y[-1] - self.y[0]) / max(1, len(self.y) - 1) / 2 or 0.5
        return float(self.x[0] - sx), float(self.x[-1] + sx), float(self.y[0] - sy), float(self.y[-1] + sy)


class HeatMap(Plot):
    """A field on a regular grid.

    Signals:
        moved: the user put the cursor at (x, y), in the axes' units.
    """

    moved = Signal(float, float)
    frame_grid = False

    def __init__(
        self, name: str = "", parent: QWidget | None = None, *, x: Axis | None = None, y: Axis | None = None,
        value: Axis | None = None, colour_map: Literal["viridis", "diverging"] = "viridis", log: bool = False,
        contour_count: int = 12, smooth: bool = True, cursor: bool = False, keep_aspect: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(name, parent)
        self.axes = (x or Axis(), y or Axis())
        self.value_axis = value or Axis()
        self._map, self._log, self._count, self._smooth = colour_map, log, contour_count, smooth
        self.keep_aspect = keep_aspect
        self._input: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._field: Field | None = None
        self._levels: tuple[float, float] | None = None
        self._fixed: tuple[float, float] | None = None
        self._image: QImage | None = None
        self._lines: list[tuple[float, list[np.ndarray]]] = []
        self._path: np.ndarray | None = None
        self._star: tuple[float, float] | None = None
        self._has_cursor = cursor
        self._cursor: tuple[float, float] | None = None

    # Data ------------------------------------------------------------------------------------------------------------
    def set_field(self, x: Any, y: Any, z: Any) -> None:
        """Show a field; call it again with a finer grid as it arrives.

        Args:
            x: (nx,) and y: (ny,), increasing, equally far apart. z: (ny, nx); NaN where there is no value yet.

        Raises:
            ValueError: the shapes do not fit.
        """
        xs, ys, zs = (np.array(part, dtype=float) for part in (x, y, z))
        if xs.ndim != 1 or ys.ndim != 1 or zs.shape != (len(ys), len(xs)) or not zs.size:
            raise ValueError(f"z of shape {zs.shape} over x of shape {xs.shape} and y of shape {ys.shape}")
        self._input = (xs, ys, zs)
        self._rebuild()

    def set_levels(self, low: float, high: float) -> None:
        """Fix the values at the ends of the colour map, so that several fields compare; see ``follow_levels``."""
        self._fixed = (float(low), float(high))
        self._rebuild()

    def follow_levels(self) -> None:
        """Let the field's own range choose the ends of the colour map."""
        self._fixed = None
        self._rebuild()

    def set_path(self, points: Any | None) -> None:
        """Draw a polyline with a dot at each point over the field: (n, 2), or None for no path."""
        self._path = None if points is None else np.array(points, dtype=float).reshape(-1, 2)
        self.refresh()

    def set_star(self, x: float | None, y: float = 0.0) -> None:
        """Mark one place with a star; None takes it away."""
        self._star = None if x is None else (float(x), float(y))
        self.refresh()

    def set_cursor(self, x: float, y: float) -> None:
        """Put the cursor somewhere without telling anybody."""
        self._cursor = (float(x), float(y))
        self.update()

    def cursor_place(self) -> tuple[float, float] | None:
        """Where the cursor is."""
        return self._cursor

    def set_log(self, log: bool) -> None:
        """Colour by the base-10 logarithm of the values."""
        self._log = log
        self._rebuild()

    def set_contours(self, count: int) -> None:
        """How many contour lines; 0 for none."""
        self._count = count
        self._rebuild()

    def set_smooth(self, smooth: bool) -> None:
        """Blend colours between grid points, or show cells."""
        self._smooth = smooth
        self.refresh()

    def clear(self) -> None:
        """Show nothing."""
        self._input = self._field = self._image = self._levels = self._path = self._star = self._cursor = None
        self._lines = []
        self._view = None
        self.refresh()

    def _rebuild(self) -> None:
        if self._input is not None:
            xs, ys, raw = self._input
            shown = Axis(log=True).scaled(raw) if self._log else raw
            self._field = Field(xs, ys, shown, raw)
            self._levels = self._fixed or colours.levels(shown, self._map)
            self._image = colours.painted(shown, self._map, *self._levels)
            steps = contours.even_levels(*self._levels, self._count)
            self._lines = [(float(level), contours.lines(xs, ys, shown, float(level))) for level in steps]
        self.refresh()

    # Plot ------------------------------------------------------------------------------------------------------------
    def bounds(self) -> tuple[float, float, float, float] | None:
        return self._field.edges() if self._field is not None else None

    def roomy(self, x0: float, x1: float, y0: float, y1: float) -> View:
        return View(x0, x1, y0, y1)

    def choices(self) -> list[tuple[str, bool, Callable[[bool], None]]]:
        return [
            (tr("Logarithmic colours"), self._log, self.set_log),
            (tr("Contour lines"), self._count > 0, lambda on: self.set_contours(12 if on else 0)),
            (tr("Smooth colours"), self._smooth, self.set_smooth),
        ]

    def paint_data(self, painter: QPainter, frame: Frame) -> None:
        if self._field is None or self._image is None:
            return
        x0, x1, y0, y1 = self._field.edges()
        target = QRectF(frame.point(x0, y1), frame.point(x1, y0))
        if not np.isfinite(self._field.z).all():
            painter.fillRect(target & frame.area, frame.look.colour("hover"))
            painter.fillRect(target & frame.area, QBrush(frame.look.colour("edge"), Qt.BrushStyle.BDiagPattern))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._smooth)
        painter.drawImage(target, self._image)
        self._paint_contours(painter, frame)
        self._paint_path(painter, frame)

    def _paint_contours(self, painter: QPainter, frame: Frame) -> None:
        colour = frame.look.colour("#ffffff", 0.45) if self._map == "viridis" else frame.look.colour("#1d2430", 0.35)
        for level, lines in self._lines:
            strong = self._map == "diverging" and abs(level) < 1e-12
            painter.setPen(QPen(colour, 1.6 if strong else 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            path = QPainterPath()
            for line in lines:
                path.addPolygon(polygon(frame.x(line[:, 0]), frame.y(line[:, 1])))
            painter.drawPath(path)

    def _paint_path(self, painter: QPainter, frame: Frame) -> None:
        if self._path is not None and len(self._path):
            x, y = frame.x(self._path[:, 0]), frame.y(self._path[:, 1])
            for colour, width in (("#000000", 3.4), ("#ffffff", 1.8)):
                painter.setPen(legend.pen(frame.look.colour(colour, 0.35 if width > 2 else 1.0), width))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawPolyline(polygon(x, y))
            painter.setPen(QPen(frame.look.colour("#000000", 0.5), 0.8))
            painter.setBrush(frame.look.colour("#ffffff"))
            apart = max(1, len(x) // 60)
            for px, py in zip(x[::apart].tolist(), y[::apart].tolist(), strict=True):
                painter.drawEllipse(QPointF(px, py), 2.8, 2.8)
        if self._star is not None:
            painter.setPen(QPen(frame.look.colour("#3a2a00"), 1))
            painter.setBrush(frame.look.colour("#ffd54a"))
            painter.drawPath(legend.symbol("star", frame.point(*self._star), 5.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _bar_ticks(self, height: float) -> Any:
        assert self._levels is not None
        return axis_paint.fit(Axis(log=self._log), *self._levels, height, upright=True)

    def side_width(self) -> float:
        if self._field is None:
            return 0.0
        metrics = QFontMetricsF(theme().font(CAPTION))
        title = metrics.height() + 2 if self.value_axis.title() else 0.0
        return 10 + BAR + 6 + axis_paint.label_width(self._bar_ticks(self.height() - 60.0)) + title

    def paint_side(self, painter: QPainter, frame: Frame, side: QRectF) -> None:
        assert self._levels is not None
        bar = QRectF(side.left(), side.top(), BAR, side.height())
        painter.drawImage(bar, colours.ramp(self._map))
        metrics = QFontMetricsF(theme().font(CAPTION))
        low, high = self._levels
        painter.setFont(theme().font(CAPTION, tabular=True))
        painter.setPen(frame.look.colour("muted"))
        found = self._bar_ticks(self.height() - 60.0)
        for place, label in zip(found.places, found.labels, strict=True):
            y = bar.bottom() - (place - low) / (high - low) * bar.height()
            painter.drawLine(QLineF(bar.right(), y, bar.right() + 3, y))
            y = min(max(y, bar.top() + metrics.height() / 2 - 4), bar.bottom() - metrics.height() / 2 + 4)
            box = QRectF(bar.right() + 6, y - metrics.height() / 2, 100, metrics.height())
            painter.drawText(box, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), label)
        title = " ".join(part for part in (self.value_axis.title(), found.factor) if part)
        if title:
            painter.save()
            painter.translate(side.right() - metrics.height() / 2 + 2, side.center().y())
            painter.rotate(-90)
            box = QRectF(-side.height() / 2, -metrics.height() / 2, side.height(), metrics.height())
            painter.drawText(
                box,
                int(Qt.AlignmentFlag.AlignCenter),
                metrics.elidedText(title, Qt.TextElideMode.ElideRight, side.height()),
            )
            painter.restore()

    def paint_over(self, painter: QPainter) -> None:
        frame = self._frame
        if frame is not None and self._has_cursor and self._field is not None and self._cursor is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            centre = frame.point(*self._cursor)
            if frame.area.contains(centre):
                for colour, width in (("#000000", 3.0), ("#ffffff", 1.2)):
                    painter.setPen(legend.pen(frame.look.colour(colour, 0.35 if width > 2 else 1.0), width))
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawLine(QLineF(centre.x(), frame.area.top(), centre.x(), frame.area.bottom()))
                    painter.drawLine(QLineF(frame.area.left(), centre.y(), frame.area.right(), centre.y()))
                    painter.drawEllipse(centre, 6, 6)
        super().paint_over(painter)

    def reading(self, frame: Frame, at: QPointF) -> Reading | None:
        if self._field is None:
            return None
        x, y = frame.inverse(at)
        row, column = self._field.nearest(x, y)
        value = float(self._field.raw[row, column])
        said = short(value) if np.isfinite(value) else tr("no value")
        names = [axis.label or default for axis, default in zip((*self.axes, self.value_axis), "xyz", strict=True)]
        place = (float(self._field.x[column]), float(self._field.y[row]))
        return Reading(
            (f"{names[0]} = {short(place[0], 3)}, {names[1]} = {short(place[1], 3)}", f"{names[2]} = {said}"),
            ((frame.point(*place), "accent"),),
        )

    def paint_cross(self, painter: QPainter, frame: Frame, at: QPointF) -> None:
        """A field needs no line under the pointer: the ringed grid point tells what is read."""

    # The cursor ------------------------------------------------------------------------------------------------------
    def _put(self, x: float, y: float) -> None:
        assert self._field is not None
        x0, x1, y0, y1 = self._field.x[0], self._field.x[-1], self._field.y[0], self._field.y[-1]
        self._cursor = (float(np.clip(x, x0, x1)), float(np.clip(y, y0, y1)))
        self.moved.emit(*self._cursor)
        self.update()

    def _dragging(self, event: QMouseEvent) -> bool:
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        return self._has_cursor and self._field is not None and self._frame is not None and not shift

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if (
            event.button() == Qt.MouseButton.LeftButton
            and self._dragging(event)
            and self.area().contains(event.position())
        ):
            assert self._frame is not None
            self._put(*self._frame.inverse(event.position()))
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self._box is None and self._dragging(event):
            assert self._frame is not None
            self._pointer = event.position()
            self._put(*self._frame.inverse(event.position()))
            return
        super().mouseMoveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1),
        }  # fmt: skip
        move = steps.get(Qt.Key(event.key()))
        if not self._has_cursor or self._field is None or move is None:
            super().keyPressEvent(event)
            return
        field = self._field
        far = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        sx = (field.x[-1] - field.x[0]) / max(1, len(field.x) - 1)
        sy = (field.y[-1] - field.y[0]) / max(1, len(field.y) - 1)
        x, y = self._cursor or (float(field.x.mean()), float(field.y.mean()))
        self._put(x + far * move[0] * sx, y + far * move[1] * sy)

    # Words -----------------------------------------------------------------------------------------------------------
    def table(self) -> Table:
        if self._field is None:
            return Table([])
        heads = [axis.title() or d for axis, d in zip((*self.axes, self.value_axis), "xyz", strict=True)]
        xs, ys = np.meshgrid(self._field.x, self._field.y)
        return Table(heads, [xs.ravel(), ys.ravel(), self._field.raw.ravel()])

    def summary(self) -> str:
        if self._field is None:
            return tr("Nothing is shown yet.")
        raw, names = (
            self._field.raw,
            [axis.title() or d for axis, d in zip((*self.axes, self.value_axis), "xyz", strict=True)],
        )
        finite = np.isfinite(raw)
        text = tr(
            "Field of {z} over {x} and {y}, {nx} by {ny} values.", z=names[2], x=names[0], y=names[1],
            nx=raw.shape[1], ny=raw.shape[0],
        )  # fmt: skip
        if finite.any():
            row, column = np.unravel_index(np.nanargmin(np.where(finite, raw, np.nan)), raw.shape)
            low, high = short(float(raw[finite].min())), short(float(raw[finite].max()))
            at = f"({short(float(self._field.x[column]), 3)}, {short(float(self._field.y[row]), 3)})"
            text += " " + tr("Lowest {low} at {at}, highest {high}.", low=low, at=at, high=high)
        missing = int((~finite).sum())
        return text + (" " + tr("{n} values are missing.", n=missing) if missing else "")
