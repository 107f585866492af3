"""Chains of resampled EM: when they stop, what they average and trace, which is taken, and how they are taken up again.

Memberships are averaged over the iterations whose parameters were estimated without the row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.model.agreement import variation_of_information
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.search.escape import resample

# Rows of a component below which a chain counts as one that has lost it.
KEPT = 5
# Rows by which chains are compared.
COMPARED = 2000


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
        best: of the chains that kept their components and whose out-of-bag likelihood over the last window is not below
            the highest but by noise, the one that agrees most with the others. settled: whether the stop rule fired.
            reseeds: (R,).
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

    def memberships(self, active: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
        """(R, n, G), rows sum to 1; and (R, G) which components are there: active ones that own a row in all."""
        z = np.where(self.times > 0, self.out, self.all)
        share = np.where(active.T[:, :, None], z / np.maximum(z.sum(axis=0), 1e-300), 0.0)
        there = (share.sum(axis=2) >= 1).T & active
        kept = there.T[:, :, None].astype(np.float64)
        z = z * kept
        # A row that belonged wholly to a component that is gone may belong to any.
        z = np.where(z.sum(axis=0) > 0, z, kept)
        z = z / z.sum(axis=0)
        return np.ascontiguousarray(z.transpose(1, 2, 0)), there

    def state(self) -> dict[str, Any]:
        """Plain arrays from which ``restore`` goes on."""
        return {"out": self.out, "times": self.times, "all": self.all}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned."""
        self.out, self.times, self.all = (np.array(state[name]) for name in ("out", "times", "all"))


def settled(trace: list[Array], rules: ChainRules) -> bool:
    """Whether the means of the last two windows differ by less than noise or tolerance, in every chain.

    Args:
        trace: T entries (R,) per row.
    """
    return bool(unrest(trace, rules) < 1)


def unrest(trace: list[Array], rules: ChainRules) -> float:
    """How far the last two windows differ, in what counts as level, in the chain that moves most; inf before them."""
    w = rules.window
    if len(trace) < rules.burn + 2 * w:
        return float("inf")
    late, early = np.array(trace[-w:]), np.array(trace[-2 * w : -w])
    error = np.sqrt((late.var(axis=0, ddof=1) + early.var(axis=0, ddof=1)) / w)
    change = np.abs(late.mean(axis=0) - early.mean(axis=0))
    return float((change / np.maximum(2 * error, rules.tolerance)).max())


