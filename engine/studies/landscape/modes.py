"""Putting a network's batch normalisation and dropout into the state that a measurement needs, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

SWITCHED_NORM = "Batch normalisation was in training mode; it is measured with its running statistics ({layers})."
SWITCHED_DROPOUT = "Dropout was active; it is switched off while measuring ({layers})."
BATCH_STATISTICS = (
    "These layers keep no running statistics, so the numbers depend on how examples fall into batches ({layers})."
)


@dataclass(frozen=True)
class Note:
    """Something to tell about the numbers: an English template and its values, as ``Run.warn`` takes them."""

    template: str
    params: dict[str, str]


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[list[Note]]:
    """The module in evaluation mode; yields what had to be switched, and restores every layer's mode afterwards."""
    modes = {part: part.training for part in module.modules()}
    try:
        notes = list(_notes(module))
        module.eval()
        yield notes
    finally:
        for part, mode in modes.items():
            part.training = mode


def _notes(module: nn.Module) -> Iterator[Note]:
    parts = [(name or type(part).__name__, part) for name, part in module.named_modules()]
    layers = [(name, part) for name, part in parts if isinstance(part, _BatchNorm)]
    norms = [name for name, part in layers if part.training and part.running_mean is not None]
    loose = [name for name, part in layers if part.running_mean is None]
    drops = [name for name, part in parts if isinstance(part, _DropoutNd) and part.training and part.p > 0]
    for template, names in ((SWITCHED_NORM, norms), (SWITCHED_DROPOUT, drops), (BATCH_STATISTICS, loose)):
        if names:
            yield Note(template, {"layers": ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")})


def batchnorm_layers(module: nn.Module) -> dict[str, _BatchNorm]:
    """name -> each batch normalisation that keeps running statistics."""
    return {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, _BatchNorm) and part.running_mean is not None
    }


@contextmanager
def batch_statistics(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, but batch normalisation uses each batch's own statistics, as in training."""
    with evaluation_mode(module):
        for layer in batchnorm_layers(module).values():
            layer.training = True
        yield
