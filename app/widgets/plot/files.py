"""What pyqtgraph strokes with pens of the screen's pixels, as plain outlines for files of any resolution.

A cosmetic pen becomes a hairline at 1200 dots per inch, and an attribute that drawing programs ignore in SVG; so for
the time of writing a file each stroked item is replaced by its outline in the plot's own pixels, cut to the plot area
(Qt writes clipping into SVG wrongly, and not every viewer honours it), and each image by the part that is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyqtgraph as pg
from pyqtgraph.graphicsItems.ScatterPlotItem import Symbols
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QPaintDevice, QPainter, QPainterPath, QPen, QPixmap, QTransform
from PySide6.QtWidgets import QGraphicsItem, QGraphicsPathItem, QGraphicsPixmapItem

STROKED = (pg.PlotCurveItem, pg.ScatterPlotItem, pg.InfiniteLine, pg.FillBetweenItem, pg.ErrorBarItem)
SHARP = 3.0


@contextmanager
def painting(device: QPaintDevice) -> Iterator[QPainter]:
    """A painter that is ended whatever happens: one left open takes the process down with its device."""
    painter = QPainter(device)
    try:
        yield painter
    finally:
        painter.end()


@contextmanager
def outlined(box: pg.ViewBox, *, smooth: bool) -> Iterator[None]:
    """Replace stroked items and images of a plot area; ``smooth``: blend the pixels of images."""
    replaced = [item for item in box.allChildren() if isinstance(item, (*STROKED, pg.ImageItem)) and item.isVisible()]
    replaced.sort(key=_height)
    made = [_raster(item, box, smooth) if isinstance(item, pg.ImageItem) else _shape(item, box) for item in replaced]
    for depth, copy in enumerate(made):
        copy.setZValue(1000 + depth)
    for item in replaced:
        item.setOpacity(0.0)
    try:
        yield
    finally:
        for item in replaced:
            item.setOpacity(1.0)
        for copy in made:
            copy.setParentItem(None)  # type: ignore[arg-type]  # before it leaves the scene, or it would be deleted twice
            box.scene().removeItem(copy)


def _height(item: Any) -> float:
    """The order of painting: parts of a curve lie as high as the curve."""
    parent = item.parentItem()
    return float(parent.zValue() if isinstance(parent, pg.PlotDataItem) else item.zValue())


class _Stamps(QGraphicsPathItem):
    """One symbol at many places, each over the one before."""

    def __init__(self, places: list[list[float]], symbol: QPainterPath, parent: QGraphicsItem) -> None:
        whole = QPainterPath()
        self._each = [symbol.translated(x, y) for x, y in places]
        for one in self._each:
            whole.addPath(one)
        super().__init__(whole, parent)

    def paint(self, painter: QPainter, _option: Any, _widget: Any = None) -> None:
        painter.setPen(self.pen())
        painter.setBrush(self.brush())
        for one in self._each:
            painter.drawPath(one)


def _shape(item: Any, box: pg.ViewBox) -> QGraphicsPathItem:
    scattered = isinstance(item, pg.ScatterPlotItem)
    shape = _stamps(item, box) if scattered else QGraphicsPathItem(_outline(item, box), box)
    pen, brush = _ink(item)
    pen.setCosmetic(False)
    shape.setPen(pen)
    shape.setBrush(brush)
    return shape


def _stamps(item: pg.ScatterPlotItem, box: pg.ViewBox) -> _Stamps:
    places = np.vstack([item.data["x"], item.data["y"]])
    x, y = pg.functions.transformCoordinates(box.childGroup.transform(), places)
    area, size = QRectF(box.rect()), float(item.opts["size"])
    near = (x >= area.left() - 5) & (x <= area.right() + 5) & (y >= area.top() - 5) & (y <= area.bottom() + 5)
    symbol = QTransform.fromScale(size, size).map(Symbols[item.opts["symbol"]])
    return _Stamps(np.stack([x[near], y[near]], axis=1).tolist(), symbol, box)


def _raster(item: pg.ImageItem, box: pg.ViewBox, smooth: bool) -> QGraphicsPixmapItem:
    """The visible part of an image at several pixels a pixel of the screen: viewers differ in how they enlarge."""
    size = box.rect().size()
    found = QPixmap(max(1, round(size.width() * SHARP)), max(1, round(size.height() * SHARP)))
    found.fill(Qt.GlobalColor.transparent)
    with painting(found) as painter:
        painter.scale(found.width() / max(1.0, size.width()), found.height() / max(1.0, size.height()))
        painter.setTransform(item.itemTransform(box)[0], True)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        item.paint(painter, None, None)
    copy = QGraphicsPixmapItem(found, box)
    copy.setTransform(QTransform.fromScale(size.width() / found.width(), size.height() / found.height()))
    return copy


def _ink(item: Any) -> tuple[QPen, QBrush]:
    if isinstance(item, pg.ScatterPlotItem):
        return QPen(item.opts["pen"]), QBrush(item.opts["brush"])
    if isinstance(item, pg.FillBetweenItem):
        return QPen(Qt.PenStyle.NoPen), item.brush()
    return QPen(item.pen if isinstance(item, pg.InfiniteLine) else item.opts["pen"]), QBrush()


def _outline(item: Any, box: pg.ViewBox) -> QPainterPath:
    """An item's shape in the pixels of the plot area."""
    to_box, area = box.childGroup.transform(), QRectF(box.rect())
    if isinstance(item, pg.FillBetweenItem):
        frame = QPainterPath()
        frame.addRect(area.adjusted(-1, -1, 1, 1))
        return to_box.map(item.path()).intersected(frame)
    if isinstance(item, pg.PlotCurveItem):
        x, y = item.getData()
        if x is None:
            return QPainterPath()
    elif isinstance(item, pg.InfiniteLine):
        far = box.viewRect()
        at = np.full(2, item.value())
        ends = np.array([far.top(), far.bottom()] if item.angle else [far.left(), far.right()])
        x, y = (at, ends) if item.angle else (ends, at)
    else:
        if item.path is None:
            item.drawPath()
        pieces = [pg.functions.ndarray_from_qpolygonf(piece).copy() for piece in item.path.toSubpathPolygons()]
        x, y = np.concatenate([np.vstack([piece, [[np.nan, np.nan]]]) for piece in pieces]).T
    px, py = pg.functions.transformCoordinates(to_box, np.vstack([x, y]))
    x, y, connect = cut(px, py, area)
    return pg.arrayToQPath(x, y, connect=connect)


