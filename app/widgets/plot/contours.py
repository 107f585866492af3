"""Contour lines of a field on a rectangular grid: marching squares without a loop over cells."""

from __future__ import annotations

import numpy as np

# Pairs of cell edges (0 bottom, 1 right, 2 top, 3 left) that a line joins, for each pattern of corners above the
# level (1 lower left, 2 lower right, 4 upper right, 8 upper left). 5 and 10 are saddles: the cell's mean decides.
_JOINS: dict[int, list[tuple[int, int]]] = {
    1: [(3, 0)], 2: [(0, 1)], 3: [(3, 1)], 4: [(1, 2)], 6: [(0, 2)], 7: [(3, 2)], 8: [(2, 3)], 9: [(0, 2)],
    11: [(1, 2)], 12: [(1, 3)], 13: [(0, 1)], 14: [(3, 0)],
}  # fmt: skip
AT_ONCE = 2_000_000  # cells times levels: beyond it one level is taken after another, for the memory's sake


def segments(x: np.ndarray, y: np.ndarray, z: np.ndarray, levels: float | np.ndarray) -> np.ndarray:
    """The pieces of contour lines, a straight one a cell and level.

    Args:
        x: (nx,) and y: (ny,), increasing. z: (ny, nx); cells with a corner that is not finite have no line.
        levels: one, or several (n,), which together take little longer than one.

    Returns:
        Points (n, 2, 2): segment, end, (x, y).
    """
    levels = np.atleast_1d(levels)
    if len(levels) > 1 and len(levels) * z.size > AT_ONCE:
        return np.concatenate([segments(x, y, z, level) for level in levels])
    with np.errstate(invalid="ignore"):
        high = (z >= levels[:, None, None]).view(np.uint8)
        finite = np.isfinite(z)
    whole = finite[:-1, :-1] & finite[:-1, 1:] & finite[1:, :-1] & finite[1:, 1:]
    case = high[:, :-1, :-1] + 2 * high[:, :-1, 1:] + 4 * high[:, 1:, 1:] + 8 * high[:, 1:, :-1]
    which, rows, columns = np.nonzero((case > 0) & (case < 15) & whole)
    case, level = case[which, rows, columns], levels[which]
    corners = [z[rows, columns], z[rows, columns + 1], z[rows + 1, columns + 1], z[rows + 1, columns]]
    above = np.mean(corners, axis=0) >= level
    points = _edge_points(x, y, corners, rows, columns, level)
    starts, ends = [], []
    for cell, first, second in _joins(case, above):
        starts.append((cell, np.full(len(cell), first)))
        ends.append((cell, np.full(len(cell), second)))
    if not starts:
        return np.empty((0, 2, 2))
    one = tuple(np.concatenate(parts) for parts in zip(*starts, strict=True))
    two = tuple(np.concatenate(parts) for parts in zip(*ends, strict=True))
    return np.stack([points[one], points[two]], axis=1)


def _joins(case: np.ndarray, above: np.ndarray) -> list[tuple[np.ndarray, int, int]]:
    found = [(np.nonzero(case == number)[0], *pair) for number, pairs in _JOINS.items() for pair in pairs]
    for number, connected, apart in (
        (5, [(3, 2), (0, 1)], [(3, 0), (1, 2)]),
        (10, [(3, 0), (1, 2)], [(0, 1), (2, 3)]),
    ):
        found += [(np.nonzero((case == number) & above)[0], *pair) for pair in connected]
        found += [(np.nonzero((case == number) & ~above)[0], *pair) for pair in apart]
    return [join for join in found if len(join[0])]


def _edge_points(
    x: np.ndarray, y: np.ndarray, corners: list[np.ndarray], rows: np.ndarray, columns: np.ndarray, level: np.ndarray
) -> np.ndarray:
    """Where each cell's level crosses its four edges (n, 4, 2)."""

    def share(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.clip(np.nan_to_num((level - low) / (high - low), nan=0.5), 0.0, 1.0)

    a, b, c, d = corners
    left, right, low, top = x[columns], x[columns + 1], y[rows], y[rows + 1]
    points = np.empty((len(rows), 4, 2))
    points[:, 0] = np.stack([left + share(a, b) * (right - left), low], axis=1)
    points[:, 1] = np.stack([right, low + share(b, c) * (top - low)], axis=1)
    points[:, 2] = np.stack([left + share(d, c) * (right - left), top], axis=1)
    points[:, 3] = np.stack([left, low + share(a, d) * (top - low)], axis=1)
    return points


def even_levels(low: float, high: float, count: int) -> np.ndarray:
    """Levels strictly inside a range, equally far apart."""
    return np.linspace(low, high, count + 2)[1:-1] if high > low else np.empty(0)
