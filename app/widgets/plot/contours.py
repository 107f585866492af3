"""Contour lines of a field on a rectangular grid: marching squares without a loop over cells."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

# Pairs of cell edges (0 bottom, 1 right, 2 top, 3 left) that a line joins, for each pattern of corners above the
# level (1 lower left, 2 lower right, 4 upper right, 8 upper left). 5 and 10 are saddles: the cell's mean decides.
_JOINS: dict[int, list[tuple[int, int]]] = {
    1: [(3, 0)], 2: [(0, 1)], 3: [(3, 1)], 4: [(1, 2)], 6: [(0, 2)], 7: [(3, 2)], 8: [(2, 3)], 9: [(0, 2)],
    11: [(1, 2)], 12: [(1, 3)], 13: [(0, 1)], 14: [(3, 0)],
}  # fmt: skip


def segments(x: np.ndarray, y: np.ndarray, z: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The pieces of one contour line, a straight one a cell.

    Args:
        x: (nx,) and y: (ny,), increasing. z: (ny, nx); cells with a corner that is not finite have no line.

    Returns:
        Points (n, 2, 2): segment, end, (x, y); and keys (n, 2): the number of the grid edge that each end lies on.
    """
    ny, nx = z.shape
    with np.errstate(invalid="ignore"):
        high = z >= level
        finite = np.isfinite(z)
    whole = finite[:-1, :-1] & finite[:-1, 1:] & finite[1:, :-1] & finite[1:, 1:]
    case = high[:-1, :-1] * 1 + high[:-1, 1:] * 2 + high[1:, 1:] * 4 + high[1:, :-1] * 8
    case = np.where(whole, case, 0)
    rows, columns = np.nonzero((case > 0) & (case < 15))
    case = case[rows, columns]
    corners = [z[rows, columns], z[rows, columns + 1], z[rows + 1, columns + 1], z[rows + 1, columns]]
    above = np.mean(corners, axis=0) >= level
    points, keys = _edge_points(x, y, corners, rows, columns, level, (ny, nx))
    starts, ends = [], []
    for cell, first, second in _joins(case, above):
        starts.append((cell, np.full(len(cell), first)))
        ends.append((cell, np.full(len(cell), second)))
    if not starts:
        return np.empty((0, 2, 2)), np.empty((0, 2), dtype=np.int64)
    one = tuple(np.concatenate(parts) for parts in zip(*starts, strict=True))
    two = tuple(np.concatenate(parts) for parts in zip(*ends, strict=True))
    return np.stack([points[one], points[two]], axis=1), np.stack([keys[one], keys[two]], axis=1)


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
    x: np.ndarray, y: np.ndarray, corners: list[np.ndarray], rows: np.ndarray, columns: np.ndarray, level: float,
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Where the level crosses the four edges of each cell (n, 4, 2), and the edges' numbers (n, 4)."""

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
    ny, nx = shape
    flat = rows * nx + columns
    keys = np.stack([flat, flat + 1 + ny * nx, flat + nx, flat + ny * nx], axis=1)
    return points, keys


def lines(x: np.ndarray, y: np.ndarray, z: np.ndarray, level: float) -> list[np.ndarray]:
    """The contour lines of one level, joined into polylines (n, 2); closed ones end where they began."""
    points, keys = segments(x, y, z, level)
    at: dict[int, list[int]] = defaultdict(list)
    for index, (first, second) in enumerate(keys.tolist()):
        at[first].append(index)
        at[second].append(index)
    left = [True] * len(points)
    # Open lines first: they begin at an edge that only one segment touches.
    order = [touching[0] for touching in at.values() if len(touching) == 1] + list(range(len(points)))
    pairs = keys.tolist()
    found = []
    for start in order:
        if not left[start]:
            continue
        first, second = pairs[start]
        if len(at[second]) == 1 and len(at[first]) != 1:
            first, second = second, first
        found.append(_follow(start, first, second, pairs, points, at, left))
    return found


def _follow(
    index: int, first: int, second: int, pairs: list[list[int]], points: np.ndarray, at: dict[int, list[int]],
    left: list[bool],
) -> np.ndarray:  # fmt: skip
    def end(segment: int, key: int) -> np.ndarray:
        return points[segment, 0 if pairs[segment][0] == key else 1]

    path = [end(index, first), end(index, second)]
    left[index] = False
    while True:
        following = [other for other in at[second] if left[other]]
        if not following:
            return np.array(path)
        index = following[0]
        left[index] = False
        second = pairs[index][1] if pairs[index][0] == second else pairs[index][0]
        path.append(end(index, second))


def even_levels(low: float, high: float, count: int) -> np.ndarray:
    """Levels strictly inside a range, equally far apart."""
    return np.linspace(low, high, count + 2)[1:-1] if high > low else np.empty(0)
