"""Batch normalisation's running statistics, re-estimated for whatever weights the network has now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from engine.studies.landscape.forward import example_blocks
from engine.studies.landscape.modes import batch_statistics, batchnorm_layers

EXACT = 1 << 30  # bytes of one intermediate result up to which all examples pass as one batch


class _Moments:
    """Mean and sum of squared deviations (C,) of what a layer saw, pooled over calls (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0

    def add(self, count: int, mean: Tensor, squares: Tensor) -> None:
        """Pool with ``count`` more numbers a channel."""
        total, shift = self.count + count, mean - self.mean
        self.mean = self.mean + shift * (count / total)
        self.squares = self.squares + squares + shift.square() * (self.count * count / total)
        self.count = total


@torch.no_grad()
def refit_statistics(
    network: nn.Module, inputs: Tensor, bytes_each: int, tick: Callable[[], None] = lambda: None
) -> None:
    """Set the running statistics to those of the population ``inputs`` (N, ...) under the present weights.

    All examples pass as one batch, so that each layer sees what the exact statistics of the layers before make of them;
    there is no moving average. The variance is the unbiased one, as torch keeps it. Where one intermediate result would
    fill more than 1 GiB, the examples pass in as few equal blocks as possible and the blocks' statistics are pooled.

    Args:
        bytes_each: size of the largest intermediate result of one example. tick: called before each block.
    """
    layers = list(batchnorm_layers(network).values())
    seen = {layer: _Moments() for layer in layers}
    hooks = [layer.register_forward_hook(lambda layer, args, _: _note(seen[layer], layer, args[0])) for layer in layers]
    try:
        with batch_statistics(network):
            for layer in layers:
                layer.momentum = 1.0
                layer.reset_running_stats()
            for block in example_blocks(len(inputs), bytes_each, EXACT):
                tick()
                network(inputs[block])
    finally:
        for hook in hooks:
            hook.remove()
    for layer, moments in seen.items():
        if moments.count:
            layer.running_mean.copy_(moments.mean)  # type: ignore[union-attr]
            layer.running_var.copy_(moments.squares / max(1, moments.count - 1))  # type: ignore[union-attr]


def _note(moments: _Moments, layer: Any, x: Tensor) -> None:
    """With momentum 1 the running statistics are those of the call that has just ended."""
    count = x.numel() // layer.num_features
    exact = torch.float64 if x.device.type != "mps" else torch.float32
    moments.add(count, layer.running_mean.to(exact), layer.running_var.to(exact) * (count - 1))
    layer.reset_running_stats()
