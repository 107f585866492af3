"""Outputs of a network at many points of weight space: one by one through the module, or many at once through vmap."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.studies.landscape.vectors import Layout
from engine.studies.landscape.weights import borrowed, trainable

CACHE = 4 << 20  # bytes of one intermediate result that a CPU core keeps near; measured on 1 MiB L2 caches
FEWEST = 32  # examples in a block; smaller ones cost more in calls than they gain
GPU_SHARE = 0.2  # of the free memory for one intermediate result; several are alive at once


@dataclass(frozen=True)
class Slice:
    """Part of an affine subspace of weight space: weights = origin + coordinates @ directions.

    Attributes:
        origin: (n,). directions: (K, n).
    """

    origin: Tensor
    directions: Tensor

    def weights(self, coordinates: Tensor) -> Tensor:
        """(P, K) -> (P, n); a point's weights do not depend on which others are asked for, and at 0 are the origin."""
        result = self.origin.expand(len(coordinates), -1)
        for k, direction in enumerate(self.directions):
            result = torch.addcmul(result, coordinates[:, k, None], direction)
        return result


@dataclass(frozen=True)
class Piece:
    """Outputs of some points for some examples.

    Attributes:
        points, examples: which. outputs: (P, n, ...), or (P, C, n) where ``columns``.
    """

    points: slice
    examples: slice
    outputs: Tensor
    columns: bool


class Forward(Protocol):
    """A way of computing outputs; all agree up to rounding."""

    def sweep(self, coordinates: Tensor, inputs: Tensor) -> Generator[Piece]:
        """Every pair of a point of ``coordinates`` (M, K) and an example of ``inputs`` (N, ...) once.

        Gradients must be off; between pieces the network may hold the weights of a point.
        """


def example_blocks(total: int, bytes_each: int, cache: int) -> list[slice]:
    """0 ... total cut into equal blocks of which one result fills about ``cache`` bytes; one block for 0 bytes each."""
    fitting = cache // bytes_each if bytes_each else total
    count = max(1, min(-(-total // max(1, fitting)), total // FEWEST))
    ends = [total * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(ends)]


def cache_bytes(device: torch.device) -> int:
    """How large one intermediate result may be on ``device``."""
    if device.type == "cuda":
        return int(GPU_SHARE * torch.cuda.mem_get_info(device)[0])
    return CACHE


class ModuleForward:
    """One point after the other through the module itself: right for any network.

    Args:
        bytes_each: size of the largest intermediate result of one example; 0 where examples may not be parted.
        channels_last: bring images into that memory format first.
        prepare: called once the weights of a point are written, to bring buffers in line with them.
        tick: called before each block of examples; what it raises leaves the network as it was.
    """

    def __init__(
        self,
        network: nn.Module,
        plane: Slice,
        bytes_each: int,
        *,
        channels_last: bool = False,
        prepare: Callable[[], None] | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.network, self.plane, self.bytes_each = network, plane, bytes_each
        self.channels_last, self.prepare, self.tick = channels_last, prepare, tick

    def sweep(self, coordinates: Tensor, inputs: Tensor) -> Generator[Piece]:
        blocks = example_blocks(len(inputs), self.bytes_each, cache_bytes(inputs.device))
        weights = (self.plane.weights(coordinates[i : i + 1])[0] for i in range(len(coordinates)))
        return self.sweep_weights(weights, inputs, blocks)

    def sweep_weights(self, weights: Iterator[Tensor], inputs: Tensor, blocks: list[slice]) -> Generator[Piece]:
        """The same at weights (n,) that need not lie in the slice."""
        parts = [inputs[block] for block in blocks]
        if self.channels_last and inputs.ndim == 4:
            parts = [part.contiguous(memory_format=torch.channels_last) for part in parts]
        with borrowed(self.network) as flat:
            for index, vector in enumerate(weights):
                flat.copy_(vector)
                if self.prepare is not None:
                    self.prepare()
                for block, part in zip(blocks, parts, strict=True):
                    self.tick()
                    yield Piece(slice(index, index + 1), block, self.network(part)[None], columns=False)


class BatchedForward:
    """Many points at once through ``vmap``: the way for a GPU, which one small network leaves idle.

    On CPUs it is up to four times slower than one point at a time, so there it is only asked for by name. Where the
    network cannot be batched, or memory runs out even for two points, the module takes over for good.
    """

    def __init__(self, module: ModuleForward, most: int = 256) -> None:
        self.module, self.most = module, most
        self.layout = Layout.of(trainable(module.network))
        self.failed = False

    def sweep(self, coordinates: Tensor, inputs: Tensor) -> Generator[Piece]:
        start = 0
        while start < len(coordinates) and not self.failed:
            self.module.tick()
            count = self._fitting(inputs)
            try:
                outputs = self._outputs(coordinates[start : start + count], inputs)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                self.most, self.failed = count // 2, count <= 2
                continue
            except RuntimeError:  # the network does what vmap cannot follow
                self.failed = True
                continue
            yield Piece(slice(start, start + len(outputs)), slice(0, len(inputs)), outputs, columns=False)
            start += len(outputs)
        for piece in self.module.sweep(coordinates[start:], inputs):
            points = slice(piece.points.start + start, piece.points.stop + start)
            yield Piece(points, piece.examples, piece.outputs, piece.columns)

    def _fitting(self, inputs: Tensor) -> int:
        each = max(1, self.module.bytes_each * len(inputs))
        return max(1, min(self.most, cache_bytes(inputs.device) // each))

    def _outputs(self, coordinates: Tensor, inputs: Tensor) -> Tensor:
        network, layout = self.module.network, self.layout

        def outputs(vector: Tensor) -> Tensor:
            result: Tensor = torch.func.functional_call(network, layout.unflatten(vector), (inputs,))
            return result

        with borrowed(network):
            return torch.func.vmap(outputs)(self.module.plane.weights(coordinates))
