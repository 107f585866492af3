"""Loss and accuracy over lines and planes in weight space: many points, one in detail, and the path beside them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.studies.landscape.batchnorm import refit_in_place
from engine.studies.landscape.chain import chain_forward
from engine.studies.landscape.forward import (
    BatchedForward,
    Forward,
    ModuleForward,
    Piece,
    Slice,
    cache_bytes,
    example_blocks,
)
from engine.studies.landscape.modes import batchnorm_layers
from engine.studies.landscape.objective import (
    UserLoss,
    check_classes,
    cross_entropies,
    hits,
    is_classification,
    summed,
    user_losses,
)  # fmt: skip
from engine.studies.landscape.recording import Recording, as_chain, record
from engine.studies.landscape.vectors import NoExamples
from engine.studies.landscape.weights import borrowed, check_vector, read_weights

Array = NDArray[Any]
Split = tuple[Tensor, Tensor]  # inputs (N, ...) and targets (N, ...)
Way = Literal["auto", "chain", "batched", "module"]
APART = 1e-3  # relative difference of outputs up to which examples count as independent of each other


@dataclass(frozen=True)
class Values:
    """What was measured at M points; losses that overflowed or are undefined stay inf or NaN.

    Attributes:
        loss: split -> (M,) mean loss. accuracy: split -> (M,) share of right answers, NaN where there are no classes.
    """

    loss: Mapping[str, Array]
    accuracy: Mapping[str, Array]

    def nonfinite(self) -> dict[str, int]:
        """Split -> at how many points its loss is not finite."""
        return {name: int((~np.isfinite(loss)).sum()) for name, loss in self.loss.items()}


@dataclass(frozen=True)
class Reading:
    """One point of a surface in detail.

    Attributes:
        loss, accuracy: as in Values. losses: (N,) of each example alone. worst: indices of the largest ones, falling.
    """

    loss: float
    accuracy: float
    losses: Array
    worst: Array


class LossSurface:
    """Loss over origin + span(directions); between calls the network is as it was, to the last bit.

    Args:
        network: any module of inputs (N, ...) -> outputs; evaluated in evaluation mode (dropout off).
        origin: (n,) trainable weights at coordinates 0, None for the network's own.
        directions: (K, n), K >= 1, of any length and angle.
        splits: name -> (inputs, targets), on any device.
        loss: mean loss of (outputs, targets) as a scalar; None for cross-entropy of logits and class numbers.
        refit: inputs on which batch normalisation's statistics are re-estimated at every point; None keeps them.
        way: how outputs are computed; "auto" takes the fastest that applies. They agree up to rounding.
        tick: called every few milliseconds (at least once for each block of examples); whatever it raises is safe.

    Attributes:
        way: the one taken, "chain", "batched" or "module".

    Raises:
        NoWeights, MixedWeights, WrongLength, NotClasses, NoExamples.
    """

    def __init__(
        self,
        network: nn.Module,
        directions: Tensor,
        splits: Mapping[str, Split],
        *,
        origin: Tensor | None = None,
        loss: UserLoss | None = None,
        refit: Tensor | None = None,
        way: Way = "auto",
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        weights = read_weights(network)
        origin = weights if origin is None else check_vector(origin, weights, "weight vector")
        rows = [check_vector(row, weights, "direction") for row in directions]
        self.plane = Slice(origin, torch.stack(rows))
        self.splits = {name: (x.to(origin.device), y.to(origin.device)) for name, (x, y) in splits.items()}
        if not self.splits or not all(len(x) for x, _ in self.splits.values()):
            raise NoExamples()
        self.network, self.tick = network, tick
        self.loss = None if loss is F.cross_entropy else loss
        sample = max((x for x, _ in self.splits.values()), key=len)
        with torch.no_grad(), borrowed(network):
            recording = record(network, sample)
            bytes_each = 0 if _depend(network, sample, recording) else recording.bytes_per_example()
        for _, targets in self.splits.values():
            if self.loss is None:
                check_classes(recording.outputs, targets)
        prepare = self._refit(refit, recording.bytes_per_example())
        self.module = ModuleForward(
            network, self.plane, bytes_each, channels_last=recording.likes_channels_last(), prepare=prepare, tick=tick
        )
        self.way, self.forward = self._choose(way, recording, sample, fast=prepare is None and bytes_each > 0)

    def _refit(self, inputs: Tensor | None, bytes_each: int) -> Callable[[], None] | None:
        if inputs is None or not batchnorm_layers(self.network):
            return None
        return partial(refit_in_place, self.network, inputs.to(self.plane.origin.device), bytes_each, self.tick)

    @torch.no_grad()
    def _choose(self, way: Way, recording: Recording, sample: Tensor, fast: bool) -> tuple[Way, Forward]:
        on_gpu = self.plane.origin.device.type == "cuda"
        if way in ("auto", "chain") and fast:
            chain = chain_forward(as_chain(recording), self.module, sample, self.tick)
            if chain is not None and not (on_gpu and chain.images):  # a GPU is idle over the images of one point
                return "chain", chain
        if fast and (way == "batched" or (way == "auto" and on_gpu)):
            return "batched", BatchedForward(self.module)
        return "module", self.module

    @torch.no_grad()
    def values(self, coordinates: ArrayLike) -> Values:
        """Loss and accuracy of every split at ``coordinates`` (M, K).

        Beyond rounding, a point's numbers do not depend on which other points are asked for.
        """
        points = self._points(coordinates)
        return self._collect(lambda inputs: self.forward.sweep(points, inputs), len(points))

    def blocks(self, coordinates: ArrayLike, size: int = 64) -> Iterator[tuple[slice, Values]]:
        """``values`` of at most ``size`` points at a time: (which, their values)."""
        points = np.asarray(coordinates, dtype=float)
        for start in range(0, len(points), size):
            part = slice(start, min(start + size, len(points)))
            yield part, self.values(points[part])

    @torch.no_grad()
    def values_of(self, vectors: Iterable[Any]) -> Values:
        """The same at weight vectors (n,) that need not lie on the surface, such as snapshots of a path."""
        rows = [torch.as_tensor(np.array(v) if isinstance(v, np.ndarray) else v) for v in vectors]

        def sweep(inputs: Tensor) -> Generator[Piece]:
            checked = (check_vector(row, self.plane.origin, "snapshot") for row in rows)
            blocks = example_blocks(len(inputs), self.module.bytes_each, cache_bytes(inputs.device))
            return self.module.sweep_weights(checked, inputs, blocks)

        return self._collect(sweep, len(rows))

    @torch.no_grad()
    def at(self, coordinate: ArrayLike, split: str, worst: int = 12) -> Reading:
        """One point ``coordinate`` (K,) in detail, with the indices of the ``worst`` examples of ``split``."""
        inputs, targets = self.splits[split]
        with closing(self.forward.sweep(self._points(coordinate), inputs)) as pieces:
            outputs = torch.cat([_rows(piece)[0].clone() for piece in pieces])
        loss, accuracy = _judge(outputs, targets, self.loss)
        if self.loss is None:
            losses = cross_entropies(outputs.T[None].contiguous(), targets)[0]
        else:
            losses = user_losses(self.loss, outputs, targets)
        order = losses.nan_to_num(nan=torch.inf).argsort(descending=True, stable=True)[:worst]
        return Reading(loss, accuracy, losses.double().cpu().numpy(), order.cpu().numpy())

    def _points(self, coordinates: ArrayLike) -> Tensor:
        points = torch.as_tensor(np.array(coordinates, dtype=float)).to(self.plane.origin)
        return points.reshape(-1, len(self.plane.directions))

    def _collect(self, sweep: Callable[[Tensor], Generator[Piece]], count: int) -> Values:
        losses, accuracies = {}, {}
        for name, (inputs, targets) in self.splits.items():
            with closing(sweep(inputs)) as pieces:
                measure = _measure_classes if self.loss is None else partial(_measure_any, self.loss)
                losses[name], accuracies[name] = measure(pieces, targets, count)
        return Values(losses, accuracies)


def _depend(network: nn.Module, inputs: Tensor, recording: Recording) -> bool:
    """Whether an example's output depends on which others come with it, so that examples may not be parted."""
    first, *others = example_blocks(len(inputs), recording.bytes_per_example(), cache_bytes(inputs.device))
    if not others:
        return False
    alone, beside = network(inputs[first]), network(inputs[: others[0].stop])[first]
    return not torch.allclose(alone, beside, rtol=APART, atol=APART * float(alone.abs().max()), equal_nan=True)


