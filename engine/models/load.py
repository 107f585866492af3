"""From a model artifact to a network with a pure loss: what every measurement of trained networks starts from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from engine.data.dataset import Dataset
from engine.data.errors import DataChanged
from engine.data.load import load as load_data
from engine.models.config import UserModel
from engine.models.create import LOSSES, LossFunction, as_tensors, choose_loss, create, own_data
from engine.models.errors import BadModelFolder, NoDataset, NotATensor
from engine.models.freeze import thaw
from engine.models.kinds import ModelArtifact
from engine.models.userfile import UserFile
from engine.models.weights import fit_weights

Batch = tuple[Tensor, Tensor]


class LoadedModel:
    """A network in evaluation mode, its parameters apart from it, and losses as pure functions of them.

    All functions are safe to differentiate twice: attention takes torch's plain path, whose derivatives exist.

    Attributes:
        module: the network. params: name -> trainable parameter, detached. buffers: name -> everything else it holds.
        classes: names of the classes, empty where the target is a number. input_shape: of one example.
        loss_name: "cross_entropy", "mse" or "user". device: as torch names it. artifact: where it is from.
    """

    def __init__(
        self, artifact: ModelArtifact, module: nn.Module, loss: LossFunction, device: str, user: UserFile | None
    ) -> None:
        self.artifact, self.module, self.device = artifact, module.to(device).eval(), device
        self.classes, self.input_shape, self.loss_name = artifact.classes, artifact.input_shape, artifact.loss
        named = dict(module.named_parameters())
        self.params = {name: p.detach() for name, p in named.items() if p.requires_grad}
        frozen = {name: p.detach() for name, p in named.items() if not p.requires_grad}
        self.buffers = dict(module.named_buffers()) | frozen
        self._loss, self._user = loss, user

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return next(iter(self.params.values())).dtype

    def dataset(self) -> Dataset:
        """The data that the model was trained on, read again.

        Raises:
            NoDataset: the model names none. DataChanged: they are not what they were. DataError: they cannot be read.
        """
        return self._dataset

    @cached_property
    def _dataset(self) -> Dataset:
        config, identity = self.artifact.data, self.artifact.identity
        if config is None:
            raise NoDataset()
        data = load_data(config, own_data(config, self._user))
        if identity and data.identity.content != identity["content"]:
            raise DataChanged(name=identity["name"], expected=identity["content"], found=data.identity.content)
        return data

    def batch(self, split: str = "train", limit: int | None = None) -> Batch:
        """The first ``limit`` (None: all) examples of "train" or "test" as tensors; their order is random already."""
        data = self.dataset()
        x, y = (data.x_train, data.y_train) if split == "train" else (data.x_test, data.y_test)
        return as_tensors(x[:limit], y[:limit], self.device, self.dtype)

    def outputs(self, params: Mapping[str, Tensor], x: Tensor, buffers: Mapping[str, Tensor] | None = None) -> Tensor:
        """Outputs, e.g. logits (N, classes), of the network with ``params`` at x (N, ...).

        ``buffers`` defaults to the model's own. A call in training mode updates the given buffers in place.
        """
        with sdpa_kernel(SDPBackend.MATH):
            result = functional_call(self.module, {**(self.buffers if buffers is None else buffers), **params}, (x,))
        if not isinstance(result, Tensor):
            raise NotATensor(got=type(result).__name__)
        return result

    def loss_from_outputs(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Scalar mean loss."""
        return self._loss(outputs, y)

    def loss(self, params: Mapping[str, Tensor], batch: Batch, buffers: Mapping[str, Tensor] | None = None) -> Tensor:
        """Scalar mean loss of the network with ``params`` on a batch (x, y)."""
        return self._loss(self.outputs(params, batch[0], buffers), batch[1])


def load(artifact: ModelArtifact, device: str = "cpu") -> LoadedModel:
    """Build the network of an artifact, give it its weights, and move it to ``device``.

    Raises:
        ConsentMissing: its code was not confirmed on this machine. ModelError: it cannot be built.
    """
    torch.backends.mha.set_fastpath_enabled(False)  # its fused kernels have no second derivative
    user = None
    if isinstance(artifact.model, UserModel):
        if artifact.source is None:
            raise BadModelFolder(path=artifact.model.path, reason="The copy of its code is missing.")
        user = UserFile(thaw(artifact.source, Path(artifact.model.path).name))
    fresh = artifact.model.model_copy(update={"weights": ""})
    module = create(fresh, artifact.input_shape, artifact.outputs, artifact.seed, user)
    fit_weights(
        module, {name: torch.from_numpy(np.array(a)) for name, a in artifact.weights.items()}, "the model artifact"
    )
    loss = choose_loss(len(artifact.classes), user)[1] if artifact.loss == "user" else LOSSES[artifact.loss]
    return LoadedModel(artifact, module, loss, device, user)
