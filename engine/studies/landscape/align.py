"""Bring the units of one network into the order of another's, without changing its function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from engine import seeding
from engine.studies.landscape.permutations import Group, Permutation, Symmetry, move_group
from engine.studies.landscape.tracing import find_symmetry
from engine.studies.landscape.vectors import Outputs, Params, wide


@dataclass(frozen=True)
class Alignment:
    """The second network in the order of the first.

    Attributes:
        params, fixed: its moved weights and buffers. permutations: for each group, the old unit at each place.
        symmetry: the groups. distance_before, distance_after: Euclidean distance of the weights to the first network's.
        sweeps: passes over all groups until nothing improved.
    """

    params: dict[str, Tensor]
    fixed: dict[str, Tensor]
    permutations: list[Permutation]
    symmetry: Symmetry
    distance_before: float
    distance_after: float
    sweeps: int


def align(
    outputs: Outputs,
    first: Params,
    second: Params,
    x: Tensor,
    *,
    fixed: Params | None = None,
    tries: int = 3,
    max_sweeps: int = 100,
    seed: int = 0,
) -> Alignment:
    """Permute the units of ``second`` so that its weights come as close to those of ``first`` as can be found.

    Coordinate descent: each group's best order, the others held, is a linear assignment; groups take turns in seeded
    order until none improves. That is a local optimum (the joint problem is NP-hard); the best of several is kept.

    Args:
        outputs: the network's function, called with ``{**fixed, **params}``. x: (n, ...) a few inputs to trace it with.
        first, second: weights by name. fixed: buffers of ``second``, moved along.

    Raises:
        NotPermutable.

    Source: Ainsworth, Hayase and Srinivasa 2023, Git Re-Basin, section 3.2, algorithm 1.
    """
    symmetry = find_symmetry(outputs, second, x, fixed=fixed)
    runs = [
        match_weights(symmetry, first, second, max_sweeps=max_sweeps, stream=seeding.generator(seed, "align", attempt))
        for attempt in range(max(1, tries))
    ]
    candidates = [(weight_distance(first, symmetry.apply(second, orders)), orders, sweeps) for orders, sweeps in runs]
    distance, orders, sweeps = min(candidates, key=lambda one: one[0])
    return Alignment(
        params=symmetry.apply(second, orders), fixed=symmetry.apply(fixed or {}, orders), permutations=orders,
        symmetry=symmetry, distance_before=weight_distance(first, second), distance_after=distance, sweeps=sweeps,
    )  # fmt: skip


def match_weights(
    symmetry: Symmetry, first: Params, second: Params, *, max_sweeps: int, stream: np.random.Generator
) -> tuple[list[Permutation], int]:
    """Coordinate descent from the identity; returns the orders and the number of sweeps."""
    moved = {name: wide(tensor.detach()) for name, tensor in second.items()}
    target = {name: wide(tensor.detach()) for name, tensor in first.items()}
    orders = symmetry.identity()
    sweeps, improved = 0, True
    while improved and sweeps < max_sweeps:
        sweeps, improved = sweeps + 1, False
        for index in stream.permutation(len(symmetry.groups)):
            group = symmetry.groups[index]
            gains = _similarity(group, target, moved)
            _, best = linear_sum_assignment(gains, maximize=True)
            now = np.trace(gains)
            if gains[np.arange(group.size), best].sum() > now + 1e-9 * max(1.0, abs(now)):
                move_group(moved, group, best)
                orders[index] = orders[index][best]
                improved = True
    return orders, sweeps


def _similarity(group: Group, first: Params, second: Params) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(n, n) inner product of what belongs to unit i in the first network and to unit j in the second."""
    total = torch.zeros(group.size, group.size, dtype=torch.float64)
    for place in group.axes:
        if place.name in first:
            one, other = (
                tensors[place.name].narrow(place.axis, place.start, group.size * place.repeat).movedim(place.axis, 0)
                for tensors in (first, second)
            )
            total += (one.reshape(group.size, -1) @ other.reshape(group.size, -1).T).cpu()
    return total.numpy()


def weight_distance(first: Params, second: Params, names: Sequence[str] | None = None) -> float:
    """||theta - theta'||_2 over all (or the named) tensors, summed in double precision."""
    chosen = names if names is not None else list(first)
    squares = [float((wide(first[name]) - wide(second[name])).pow(2).sum()) for name in chosen]
    return float(np.sqrt(sum(squares)))
