"""Named parameters as one flat vector and back, and the types that the study's mathematics shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from engine.errors import EngineError

Params = Mapping[str, Tensor]
Batch = tuple[Tensor, Tensor]
Loss = Callable[[Params, Batch], Tensor]  # the mean loss over the batch, a scalar
Outputs = Callable[[Params, Tensor], Tensor]  # (n, C) outputs for n inputs


class NoExamples(EngineError):
    """Raised where a measurement was asked for without any data."""

    what = "There are no examples to measure on."
    remedy = "Choose a dataset with at least one example, or raise the number of examples."


@dataclass(frozen=True)
class Layout:
    """Where each named tensor lies in the flat vector of length ``size``.

    Attributes:
        names: in the order of the vector. shapes: of the tensors.
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]

    @classmethod
    def of(cls, params: Params) -> Layout:
        """The layout of these parameters, in their order."""
        return cls(tuple(params), tuple(tensor.shape for tensor in params.values()))

    @property
    def sizes(self) -> list[int]:
        """How many numbers each tensor has."""
        return [shape.numel() for shape in self.shapes]

    @property
    def size(self) -> int:
        """P, the length of the vector."""
        return sum(self.sizes)

    @property
    def slices(self) -> dict[str, slice]:
        """name -> the part of the vector that holds it."""
        ends = list(accumulate(self.sizes))
        return {name: slice(end - size, end) for name, size, end in zip(self.names, self.sizes, ends, strict=True)}

    def flatten(self, params: Params) -> Tensor:
        """(P,) a new detached vector of the parameters."""
        return torch.cat([params[name].detach().reshape(-1) for name in self.names])

    def unflatten(self, vector: Tensor) -> dict[str, Tensor]:
        """name -> a view into ``vector`` (P,), through which autograd passes."""
        parts = vector.split(self.sizes)
        return {name: part.view(shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}

    def layers(self) -> dict[str, list[slice]]:
        """layer -> its parts of the vector; a layer is what stands before the last dot of a name."""
        found: dict[str, list[slice]] = {}
        for name, part in self.slices.items():
            found.setdefault(name.rpartition(".")[0] or name, []).append(part)
        return found


def require_examples(batches: Sequence[Batch]) -> int:
    """The number of examples in all batches; NoExamples when there are none."""
    total = sum(len(x) for x, _ in batches)
    if total == 0:
        raise NoExamples()
    return total


def wide(tensor: Tensor) -> Tensor:
    """The tensor in double precision; on the CPU where its device has none (Apple's)."""
    return tensor.double() if tensor.device.type != "mps" else tensor.cpu().double()


def widest(device: torch.device) -> torch.dtype:
    """The most precise number type of a device."""
    return torch.float64 if device.type != "mps" else torch.float32


def split_batches(x: Tensor, y: Tensor, size: int) -> list[Batch]:
    """Consecutive views of at most ``size`` examples."""
    return [(x[start : start + size], y[start : start + size]) for start in range(0, len(x), max(1, size))]


@torch.no_grad()
def mean_loss(loss: Loss, params: Params, batches: Iterable[Batch]) -> float:
    """Mean loss over all examples of the batches, summed in double precision."""
    total, count = 0.0, 0
    for batch in batches:
        total += float(loss(params, batch)) * len(batch[0])
        count += len(batch[0])
    return total / count if count else float("nan")
