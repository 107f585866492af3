"""Random directions in weight space, scaled against the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from engine.errors import EngineError
from engine.seeding import generator
from engine.studies.landscape.vectors import Layout
from engine.studies.landscape.weights import check_vector

Scaling = Literal["filter", "layer", "weight", "none"]


class ParallelDirections(EngineError):
    """Raised where directions span no plane."""

    what = "The directions do not span a plane."
    why = "Direction {index} is zero or lies along the ones before it."
    remedy = "Choose other directions, or draw them with another seed."


def random_direction(
    layout: Layout, weights: Tensor, seed: int, index: int, *, scaling: Scaling = "filter", vectors: bool = False
) -> Tensor:
    """A Gaussian direction, scaled like the weights (Li et al. 2018, section 4, equation 1).

    Each parameter tensor draws from a stream of its own, named by (seed, index, parameter): directions of other
    indices, and tensors added to a network, change nothing.

    Args:
        layout: of the network's trainable parameters. weights: (n,), the scale to follow. index: which direction.
        scaling: "filter" gives each output filter or neuron (first axis of a tensor) the norm of that filter in
            ``weights``; "layer" does so for each parameter tensor; "weight" multiplies each number by the weight's
            magnitude; "none" leaves the standard normal numbers.
        vectors: give biases and normalisation weights (1-D tensors) a direction as well, scaled as one layer; by
            default it is zero for them, as in the paper's experiments.
    Returns:
        (n,) in the type and on the device of ``weights``.
    """
    parts = []
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        if len(shape) < 2 and not vectors:
            parts.append(torch.zeros(shape.numel()))
            continue
        drawn = torch.from_numpy(generator(seed, "direction", index, name).standard_normal(shape.numel()))
        own = weights[layout.slices[name]].detach().cpu().double()
        filters = shape[0] if scaling == "filter" and len(shape) > 1 else 1
        parts.append(_scaled(drawn, own, filters, scaling))
    return torch.cat(parts).to(weights.device, weights.dtype)


def _scaled(drawn: Tensor, own: Tensor, filters: int, scaling: Scaling) -> Tensor:
    if scaling == "none":
        return drawn
    if scaling == "weight":
        return drawn * own.abs()
    drawn, own = drawn.view(filters, -1), own.view(filters, -1)
    return (drawn * (own.norm(dim=1) / drawn.norm(dim=1))[:, None]).view(-1)


def random_plane(
    layout: Layout,
    weights: Tensor,
    seed: int,
    *,
    scaling: Scaling = "filter",
    vectors: bool = False,
    orthogonal: bool = False,
    count: int = 2,
) -> Tensor:
    """``count`` random directions, (count, n); see ``random_direction``.

    With ``orthogonal`` they are made so by Gram-Schmidt, which keeps each one's norm but changes the norms of the
    filters by a part of the order of the cosine between them (about 1/sqrt(n)).
    """
    drawn = [random_direction(layout, weights, seed, i, scaling=scaling, vectors=vectors) for i in range(count)]
    directions = torch.stack(drawn)
    return orthogonalised(directions, unit=False) if orthogonal else directions


def orthogonalised(directions: Tensor, *, unit: bool) -> Tensor:
    """Gram-Schmidt in double precision, twice for orthogonality to rounding (Giraud et al. 2005).

    Args:
        directions: (K, n). unit: norm 1 for all; otherwise each keeps its norm.
    Raises:
        ParallelDirections: one depends on those before it.
    """
    basis: list[Tensor] = []
    norms = directions.double().norm(dim=1)
    for index, direction in enumerate(directions.double()):
        rest = direction
        for _ in range(2):
            for axis in basis:
                rest = rest - axis * (axis @ rest)
        if not bool(rest.norm() > 1e-7 * norms[index]):
            raise ParallelDirections(index=index + 1)
        basis.append(rest / rest.norm())
    result = torch.stack(basis)
    return (result if unit else result * norms[:, None]).to(directions.dtype)


@dataclass(frozen=True)
class DirectionReport:
    """What to tell about directions next to a picture.

    Attributes:
        norms: K Euclidean norms. cosines: K x K cosines between them. weights_norm: norm of the weights.
        tensor_norms: parameter name -> its K norms. weights_tensor_norms: parameter name -> norm of its weights.
    """

    norms: list[float]
    cosines: list[list[float]]
    weights_norm: float
    tensor_norms: Mapping[str, list[float]]
    weights_tensor_norms: Mapping[str, float]


def describe(layout: Layout, weights: Tensor, directions: Tensor) -> DirectionReport:
    """Norms and angles of ``directions`` (K, n) next to those of ``weights`` (n,); plain numbers, ready for JSON."""
    own = check_vector(weights, directions[0], "weight vector").double()
    exact = directions.double()
    norms = exact.norm(dim=1)
    cosines = (exact @ exact.T) / torch.outer(norms, norms)
    return DirectionReport(
        norms=norms.tolist(),
        cosines=np.nan_to_num(cosines.cpu().numpy()).tolist(),
        weights_norm=float(own.norm()),
        tensor_norms={name: exact[:, part].norm(dim=1).tolist() for name, part in layout.slices.items()},
        weights_tensor_norms={name: float(own[part].norm()) for name, part in layout.slices.items()},
    )
