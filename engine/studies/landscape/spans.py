"""Which line or plane a config asks for: its origin and directions, and where the models and the path lie on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.errors import EngineError
from engine.studies.landscape.config import LineConfig, SurfaceConfig
from engine.studies.landscape.directions import describe, random_plane
from engine.studies.landscape.planes import Projection, principal_plane, project, three_point_plane
from engine.studies.landscape.vectors import Layout
from engine.studies.landscape.weights import WrongLength, read_weights, trainable

Array = NDArray[Any]
MARGIN = 1.15  # how much wider than what it is to hold a plane is drawn


class NeedsPath(EngineError):
    """Raised where principal axes are asked for without a path."""

    what = "The principal axes of the path need a path."
    why = "No trajectory was given."
    remedy = "Choose the trajectory of the run that trained the model, or random directions."


class NeedsModels(EngineError):
    """Raised where the plane through three models is asked for with fewer."""

    what = "A plane through three models needs three."
    why = "Only {count} were given."
    remedy = "Choose a second and a third model of the same network, or random directions."


@dataclass(frozen=True)
class Span:
    """A line or plane in weight space.

    Attributes:
        origin: (n,) weights at coordinates 0. directions: (K, n). centred: the origin is the model itself.
        marks: label -> coordinates of models on it. explained: share of the path's variance in it, percent, or None.
        settings: what to tell beside the picture.
    """

    origin: Tensor
    directions: Tensor
    centred: bool = True
    marks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    explained: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def plane_span(config: SurfaceConfig, network: nn.Module, others: list[Tensor], snapshots: Any | None) -> Span:
    """The plane of a config.

    Args:
        others: (n,) weights of the second and third model, as far as given. snapshots: (S, n) of the path, or None.
    Raises:
        NeedsPath, NeedsModels, WrongLength; and what the directions raise.
    """
    weights = read_weights(network)
    check_path(snapshots, weights)
    if config.directions == "trajectory":
        return _along_path(weights, snapshots)
    if config.directions == "checkpoints":
        return _through_models(weights, others)
    layout = Layout.of(trainable(network))
    directions = random_plane(layout, weights, config.seed, scaling=config.directions)
    return Span(weights, directions, settings=_facts(layout, weights, directions, config.directions, config.seed))


def line_span(config: LineConfig, network: nn.Module, second: Tensor | None) -> Span:
    """The line of a config: towards the second model when there is one, else in a random direction."""
    weights = read_weights(network)
    layout = Layout.of(trainable(network))
    if second is not None:
        _same_length(second, weights, "second model")
        directions = (second.to(weights) - weights)[None]
        return Span(weights, directions, settings=_facts(layout, weights, directions, "models", config.seed))
    directions = random_plane(layout, weights, config.seed, scaling=config.directions, count=1)
    return Span(weights, directions, settings=_facts(layout, weights, directions, config.directions, config.seed))


def check_path(snapshots: Any | None, weights: Tensor) -> None:
    """Raise WrongLength when a path belongs to another network."""
    if snapshots is not None and snapshots.shape[1] != len(weights):
        raise WrongLength(role="path", length=snapshots.shape[1], size=len(weights))


def path_on(span: Span, snapshots: Any) -> Projection:
    """The path (S, n) as seen from a plane."""
    return project(snapshots, span.origin, span.directions)


def _along_path(weights: Tensor, snapshots: Any | None) -> Span:
    if snapshots is None:
        raise NeedsPath()
    plane = principal_plane(snapshots, weights)
    places = project(snapshots, weights, plane.directions).coordinates
    reach = np.maximum(np.abs(places).max(axis=0), 1e-12) * MARGIN
    directions = plane.directions * torch.as_tensor(reach).to(plane.directions)[:, None]
    explained = 100.0 * float(plane.explained.sum())
    return Span(
        weights, directions, explained=explained,
        settings={"directions": "trajectory", "norms": reach.tolist(), "explained": plane.explained.tolist()},
    )  # fmt: skip


def _through_models(weights: Tensor, others: list[Tensor]) -> Span:
    if len(others) < 2:
        raise NeedsModels(count=1 + len(others))
    for role, other in zip(("second model", "third model"), others, strict=True):
        _same_length(other, weights, role)
    plane = three_point_plane(weights, *(other.to(weights) for other in others))
    low, high = plane.positions.min(axis=0), plane.positions.max(axis=0)
    centre, reach = (low + high) / 2, float((high - low).max()) / 2 * MARGIN * 1.2
    shift = torch.as_tensor(centre).to(plane.directions) @ plane.directions
    marks = {
        name: ((x - centre[0]) / reach, (y - centre[1]) / reach)
        for name, (x, y) in zip("123", plane.positions, strict=True)
    }
    return Span(
        weights + shift, plane.directions * reach, centred=False,
        marks={f"model {name}": (float(x), float(y)) for name, (x, y) in marks.items()},
        settings={"directions": "checkpoints", "norms": [reach, reach]},
    )  # fmt: skip


def _same_length(other: Tensor, weights: Tensor, role: str) -> None:
    if other.shape != weights.shape:
        raise WrongLength(role=role, length=other.numel(), size=len(weights))


def _facts(layout: Layout, weights: Tensor, directions: Tensor, name: str, seed: int) -> dict[str, Any]:
    report = describe(layout, weights, directions)
    return {
        "directions": name,
        "seed": seed,
        "norms": report.norms,
        "cosines": report.cosines,
        "weights_norm": report.weights_norm,
    }
