"""What the landscape tasks share: a network on its device, its data as tensors, its loss, and warnings about both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from engine.artifacts.refs import ArtifactRef
from engine.errors import EngineError
from engine.models.load import LoadedModel, load
from engine.runs.run import Run
from engine.studies.landscape.modes import evaluation_mode
from engine.studies.landscape.products import Criterion
from engine.studies.landscape.spans import Span
from engine.studies.landscape.surface import LossSurface
from engine.studies.landscape.vectors import Batch, Layout, mean_loss, split_batches
from engine.studies.landscape.weights import read_weights

SMALL = 100_000  # parameters up to which one thread is fastest
UNTRAINED = 0.98  # of the loss of guessing, ln C
CHUNK = 2048  # examples at a time where only the loss is asked for


class DifferentModels(EngineError):
    """Raised where networks are compared that have not the same outputs."""

    what = "The networks cannot be compared."
    why = "{first} takes inputs of shape {shape_first}, {second} of shape {shape_second}."
    remedy = "Choose networks for the same data."


class Setting:
    """A model artifact made ready.

    Attributes:
        run: the run that asks. model: the network. layout: of its trainable weights. splits: "train" and perhaps "test"
            -> (inputs, targets), at most ``limit`` of each.
    """

    def __init__(self, run: Run, ref: ArtifactRef, limit: int = 0, test: bool = True) -> None:
        self.run = run
        self.model: LoadedModel = load(run.input(ref), run.device)
        names = ("train", "test") if test else ("train",)
        self.splits: dict[str, Batch] = {name: self.model.batch(name, limit or None) for name in names}
        self.layout = Layout.of(self.model.params)
        if self.layout.size < SMALL:
            torch.set_num_threads(1)
        self._warn_of_weights()

    def _warn_of_weights(self) -> None:
        for name, param in self.model.params.items():
            if not bool(torch.isfinite(param).all()):
                self.run.warn(
                    "The network's weights are not finite in {name}; nothing measured on it has a meaning.", name=name
                )
                return

    def warn_if_untrained(self) -> None:
        """Say so when the network guesses: a dead network is not flat, and two of them are not alike."""
        if self.model.loss_name != "cross_entropy" or not self.model.classes:
            return
        loss, guess = self.train_loss, math.log(len(self.model.classes))
        if not loss < UNTRAINED * guess:
            self.run.warn(
                "This network is not trained: its training loss {loss} is that of guessing, {guess}."
                " What is measured on it says nothing about learning.",
                loss=f"{loss:.3f}",
                guess=f"{guess:.3f}",
            )

    @cached_property
    def train_loss(self) -> float:
        """Mean loss over the training examples."""
        with torch.no_grad():
            return mean_loss(self.model.loss, self.model.params, self.batches(CHUNK))

    def batches(self, size: int) -> list[Batch]:
        """The training examples in consecutive batches."""
        return split_batches(*self.splits["train"], size)

    @property
    def criterion(self) -> Criterion:
        """Mean loss of outputs and targets."""
        if self.model.loss_name == "cross_entropy":
            return torch.nn.functional.cross_entropy
        return self.model.loss_from_outputs

    @property
    def weights(self) -> Tensor:
        """(n,) the trainable weights."""
        return read_weights(self.model.module)

    def surface(self, span: Span, refit: bool) -> LossSurface:
        """The loss over a span, with Stop taking effect between blocks of examples."""
        loss = None if self.model.loss_name == "cross_entropy" else self.model.loss_from_outputs
        inputs = self.splits["train"][0] if refit else None
        return LossSurface(
            self.model.module,
            span.directions,
            self.splits,
            origin=span.origin,
            loss=loss,
            refit=inputs,
            tick=self.run.point,
        )

    def note_modes(self) -> Any:
        """Context in which the network is in evaluation mode; what had to be switched becomes a warning."""
        return _Noted(self)


class _Noted:
    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._mode = evaluation_mode(setting.model.module)

    def __enter__(self) -> None:
        for note in self._mode.__enter__():
            self._setting.run.warn(note.template, **note.params)

    def __exit__(self, *details: Any) -> None:
        self._mode.__exit__(*details)


def require_alike(settings: Sequence[Setting]) -> None:
    """Raise DifferentModels unless all networks take the same inputs."""
    first = settings[0].model
    for other in settings[1:]:
        if other.model.input_shape != first.input_shape:
            raise DifferentModels(
                first=first.artifact.model.builder,
                second=other.model.artifact.model.builder,
                shape_first=first.input_shape,
                shape_second=other.model.input_shape,
            )