def cut(x: np.ndarray, y: np.ndarray, area: QRectF) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The parts of a polyline (n,) inside a rectangle (Liang and Barsky, 1984, for all its segments at once).

    Returns:
        x, y (m,) and whether each point is joined to the next (m,) int32.
    """
    start, step = np.stack([x[:-1], y[:-1]]), np.stack([np.diff(x), np.diff(y)])
    low, high = np.array([[area.left() - 1], [area.top() - 1]]), np.array([[area.right() + 1], [area.bottom() + 1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (low - start) / step, (high - start) / step
        still = step == 0
        inside = (start >= low) & (start <= high)
        enter = np.where(still, np.where(inside, -np.inf, np.inf), np.minimum(one, two)).max(axis=0)
        leave = np.where(still, np.where(inside, np.inf, -np.inf), np.maximum(one, two)).min(axis=0)
        enter, leave = np.maximum(enter, 0.0), np.minimum(leave, 1.0)
        kept = enter <= leave  # false where a coordinate is missing
    start, step, enter, leave = start[:, kept], step[:, kept], enter[kept], leave[kept]
    first, last = start + enter * step, start + leave * step
    place = np.flatnonzero(kept)
    joined = np.zeros(len(place), dtype=bool)  # to the segment before
    joined[1:] = (np.diff(place) == 1) & (leave[:-1] == 1.0) & (enter[1:] == 0.0)
    points = np.stack([first, last], axis=2).reshape(2, -1)
    connect = np.stack([np.ones(len(place), dtype=bool), np.append(joined, False)[1:]], axis=1).ravel()
    keep = np.stack([~joined, np.ones(len(place), dtype=bool)], axis=1).ravel()
    return points[0, keep], points[1, keep], connect[keep].astype(np.int32)
