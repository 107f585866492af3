"""Figures written into the cells of a field, dark on light colours and light on dark ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QBrush, QColor
from PySide6.QtWidgets import QGraphicsItem, QGraphicsSimpleTextItem

from app.shell.theme import CAPTION, theme

ABOVE = 2000.0  # the copies that files are painted from lie at 1000
DARK, LIGHT = "#10151f", "#ffffff"
MARGIN = 4.0  # pixels between a figure and the edges of its cell


class Figures:
    """One text a cell; none at all where a cell is too small for the longest, so that no number is misread."""

    def __init__(self, parent: QGraphicsItem) -> None:
        self._parent = parent
        self._items: list[QGraphicsSimpleTextItem] = []

    def texts(self) -> list[str]:
        """What is written now."""
        return [item.text() for item in self._items if item.isVisible()]

    def show(self, cells: Iterable[tuple[QPointF, str, QColor]], room: tuple[float, float]) -> None:
        """Write into cells: centre in pixels of the parent, text, colour below; ``room``: pixels of a cell."""
        wanted = list(cells)
        while len(self._items) > len(wanted):
            item = self._items.pop()
            item.scene().removeItem(item)
        while len(self._items) < len(wanted):
            self._items.append(QGraphicsSimpleTextItem(self._parent))
            self._items[-1].setZValue(ABOVE)
        boxes = [self._write(item, *cell) for item, cell in zip(self._items, wanted, strict=True)]
        fits = all(box.width() + MARGIN <= room[0] and box.height() <= room[1] for box in boxes)
        seen = self._parent.boundingRect()
        for item, (centre, _, _) in zip(self._items, wanted, strict=True):
            item.setVisible(fits and seen.contains(centre))

    def _write(self, item: QGraphicsSimpleTextItem, centre: QPointF, text: str, below: QColor) -> QRectF:
        item.setFont(theme().font(CAPTION, tabular=True))
        item.setText(text)
        item.setBrush(QBrush(QColor(ink_on(below))))
        box = item.boundingRect()
        item.setPos(centre - box.center())
        return box


def ink_on(below: QColor) -> str:
    """The ink with the greater contrast on a colour, by the relative luminance of WCAG 2."""
    shares = np.array([below.redF(), below.greenF(), below.blueF()])
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return DARK if (luminance + 0.05) ** 2 > 0.05 * 1.05 else LIGHT
