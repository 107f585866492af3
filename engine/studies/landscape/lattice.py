"""Points to evaluate: a lattice filled from coarse to fine, lines, and where refining is worth it. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import EngineError

Array = NDArray[Any]
FIRST = 7
SPARSE = 0.6  # a stage of more than this share of the final points a side would hardly be a preview of it


class EvenResolution(EngineError):
    """Raised for a lattice that would miss its own centre."""

    what = "A lattice of {resolution} points a side has no point at the model."
    why = "Only an odd number of at least 3 puts one point in the centre."
    remedy = "Choose an odd resolution, such as 51."


@dataclass(frozen=True)
class Stage:
    """One pass over the final lattice; what earlier stages evaluated is not repeated.

    Attributes:
        index: from 0. lines: (s,) rows, and also columns, of the final lattice that are complete after this stage.
        points: (m, 2) int (row, column) of the points that are new, the centre first, then ring by ring outwards.
    """

    index: int
    lines: Array
    points: Array


def axis(resolution: int, radius: float) -> Array:
    """(resolution,) evenly spaced positions from -radius to radius; exactly antisymmetric, exactly 0 in the centre."""
    _check(resolution)
    half = resolution // 2
    side = radius * (np.arange(1, half + 1) / half)
    return np.concatenate([-side[::-1], [0.0], side])


def stages(resolution: int) -> tuple[Stage, ...]:
    """The lattice of resolution x resolution points, cut into stages: 7 x 7, 13 x 13, 25 x 25 ... and all of it.

    A stage of s points a side takes the s lines of the final lattice that lie nearest to an even spacing. As s - 1
    doubles from stage to stage, each one contains the one before it, for any odd resolution, so that no evaluation is
    wasted. Where s - 1 does not divide resolution - 1 (51 does so for none of 7, 13, 25) the spacing of a preview is
    uneven by at most one step of the final lattice; draw it at its true positions, ``axis(...)[stage.lines]``.
    """
    _check(resolution)
    sizes, size = [], FIRST
    while size <= SPARSE * resolution:
        sizes.append(size)
        size = 2 * size - 1
    known = np.zeros((resolution, resolution), dtype=bool)
    result = []
    for index, size in enumerate([*sizes, resolution]):
        lines = _lines(resolution, size)
        fresh = np.zeros_like(known)
        fresh[np.ix_(lines, lines)] = True
        fresh &= ~known
        known |= fresh
        result.append(Stage(index, lines, _outwards(np.argwhere(fresh), resolution // 2)))
    return tuple(result)


def _check(resolution: int) -> None:
    if resolution < 3 or resolution % 2 == 0:
        raise EvenResolution(resolution=resolution)


def _lines(resolution: int, size: int) -> Array:
    """``size`` of the lines 0 ... resolution - 1, nearest to an even spacing and symmetric about the centre."""
    half, steps = resolution // 2, size // 2
    side = (2 * half * np.arange(1, steps + 1) + steps) // (2 * steps)  # half up, in whole numbers
    return np.concatenate([half - side[::-1], [half], half + side])


def _outwards(points: Array, centre: int) -> Array:
    """Ring by ring (largest of the two offsets), each ring row by row."""
    ring = np.abs(points - centre).max(axis=1)
    return points[np.lexsort((points[:, 1], points[:, 0], ring))]


def coordinates(points: ArrayLike, positions: Array) -> Array:
    """(m, 2) of (row, column) -> (m, 2) of (alpha, beta): alpha grows along a row, beta along a column."""
    indices = np.asarray(points, dtype=np.intp).reshape(-1, 2)
    return np.stack([positions[indices[:, 1]], positions[indices[:, 0]]], axis=1)


def log_positions(radius: float, smallest: float, side: int) -> Array:
    """(2 * side + 1,) positions: 0 and, on either side, ``side`` evenly spaced logarithms from smallest to radius."""
    if not 0 < smallest <= radius or side < 1:
        raise ValueError(f"need 0 < smallest <= radius and side >= 1, got {smallest}, {radius}, {side}")
    positive = np.geomspace(smallest, radius, side)
    return np.concatenate([-positive[::-1], [0.0], positive])


def along(positions: Array, towards: ArrayLike, start: ArrayLike = (0.0, 0.0)) -> Array:
    """Points of a line in a plane: start + t * towards for each t of ``positions`` (T,); (T, K), K = len(towards)."""
    return np.asarray(start, dtype=float) + np.multiply.outer(positions, np.asarray(towards, dtype=float))


def bilinear(values: Array, lines: Array, points: Array) -> Array:
    """Values at ``points`` (m, 2), interpolated between the complete ``lines`` (s,) of (N, N) values."""
    (row, down), (column, right) = (_cell(lines, points[:, k]) for k in (0, 1))
    corner = [[values[lines[row + i], lines[column + j]] for j in (0, 1)] for i in (0, 1)]
    with np.errstate(invalid="ignore"):  # an infinite corner makes its cell NaN
        top, bottom = ((1 - right) * pair[0] + right * pair[1] for pair in corner)
        return np.asarray((1 - down) * top + down * bottom)


def _cell(lines: Array, indices: Array) -> tuple[Array, Array]:
    cell = np.clip(np.searchsorted(lines, indices, side="right") - 1, 0, len(lines) - 2)
    return cell, (indices - lines[cell]) / (lines[cell + 1] - lines[cell])


def worth_refining(values: Array, before: Stage, done: Stage, following: Stage, tolerance: float) -> Array:
    """Which points of the following stage to evaluate; between the others the surface is as good as flat.

    A cell of the stage just done is worth it if one of its corners was missed by more than ``tolerance`` (or is not
    finite) when predicted by bilinear interpolation from the stage before; the error falls by about four each stage.

    Args:
        values: (N, N), complete on ``done.lines``; take logarithms first to refine in relative terms.
    Returns:
        (m,) bool for ``following.points``; fill the others with ``bilinear(values, done.lines, ...)``.
    """
    lines = done.lines
    grid = np.stack(np.meshgrid(lines, lines, indexing="ij"), axis=-1).reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        missed = np.abs(values[grid[:, 0], grid[:, 1]] - bilinear(values, before.lines, grid))
    rough = ~(missed <= tolerance).reshape(len(lines), len(lines))
    cells = rough[:-1, :-1] | rough[:-1, 1:] | rough[1:, :-1] | rough[1:, 1:]
    row, column = (_cell(lines, following.points[:, k])[0] for k in (0, 1))
    on_row, on_column = (np.isin(following.points[:, k], lines[1:-1]) for k in (0, 1))
    chosen = cells[row, column]
    chosen |= on_row & cells[np.maximum(row - 1, 0), column]
    chosen |= on_column & cells[row, np.maximum(column - 1, 0)]
    return chosen | (on_row & on_column & cells[np.maximum(row - 1, 0), np.maximum(column - 1, 0)])
