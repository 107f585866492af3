"""Very many points as an image: how many of each group lie in bins of a few pixels, in the mixture of their colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtGui import QColor

from app.shell.theme import Tokens
from app.widgets.plot.scale import Axis, View

PIXELS = 2.0  # side of a bin
NEAR = 3  # bins from the pointer to what is told
COARSE = (120, 160)  # rows and columns where no picture says how many
FAINT = 0.3  # opacity of a bin with one point: it must be seen
GAMMA = 2.2  # light adds, its codes do not
CHUNK = 1 << 16  # rows that stay in the processor's cache


@dataclass(frozen=True)
class Bins:
    """Counts of the rows in a part of the plane.

    Attributes:
        view: the part. counts: (groups, rows, columns), rows from the bottom up. sure: the sum of the rows' shares, of
            the same shape; None where all shares are 1. logs: which axes were logarithmic.
    """

    view: View
    counts: np.ndarray
    sure: np.ndarray | None
    logs: tuple[bool, bool]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.counts.shape[1], self.counts.shape[2]

    def near(self, x: float, y: float) -> np.ndarray | None:
        """Counts (groups,) of the bin at a scaled place, or of the nearest with rows a few bins away; else None."""
        (rows, columns), view = self.shape, self.view
        row = int(np.floor((y - view.y0) / (view.y1 - view.y0) * rows))
        column = int(np.floor((x - view.x0) / (view.x1 - view.x0) * columns))
        top, left = max(0, row - NEAR), max(0, column - NEAR)
        around = self.counts[:, top : max(0, row + NEAR + 1), left : max(0, column + NEAR + 1)]
        places = np.argwhere(around.sum(axis=0))
        if not len(places):
            return None
        far = np.square(places - [row - top, column - left]).sum(axis=1)
        return around[:, *places[np.argmin(far)]]

    def middles(self) -> tuple[np.ndarray, np.ndarray]:
        """Scaled x (columns,) and y (rows,) of the bins' middles."""
        (rows, columns), view = self.shape, self.view
        return (
            view.x0 + (np.arange(columns) + 0.5) / columns * (view.x1 - view.x0),
            view.y0 + (np.arange(rows) + 0.5) / rows * (view.y1 - view.y0),
        )

    def image(self, colours: Sequence[QColor], visible: Sequence[bool], rest: QColor) -> np.ndarray:
        """The picture (rows, columns, 4) uint8: colours mixed by count, opacity by the logarithm of the count.

        Args:
            colours, visible: one for each group. rest: the colour of what the shares leave over.
        """
        shown = np.flatnonzero(visible)
        total = self.counts[shown].sum(axis=0)
        full = np.flatnonzero(total)
        pixels = np.zeros((total.size, 4), dtype=np.uint8)
        if len(full):
            amount = total.ravel()[full]
            weights = (self.counts if self.sure is None else self.sure).reshape(len(self.counts), -1)[shown][:, full]
            light = np.array([_light(colours[group]) for group in shown.tolist()])
            mixed = weights.T @ light
            if self.sure is not None:
                mixed += (amount - weights.sum(axis=0)).clip(0)[:, None] * _light(rest)
            mixed /= amount[:, None]
            depth = np.log1p(amount) / np.log1p(amount.max())
            pixels[full, :3] = np.rint(255 * np.clip(mixed, 0, 1) ** (1 / GAMMA))
            pixels[full, 3] = np.rint(255 * (FAINT + (1 - FAINT) * depth))
        return pixels.reshape(*total.shape, 4)


class Cloud:
    """Rows in the plane, each in one group.

    Attributes:
        names, colours: of the groups; colours as "#rrggbb" or a token's name. visible: shown or switched off.
        sizes: rows of each group, (groups,).
    """

    def __init__(self, x: Any, y: Any, labels: Any, colours: Mapping[str, str], share: Any = None) -> None:
        """See ``ScatterPlot.set_density``."""
        xs, ys = np.asarray(x, dtype=float).reshape(-1), np.asarray(y, dtype=float).reshape(-1)
        groups = np.asarray(labels).reshape(-1).astype(np.intp)
        part = None if share is None else np.asarray(share, dtype=float).reshape(-1)
        if not len(xs) == len(ys) == len(groups) or (part is not None and len(part) != len(xs)):
            shares = "no" if part is None else len(part)
            raise ValueError(f"{len(xs)} x, {len(ys)} y, {len(groups)} labels, {shares} shares")
        if len(groups) and not 0 <= groups.min() <= groups.max() < len(colours):
            raise ValueError(f"labels {groups.min()} to {groups.max()} for {len(colours)} colours")
        self.names, self.colours = tuple(colours), tuple(colours.values())
        self.visible = [True] * len(self.names)
        self.sizes = np.bincount(groups, minlength=len(self.names))
        self._raw, self._labels, self._share = (xs, ys), groups, part
        self._kept: tuple[tuple[bool, bool], np.ndarray, np.ndarray, np.ndarray, np.ndarray | None] | None = None

    def __len__(self) -> int:
        return len(self._labels)

    def _scaled(self, axes: tuple[Axis, Axis]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Scaled x, y, the groups and shares of the rows that have a place."""
        logs = (axes[0].log, axes[1].log)
        if self._kept is None or self._kept[0] != logs:
            x, y = (axis.scaled(side) for axis, side in zip(axes, self._raw, strict=True))
            good = np.isfinite(x) & np.isfinite(y)
            rows = slice(None) if good.all() else good
            share = None if self._share is None else self._share[rows]
            self._kept = (logs, x[rows], y[rows], self._labels[rows], share)
        return self._kept[1:]

    def extent(self, axes: tuple[Axis, Axis]) -> tuple[float, float, float, float] | None:
        """x0, x1, y0, y1 of all rows in scaled coordinates; None without any."""
        x, y, _, _ = self._scaled(axes)
        return (float(x.min()), float(x.max()), float(y.min()), float(y.max())) if len(x) else None

    def binned(self, view: View, shape: tuple[int, int], axes: tuple[Axis, Axis]) -> Bins:
        """Count the rows of a part of the plane in (rows, columns) bins."""
        x, y, labels, share = self._scaled(axes)
        high, wide = shape[0] + 2, shape[1] + 2  # a rim takes in what is not seen
        place = np.empty(len(x), dtype=np.intp)
        for first in range(0, len(x), CHUNK):
            part = slice(first, first + CHUNK)
            here = _slots(y[part], view.y0, view.y1, high)
            here *= wide
            here += _slots(x[part], view.x0, view.x1, wide)
            here += labels[part] * (high * wide)
            place[part] = here
        groups = len(self.names)

        def counted(weights: np.ndarray | None) -> np.ndarray:
            found = np.bincount(place, weights, minlength=groups * high * wide)
            return found.reshape(groups, high, wide)[:, 1:-1, 1:-1]

        logs = (axes[0].log, axes[1].log)
        return Bins(view, counted(None), None if share is None else counted(share), logs)

    def image(self, bins: Bins, look: Tokens) -> np.ndarray:
        """The picture of bins in a theme's colours, (rows, columns, 4) uint8."""
        return bins.image([look.colour(colour) for colour in self.colours], self.visible, look.colour("muted"))


def _slots(values: np.ndarray, low: float, high: float, count: int) -> np.ndarray:
    """The bin of each value, 1 to count - 2; the first and the last are the rim."""
    found = values - low
    found *= (count - 2) / (high - low)
    found += 1
    return np.clip(found, 0, count - 1, out=found).astype(np.intp)


def _light(colour: QColor) -> np.ndarray:
    return np.array([colour.redF(), colour.greenF(), colour.blueF()]) ** GAMMA
