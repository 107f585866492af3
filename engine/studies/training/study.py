"""The task ``training.train``: one network, one dataset, one seed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from engine.data.load import load
from engine.models.create import as_array, as_tensors, check_fit, choose_loss, create, open_source, own_data
from engine.models.kinds import ModelArtifact
from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.training.config import TrainConfig
from engine.studies.training.cost import estimate
from engine.training.batches import epochs_for
from engine.training.evaluate import evaluate, wilson_interval
from engine.training.loop import Loop
from engine.training.record import TrajectoryRecord

CHECKPOINT_SECONDS = 3.0
POINT_SECONDS = 0.05
STEPS_SECONDS = 0.25
SAVING = 19  # times as much work as saving
SMALL = 100_000  # parameters
UNTRAINED = 0.98  # of the loss of guessing, ln C


class Train:
    """Trains, and publishes the model and its trajectory, also on the way."""

    Config = TrainConfig

    def estimate(self, config: TrainConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """From measured rates for the built-in networks and data; unknown for users' own."""
        return estimate(config)

    def run(self, config: TrainConfig, run: Run) -> None:
        """Train from the newest checkpoint, or from the start."""
        torch.backends.cudnn.deterministic = True  # so that a resumed run is the same on a GPU, too
        training = Training(config, run)
        with training.user.blamed("The network") if training.user else nullcontext():
            training.run()


