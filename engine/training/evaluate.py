"""Loss and accuracy over all examples, and Wilson's interval."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

CHUNK = 2048
Z95 = 1.959963984540054


@torch.no_grad()
def evaluate(
    module: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    classes: int,
    tick: Callable[[], None] = lambda: None,
) -> tuple[float, int | None]:
    """Mean loss and number of right answers in evaluation mode.

    Args:
        loss: mean over a batch. x: (N, ...), y: (N, ...). classes: 0 where the target is no class; None is right then.
        tick: called before each chunk.
    """
    was_training = module.training
    module.eval()
    total, right = 0.0, 0
    for start in range(0, len(x), CHUNK):
        tick()
        outputs, targets = module(x[start : start + CHUNK]), y[start : start + CHUNK]
        total += float(loss(outputs, targets)) * len(targets)
        if classes:
            right += int((outputs.argmax(dim=1) == targets).sum())
    module.train(was_training)
    return total / len(x), right if classes else None


def wilson_interval(successes: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927): lower and upper end in [0, 1]."""
    p, shrink = successes / trials, z * z / trials
    centre = (p + shrink / 2) / (1 + shrink)
    half = z * math.sqrt(p * (1 - p) / trials + shrink / (4 * trials)) / (1 + shrink)
    return centre - half if successes else 0.0, centre + half if successes < trials else 1.0
