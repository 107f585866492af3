"""Makes the network of a config and its loss, and checks that they take the data."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from contextlib import nullcontext
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.data.config import DataConfig, ModelFileData
from engine.data.dataset import Dataset
from engine.models.builtin import build
from engine.models.config import AnyModelConfig, StudyModel, UserModel
from engine.models.errors import BadForward, BadLoss, BadOutputs, NotATensor, SourceChanged
from engine.models.freeze import freeze, survey, thaw
from engine.models.userfile import UserFile
from engine.models.weights import fit_weights, read_weights
from engine.seeding import derive

LossFunction = Callable[[Tensor, Tensor], Tensor]


def mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean of (output - target)^2; outputs (N, 1) or (N,), targets (N,)."""
    return F.mse_loss(outputs.reshape(targets.shape), targets)


LOSSES: dict[str, LossFunction] = {"cross_entropy": F.cross_entropy, "mse": mean_squared_error}


def open_source(config: AnyModelConfig, folder: Path) -> UserFile | None:
    """The user's code of a model config: frozen into ``folder`` the first time, taken from there afterwards.

    Raises:
        ConsentMissing, SourceChanged (since the config was made), and what loading the file raises.
    """
    if not isinstance(config, UserModel):
        return None
    path = Path(config.path).expanduser()
    if (folder / path.name).is_file():
        source = thaw(folder, path.name)
    else:
        source = survey(path)
        if config.sha256 and config.sha256 != source.sha256:
            raise SourceChanged(path=path, expected=config.sha256, found=source.sha256)
        source = freeze(path, folder)
    return UserFile(source)


def own_data(config: DataConfig | None, user: UserFile | None) -> Callable[[], Any] | None:
    """``data()`` of the user's file where the data config asks for it and the file has it."""
    if isinstance(config, ModelFileData) and user is not None and user.has("data"):
        return functools.partial(user.data, config.split_seed)
    return None


def create(config: AnyModelConfig, shape: tuple[int, ...], outputs: int, seed: int, user: UserFile | None) -> nn.Module:
    """The network with the weights of a fresh start, or those of the file that the config names.

    Args:
        shape: of one example. outputs: classes, or numbers to predict. user: from ``open_source``, for UserModel.
    """
    if isinstance(config, StudyModel):
        module, _, function = config.factory.partition(":")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "weights"))
            return getattr(importlib.import_module(module), function)(config.settings, shape, outputs)
    if isinstance(config, UserModel):
        assert user is not None, "open_source comes first"
        net = user.build(config.factory, seed)
        _fix_shapes(net, shape, seed)
    else:
        net = build(config, shape, outputs, seed)
    if config.weights:
        path = Path(config.weights).expanduser()
        fit_weights(net, read_weights(path), str(path))
    return net


def _fix_shapes(net: nn.Module, shape: tuple[int, ...], seed: int) -> None:
    """Let lazy layers take their sizes from two examples of zeros, with random numbers that follow from the seed."""
    if any(nn.parameter.is_lazy(p) for p in (*net.parameters(), *net.buffers())):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(derive(seed, "lazy weights"))
            try:
                net(torch.zeros(2, *shape))
            except RuntimeError as error:
                raise BadForward(shape=shape, reason=first_line(error)) from error


def first_line(error: Exception) -> str:
    """What an exception says first, without a full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def choose_loss(classes: int, user: UserFile | None) -> tuple[str, LossFunction]:
    """Name and function of the loss: the user's own, cross-entropy for classes, mean squared error for numbers."""
    if user is not None and user.has("loss"):
        return "user", _own_loss(user)
    name = "cross_entropy" if classes else "mse"
    return name, LOSSES[name]


def _own_loss(user: UserFile) -> LossFunction:
    function = user.main.loss  # called directly: guarding each step would cost as much as a small network

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        value = function(outputs, targets)
        if not isinstance(value, Tensor) or value.dim() != 0:
            shape = tuple(value.shape) if isinstance(value, Tensor) else ""
            raise BadLoss(got=f"{type(value).__name__} {shape}".strip())
        return value

    return loss


def as_tensors(x: Any, y: Any, device: str | torch.device, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Arrays as tensors of their own memory on ``device``; floating-point examples and targets get ``dtype``."""
    pair = [torch.tensor(a, device=device) for a in (x, y)]
    pair = [t.to(dtype) if t.is_floating_point() else t for t in pair]
    return pair[0], pair[1]


def as_array(value: Tensor) -> Any:
    """A copy as a numpy array; bfloat16, which numpy lacks, becomes float32 without loss."""
    value = value.detach().to("cpu", copy=True)
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def check_fit(
    module: nn.Module, loss: LossFunction, loss_name: str, data: Dataset, device: str, user: UserFile | None = None
) -> None:
    """Send two examples through the network and the loss.

    Raises:
        BadForward, NotATensor, BadOutputs, BadLoss, UserCodeFailed: worded for the owner of the network.
    """
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    x, y = as_tensors(data.x_train[:2], data.y_train[:2], device, dtype)
    was_training = module.training
    module.eval()
    with user.blamed("The network or its loss") if user else nullcontext():
        try:
            outputs = module(x)
        except RuntimeError as error:  # what torch raises for shapes and types
            raise BadForward(shape=data.shape, reason=first_line(error)) from error
        finally:
            module.train(was_training)
        if not isinstance(outputs, Tensor):
            raise NotATensor(got=type(outputs).__name__)
        _check_outputs(outputs, y, len(data.classes), loss_name)
        value = loss(outputs, y)
    if not value.requires_grad and any(p.requires_grad for p in module.parameters()):
        raise BadLoss(got="a number that does not depend on the outputs")


def _check_outputs(outputs: Tensor, y: Tensor, classes: int, loss_name: str) -> None:
    if loss_name == "user":
        return
    fits = outputs.dim() == 2 and outputs.shape[1] >= classes if classes else outputs.numel() == prod(y.shape)
    if not fits:
        targets = f"{classes} classes" if classes else "one number to predict"
        raise BadOutputs(shape=tuple(outputs.shape), targets=targets)
