"""The disconnectivity tree of local maxima: how far the likelihood falls before one can be reached from another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
STUB = 0.06  # of the height, below the last junction


@dataclass(frozen=True)
class Tree:
    """A picture of K maxima.

    Attributes:
        place: (K,) across. lines: curves (p, 2) of place and log-likelihood. passes: (K - 1,) log-likelihoods of the
            junctions, falling.
    """

    place: Array
    lines: list[Array]
    passes: Array


def disconnectivity(levels: Array, barrier: Array) -> Tree:
    """Join maxima at the highest pass that is known between them (Becker & Karplus 1997).

    Args:
        levels: (K,) log-likelihoods. barrier: (K, K) fall from the lower of two on the straight way to the other, so
            that passes are as low as this or higher.
    """
    count = len(levels)
    passes = np.minimum.outer(levels, levels) - np.maximum(barrier, 0)
    groups: list[list[int]] = [[k] for k in range(count)]
    joins: list[tuple[list[int], list[int], float]] = []
    while len(groups) > 1:
        best: tuple[float, int, int] | None = None
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                height = float(np.max(passes[np.ix_(groups[a], groups[b])]))
                if best is None or height > best[0]:
                    best = (height, a, b)
        assert best is not None
        height, a, b = best
        joins.append((groups[a], groups[b], height))
        groups[a] = groups[a] + groups.pop(b)
    place = np.empty(count)
    place[groups[0] if groups else []] = np.arange(1, count + 1)
    at: dict[tuple[int, ...], tuple[float, float]] = {(k,): (float(place[k]), float(levels[k])) for k in range(count)}
    lines: list[Array] = []
    for left, right, height in joins:
        (x1, y1), (x2, y2) = at[tuple(left)], at[tuple(right)]
        lines.append(np.array([[x1, y1], [x1, height], [x2, height], [x2, y2]]))
        at[tuple(left + right)] = ((x1 + x2) / 2, height)
    if joins:
        x, y = at[tuple(groups[0])]
        spread = float(levels.max()) - y
        lines.append(np.array([[x, y], [x, y - STUB * (spread or 1.0)]]))
    return Tree(place, lines, np.array([height for _, _, height in joins]))
