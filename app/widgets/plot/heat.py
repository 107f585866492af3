"""A field over two coordinates: colours, contour lines, a colour bar, a path, a star, a cursor to drag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QKeyEvent, QLinearGradient, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QGraphicsRectItem, QWidget

from app.shell.text import tr
from app.shell.theme import Tokens
from app.widgets.plot import colours, contours
from app.widgets.plot.axis import TickAxis, fit
from app.widgets.plot.figures import Figures
from app.widgets.plot.legend import pen
from app.widgets.plot.picture import Plot, Reading
from app.widgets.plot.scale import Axis, View
from app.widgets.plot.table import Table

BAR, BESIDE = 12.0, 10.0  # pixels: width of the colour bar, gap before it
SHADES = (("#000000", 0.35, 3.0), ("#ffffff", 1.0, 1.2))  # dark below light is seen on every colour of the map
FINE = 8  # pixels of the image a cell where the grid is uneven
_STEPS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)}


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

    def even(self, *, smooth: bool) -> np.ndarray:
        """Values (rows, columns) of an image with even pixels over ``edges``; the grid may be uneven.

        Args:
            smooth: bilinear between the points of an uneven grid, else the nearest.
        """
        steps = (np.diff(self.x), np.diff(self.y))
        if all(np.allclose(step, step[:1]) for step in steps):
            return self.z
        x0, x1, y0, y1 = self.edges()
        z = self.z
        for axis, (places, low, high) in enumerate(((self.y, y0, y1), (self.x, x0, x1))):
            count = min(1024, FINE * len(places))
            at = np.clip(low + (high - low) * (np.arange(count) + 0.5) / count, places[0], places[-1])
            share = np.interp(at, places, np.arange(len(places)))
            first = np.minimum(share.astype(int), max(0, len(places) - 2))
            second = np.minimum(first + 1, len(places) - 1)
            weight = (share - first).reshape((-1, 1) if axis == 0 else (1, -1))
            near, far = np.take(z, first, axis), np.take(z, second, axis)
            if smooth:  # a weight of 0 must not let a missing neighbour in
                z = np.where(weight == 0, near, np.where(weight == 1, far, (1 - weight) * near + weight * far))
            else:
                z = np.where(weight < 0.5, near, far)
        return z


class HeatMap(Plot):
    """A field on a regular grid.

    Signals:
        moved: the user put the cursor at (x, y), in the axes' units.
    """

    moved = Signal(float, float)
    grid = False

    def __init__(
        self, name: str = "", parent: QWidget | None = None, *, x: Axis | None = None, y: Axis | None = None,
        value: Axis | None = None, colour_map: Literal["viridis", "diverging"] = "viridis", log: bool = False,
        contour_count: int = 12, smooth: bool = True, cursor: bool = False, keep_aspect: bool = False,
        figures: bool = False,
    ) -> None:  # fmt: skip
        """``figures``: write the values into the cells, where there is room for them."""
        self.value_axis, self._figured = value or Axis(), figures
        self._map, self._log, self._count, self._smooth = colour_map, log, contour_count, smooth
        self._input: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._field: Field | None = None
        self._levels = (0.0, 1.0)
        self._fixed: tuple[float, float] | None = None
        self._lines: np.ndarray | None = None
        self._path: np.ndarray | None = None
        self._star: tuple[float, float] | None = None
        self._has_cursor, self._held = cursor, False
        self._cursor: tuple[float, float] | None = None
        super().__init__(name, parent, x=x, y=y)
        self.keep_aspect = keep_aspect
        self._add_items()
        self.figures = Figures(self.box)

    def _add_items(self) -> None:
        self.bar = TickAxis("right")
        self.bar.unlinkFromView()
        self._ramp = QGraphicsRectItem(self.item)
        self.grid_layout.addItem(self.bar, 0, 3)
        self._missing = QGraphicsRectItem(self.box)
        self._missing.setZValue(-100)
        self._missing.setPen(QPen(Qt.PenStyle.NoPen))
        self._hatch = QGraphicsRectItem(self._missing)
        self._hatch.setPen(QPen(Qt.PenStyle.NoPen))
        self._image = pg.ImageItem(axisOrder="row-major")
        self._contours = pg.PlotCurveItem(connect="finite", antialias=True)
        self._track = (pg.PlotCurveItem(antialias=True), pg.PlotCurveItem(antialias=True))
        self._dots = pg.ScatterPlotItem(
            symbol="o", size=5.6, brush="w", pen=pen(_ink("#000000", 0.5), 0.8), antialias=True
        )
        self._mark = pg.ScatterPlotItem(symbol="star", size=15, brush="#ffd54a", pen=pen(_ink("#3a2a00"), 1))
        self._cross = [pg.InfiniteLine(angle=angle) for _ in SHADES for angle in (0, 90)]
        self._ring = [pg.TargetItem(size=12, symbol="o", movable=False, brush="#00000000") for _ in SHADES]
        items = (self._image, self._contours, *self._track, self._dots, self._mark, *self._cross, *self._ring)
        for depth, item in enumerate(items):
            item.setZValue(depth)
            self.box.addItem(item, ignoreBounds=True)

    # Data ------------------------------------------------------------------------------------------------------------
    def set_field(self, x: Any, y: Any, z: Any) -> None:
        """Show a field; call it again with a finer grid as it arrives.

        Args:
            x: (nx,) and y: (ny,), increasing; coarse grids may be uneven. z: (ny, nx); NaN where there is no value yet.

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
        self._place_cursor()

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
        self._input = self._field = self._path = self._star = self._cursor = self._lines = None
        self._view = None
        self.refresh()

    def _rebuild(self) -> None:
        if self._input is not None:
            xs, ys, raw = self._input
            shown = Axis(log=True).scaled(raw) if self._log else raw
            self._field = Field(xs, ys, np.where(np.isfinite(shown), shown, np.nan), raw)
            self._levels = self._fixed or colours.levels(shown, self._map)
            self._lines = None
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

    def over_files(self) -> list[Any]:
        return [*self._cross, *self._ring]

    def show_data(self, look: Tokens) -> None:
        field, full = self._field, self._field is not None
        for item in (self._image, self._contours, self._ramp):
            item.setVisible(full)
        self._missing.setVisible(field is not None and not np.isfinite(field.z).all())
        self.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._smooth)
        self._image.setAutoDownsample(not self._smooth)  # means of cells smaller than a pixel, or lines get lost
        if field is not None:
            x0, x1, y0, y1 = field.edges()
            values = field.even(smooth=self._smooth)
            self._image.setImage(values, autoLevels=False, levels=self._levels, lut=colours.lut(self._map))
            self._image.setRect(QRectF(x0, y0, x1 - x0, y1 - y0))
            corner = self._area.topLeft()
            cells = QRectF(self.point(x0, y1) - corner, self.point(x1, y0) - corner) & QRectF(self.box.rect())
            self._missing.setRect(cells)
            self._missing.setBrush(QBrush(look.colour("hover")))
            self._hatch.setRect(cells)
            self._hatch.setBrush(QBrush(look.colour("edge"), Qt.BrushStyle.BDiagPattern))
            self._show_contours(field)
        self._write_figures(field if self._figured else None)
        path = self._path if self._path is not None else np.empty((0, 2))
        self._ink_lines()
        for item in self._track:
            item.setData(path[:, 0], path[:, 1])
        dots = path[:: max(1, len(path) // 60)]
        self._dots.setData(dots[:, 0], dots[:, 1])
        star = np.array([self._star] if self._star is not None else np.empty((0, 2)))
        self._mark.setData(star[:, 0], star[:, 1])
        self._place_cursor()

    def _write_figures(self, field: Field | None) -> None:
        cells, room = [], (0.0, 0.0)
        if field is not None:
            x0, x1, y0, y1 = field.edges()
            whole = QRectF(self.point(x0, y1), self.point(x1, y0))
            room = (whole.width() / len(field.x), whole.height() / len(field.y))
            low, high = self._levels
            table = colours.lut(self._map)
            for row, column in np.argwhere(np.isfinite(field.z)).tolist():
                share = (field.z[row, column] - low) / ((high - low) or 1.0)
                below = QColor(*table[round(255 * float(np.clip(share, 0, 1)))].tolist())
                centre = self.point(field.x[column], field.y[row]) - self._area.topLeft()
                cells.append((centre, self.value_axis.word(float(field.raw[row, column])), below))
        self.figures.show(cells, room)

    def _show_contours(self, field: Field) -> None:
        if self._lines is None:
            levels = contours.even_levels(*self._levels, self._count)
            found = contours.segments(field.x, field.y, field.z, levels)
            self._lines = np.insert(found, 2, np.nan, axis=1).reshape(-1, 2)  # each piece for itself
            self._contours.setData(self._lines[:, 0], self._lines[:, 1])

    def _ink_lines(self) -> None:
        light = self._map == "viridis"
        shade = _ink("#ffffff", 0.45) if light else _ink("#1d2430", 0.35)
        self._contours.setPen(pen(shade, 1.0, ratio=self._ratio))
        for index, (colour, alpha, width) in enumerate(SHADES):
            shade = _ink(colour, alpha)
            for item in (self._ring[index], *self._cross[2 * index : 2 * index + 2]):
                item.setPen(pen(shade, width, ratio=self._ratio))
            self._track[index].setPen(pen(shade, width + (0.4, 0.6)[index], ratio=self._ratio))

    def show_side(self, look: Tokens, height: float) -> float:
        self.bar.setVisible(self._field is not None)
        self.grid_layout.setColumnFixedWidth(2, BESIDE + BAR if self._field is not None else 0)
        if self._field is None:
            self.bar.setWidth(0)
            return 0.0
        self.bar.setRange(*self._levels)
        found = fit(Axis(log=self._log), *self._levels, height, upright=True)
        return BESIDE + BAR + self.bar.show_ticks(found, self.value_axis.title(), height, look)

    def laid_out(self, look: Tokens) -> None:
        ramp = QRectF(self._area.right() + BESIDE, self._area.top(), BAR, self._area.height())
        shades = QLinearGradient(ramp.bottomLeft(), ramp.topLeft())
        table = colours.lut(self._map)
        shades.setStops([(share / 32, pg.mkColor(*table[round(255 * share / 32)].tolist())) for share in range(33)])
        self._ramp.setRect(ramp)
        self._ramp.setPen(QPen(Qt.PenStyle.NoPen))
        self._ramp.setBrush(QBrush(shades))

    def _place_cursor(self) -> None:
        shown = self._has_cursor and self._field is not None and self._cursor is not None
        for item in (*self._cross, *self._ring):
            item.setVisible(shown)
            if self._cursor is not None:
                item.setPos(QPointF(*self._cursor))
        self.viewport().update()

    def reading(self, at: QPointF) -> Reading | None:
        if self._field is None:
            return None
        row, column = self._field.nearest(*self.place(at))
        value = float(self._field.raw[row, column])
        said = self.value_axis.word(value) if np.isfinite(value) else tr("no value")
        names = [axis.label or default for axis, default in zip((*self.axes, self.value_axis), "xyz", strict=True)]
        place = (float(self._field.x[column]), float(self._field.y[row]))
        where = f"{names[0]} = {self._words(0, place[0])}, {names[1]} = {self._words(1, place[1])}"
        return Reading((where, f"{names[2]} = {said}"), ((self.point(*place), "accent"),))

    def paint_cross(self, painter: QPainter, at: QPointF) -> None:
        """A field needs no line under the pointer: the ringed grid point tells what is read."""

    # The cursor ------------------------------------------------------------------------------------------------------
    def _put(self, x: float, y: float) -> None:
        assert self._field is not None
        x0, x1, y0, y1 = self._field.x[0], self._field.x[-1], self._field.y[0], self._field.y[-1]
        self._cursor = (float(np.clip(x, x0, x1)), float(np.clip(y, y0, y1)))
        self._place_cursor()
        self.moved.emit(*self._cursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        left = event.button() == Qt.MouseButton.LeftButton
        self._held = self._has_cursor and self._field is not None and left and not shift
        self._held = self._held and self._area.contains(event.position())
        if not self._held:
            super().mousePressEvent(event)
            return
        self._put(*self.place(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not (self._held and event.buttons() & Qt.MouseButton.LeftButton):
            super().mouseMoveEvent(event)
            return
        self._point_to(event.position())
        self._put(*self.place(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        held, self._held = self._held, False
        if not held:
            super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        move = _STEPS.get(Qt.Key(event.key()))
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
    def _words(self, axis: int, value: float) -> str:
        return self.axes[axis].word(value, 3)

    def table(self) -> Table:
        if self._field is None:
            return Table([])
        heads = [axis.title() or d for axis, d in zip((*self.axes, self.value_axis), "xyz", strict=True)]
        xs, ys = np.meshgrid(self._field.x, self._field.y)
        x, y = self.axes[0].column(xs.ravel()), self.axes[1].column(ys.ravel())
        return Table(heads, [x, y, self._field.raw.ravel()])

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
            low, high = (self.value_axis.word(float(end)) for end in (raw[finite].min(), raw[finite].max()))
            at = f"({self._words(0, float(self._field.x[column]))}, {self._words(1, float(self._field.y[row]))})"
            text += " " + tr("Lowest {low} at {at}, highest {high}.", low=low, at=at, high=high)
        missing = int((~finite).sum())
        return text + (" " + tr("{n} values are missing.", n=missing) if missing else "")


def _ink(colour: str, alpha: float = 1.0) -> QColor:
    made = QColor(colour)
    made.setAlphaF(alpha)
    return made
