"""What training leaves on record: loss, rate and lengths of every step, thinned weight snapshots, the trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.data.dataset import Array
from engine.training.flat import recorded_on_host

Rows = Array | Tensor  # numpy on the host, tensors elsewhere
COLUMNS = ("loss", "learning_rate", "step_norm", "displacement", "layer_step_norm", "layer_displacement")
SNAPSHOT_BYTES = 64 * 2**20


class EpochRecord:
    """Float64 records of one epoch's steps, kept on the device until ``close``.

    Attributes (after close; n steps made, L layers):
        first: number of the first step, from 0. count: rows filled so far.
        loss, learning_rate, step_norm, displacement: (n,) float64.
        layer_step_norm, layer_displacement: (n, L) float64. diverged: the step whose loss was not finite, or None.
    """

    def __init__(self, first: int, steps: int, layers: tuple[str, ...], device: torch.device) -> None:
        self.first, self.layers = first, layers
        self.loss: Array
        self.learning_rate: Array
        self.step_norm: Array
        self.displacement: Array
        self.layer_step_norm: Array
        self.layer_displacement: Array
        self.diverged: int | None = None
        self._host = recorded_on_host(device)  # elsewhere each look at a value would wait for the device
        self.count = 0
        self._rates = np.empty(steps)

        def empty(*shape: int) -> Any:
            return np.empty(shape) if self._host else torch.empty(shape, dtype=torch.float64, device=device)

        self._loss, self._steps, self._away = empty(steps), empty(steps, len(layers)), empty(steps, len(layers))

    def add(self, i: int, loss: Tensor, rate: float, step_squared: Rows, away_squared: Rows) -> None:
        """Row ``i``: the batch's loss, the rate, squared lengths (L,) of the step and of the way from the start."""
        self._rates[i] = rate
        self._loss[i] = loss.item() if self._host else loss
        self._steps[i] = step_squared
        self._away[i] = away_squared
        self.count = i + 1

    def diverged_at(self, i: int) -> bool:
        """Whether step ``i`` is known to have gone wrong; on CUDA devices this is found when the epoch closes."""
        return self._host and not (isfinite(self._loss[i]) and isfinite(self._steps[i].sum()))

    def close(self) -> EpochRecord:
        """Bring the numbers to the host and take roots."""
        for name, column in self.part(0).items():
            setattr(self, name, column)
        if len(self.loss) < self.count:
            self.diverged = self.first + len(self.loss)
        return self

    def part(self, start: int) -> dict[str, Array]:
        """The columns of ``columns`` from row ``start`` on, as far as they are filled and all is finite."""
        rows = (column[start : self.count] for column in (self._loss, self._steps, self._away))
        loss, steps, away = rows if self._host else (row.cpu().numpy() for row in rows)
        bad = np.flatnonzero(~(np.isfinite(loss) & np.isfinite(steps).all(axis=1)))
        n = int(bad[0]) if len(bad) else len(loss)
        loss, steps, away = loss[:n].copy(), steps[:n], away[:n]
        lengths = (np.sqrt(steps.sum(axis=1)), np.sqrt(away.sum(axis=1)), np.sqrt(steps), np.sqrt(away))
        return dict(zip(COLUMNS, (loss, self._rates[start : start + n].copy(), *lengths), strict=True))

    def columns(self) -> dict[str, Array]:
        """Name -> array, one row a step; after ``close``."""
        return {name: getattr(self, name) for name in COLUMNS}


class Snapshots:
    """Weights at chosen steps, half of them evenly and half logarithmically spaced; for pictures only."""

    def __init__(self, wanted: int, total: int, parameters: int) -> None:
        count = min(wanted, max(2, SNAPSHOT_BYTES // (4 * parameters)))
        self.plan = set(snapshot_steps(count, total).tolist()) if wanted else set()
        self.steps: list[int] = []
        self.weights: list[Array] = []

    def offer(self, step: int, vector: Tensor) -> None:
        """Keep ``vector`` (P,) as the weights after ``step`` steps if the plan says so."""
        if step in self.plan and (not self.steps or step > self.steps[-1]):
            self.steps.append(step)
            self.weights.append(vector.detach().to("cpu", torch.float32, copy=True).numpy())

    def stacked(self) -> tuple[Array, Array]:
        """(S,) int64 steps, (S, P) float32 weights."""
        size = len(self.weights[0]) if self.weights else 0
        weights = np.stack(self.weights) if self.weights else np.empty((0, size), np.float32)
        return np.array(self.steps, dtype=np.int64), weights

    def state(self) -> dict[str, Any]:
        """Arrays for a checkpoint."""
        steps, weights = self.stacked()
        return {"steps": steps, "weights": weights}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The reverse of ``state``."""
        self.steps = [int(step) for step in state["steps"]]
        self.weights = [np.array(row) for row in state["weights"]]


def snapshot_steps(count: int, total: int) -> Array:
    """At most ``count`` steps in 0..total, sorted, with 0 and ``total``."""
    even = np.linspace(0, total, max(2, count - count // 2))
    spread = np.geomspace(1, max(total, 1), max(1, count // 2))
    steps = np.unique(np.round(np.concatenate([even, spread])).astype(np.int64))
    return steps[steps <= total]


class TrajectoryRecord:
    """The records of all epochs so far, joined into a trajectory."""

    def __init__(self, layers: tuple[str, ...]) -> None:
        self.layers = layers
        self._parts: list[dict[str, Array]] = []

    def add(self, epoch: EpochRecord) -> None:
        """Append one epoch."""
        self._parts.append(epoch.columns())

    def columns(self) -> dict[str, Array]:
        """Name -> float64 array over all T steps, (T,) or (T, L)."""
        if not self._parts:
            empty = np.empty(0)
            flat = dict.fromkeys(("loss", "learning_rate", "step_norm", "displacement"), empty)
            return flat | dict.fromkeys(("layer_step_norm", "layer_displacement"), np.empty((0, len(self.layers))))
        joined = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        self._parts = [joined]
        return joined

    def restore(self, columns: Mapping[str, Any]) -> None:
        """The reverse of ``columns``."""
        self._parts = [{name: np.array(value) for name, value in columns.items()}]

    def trajectory(self, snapshots: Snapshots) -> dict[str, Any]:
        """The value of a ``trajectory`` artifact (engine.artifacts.shared_kinds.TrajectoryKind)."""
        steps, weights = snapshots.stacked()
        records = {name: column for name, column in self.columns().items() if name != "learning_rate"}
        return {"records": records, "layers": list(self.layers), "snapshots": {"steps": steps, "weights": weights}}
