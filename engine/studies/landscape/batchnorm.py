"""Batch normalisation's running statistics, re-estimated for whatever weights the network has now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from engine.studies.landscape.forward import example_blocks
from engine.studies.landscape.modes import batch_statistics, batchnorm_layers
from engine.studies.landscape.vectors import Params

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
def refit_batchnorm(
    module: nn.Module, params: Params, inputs: Tensor, bytes_each: int, tick: Callable[[], None] = lambda: None
) -> dict[str, Tensor]:
    """Running statistics of the population ``inputs`` (N, ...) at other weights.

    All examples pass as one batch, so that each layer sees what the exact statistics of the layers before make of them;
    there is no moving average. The variance is the unbiased one, as torch keeps it. Where one intermediate result would
    fill more than 1 GiB, the examples pass in as few equal blocks as possible and the blocks' statistics are pooled.

    Args:
        module: the network; neither its weights nor its buffers change.
        params: name -> tensor, the weights (and any other buffers) to run with; the module's own where not named.
        bytes_each: size of the largest intermediate result of one example. tick: called before each block.

    Returns:
        buffer name -> new tensor, to be laid over ``params``; empty without batch normalisation.

    Source: Garipov et al. 2018, Loss Surfaces, Mode Connectivity and Fast Ensembling of DNNs, appendix A.2.
    """
    layers = batchnorm_layers(module)
    seen = {layer: _Moments() for layer in layers.values()}
    buffers = _fresh(module, layers)
    with ExitStack() as stack:
        stack.enter_context(batch_statistics(module))
        for layer in layers.values():
            stack.callback(setattr, layer, "momentum", layer.momentum)
            layer.momentum = 1.0
            hook = layer.register_forward_hook(lambda layer, args, _: _note(seen[layer], layer, args[0]))
            stack.callback(hook.remove)
        for block in example_blocks(len(inputs), bytes_each, EXACT) if layers else ():
            tick()
            torch.func.functional_call(module, {**params, **buffers}, (inputs[block],))
    found = {}
    for name, layer in layers.items():
        if (moments := seen[layer]).count:
            values = moments.mean, moments.squares / max(1, moments.count - 1)
            for part, value in zip(("running_mean", "running_var"), values, strict=True):
                key = _key(name, part)
                found[key] = value.to(buffers[key].dtype)
    return found


@torch.no_grad()
def refit_in_place(
    network: nn.Module, inputs: Tensor, bytes_each: int, tick: Callable[[], None] = lambda: None
) -> None:
    """Give the network the running statistics of ``inputs`` (N, ...) under its present weights: `refit_batchnorm`."""
    for name, value in refit_batchnorm(network, {}, inputs, bytes_each, tick).items():
        network.get_buffer(name).copy_(value)


def _key(layer: str, part: str) -> str:
    return f"{layer}.{part}" if layer else part


def _fresh(module: nn.Module, layers: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """New buffers for all the layers, as those of a new network."""
    made = {}
    for name, layer in layers.items():
        for part, value in layer.named_buffers(recurse=False):
            made[_key(name, part)] = torch.ones_like(value) if part == "running_var" else torch.zeros_like(value)
    return made


def _note(moments: _Moments, layer: Any, x: Tensor) -> None:
    """With momentum 1 the running statistics are those of the call that has just ended."""
    count = x.numel() // layer.num_features
    exact = torch.float64 if x.device.type != "mps" else torch.float32
    moments.add(count, layer.running_mean.to(exact), layer.running_var.to(exact) * (count - 1))
    layer.reset_running_stats()
