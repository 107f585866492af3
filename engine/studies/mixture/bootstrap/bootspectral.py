"""BootSpectral: a new decomposition of every resample (algorithm B; see ``bootem`` for its source).

The state of a chain is its memberships alone, so nothing has to be aligned between bases. The basis is carried on by
orthogonal iteration from the last one, O(n p q), instead of being computed anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.studies.mixture.bootstrap.chains import (
    RULES,
    ChainRules,
    Chains,
    ObserveChains,
    Resampled,
    contiguous,
    plain,
)
from engine.studies.mixture.bootstrap.spectral import Projection, smallest_cosine
from engine.studies.mixture.em.em import reseed
from engine.studies.mixture.em.maximise import maximise
from engine.studies.mixture.em.sweep import MemoryRows, membership_moments, sweep
from engine.studies.mixture.model.families import DIAGONAL, Family
from engine.studies.mixture.model.parameters import Array, Parameters, concatenate
from engine.studies.mixture.model.regularise import Guard

# Rounds of orthogonal iteration from the last basis; two follow a resample's axes to a few percent.
ROUNDS = 2


def weighted_projection(x: Array, weights: Array, axes: Array, rounds: int = ROUNDS) -> Projection:
    """The leading axes of the weighted rows, by orthogonal iteration (Golub & Van Loan, section 8.2) from ``axes``.

    Args:
        x: (n, p). weights: (n,). axes: (p, q) where to start.
    """
    share = weights / weights.sum()
    mean = share @ x
    centred = (x - mean) * np.sqrt(share)[:, None]
    for _ in range(rounds):
        axes = np.linalg.qr(centred.T @ (centred @ axes))[0]
    kept = ((centred @ axes) ** 2).sum()
    p, q = axes.shape
    total = (centred**2).sum()
    return Projection(mean, axes, max(float((total - kept) / max(p - q, 1)), 1e-9 * float(total) / p))


class _Chain:
    """One chain: memberships, basis, and its parameters in the current basis."""

    def __init__(self, x: Array, z: Array, projection: Projection) -> None:
        self.x, self.z, self.projection = x, z, projection
        self.params: Parameters | None = None

    def step(self, counts: Array, family: Family, guard: Guard, reseeds: Array) -> tuple[Array, Array, float]:
        """M-step in the resample's basis, E-step for all rows: (G, n) memberships, (n,) log densities, the cosine."""
        fresh = weighted_projection(self.x, counts, self.projection.axes)
        cosine = smallest_cosine(self.projection.axes, fresh.axes)
        rows = MemoryRows(fresh.scores(self.x))
        moments = membership_moments(rows, self.z[None], family in DIAGONAL, counts)
        params = maximise(family, moments, guard, previous=self._carried())
        params = reseed(rows, params, moments, family, guard, reseeds, np.zeros(1, int), np.zeros(1), counts)
        g, n = params.components, rows.n
        z, density = np.empty((g, n)), np.empty(n)

        def keep(block: slice, part: Array, value: Array) -> None:
            z[:, block], density[block] = part[:, 0], value[0]

        sweep(rows, params, visit=keep)
        axes = np.ascontiguousarray(fresh.axes)
        self.projection, self.params = replace(fresh, axes=axes), contiguous(params)
        self.z = np.ascontiguousarray(z.T)
        return z, density + fresh.tail(self.x), cosine

    def _carried(self) -> Parameters | None:
        """The last parameters as a start for alternating families; common axes belong to the last basis."""
        return None if self.params is None else replace(self.params, orientation=None)

    def state(self) -> dict[str, Any]:
        """Plain arrays."""
        at = self.projection
        found: dict[str, Any] = {"z": self.z, "mean": at.mean, "axes": at.axes, "residual": at.residual}
        return found if self.params is None else {**found, "params": plain(self.params)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """From a state."""
        self.z = np.array(state["z"])
        self.projection = Projection(np.array(state["mean"]), np.array(state["axes"]), float(state["residual"]))
        if "params" in state:
            self.params = Parameters(**{name: np.array(value) for name, value in state["params"].items()})


class BootSpectral(Resampled):
    """Resample, decompose, M-step, E-step, until the likelihood settles.

    Args:
        x: (n, p) rows. start: (R, n, G) memberships. projection: basis to start from. guard: in score coordinates.
            Others: as ``Resampled``.
    """

    def __init__(
        self,
        x: Array,
        start: Array,
        projection: Projection,
        family: Family,
        guard: Guard,
        seed: int,
        rules: ChainRules = RULES,
        *,
        shift: float = 0.0,
        names: list[int] | None = None,
    ) -> None:
        r, n, g = start.shape
        super().__init__((r, g, n), seed, rules, None, shift, names)
        self.x, self.projection, self.family, self.guard = x, projection, family, guard
        self._chains = [_Chain(x, z, projection) for z in start]

    def iterate(self, observe: ObserveChains | None) -> None:
        """One step of every chain."""
        r, g, n = len(self.names), self.average.out.shape[0], self.n
        counts, everywhere = self.counts(self.step), slice(0, n)
        z, density, cosine = np.empty((g, r, n)), np.empty((r, n)), np.empty(r)
        for k, chain in enumerate(self._chains):
            z[:, k], density[k], cosine[k] = chain.step(counts[k], self.family, self.guard, self.reseeds[k : k + 1])
        left_out = (counts == 0).astype(np.float64)
        params = concatenate([chain.params for chain in self._chains if chain.params is not None])
        self.trace.open(r)
        self.trace.take(everywhere, density, left_out)
        self.trace.close(params, cosine)
        if self.step >= self.rules.burn:
            self.average.add(everywhere, z, left_out)
        self.see(params, observe)

    def basis(self, chain: int) -> Projection:
        """The axes that a chain is on."""
        return self._chains[chain].projection

    def finish(self) -> Chains:
        """The M-step of the averaged memberships, on the axes of all rows."""
        ended = [chain.params for chain in self._chains if chain.params is not None]
        memberships, there = self.average.memberships(np.concatenate([params.active for params in ended]))
        rows = MemoryRows(self.projection.scores(self.x))
        moments = membership_moments(rows, memberships, self.family in DIAGONAL)
        return self.chains(maximise(self.family, moments, self.guard, active=there), memberships)

    def state(self) -> dict[str, Any]:
        """Plain arrays from which ``restore`` goes on."""
        return {**super().state(), "chains": [chain.state() for chain in self._chains]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned."""
        super().restore(state)
        for chain, saved in zip(self._chains, state["chains"], strict=True):
            chain.restore(saved)
