"""All trainable parameters of a module as one vector, and float64 lengths of its changes by layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from engine.data.dataset import Array
from engine.errors import EngineError


class MixedTypes(EngineError):
    """Raised when a network's parameters are of several types."""

    what = "The network's trainable parameters are of several types: {types}."
    remedy = "Convert the network to one type, such as module.float()."


class NothingToTrain(EngineError):
    """Raised when a network has no trainable parameter."""

    what = "The network has no trainable parameters."
    remedy = "build() must return a module whose parameters require gradients."


class FlatParameters:
    """Makes the parameters of a module views of one vector, their gradients views of another.

    Attributes:
        vector: (P,) the parameters. gradient: (P,) what backward() fills.
        layers: names of the modules that own parameters, in order; lengths: parameters of each (they sum to P).
    """

    def __init__(self, module: nn.Module) -> None:
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        if not named:
            raise NothingToTrain()
        types = {str(p.dtype) for _, p in named}
        if len(types) > 1:
            raise MixedTypes(types=", ".join(sorted(types)))
        self.vector = torch.cat([p.detach().reshape(-1) for _, p in named])
        self.gradient = torch.zeros_like(self.vector)
        start = 0
        for _, p in named:
            end = start + p.numel()
            p.data = self.vector[start:end].view(p.shape)
            p.grad = self.gradient[start:end].view(p.shape)
            start = end
        self.layers, self.lengths = layers_of({name: p.numel() for name, p in named})
        self._starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        self._lengths = torch.tensor(self.lengths, device=self.vector.device)
        self._host = np.empty(len(self.vector)) if recorded_on_host(self.vector.device) else None

    def squared_change(self, old: Tensor) -> Array | Tensor:
        """Squared Euclidean distance from ``old`` (P,), by layer: (L,) float64; numpy if ``recorded_on_host``."""
        if self._host is None or self.vector.dtype == torch.bfloat16:
            squares = (self.vector.double() - old.double()).square_()
            sums = torch.segment_reduce(squares, "sum", lengths=self._lengths)
            return sums.numpy() if self._host is not None else sums
        with np.errstate(invalid="ignore", over="ignore"):  # a divergence is told by whoever looks at the record
            # A third of the time of torch's way.
            np.subtract(self.vector.cpu().numpy(), old.cpu().numpy(), out=self._host, dtype=np.float64)
            np.multiply(self._host, self._host, out=self._host)
        return np.add.reduceat(self._host, self._starts)


def recorded_on_host(device: torch.device) -> bool:
    """Whether records of steps are made by numpy: on the CPU, and for Apple's GPUs, which have no float64."""
    return device.type in ("cpu", "mps")


def layers_of(sizes: Mapping[str, int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Joins neighbouring parameters of one module: ("hidden1", ...) and how many numbers each has."""
    layers: list[str] = []
    lengths: list[int] = []
    for name, size in sizes.items():
        owner = name.rpartition(".")[0] or name
        if layers and layers[-1] == owner:
            lengths[-1] += size
        else:
            layers.append(owner)
            lengths.append(size)
    return tuple(layers), tuple(lengths)
