"""What networks make of inputs: outputs, probabilities and layers' features, on plain or mixed inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import torch
from torch import Tensor, nn

from engine import seeding
from engine.studies.landscape.modes import evaluation_mode
from engine.studies.landscape.vectors import Outputs, Params

Read = Literal["logits", "softmax"]


def mixed_inputs(x: Tensor, seed: int, *, batch_size: int = 128, alpha: float = 16.0) -> Iterator[Tensor]:
    """Batches of mixup inputs, l x + (1 - l) x' with l ~ Beta(alpha, alpha) for each batch and x' its own shuffle.

    The batches follow from the seed alone, so two networks asked one after the other see the same inputs.

    Args:
        x: (n, ...) inputs. batch_size: examples a batch.

    Source: Zhang et al. 2018, mixup; as used for CKA by Yang et al. 2021, section 3.
    """
    for index, batch in enumerate(x.split(batch_size)):
        stream = seeding.generator(seed, "mixup", index)
        share = float(stream.beta(alpha, alpha))
        order = torch.as_tensor(stream.permutation(len(batch)), device=x.device)
        yield share * batch + (1 - share) * batch[order]


@torch.no_grad()
def network_outputs(outputs: Outputs, params: Params, inputs: Iterable[Tensor], read: Read = "softmax") -> Tensor:
    """(n, C) outputs for all batches of inputs, as logits or as class probabilities."""
    logits = torch.cat([outputs(params, x) for x in inputs])
    return logits if read == "logits" else logits.softmax(1)


def feature_layers(module: nn.Module) -> list[str]:
    """Names of the innermost layers, in the order of their definition."""
    return [name for name, part in module.named_modules() if name and not any(True for _ in part.children())]


@torch.no_grad()
def layer_features(module: nn.Module, params: Params, x: Tensor, layers: Sequence[str]) -> list[Tensor]:
    """Output (n, d) of each named layer for one batch, other axes flattened; the network's modes are left as they were.

    Take batches small where layers are wide, and feed them to `similarity.CkaAccumulator`.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(part: nn.Module, args: Any, output: Any) -> None:
            value = output[0] if isinstance(output, tuple) else output
            found[name] = value.detach().reshape(len(x), -1).clone()

        return hook

    with ExitStack() as stack:
        stack.enter_context(evaluation_mode(module))
        for name in layers:
            handle = module.get_submodule(name).register_forward_hook(keep(name))
            stack.callback(handle.remove)
        torch.func.functional_call(module, dict(params), (x,))
    return [found[name] for name in layers]
