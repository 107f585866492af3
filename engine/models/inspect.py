"""The layers of a network: name, type, parameters, output shapes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One module without children, or one that owns parameters.

    Attributes:
        name: dotted path. type: its class. parameters: its own trainable numbers. shapes: of its own parameters.
        output: shape of what it returned for one example without the batch, None where it was not called or returned
            no tensor.
    """

    name: str
    type: str
    parameters: int
    shapes: dict[str, tuple[int, ...]]
    output: tuple[int, ...] | None


def layers(module: nn.Module, example: Tensor) -> list[Layer]:
    """The layers in the order of their names in the network.

    Args:
        example: (1, ...) input, sent through once in evaluation mode without gradients.
    """
    outputs: dict[str, tuple[int, ...]] = {}

    def remember(name: str, result: object) -> None:
        if isinstance(result, tuple) and result:  # recurrent layers return their outputs first
            result = result[0]
        if isinstance(result, Tensor):
            outputs[name] = tuple(result.shape[1:])

    chosen = {name: m for name, m in module.named_modules() if _own(m) or not any(m.children())}
    hooks = [
        m.register_forward_hook(lambda _, __, result, name=name: remember(name, result)) for name, m in chosen.items()
    ]
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            module(example)
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    return [
        Layer(name or "network", type(m).__name__, sum(p.numel() for p in _own(m).values() if p.requires_grad),
              {key: tuple(p.shape) for key, p in _own(m).items()}, outputs.get(name))
        for name, m in chosen.items()
    ]  # fmt: skip


def _own(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(module.named_parameters(recurse=False))
