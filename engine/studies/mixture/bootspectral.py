"""BootSpectral: a new decomposition of every resample (algorithm B; see ``bootem`` for its source).

The state of a chain is its memberships alone, so nothing has to be aligned between bases. The basis is carried on by
orthogonal iteration from the last one, O(n p q), instead of being computed anew.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.seeding import generator
from engine.studies.mixture.bootem import RULES, Averages, ChainRules, Chains, ChainStep, ObserveChains, Traces, settled
from engine.studies.mixture.em import reseed
from engine.studies.mixture.escape import resample
from engine.studies.mixture.families import DIAGONAL, Family
from engine.studies.mixture.maximise import maximise
from engine.studies.mixture.parameters import Array, Parameters, concatenate
from engine.studies.mixture.regularise import Guard
from engine.studies.mixture.spectral import Projection, smallest_cosine
from engine.studies.mixture.sweep import MemoryRows, membership_moments, sweep

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
        self.projection, self.params, self.z = fresh, params, np.ascontiguousarray(z.T)
        return z, density + fresh.tail(self.x), cosine

    def _carried(self) -> Parameters | None:
        """The last parameters as a start for alternating families; common axes belong to the last basis."""
        return None if self.params is None else replace(self.params, orientation=None)


def boot_spectral(
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
    observe: ObserveChains | None = None,
) -> Chains:
    """Resample, decompose, M-step, E-step, until the likelihood settles.

    Args:
        x: (n, p) rows. start: (R, n, G) memberships. projection: basis to start from. guard: in score coordinates.
        shift, names, observe: as in ``boot_em``.
    """
    r, n, g = start.shape
    names = list(range(r)) if names is None else names
    chains = [_Chain(x, z, projection) for z in start]
    average, trace = Averages(r, g, n), Traces(np.zeros(n), shift)
    reseeds, fired, everywhere = np.zeros(r, int), False, slice(0, n)
    for step in range(rules.most):
        trace.open(r)
        z, density, cosine, left_out = np.empty((g, r, n)), np.empty((r, n)), np.empty(r), np.empty((r, n))
        for k, (chain, name) in enumerate(zip(chains, names, strict=True)):
            counts = resample(n, generator(seed, "chain", name, step))
            left_out[k] = counts == 0
            z[:, k], density[k], cosine[k] = chain.step(counts, family, guard, reseeds[k : k + 1])
        params = concatenate([chain.params for chain in chains if chain.params is not None])
        trace.take(everywhere, density, left_out)
        trace.close(params, cosine)
        if step >= rules.burn:
            average.add(everywhere, z, left_out)
        if observe is not None:
            observe(ChainStep(step, params, trace.log_likelihood[-1], trace.out_of_bag[-1], cosine))
        if settled(trace.log_likelihood, rules):
            fired = True
            break
    memberships = average.memberships()
    rows = MemoryRows(projection.scores(x))
    final = maximise(family, membership_moments(rows, memberships, family in DIAGONAL), guard)
    return trace.chains(final, memberships, rules, fired, reseeds)
