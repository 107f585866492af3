"""Out-of-bag likelihoods of many models at once: refits on resamples, judged by the rows that they have not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.em.em import Control, Observe, expectation_maximisation
from engine.studies.mixture.em.sweep import Rows, sweep
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.escape import resample

# Refits begin at the fit and need not be exact: models differ by far more than resamples leave open.
CONTROL = Control(tolerance=1e-4, max_iterations=40)
ENTRIES = 1 << 21  # chains x components x columns^2 of one batch
WEIGHTS = 1 << 23  # chains x rows of one batch


def out_of_bag(
    rows: Rows,
    solutions: Parameters,
    family: Family,
    guard: Guard,
    seed: int,
    resamples: int,
    *,
    observe: Observe | None = None,
) -> Array:
    """Mean over the rows of the mean log density in refits that did not contain the row (Andrews 2018): (M,).

    Every model sees the same resamples, so that differences between models are not differences between resamples.

    Args:
        rows: n rows in fit coordinates. solutions: M models, one chain each; refits begin there.
        resamples: bootstrap resamples. observe: sees every pass; may raise to stop.

    Returns: nats per row, in fit coordinates; rows that every resample contains do not count.
    """
    models, n = solutions.chains, rows.n
    total, times = np.zeros((models, n)), np.zeros(n)
    each = models * solutions.components * rows.dimension**2
    size = max(1, min(resamples, ENTRIES // max(each, 1), WEIGHTS // (models * n)))
    for first in range(0, resamples, size):
        numbers = range(first, min(first + size, resamples))
        counts = np.array([resample(n, generator(seed, "out of bag", b)) for b in numbers])
        begin = solutions.take(np.repeat(np.arange(models), len(counts)))
        weights = np.tile(counts, (models, 1))
        out = expectation_maximisation(rows, begin, family, guard, CONTROL, weights=weights, observe=observe)
        density = log_densities(rows, out.params).reshape(models, len(counts), n)
        left_out = counts == 0
        total += np.where(left_out, density, 0.0).sum(axis=1)
        times += left_out.sum(axis=0)
    seen = times > 0
    if not seen.any():
        return np.full(models, np.nan)
    return np.asarray((total[:, seen] / times[seen]).mean(axis=1))


def log_densities(rows: Rows, params: Parameters) -> Array:
    """log f(x), (R, n)."""
    density = np.empty((params.chains, rows.n))

    def keep(block: slice | NDArray[np.intp], _z: Array, value: Array) -> None:
        density[:, block] = value

    sweep(rows, params, visit=keep)
    return density
