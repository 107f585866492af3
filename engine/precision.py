"""Keeps CUDA's products of matrices in single precision: TF32 keeps ten bits, too few for differences of losses."""

from __future__ import annotations

import contextlib
import importlib
import sys


def forbid_tf32(device: str) -> bool | None:
    """Switch TF32 off in this process, for matrix products and for convolutions (where torch has it on by itself).

    Args:
        device: as torch names it; torch is imported for CUDA, and otherwise left alone unless it is loaded already.

    Returns:
        Whether TF32 may still be used; None where torch is not loaded, and so nothing is computed with it yet.
    """
    if device.startswith("cuda"):
        with contextlib.suppress(ImportError):  # the task will say so
            importlib.import_module("torch")
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    places = (torch.backends.cuda.matmul, torch.backends.cudnn)
    for place in places:
        place.allow_tf32 = False
    return any(place.allow_tf32 for place in places)
