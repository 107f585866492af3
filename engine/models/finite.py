"""Refuses tensors that hold NaN or infinity, on which nothing can be measured."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.errors import EngineError


class NotFinite(EngineError):
    """Raised where weights or a loss hold NaN or infinity, on which nothing can be measured."""

    what = "{where} is not finite."
    why = "{count} of its {total} numbers are NaN or infinite; the training has probably diverged."
    remedy = "Choose an earlier version of the model, or train with a smaller learning rate."


def require_finite(tensors: Mapping[str, Tensor]) -> None:
    """Raise NotFinite for the first tensor that holds NaN or infinity."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise NotFinite(where=name, count=bad, total=tensor.numel())
