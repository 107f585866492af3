"""What a network does with a few examples: the torch functions it calls, in order, and whether they form a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SAMPLE = 3  # examples sent through; no power of two, so that a reshape that mixes examples shows


@dataclass(frozen=True)
class Call:
    """One call of a torch function that took and returned tensors."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any


@dataclass(frozen=True)
class Recording:
    """The calls of one forward pass.

    Attributes:
        inputs, outputs: of the pass. calls: in order.
    """

    inputs: Tensor
    outputs: Tensor
    calls: tuple[Call, ...]

    def bytes_per_example(self) -> int:
        """Size of the largest intermediate result of one example; what a block of examples keeps in the cache."""
        results = [self.inputs, *(c.result for c in self.calls if isinstance(c.result, Tensor))]
        return max(r.numel() * r.element_size() for r in results) // len(self.inputs)

    def likes_channels_last(self) -> bool:
        """Whether images go faster channels-last: with pooling, or 16 channels or more after the first convolution."""
        widths = [c.result.shape[1] for c in self.calls if c.function is torch.conv2d]
        pools = any(c.function in (F.max_pool2d, F.avg_pool2d) for c in self.calls)
        return pools or (len(widths) > 1 and min(widths[1:]) >= 16)


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if any(isinstance(part, Tensor) for part in (result if isinstance(result, tuple | list) else (result,))):
            self.calls.append(Call(func, args, kwargs or {}, result))
        return result


@torch.no_grad()
def record(network: nn.Module, inputs: Tensor) -> Recording:
    """Send a few of ``inputs`` (N, ...) through ``network``, which is in evaluation mode, and note what it calls."""
    sample = inputs[torch.arange(SAMPLE) % len(inputs)]
    with _Recorder() as recorder:
        outputs = network(sample)
    return Recording(sample, outputs, tuple(recorder.calls))


@dataclass(frozen=True)
class Reshape:
    """Each example takes the shape (...)."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Affine:
    """x -> W x + b. weight: (out, in) tensor as the network holds it; bias: (out,) or None."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class Convolution:
    """Cross-correlation over one or two axes; ``settings`` are stride, padding, dilation and groups."""

    weight: Tensor
    bias: Tensor | None
    settings: tuple[Any, ...]


@dataclass(frozen=True)
class Normalisation:
    """Batch normalisation by fixed statistics: scale (x - mean) / sqrt(variance + eps) + shift, channel by channel."""

    mean: Tensor
    variance: Tensor
    scale: Tensor | None
    shift: Tensor | None
    eps: float


@dataclass(frozen=True)
class Pointwise:
    """An activation, number by number. function: takes a tensor, ``args`` and ``kwargs``; may work in place."""

    function: Callable[..., Tensor]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class Pool:
    """Pooling over windows of an image or a series."""

    function: Callable[..., Tensor]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


Link = Reshape | Affine | Convolution | Normalisation | Pointwise | Pool

RESHAPES = {
    torch.flatten, Tensor.flatten, Tensor.view, torch.reshape, Tensor.reshape, torch.unsqueeze, Tensor.unsqueeze,
    torch.squeeze, Tensor.squeeze, torch.unflatten, Tensor.unflatten,
}  # fmt: skip
IN_PLACE: dict[Any, Callable[..., Tensor]] = {
    F.relu: torch.relu_, torch.relu: torch.relu_, torch.relu_: torch.relu_,
    Tensor.relu: torch.relu_, Tensor.relu_: torch.relu_,
    F.tanh: torch.tanh_, torch.tanh: torch.tanh_, Tensor.tanh: torch.tanh_,
    F.sigmoid: torch.sigmoid_, torch.sigmoid: torch.sigmoid_, Tensor.sigmoid: torch.sigmoid_,
}  # fmt: skip
OTHER_ACTIVATIONS = {
    F.gelu, F.silu, F.elu, F.selu, F.celu, F.leaky_relu, F.softplus, F.softsign, F.hardtanh, F.relu6, F.mish,
    F.hardswish, F.hardsigmoid, F.logsigmoid, F.tanhshrink, F.softshrink, F.hardshrink,
}  # fmt: skip
POOLS = {
    F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d,
    F.max_pool1d, F.avg_pool1d, F.adaptive_avg_pool1d, F.adaptive_max_pool1d,
}  # fmt: skip
CONVOLUTIONS = {torch.conv1d, torch.conv2d}
DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.alpha_dropout, F.feature_alpha_dropout}


def as_chain(recording: Recording) -> tuple[Link, ...] | None:
    """The pass as links that each take what the one before returned; None if it is anything else.

    A result of None costs only speed. Weights in the links are the network's own tensors, to be told by identity.
    """
    links: list[Link] = []
    current = recording.inputs
    for call in recording.calls:
        if not call.args or call.args[0] is not current or not isinstance(call.result, Tensor):
            return None
        if any(value is current for value in (*call.args[1:], *call.kwargs.values())):
            return None
        if call.function in DROPOUTS and not call.kwargs.get("training", True):
            current = call.result
            continue
        link = _link(call, len(recording.inputs))
        if link is None:
            return None
        links.append(link)
        current = call.result
    return tuple(links) if current is recording.outputs else None


def _link(call: Call, examples: int) -> Link | None:
    function, args, kwargs = call.function, call.args[1:], call.kwargs
    if function in RESHAPES:
        keeps = call.result.shape[:1] == call.args[0].shape[:1] == (examples,)
        return Reshape(tuple(call.result.shape[1:])) if keeps else None
    if function is F.linear and call.args[0].ndim == 2 and not kwargs:
        return Affine(args[0], args[1] if len(args) > 1 else None)
    if function in CONVOLUTIONS and len(args) == 6 and not isinstance(args[3], str):
        return Convolution(args[0], args[1], tuple(args[2:]))
    if function is F.batch_norm and len(args) == 2 and not kwargs.get("training", True) and args[0] is not None:
        return Normalisation(args[0], args[1], kwargs.get("weight"), kwargs.get("bias"), kwargs.get("eps", 1e-5))
    if function in IN_PLACE:
        return Pointwise(IN_PLACE[function], (), {})
    if function in OTHER_ACTIVATIONS:
        return Pointwise(function, args, {k: v for k, v in kwargs.items() if k != "inplace"})
    if function in POOLS:
        return Pool(function, args, kwargs)
    return None
