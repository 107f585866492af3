"""Chains that a choice of model runs together: where they begin, and which of them go on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.em import Outcome
from engine.studies.mixture.model.families import DIAGONAL, SUBMODELS, Family
from engine.studies.mixture.model.orientation import shared_axes
from engine.studies.mixture.model.parameters import Parameters, concatenate
from engine.studies.mixture.model.regularise import Guard, keep_above
from engine.studies.mixture.search.race import distinct

_EACH = ("weights", "means", "covariances", "precisions", "log_determinants", "active")


@dataclass
class Pool:
    """Chains of one family whose numbers of components share a guard.

    Attributes:
        params: R chains. owners: (R,) their numbers of components. origins: R names of the models that they begin at,
            "" for partitions. special: number -> special case -> objective at its solution.
    """

    family: Family
    guard: Guard
    params: Parameters
    owners: NDArray[np.integer]
    origins: list[str]
    special: dict[int, dict[str, float]] = field(default_factory=dict)

    def note(self, objective: NDArray[np.float64]) -> None:
        """Take down the objectives at which the special cases begin."""
        for chain, name in enumerate(self.origins):
            if name in SUBMODELS[self.family]:
                self.special.setdefault(int(self.owners[chain]), {})[name] = float(objective[chain])

    def thin_out(self, out: Outcome, most: int, gap: float) -> None:
        """Keep of each number the best ``most`` chains, alike ones left out, and the best from a partition."""
        score, own = out.score(self.guard), np.array([origin == "" for origin in self.origins])
        kept: set[int] = set()
        for g in np.unique(self.owners):
            mine = np.flatnonzero(self.owners == g)
            kept.update(mine[distinct(score[mine], most, gap)].tolist())
            started = mine[own[mine]]
            kept.update(started[[int(np.argmax(score[started]))]].tolist() if len(started) else [])
        chosen = np.array(sorted(kept), dtype=np.intp)
        self.params, self.owners = out.params.take(chosen), self.owners[chosen]
        self.origins = [self.origins[chain] for chain in chosen]


def by_likelihood(guard: Guard) -> bool:
    """Whether chains are compared by log-likelihood, since the prior's own density rewards thin components."""
    return guard.prior is not None and guard.prior.ranks_by_likelihood


def embed(params: Parameters, family: Family, guard: Guard) -> Parameters:
    """Parameters of a special case, written as parameters of ``family``."""
    if family in DIAGONAL:
        return params
    covariances, precisions, logs = keep_above(params.full_covariances().copy(), guard.floor)
    axes = None
    if family in ("EVE", "VVE"):
        axes = shared_axes(covariances)
    return replace(params, covariances=covariances, precisions=precisions, log_determinants=logs, orientation=axes)


def split(params: Parameters, component: int | list[int], apart: float = 0.5) -> Parameters:
    """One component more in a single chain: one component in two halves; a chain for each component given.

    Args:
        apart: distance of their means from the old one, in deviations along its longest axis.
    """
    k = np.atleast_1d(component)
    chains, last = np.arange(len(k)), params.components
    values, axes = np.linalg.eigh(params.full_covariances()[0, k])
    step = apart * np.sqrt(values[:, -1:]) * axes[:, :, -1]
    order = np.concatenate([np.tile(np.arange(last), (len(k), 1)), k[:, None]], axis=1)
    repeated = params.take(np.zeros(len(k), np.intp))
    halves = replace(repeated, **{name: getattr(params, name)[0, order] for name in _EACH})
    halves.weights[chains, k] /= 2
    halves.weights[:, last] /= 2
    halves.means[chains, k] += step
    halves.means[:, last] -= step
    return halves


def heaviest(params: Parameters) -> list[int]:
    """Components of a single chain by falling weight."""
    found: list[int] = np.argsort(-params.weights[0], kind="stable").tolist()
    return found


def together(parts: list[Parameters], family: Family) -> Parameters:
    """Chains in one batch; without axes of their own those of EVE and VVE get the axes that they share."""
    if family in ("EVE", "VVE"):
        parts = [part if part.orientation is not None else replace(part, orientation=shared_axes(part.covariances))
                 for part in parts]  # fmt: skip
    return concatenate(parts)


def shrunk(params: Parameters, components: int) -> Parameters:
    """Drop padding beyond ``components``."""
    return replace(params, **{name: getattr(params, name)[:, :components] for name in _EACH})