def _rows(piece: Piece) -> Tensor:
    """(P, n, ...) outputs, examples before classes."""
    return piece.outputs.transpose(1, 2) if piece.columns else piece.outputs


def _measure_classes(pieces: Iterator[Piece], targets: Tensor, count: int) -> tuple[Array, Array]:
    total, right = np.zeros(count), np.zeros(count)
    for piece in pieces:
        logits = piece.outputs if piece.columns else piece.outputs.transpose(1, 2).contiguous()
        classes = targets[piece.examples]
        total[piece.points] += summed(cross_entropies(logits, classes))
        right[piece.points] += summed(hits(logits, classes))
    return total / len(targets), right / len(targets)


def _measure_any(loss: UserLoss, pieces: Iterator[Piece], targets: Tensor, count: int) -> tuple[Array, Array]:
    """The loss sees all examples at once: only for a plain mean would blocks do."""
    parts: list[list[Tensor]] = [[] for _ in range(count)]
    for piece in pieces:
        for point, rows in zip(parts[piece.points], _rows(piece), strict=True):
            point.append(rows.clone())
    judged = [_judge(torch.cat(rows), targets, loss) for rows in parts]
    return np.array([value for value, _ in judged]), np.array([share for _, share in judged])


def _judge(outputs: Tensor, targets: Tensor, loss: UserLoss | None) -> tuple[float, float]:
    """Loss and accuracy of all outputs of a point, (N, ...)."""
    value = float((loss or F.cross_entropy)(outputs, targets))
    if not is_classification(outputs, targets):
        return value, float("nan")
    return value, float(hits(outputs.T[None], targets).sum()) / len(targets)