class Training:
    """One run of the task: what it holds, and its parts in the order in which they happen."""

    def __init__(self, config: TrainConfig, run: Run) -> None:
        self.config, self.task = config, run
        self.user = open_source(config.model, run.folder / "source")
        self.data = load(config.data, own_data(config.data, self.user))
        self.classes = len(self.data.classes)
        self.loss_name, self.loss = choose_loss(self.classes, self.user)
        self.outputs = self.classes or 1
        self.module = create(config.model, self.data.shape, self.outputs, config.seed, self.user).to(run.device)
        check_fit(self.module, self.loss, self.loss_name, self.data, run.device, self.user)
        dtype = next(p.dtype for p in self.module.parameters() if p.is_floating_point())
        self.train = as_tensors(self.data.x_train, self.data.y_train, run.device, dtype)
        self.test = as_tensors(self.data.x_test, self.data.y_test, run.device, dtype)
        self.epochs = epochs_for(config.epochs, len(self.train[0]), config.batch_size, config.min_updates)
        self.loop = Loop(
            self.module,
            self.loss,
            *self.train,
            config.optimiser,
            batch_size=config.batch_size,
            epochs=self.epochs,
            seed=config.seed,
            replacement=config.replacement,
            snapshots=config.snapshots,
        )
        if len(self.loop.flat.vector) < SMALL:
            torch.set_num_threads(1)  # more only slow small networks down
        self.record = TrajectoryRecord(self.loop.flat.layers)
        self.summary: dict[str, float] = {}
        self._measured = 0  # steps that are in the series
        self._point_due = self._steps_due = now = time.monotonic()
        self._checkpoint_due = now + CHECKPOINT_SECONDS

    def run(self) -> None:
        """All epochs that are still to do; then what is left for good."""
        state = self.task.restored()
        if state is not None:
            self.loop.restore(state["loop"])
            self.record.restore(state["record"])
            self.summary = dict(state["summary"])
            self._measured = self.loop.step
        else:
            for template, values in self.data.notes:
                self.task.warn(template, **values)
            self.task.measure("parameters", len(self.loop.flat.vector))
            self.evaluate()
            if self.epochs:
                self.publish()
        for unit in self.task.units([f"epoch {i + 1}" for i in range(self.epochs)]):
            if not self.epoch(unit.index):
                break
        self.finish()

    def epoch(self, index: int) -> bool:
        """Train one epoch, measure and publish what is due; False if the training diverged."""
        record = self.loop.epoch(index, self.tick)
        self.record.add(record)
        self.measure_steps()
        if record.diverged is not None:
            self.task.warn(
                "The training diverged at step {step}: its loss or its weights are not finite. What is kept is the "
                "network of step {kept}. A smaller learning rate is the usual remedy.",
                step=record.diverged + 1,
                kept=record.first,
            )
            return False
        if due(index + 1, self.config.evaluations, self.epochs):
            self.evaluate()
        if due(index + 1, self.config.versions + 1, self.epochs) and index + 1 < self.epochs:
            self.publish()
        if time.monotonic() >= self._checkpoint_due:
            self.checkpoint()
        return True

    def checkpoint(self) -> None:
        """Save all that resume needs; again after a while that makes the saving a twentieth of the time."""
        begun = time.monotonic()
        state = {"loop": self.loop.state(), "record": self.record.columns(), "summary": finite(self.summary)}
        self.task.checkpoint(state)
        now = time.monotonic()
        self._checkpoint_due = now + max(CHECKPOINT_SECONDS, SAVING * (now - begun))

    def tick(self, step: int = 0) -> None:
        """Let Stop take effect and say how far it is, not oftener than needed."""
        now = time.monotonic()
        if now >= self._point_due:
            self.task.point()
            self._point_due = now + POINT_SECONDS
        if now >= self._steps_due:
            self.measure_steps()

    def measure_steps(self) -> None:
        """Append the steps since the last call to their series."""
        record = self.loop.record
        if record is not None and record.first + record.count > self._measured:
            part = record.part(self._measured - record.first)
            steps = self._measured + 1 + np.arange(len(part["loss"]))
            for name in ("step_norm", "displacement", "learning_rate"):
                self.task.measure(name, part[name], step=steps)
            self.task.measure("minibatch_loss", part["loss"], step=steps)
            self._measured += len(steps)
            self.task.progress(self._measured, self.loop.total)
        self._steps_due = time.monotonic() + STEPS_SECONDS

    def evaluate(self) -> None:
        """Loss and accuracy on all examples, at the current step."""
        step = self.loop.step
        values: dict[str, float] = {}
        for split, (x, y) in {"train": self.train, "test": self.test}.items():
            loss, right = evaluate(self.module, self.loss, x, y, self.classes, self.tick)
            values[f"{split}_loss"] = loss
            if right is not None:
                values[f"{split}_accuracy"] = 100.0 * right / len(x)
        values["generalisation_gap"] = values["test_loss"] - values["train_loss"]
        if self.classes:
            values["accuracy_gap"] = values["train_accuracy"] - values["test_accuracy"]
        for name, value in values.items():
            self.task.measure(name, value, step=step)
        self.summary = {**values, "updates": step}

    def publish(self, complete: bool = False) -> None:
        """A version of the model and of its trajectory."""
        self.task.publish("model", self.artifact(), complete=complete)
        self.task.publish("trajectory", self.record.trajectory(self.loop.snapshots), complete=complete)

    def artifact(self) -> ModelArtifact:
        """The network as it is now."""
        weights = {name: as_array(value) for name, value in self.module.state_dict().items()}
        source = self.user.source.folder if self.user else None
        return ModelArtifact(
            weights=weights,
            model=self.config.model,
            data=self.config.data,
            identity=self.data.identity.to_json(),
            loss=self.loss_name,
            input_shape=self.data.shape,
            outputs=self.outputs,
            classes=self.data.classes,
            seed=self.config.seed,
            summary=finite(self.summary),
            source=source,
        )

    def finish(self) -> None:
        """Final measures, the warning for a network that has learned nothing, the last versions."""
        if self.summary.get("updates") != self.loop.step:
            self.evaluate()
        self.task.measure("updates", self.loop.step)
        for name, value in self.summary.items():
            if name == "test_accuracy":
                trials = len(self.test[0])
                low, high = wilson_interval(round(value * trials / 100), trials)
                self.task.measure(name, value, interval=(100 * low, 100 * high), n=trials)
            elif name != "updates":
                self.task.measure(name, value)
        guess = math.log(self.classes) if self.classes else math.inf
        if self.loss_name == "cross_entropy" and not self.summary["train_loss"] < UNTRAINED * guess:
            self.task.warn(
                "This network is not trained: its training loss {loss} is that of guessing, {guess}. "
                "What is measured on it says nothing about learning.",
                loss=f"{self.summary['train_loss']:.3f}",
                guess=f"{guess:.3f}",
            )
        self.publish(complete=True)


def due(epoch: int, times: int, epochs: int) -> bool:
    """Whether ``epoch`` (from 1) is one of ``times`` that are evenly spread over ``epochs``, the last included."""
    return epoch * times // epochs > (epoch - 1) * times // epochs


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """Without NaN and infinities, which JSON does not have."""
    return {name: value for name, value in values.items() if math.isfinite(value)}


TASKS: tuple[Any, ...] = (Train(),)
