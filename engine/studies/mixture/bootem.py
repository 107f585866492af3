"""Spectral-BootEM and BootSpectral, after Welsh & Shreeves (2024).

Their paper is "A non-parametric bootstrap for spectral clustering" (arXiv:2209.05812). The steps here are
this project's reading of its abstract and of the algorithms' names, not a reproduction: Spectral-BootEM
projects once and then resamples rows in every EM iteration; BootSpectral resamples first and decomposes every
resample. Memberships are averaged over the iterations whose parameters were estimated without the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.em import reseed
from engine.studies.mixture.escape import resample
from engine.studies.mixture.families import DIAGONAL, Family
from engine.studies.mixture.maximise import maximise
from engine.studies.mixture.parameters import Array, Parameters
from engine.studies.mixture.regularise import Guard
from engine.studies.mixture.sweep import MemoryRows, membership_moments, sweep


@dataclass(frozen=True)
class ChainRules:
    """When resampled EM, whose likelihood is a random sequence, stops.

    Attributes:
        burn: iterations before memberships are averaged. window: W. most: iterations at most. tolerance: nats per row.
    """

    burn: int = 20
    window: int = 20
    most: int = 300
    tolerance: float = 1e-4


@dataclass(frozen=True)
class ChainStep:
    """What an observer sees after each iteration.

    Attributes:
        step: from 0. params: of all chains, in the coordinates of the scores.
        log_likelihood, out_of_bag: (R,) per row, on all columns; out_of_bag over rows not drawn.
        cosine: (R,) smallest cosine between successive bases; 1 where the basis is fixed.
    """

    step: int
    params: Parameters
    log_likelihood: Array
    out_of_bag: Array
    cosine: Array


@dataclass
class Chains:
    """Resampled EM of R chains.

    Attributes:
        params: R chains: the M-step of the averaged memberships. memberships: (R, n, G), out-of-bag averages.
        log_likelihood, out_of_bag: (T, R) traces per row. weights: (T, R, G) trace. cosine: (T, R) trace.
        best: the chain with the highest out-of-bag likelihood over the last window. settled: whether the stop rule
            fired. reseeds: (R,).
    """

    params: Parameters
    memberships: Array
    log_likelihood: Array
    out_of_bag: Array
    weights: Array
    cosine: Array
    best: int
    settled: bool
    reseeds: NDArray[np.intp]


RULES = ChainRules()
ObserveChains = Callable[[ChainStep], None]


class Averages:
    """Sums of memberships over out-of-bag iterations, and over all for rows never left out.

    Args:
        chains, components, n: shape of the memberships.
    """

    def __init__(self, chains: int, components: int, n: int) -> None:
        self.out = np.zeros((components, chains, n))
        self.times = np.zeros((chains, n))
        self.all = np.zeros((components, chains, n))

    def add(self, rows: slice, z: Array, left_out: Array) -> None:
        """z (G, R, c); left_out (R, c) of 0 and 1."""
        self.out[:, :, rows] += z * left_out
        self.times[:, rows] += left_out
        self.all[:, :, rows] += z

    def memberships(self) -> Array:
        """(R, n, G), rows sum to 1."""
        z = np.where(self.times > 0, self.out, self.all)
        z = z / np.maximum(z.sum(axis=0), 1e-300)
        return np.ascontiguousarray(z.transpose(1, 2, 0))


def settled(trace: list[Array], rules: ChainRules) -> bool:
    """Whether the means of the last two windows differ by less than noise or tolerance, in every chain.

    Args:
        trace: T entries (R,) per row.
    """
    w = rules.window
    if len(trace) < rules.burn + 2 * w:
        return False
    late, early = np.array(trace[-w:]), np.array(trace[-2 * w : -w])
    error = np.sqrt((late.var(axis=0, ddof=1) + early.var(axis=0, ddof=1)) / w)
    return bool(np.all(np.abs(late.mean(axis=0) - early.mean(axis=0)) < np.maximum(2 * error, rules.tolerance)))


def boot_em(
    rows: MemoryRows,
    start: Parameters,
    family: Family,
    guard: Guard,
    seed: int,
    rules: ChainRules = RULES,
    *,
    tail: Array | None = None,
    shift: float = 0.0,
    names: list[int] | None = None,
    observe: ObserveChains | None = None,
) -> Chains:
    """EM in which every iteration's M-step uses a fresh bootstrap resample (Andrews 2018; algorithm A here).

    Args:
        rows: scores in fit coordinates. start: R chains. tail: (n,) added to log densities (``Projection.tail``).
        shift: added to every log density (log volume of the coordinates). names: numbers of the chains, which name
            their random streams; default 0 .. R - 1.
    """
    r, g, n = start.chains, start.components, rows.n
    names = list(range(r)) if names is None else names
    average, params = Averages(r, g, n), start
    trace = Traces(np.zeros(n) if tail is None else tail, shift)
    reseeds, fired = np.zeros(r, int), False
    # Rows that the current parameters were estimated without; at first they come from no resample.
    left_out = np.ones((r, n))
    for step in range(rules.most):
        counts = np.array([resample(n, generator(seed, "chain", name, step)) for name in names])
        trace.open(r)

        def keep(block: slice, z: Array, density: Array, left_out: Array = left_out, step: int = step) -> None:
            trace.take(block, density, left_out[:, block])
            if step >= rules.burn:
                average.add(block, z, left_out[:, block])

        moments = sweep(rows, params, weights=counts, visit=keep)
        trace.close(params, np.ones(r))
        if observe is not None:
            observe(ChainStep(step, params, trace.log_likelihood[-1], trace.out_of_bag[-1], np.ones(r)))
        if settled(trace.log_likelihood, rules):
            fired = True
            break
        params = maximise(family, moments, guard, previous=params)
        params = reseed(rows, params, moments, family, guard, reseeds, np.arange(r), np.zeros(r), counts)
        left_out = (counts == 0).astype(np.float64)
    z = average.memberships()
    moments = membership_moments(rows, z, family in DIAGONAL)
    final = maximise(family, moments, guard, previous=params)
    return trace.chains(final, z, rules, fired, reseeds)


class Traces:
    """Per-iteration likelihoods of R chains, on all columns.

    Args:
        tail: (n,) residual terms. shift: log volume.
    """

    def __init__(self, tail: Array, shift: float) -> None:
        self.tail, self.shift = tail, shift
        self.log_likelihood: list[Array] = []
        self.out_of_bag: list[Array] = []
        self.weights: list[Array] = []
        self.cosine: list[Array] = []

    def open(self, chains: int) -> None:
        """Begin an iteration."""
        self._sum, self._out, self._times = np.zeros(chains), np.zeros(chains), np.zeros(chains)

    def take(self, rows: slice, density: Array, left_out: Array) -> None:
        """Add a block: log densities (R, c)."""
        value = density + self.tail[rows] + self.shift
        self._sum += value.sum(axis=1)
        self._out += (value * left_out).sum(axis=1)
        self._times += left_out.sum(axis=1)

    def close(self, params: Parameters, cosine: Array) -> None:
        """End an iteration."""
        self.log_likelihood.append(self._sum / len(self.tail))
        self.out_of_bag.append(self._out / np.maximum(self._times, 1))
        self.weights.append(params.weights)
        self.cosine.append(cosine)

    def chains(self, params: Parameters, z: Array, rules: ChainRules, fired: bool, reseeds: Array) -> Chains:
        """The finished chains."""
        out = np.array(self.out_of_bag)
        best = int(np.argmax(out[-rules.window :].mean(axis=0)))
        return Chains(
            params,
            z,
            np.array(self.log_likelihood),
            out,
            np.array(self.weights),
            np.array(self.cosine),
            best,
            fired,
            reseeds,
        )
