"""One pass over the rows: E-step and the sums of the M-step for all chains of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.kernels import Kernel, LinearKernel, Real, choose
from engine.studies.mixture.em.shared import SquaresOfRows, common_precision, quadratic
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.parameters import Array, Parameters

# Entries of one block of responsibilities: about half of a core's second-level cache in float32.
BLOCK_ENTRIES = 1 << 18
CACHED_FEATURES = 1 << 28
# Bytes of features that are computed in every pass: a block must be used before it has left the cache.
FRESH_FEATURES = 1 << 23
# Log memberships from here on count as 0.
LEAST = -700.0
_OF_LEAST = np.exp(np.full(64, LEAST))[0]
Block = tuple[slice, Real]
# Turns log joint densities (G, R, c), in place, into memberships; returns the rows' log densities (R, c).
Respond = Callable[[Real, slice], Real]
# Sees each block: rows, memberships (G, R, c) before weighting, log densities (R, c).
Visit = Callable[[slice, Real, Real], None]
# A pass with given coefficients; rows that have ``accumulate`` make it by themselves, as those on another device do.
Accumulate = Callable[
    [Kernel, Any, tuple[int, int], Array | None, Any, Respond, Visit | None],
    tuple[Array, Array],
]


@dataclass(frozen=True)
class Moments:
    """All that EM ever needs from the data, in float64.

    Attributes:
        log_likelihood: (R,) weighted sum over rows.
        n: (R, G) sums of memberships. first: (R, G, d). second: (R, G, d, d) or (R, G, d); (R, 1, ...) where only
            the sum over components is known, see ``shared``.
    """

    log_likelihood: Array
    n: Array
    first: Array
    second: Array

    def take(self, chains: NDArray[Any]) -> Moments:
        """Only these chains."""
        return Moments(self.log_likelihood[chains], self.n[chains], self.first[chains], self.second[chains])


class Rows(Protocol):
    """Rows in the coordinates of a fit, delivered in blocks."""

    n: int
    dimension: int

    def blocks(self, kernel: Kernel, dtype: Any, height: int) -> Iterator[Block]:
        """(rows, features) for consecutive rows, at most ``height`` at a time."""

    def row(self, index: int) -> Array:
        """One row (d,)."""


class MemoryRows:
    """Rows held in memory; features are kept between passes while they are small.

    Args:
        x: (n, d) float64, finite.
    """

    def __init__(self, x: Array) -> None:
        self.x = np.ascontiguousarray(x, dtype=np.float64)
        self.n, self.dimension = self.x.shape
        self._cache: dict[tuple[type, Any], Real] = {}
        self.squares = SquaresOfRows(self.x)

    def blocks(self, kernel: Kernel, dtype: Any, height: int) -> Iterator[Block]:
        """Consecutive blocks."""
        key = (type(kernel), np.dtype(dtype))
        if key not in self._cache and self.n * kernel.width(self.dimension) * key[1].itemsize <= CACHED_FEATURES:
            self._cache[key] = kernel.features(self.x.astype(dtype))
        kept = self._cache.get(key)
        if kept is None:
            height = min(height, max(FRESH_FEATURES // (kernel.width(self.dimension) * key[1].itemsize), 64))
        for start in range(0, self.n, height):
            rows = slice(start, min(start + height, self.n))
            yield rows, kept[rows] if kept is not None else kernel.features(self.x[rows].astype(dtype))

    def row(self, index: int) -> Array:
        """One row."""
        return self.x[index]


def soft(joint: Real, rows: slice) -> Real:
    """Bayes' rule in place: memberships p(k | x). Returns log f(x)."""
    top = joint.max(axis=0)
    joint -= top
    if joint.dtype == np.float64:
        # Exponentials that underflow, as those of components switched off do, take ten times as long as others.
        np.maximum(joint, LEAST, out=joint)
        np.exp(joint, out=joint)
        joint -= _OF_LEAST
    else:
        np.exp(joint, out=joint)
    total = joint.sum(axis=0)
    joint /= total
    np.log(total, out=total)
    total += top
    return total


