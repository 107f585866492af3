"""A network's trainable weights as one vector: read them, lend them out, give them back unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import torch
from torch import Tensor, nn

from engine.errors import EngineError
from engine.studies.landscape.vectors import Layout


class NoWeights(EngineError):
    """Raised for a network without a parameter that requires a gradient."""

    what = "The network has no trainable weights."
    why = "None of its parameters requires a gradient."
    remedy = "Unfreeze the parameters that should span the landscape."


class MixedWeights(EngineError):
    """Raised where parameters cannot share one vector."""

    what = "The network's weights cannot be put in one vector."
    why = "They are of different types or on different devices: {kinds}."
    remedy = "Convert the network to one type and device, for instance with .float()."


class WrongLength(EngineError):
    """Raised for a weight vector that belongs to another network."""

    what = "The {role} has {length} numbers, the network {size} trainable weights."
    why = "It was probably made for a different network."
    remedy = "Choose one of the same network."


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """Name -> parameter that requires a gradient, in the network's order; tied ones occur once.

    Running statistics of batch normalisation are buffers and so not among them.

    Raises:
        NoWeights, MixedWeights.
    """
    found = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if not found:
        raise NoWeights()
    kinds = sorted({f"{p.dtype} on {p.device}" for p in found.values()})
    if len(kinds) > 1:
        raise MixedWeights(kinds=", ".join(kinds))
    return found


def read_weights(network: nn.Module) -> Tensor:
    """A copy of the trainable weights, (n,)."""
    parameters = trainable(network)
    return Layout.of(parameters).flatten(parameters)


def check_vector(vector: Tensor, like: Tensor, role: str) -> Tensor:
    """``vector`` (n,) in the type and on the device of ``like`` (n,), without a gradient.

    Raises:
        WrongLength: its shape differs; ``role`` names it.
    """
    if vector.shape != like.shape:
        raise WrongLength(role=role, length=prod(vector.shape), size=len(like))
    return vector.detach().to(like.device, like.dtype)


@contextmanager
def borrowed(network: nn.Module) -> Iterator[Tensor]:
    """Lend the network out in evaluation mode; to write into the yielded vector (n,) is to write its weights.

    The original tensors are set aside, not written to, so that everything comes back to the last bit, also after an
    exception: weights, buffers (running statistics), and each module's training flag.
    """
    parameters = trainable(network)
    originals = [p.data for p in parameters.values()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in network.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    flags = [(module, module.training) for module in network.modules()]
    layout = Layout.of(parameters)
    flat = layout.flatten(parameters)
    try:
        for parameter, view in zip(parameters.values(), layout.unflatten(flat).values(), strict=True):
            parameter.data = view
        network.eval()
        yield flat
    finally:
        for parameter, original in zip(parameters.values(), originals, strict=True):
            parameter.data = original
        with torch.no_grad():
            for module, name, buffer, value in buffers:
                module._buffers[name] = buffer.copy_(value)
        for module, training in flags:
            module.training = training