class Traces:
    """Per-iteration likelihoods of R chains, on all columns.

    Args:
        tail: (n,) residual terms. shift: log volume.
    """

    NAMES = ("log_likelihood", "out_of_bag", "weights", "cosine")

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

    def best(self, window: int, least: float = 0.0) -> int:
        """The chain with the highest out-of-bag likelihood over the last window.

        Args:
            least: weight that all components of a chain should have; chains in which one has less, since it was
                swallowed, count only where there is no other.
        """
        out = np.array(self.out_of_bag[-window:]).mean(axis=0)
        whole = self.weights[-1].min(axis=1) >= least
        return int(np.argmax(np.where(whole | ~whole.any(), out, -np.inf)))

    def state(self) -> dict[str, Any]:
        """Plain arrays from which ``restore`` goes on."""
        return {name: np.array(getattr(self, name)) for name in self.NAMES}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned."""
        for name in self.NAMES:
            setattr(self, name, list(np.array(state[name])))


class Resampled(ABC):
    """Chains of resampled EM that can be stopped after any iteration and taken up again.

    Args:
        chains, components, n: R, G and rows. seed: of the resamples. names: numbers of the chains, which name their
            random streams; default 0 .. R - 1. tail: (n,) added to log densities. shift: added to every log density.

    Attributes:
        step: iterations so far. over: whether the stop rule fired or ``rules.most`` is reached.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        seed: int,
        rules: ChainRules,
        tail: Array | None,
        shift: float,
        names: list[int] | None,
    ) -> None:
        chains, components, n = shape
        self.n, self.seed, self.rules = n, seed, rules
        self.names = list(range(chains)) if names is None else names
        self.average = Averages(chains, components, n)
        self.trace = Traces(np.zeros(n) if tail is None else tail, shift)
        self.reseeds: NDArray[np.intp] = np.zeros(chains, np.intp)
        self.step, self.fired = 0, False

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.fired or self.step >= self.rules.most

    def advance(self, iterations: int, observe: ObserveChains | None = None) -> None:
        """At most so many iterations more."""
        for _ in range(iterations):
            if self.over:
                return
            self.iterate(observe)
            self.step += 1

    def counts(self, step: int) -> Array:
        """(R, n) of the resamples of an iteration."""
        return np.array([resample(self.n, generator(self.seed, "chain", name, step)) for name in self.names])

    def see(self, params: Parameters, observe: ObserveChains | None) -> None:
        """Close the iteration's trace, show it, and look whether the chains have settled."""
        if observe is not None:
            trace = self.trace
            last = (trace.log_likelihood[-1], trace.out_of_bag[-1], trace.cosine[-1])
            observe(ChainStep(self.step, params, *last))
        self.fired = settled(self.trace.log_likelihood, self.rules)

    def best(self) -> int:
        """The best chain so far that keeps its components."""
        return self.trace.best(self.rules.window, KEPT / self.n)

    @abstractmethod
    def iterate(self, observe: ObserveChains | None) -> None:
        """One iteration of all chains."""

    @abstractmethod
    def finish(self) -> Chains:
        """The M-step of the averaged memberships."""

    def chains(self, params: Parameters, z: Array) -> Chains:
        """The result, with these final parameters and memberships (R, n, G)."""
        trace = self.trace
        likelihood, out, weights, cosine = (np.array(getattr(trace, name)) for name in trace.NAMES)
        best = self._agreed(out[-self.rules.window :], params.weights.min(axis=1) * self.n >= KEPT, z)
        return Chains(params, z, likelihood, out, weights, cosine, best, self.fired, self.reseeds)

    def _agreed(self, out: Array, whole: NDArray[np.bool_], z: Array) -> int:
        """Of the chains whose out-of-bag likelihood noise cannot tell from the highest, the one most like the others.

        The likelihood alone would pick by the accidents of the last resamples: of 12 seeds 2 then give the same labels
        of iris, with agreement 10.

        Args:
            out: (W, R) of the last window. whole: (R,) chains that kept their components. z: (R, n, G).
        """
        mean, error = out.mean(axis=0), out.std(axis=0) / np.sqrt(len(out))
        mean = np.where(whole | ~whole.any(), mean, -np.inf)
        top = int(mean.argmax())
        tied = np.flatnonzero(mean >= mean[top] - 2 * np.hypot(error, error[top]))
        labels = z[tied, :: max(1, self.n // COMPARED)].argmax(axis=2)
        return int(tied[variation_of_information(labels, labels).sum(axis=1).argmin()])

    def state(self) -> dict[str, Any]:
        """Plain arrays from which ``restore`` goes on."""
        return {
            "step": self.step, "fired": self.fired, "reseeds": self.reseeds, "average": self.average.state(),
            "trace": self.trace.state(),
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned."""
        self.step, self.fired, self.reseeds = int(state["step"]), bool(state["fired"]), np.array(state["reseeds"])
        self.average.restore(state["average"])
        self.trace.restore(state["trace"])


def plain(params: Parameters) -> dict[str, Array]:
    """Parameters as arrays by name, for storage."""
    return {name: value for name, value in vars(params).items() if value is not None}


def contiguous(params: Parameters) -> Parameters:
    """The same parameters laid out as storage gives them back, so that sums come out alike after a stop."""
    return Parameters(**{name: np.ascontiguousarray(value) for name, value in plain(params).items()})
