"""Reading files of weights without executing anything, and fitting them to a network."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.models.errors import MissingWeights, UnreadableWeights, UnsafeWeights, WeightsMismatch

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")
SHOWN = 4


def read_weights(path: Path) -> dict[str, Tensor]:
    """Name -> tensor from a safetensors file or a torch file that holds tensors only.

    A dict around the weights ("state_dict", "model" ...) and the "module." of data-parallel training are taken off.

    Raises:
        MissingWeights, UnsafeWeights (a pickle that names other things than tensors), UnreadableWeights.
    """
    if not path.is_file():
        raise MissingWeights(path=path)
    try:
        loaded: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "GLOBAL" in str(error):
            raise UnsafeWeights(path=path, reason=_refusal(error)) from error
        raise UnreadableWeights(path=path, reason=_first_line(error)) from error
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UnreadableWeights(path=path, reason=_first_line(error)) from error
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise UnreadableWeights(path=path, reason=f"It holds {type(loaded).__name__}, not named tensors.")
    prefix = "module." if all(name.startswith("module.") for name in loaded) else ""
    return {name.removeprefix(prefix): value for name, value in loaded.items()}


def fit_weights(module: nn.Module, weights: Mapping[str, Tensor], path: str) -> None:
    """Copy ``weights`` into ``module``.

    Raises:
        WeightsMismatch: says which names and shapes do not fit; the module is unchanged then.
    """
    own = module.state_dict()
    shapes = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    missing, unexpected = [n for n in own if n not in weights], [n for n in weights if n not in own]
    if missing or unexpected or shapes:
        raise WeightsMismatch(path=path, missing=_some(missing), unexpected=_some(unexpected), shapes=_some(shapes))
    module.load_state_dict(dict(weights))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more if names else "none"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _refusal(error: Exception) -> str:
    """The line in which torch names what it refused."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if "Unsupported" in line or "GLOBAL" in line), lines[0])[:300]