def block_height(entries: int) -> int:
    """Rows of a block for this many chains x components."""
    return min(max(BLOCK_ENTRIES // max(entries, 1), 256), 4096)


def sweep(
    rows: Rows,
    params: Parameters,
    *,
    weights: Array | None = None,
    dtype: Any = np.float64,
    respond: Respond = soft,
    visit: Visit | None = None,
    kernel: Kernel | None = None,
    family: Family | None = None,
) -> Moments:
    """E-step over all rows and the sums for the M-step.

    Args:
        rows: n rows of d columns. params: R chains. weights: (n,) or one row of weights a chain (R, n).
        dtype: of features and memberships; sums are float64 in any case. family: that the M-step will be of, if told:
            those with one covariance take the short way of ``shared``.
    """
    own = getattr(rows, "own_sweep", None)
    if own is not None:
        # Incomplete rows are more than blocks of features: they make the pass over themselves.
        found: Moments = own(params, weights, respond, visit)
        return found
    squares = getattr(rows, "squares", None)
    common = None
    if squares is not None and kernel is None and visit is None and respond is soft:
        common = common_precision(family, params)
    if common is not None:
        kernel = LinearKernel(params.diagonal)
    kernel = kernel or choose(params.diagonal, params.dimension)
    r, g, d = params.means.shape
    theta = kernel.coefficients(params, dtype)
    accumulate: Accumulate = getattr(rows, "accumulate", None) or partial(sum_over_blocks, rows)
    sums, likelihood = accumulate(kernel, theta, (r, g), weights, dtype, respond, visit)
    n, first, second = kernel.moments(sums, (r, g, d))
    if common is not None:
        totals: Array = squares.totals(weights, params.diagonal)  # type: ignore[union-attr]
        likelihood -= 0.5 * quadratic(common, totals)
        second = np.broadcast_to(totals[:, None], (r, 1, *totals.shape[1:]))
    return Moments(likelihood, n, first, second)


def sum_over_blocks(
    rows: Rows,
    kernel: Kernel,
    theta: Any,
    shape: tuple[int, int],
    weights: Array | None,
    dtype: Any,
    respond: Respond,
    visit: Visit | None,
) -> tuple[Array, Array]:
    """The pass itself, block by block: sums (G * R, .) and log-likelihoods (R,) in float64."""
    r, g = shape
    sums = np.zeros(())
    likelihood = np.zeros(r)
    for block, phi in rows.blocks(kernel, dtype, block_height(r * g)):
        z = kernel.evaluate(theta, phi).reshape(g, r, -1)
        density = respond(z, block)
        if visit is not None:
            visit(block, z, density)
        if weights is None:
            likelihood += density.sum(axis=1, dtype=np.float64)
        else:
            w = weights[..., block]
            likelihood += (density * w).sum(axis=1, dtype=np.float64)
            z *= w.astype(dtype, copy=False)
        # Blocks of float32 are added up in float64.
        sums = np.add(sums, kernel.gather(z.reshape(g * r, -1), phi), dtype=np.float64)
    return sums, likelihood


def look(rows: Rows, params: Parameters, visit: Visit) -> None:
    """E-step over all rows in float64 that only shows its blocks to ``visit``."""
    own = getattr(rows, "own_sweep", None)
    if own is not None:
        own(params, None, soft, visit)
        return
    kernel = choose(params.diagonal, params.dimension)
    r, g, _ = params.means.shape
    theta = kernel.coefficients(params, np.float64)
    for block, phi in rows.blocks(kernel, np.float64, block_height(r * g)):
        z = kernel.evaluate(theta, phi).reshape(g, r, -1)
        visit(block, z, soft(z, block))


def partition_moments(
    rows: Rows, labels: NDArray[np.integer], components: int, diagonal: bool, weights: Array | None = None
) -> Moments:
    """The sums for hard memberships: labels (R, n), -1 for rows left out."""
    kernel = choose(diagonal, rows.dimension)
    r = len(labels)
    sums: Any = 0.0
    for block, phi in rows.blocks(kernel, np.float64, block_height(r * components)):
        z = (labels[None, :, block] == np.arange(components)[:, None, None]).astype(np.float64)
        if weights is not None:
            z *= weights[..., block]
        sums = sums + kernel.gather(z.reshape(components * r, -1), phi)
    n, first, second = kernel.moments(np.asarray(sums), (r, components, rows.dimension))
    return Moments(np.full(r, np.nan), n, first, second)


def membership_moments(rows: Rows, z: Array, diagonal: bool, weights: Array | None = None) -> Moments:
    """The sums for given memberships z (R, n, G)."""
    kernel = choose(diagonal, rows.dimension)
    r, _, g = z.shape
    sums: Any = 0.0
    for block, phi in rows.blocks(kernel, np.float64, block_height(r * g)):
        part = np.ascontiguousarray(z[:, block].transpose(2, 0, 1))
        if weights is not None:
            part *= weights[..., block]
        sums = sums + kernel.gather(part.reshape(g * r, -1), phi)
    n, first, second = kernel.moments(np.asarray(sums), (r, g, rows.dimension))
    return Moments(np.full(r, np.nan), n, first, second)
