"""Loss and accuracy of outputs, example by example: cross-entropy made fast, or any loss of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import EngineError

UserLoss = Callable[[Tensor, Tensor], Tensor]  # outputs and targets of n examples -> mean, a scalar


class NotClasses(EngineError):
    """Raised where cross-entropy meets something that is not a class."""

    what = "The cross-entropy of these outputs and targets is not defined."
    why = "{reason}"
    remedy = "Give the model a loss(outputs, targets) of its own, or data whose targets are class numbers from 0."


def check_classes(outputs: Tensor, targets: Tensor) -> None:
    """See that ``targets`` (n,) are classes of ``outputs`` (n, C).

    Raises:
        NotClasses.
    """
    if outputs.ndim != 2:
        raise NotClasses(reason=f"The model returns {tuple(outputs.shape)}, not one row of scores an example.")
    if targets.ndim != 1 or targets.is_floating_point():
        found = f"{targets.dtype} {tuple(targets.shape)}"
        raise NotClasses(reason=f"The targets are {found}, not one whole number an example.")
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < outputs.shape[1]:
        span = f"{int(targets.min())} to {int(targets.max())}"
        raise NotClasses(reason=f"The targets run from {span}, the model knows classes 0 to {outputs.shape[1] - 1}.")


def cross_entropies(logits: Tensor, targets: Tensor) -> Tensor:
    """-log softmax of the true class, (P, n), from logits (P, C, n) and targets (n,).

    Classes lie before examples because sums over a strided axis vectorise: 20 times faster than (n, C) for ten classes.
    """
    scores = torch.log_softmax(logits, 1)
    return -scores.gather(1, targets.expand(len(logits), 1, -1)).squeeze(1)


def hits(logits: Tensor, targets: Tensor) -> Tensor:
    """(P, n) whether the largest of logits (P, C, n) is that of the target (n,); where several are equal, the first.

    Undefined outputs are wrong. To compare with the largest other score is three times faster than to find its place.
    """
    index = targets.expand(len(logits), 1, -1)
    own, other = logits.gather(1, index)[:, 0], logits.scatter(1, index, -torch.inf).amax(1)
    if bool((own == other).any()):
        return (logits.max(1).indices == targets) & ~own.isnan()
    return own > other


def summed(values: Tensor) -> NDArray[Any]:
    """(P, n) -> (P,) sums over the examples, in double precision where the device has it."""
    exact = torch.float32 if values.device.type == "mps" else torch.float64
    return np.asarray(values.sum(1, dtype=exact).cpu().numpy())


def user_losses(loss: UserLoss, outputs: Tensor, targets: Tensor) -> Tensor:
    """A mean loss taken apart: its value for each example alone, (n,), from outputs (n, ...) and targets (n, ...)."""
    try:
        return torch.func.vmap(lambda o, t: loss(o.unsqueeze(0), t.unsqueeze(0)))(outputs, targets)
    except RuntimeError:  # the loss branches on values, which vmap cannot follow
        parts = [loss(outputs[i : i + 1], targets[i : i + 1]) for i in range(len(targets))]
        return torch.stack([part.reshape(()) for part in parts])


def is_classification(outputs: Tensor, targets: Tensor) -> bool:
    """Whether accuracy means something: (n, C >= 2) scores and (n,) whole numbers."""
    return outputs.ndim == 2 and outputs.shape[1] > 1 and targets.ndim == 1 and not targets.is_floating_point()
