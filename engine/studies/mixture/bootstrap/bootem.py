"""Spectral-BootEM and BootSpectral, after Welsh & Shreeves (2024).

Their paper is "A non-parametric bootstrap for spectral clustering" (arXiv:2209.05812). The steps here are
this project's reading of its abstract and of the algorithms' names, not a reproduction: Spectral-BootEM
projects once and then resamples rows in every EM iteration; BootSpectral resamples first and decomposes every
resample. Memberships are averaged over the iterations whose parameters were estimated without the row.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from engine.studies.mixture.em.em import reseed
from engine.studies.mixture.em.maximise import maximise
from engine.studies.mixture.em.sweep import MemoryRows, membership_moments, sweep
from engine.studies.mixture.model.families import DIAGONAL, Family
from engine.studies.mixture.model.parameters import Array, Parameters
from engine.studies.mixture.model.regularise import Guard


class BootEM(Resampled):
    """EM in which every iteration's M-step uses a fresh bootstrap resample (Andrews 2018; algorithm A here).

    Args:
        rows: scores in fit coordinates. start: R chains. tail: as ``Projection.tail``. Others: as ``Resampled``.
    """

    def __init__(
        self,
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
    ) -> None:
        super().__init__((start.chains, start.components, rows.n), seed, rules, tail, shift, names)
        self.rows, self.family, self.guard, self.params = rows, family, guard, contiguous(start)
        # Rows that the current parameters were estimated without; at first they come from no resample.
        self._left_out: Array | None = np.ones((start.chains, rows.n))

    def iterate(self, observe: ObserveChains | None) -> None:
        """E-step with the current parameters, M-step on a resample."""
        r = len(self.names)
        counts = self.counts(self.step)
        left_out = self._left_out
        if left_out is None:
            left_out = (self.counts(self.step - 1) == 0).astype(np.float64)
        self.trace.open(r)

        def keep(block: slice, z: Array, density: Array) -> None:
            self.trace.take(block, density, left_out[:, block])
            if self.step >= self.rules.burn:
                self.average.add(block, z, left_out[:, block])

        moments = sweep(self.rows, self.params, weights=counts, visit=keep)
        self.trace.close(self.params, np.ones(r))
        self.see(self.params, observe)
        if self.fired:
            return
        params = maximise(self.family, moments, self.guard, previous=self.params)
        params = reseed(
            self.rows, params, moments, self.family, self.guard, self.reseeds, np.arange(r), np.zeros(r), counts
        )
        self.params, self._left_out = contiguous(params), (counts == 0).astype(np.float64)

    def finish(self) -> Chains:
        """The M-step of the averaged memberships."""
        z, there = self.average.memberships(self.params.active)
        moments = membership_moments(self.rows, z, self.family in DIAGONAL)
        return self.chains(maximise(self.family, moments, self.guard, previous=self.params, active=there), z)

    def state(self) -> dict[str, Any]:
        """Plain arrays from which ``restore`` goes on."""
        return {**super().state(), "params": plain(self.params)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that ``state`` returned."""
        super().restore(state)
        self.params = Parameters(**{name: np.array(value) for name, value in state["params"].items()})
        self._left_out = None if self.step else np.ones((len(self.names), self.n))


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
    """``BootEM`` from beginning to end."""
    run = BootEM(rows, start, family, guard, seed, rules, tail=tail, shift=shift, names=names)
    run.advance(rules.most, observe)
    return run.finish()
