"""A group of points and the items of pyqtgraph that show it, one for each size of its symbols."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyqtgraph as pg

from app.shell.theme import Tokens
from app.widgets.plot import legend
from app.widgets.plot.scale import Axis

SHAPES_UP_TO = 3000  # above it symbols have no rim
RIM_FROM = 4.0  # diameter below which a rim would leave nothing of the symbol
SIZE_STEP = 1.25  # each class of sizes is this much larger than the one before


@dataclass(eq=False)
class Group:
    """Points of one colour and symbol, with an optional label for each.

    Attributes:
        sizes: diameters in pixels, of all () or of each (n,); None suits the count. mark: its symbol, "" by rank.
    """

    name: str
    colour: str
    rank: int
    x: np.ndarray
    y: np.ndarray
    labels: list[str]
    sizes: np.ndarray | None = None
    visible: bool = True
    mark: str = ""
    _scaled: tuple[tuple[bool, bool], np.ndarray, np.ndarray] | None = field(default=None, repr=False)
    _extent: tuple[float, float, float, float] | None = field(default=None, repr=False)

    def scaled(self, axes: tuple[Axis, Axis]) -> tuple[np.ndarray, np.ndarray]:
        """The points as they lie along the axes, (n,) each."""
        logs = (axes[0].log, axes[1].log)
        if self._scaled is None or self._scaled[0] != logs:
            self._scaled = (logs, axes[0].scaled(self.x), axes[1].scaled(self.y))
            self._extent = extent(*self._scaled[1:])
        return self._scaled[1:]

    def extent(self, axes: tuple[Axis, Axis]) -> tuple[float, float, float, float] | None:
        """x0, x1, y0, y1 of the points that have a place; None without any."""
        self.scaled(axes)
        return self._extent

    def symbol(self) -> str:
        """The symbol that tells it apart."""
        return self.mark or legend.SYMBOLS[self.rank % len(legend.SYMBOLS)]

    def classes(self, good: np.ndarray) -> list[tuple[float, np.ndarray]]:
        """Diameters in pixels, the largest first, with the indices of their points among the ``good`` ones (n,)."""
        if self.sizes is None:
            many = len(self.x) > SHAPES_UP_TO
            return [(2.4 if many else legend.SIZE if len(self.x) <= 300 else 5.4, np.flatnonzero(good))]
        good = good & (self.sizes > 0)
        if self.sizes.ndim == 0:
            return [(float(self.sizes), np.flatnonzero(good))]
        step = np.rint(np.log(np.where(good, self.sizes, 1.0)) / np.log(SIZE_STEP)).astype(int)
        return [(SIZE_STEP**one, np.flatnonzero(good & (step == one))) for one in np.unique(step[good])[::-1].tolist()]


class Stamps(pg.ScatterPlotItem):
    """Points of one style: its place among the painted symbols is looked up once, not once a point."""

    def updateSpots(self, dataSet: np.ndarray | None = None) -> None:
        data = self.data if dataSet is None else dataSet
        style = (self.opts["symbol"], self.opts["size"], self.opts["pen"], self.opts["brush"])
        data["sourceRect"] = self.fragmentAtlas[[style]][0]
        self._updateMaxSpotSizes(data=data)
        self.invalidate()


class Spots:
    """The items of one group in a plot area; large symbols lie below small ones."""

    def __init__(self, box: pg.ViewBox) -> None:
        self._box = box
        self._items: dict[float, Stamps] = {}
        self._group: Group | None = None
        self._style: tuple[object, ...] = ()
        self._logs: tuple[bool, bool] | None = None

    def items(self) -> list[Stamps]:
        """What is shown, by falling size."""
        return [self._items[size] for size in sorted(self._items, reverse=True)]

    def show(self, group: Group, axes: tuple[Axis, Axis], look: Tokens, depth: int) -> None:
        """Bring the items up to date; what has not changed costs nothing. ``depth``: the group's place among all."""
        many = len(group.x) > SHAPES_UP_TO
        style = (group.colour, group.symbol(), many, group.sizes is None, look)
        logs = (axes[0].log, axes[1].log)
        if style != self._style:
            self.remove()
        if group is not self._group or style != self._style or logs != self._logs:
            self._group, self._style, self._logs = group, style, logs
            self._fill(group, axes, look, many)
        for place, item in enumerate(self.items()):
            item.setVisible(group.visible)
            item.setZValue(depth + place / (len(self._items) + 1))

    def _fill(self, group: Group, axes: tuple[Axis, Axis], look: Tokens, many: bool) -> None:
        x, y = group.scaled(axes)
        classes = dict(group.classes(np.isfinite(x) & np.isfinite(y)))
        for size in self._items.keys() - classes.keys():
            self._box.removeItem(self._items.pop(size))
        for size in classes.keys() - self._items.keys():
            self._items[size] = self._item(group, look, many, size)
            self._box.addItem(self._items[size], ignoreBounds=True)
        for size, chosen in classes.items():
            self._items[size].setData(x[chosen], y[chosen])

    def _item(self, group: Group, look: Tokens, many: bool, size: float) -> Stamps:
        many = many or size < RIM_FROM
        colour = look.colour(group.colour, 0.5 if many else 0.85)
        pen, brush = legend.symbol_style(group.symbol(), colour, colour if many else look.colour("panel"))
        name = ("s" if group.sizes is None else "o") if many else group.symbol()
        return Stamps(symbol=name, size=size, pen=None if many else pen, brush=brush, antialias=not many or size > 3)

    def remove(self) -> None:
        """Take the items out of the plot area."""
        for item in self._items.values():
            self._box.removeItem(item)
        self._items = {}


def extent(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float] | None:
    """x0, x1, y0, y1 of points (n,) whose coordinates are both finite; None without any."""
    good = np.isfinite(x) & np.isfinite(y)
    if not good.any():
        return None
    return float(x[good].min()), float(x[good].max()), float(y[good].min()), float(y[good].max())
