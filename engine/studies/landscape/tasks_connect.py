"""The task landscape.connect: a curve of low loss between two networks, and the barrier along it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.landscape import cost
from engine.studies.landscape.align import align
from engine.studies.landscape.barrier import (
    CurvePlane,
    classification_score,
    curve_plane,
    evaluate_curve,
    mode_connectivity,
)
from engine.studies.landscape.batchnorm import refit_batchnorm
from engine.studies.landscape.config import ConnectConfig
from engine.studies.landscape.curve import Curve, CurveSettings, CurveTraining, train_curve
from engine.studies.landscape.kinds import CurveReport
from engine.studies.landscape.modes import batchnorm_layers
from engine.studies.landscape.recording import record
from engine.studies.landscape.setting import CHUNK, Setting, require_alike
from engine.studies.landscape.spans import Span
from engine.studies.landscape.vectors import Batch, Params, split_batches

Array = NDArray[np.float64]
MARGIN = 0.15  # of the plane's longer side, around ends and bend
EMPTY = np.zeros((0, 0))
TRACED = 8  # examples with which the alignment traces the network


class Connect:
    """Task landscape.connect."""

    Config = ConnectConfig

    def estimate(self, config: ConnectConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """Training a bend costs about as much as training the network for as many steps."""
        made_by = (upstream or {}).get("first")
        looking = cost.estimate(2 * config.points, config.examples, True, False, made_by)
        training = cost.training_steps(config.steps if config.form != "linear" else 0, config.batch_size, made_by)
        known = looking.seconds is not None and training is not None
        return Cost(looking.seconds + training if known else None, looking.bytes)  # type: ignore[operator]

    def run(self, config: ConnectConfig, run: Run) -> None:
        """Train the bends in one resumable unit after the other, then evaluate the curve."""
        Connecting(config, run).run_all()


class Connecting:
    """One run of the task."""

    def __init__(self, config: ConnectConfig, run: Run) -> None:
        assert config.first is not None and config.second is not None
        self.config, self.task = config, run
        self.setting, second = Setting(run, config.first, config.examples), Setting(run, config.second, config.examples)
        require_alike([self.setting, second])
        for setting in (self.setting, second):
            setting.warn_if_untrained()
        self.model = self.setting.model
        ends = self._aligned(second) if config.align else second.model.params
        form = "chain" if config.form == "chain" else "bezier"
        bends = 0 if config.form == "linear" else config.bends
        self.curve = Curve.between(self.model.params, ends, form=form, bends=bends)  # type: ignore[arg-type]
        self.line = Curve.between(self.model.params, ends, form="bezier", bends=0)
        self.splits = {name: split_batches(*split, CHUNK) for name, split in self.setting.splits.items()}
        self.has_norm = bool(batchnorm_layers(self.model.module))

    def _aligned(self, second: Setting) -> Params:
        traced = self.setting.splits["train"][0][:TRACED]
        found = align(
            self.model.outputs,
            self.model.params,
            second.model.params,
            traced,
            fixed=second.model.buffers,
            seed=self.config.seed,
        )
        self.task.warn(
            "The second network's units were permuted to match those of the first: the distance of weights fell from"
            " {before} to {after}.",
            before=f"{found.distance_before:.4g}",
            after=f"{found.distance_after:.4g}",
        )
        return found.params

    def run_all(self) -> None:
        """Everything."""
        training = self._train() if self.config.form != "linear" else None
        curve = training.curve if training is not None else self.curve
        times = np.linspace(0.0, 1.0, self.config.points)
        found = self._evaluate(curve, times, "curve")
        straight = self._evaluate(self.line, times, "straight line") if training is not None else found
        self._tell(curve, times, found, straight, training)

    def _train(self) -> CurveTraining:
        config, state = self.config, self.task.restored()
        settings = CurveSettings(
            steps=config.steps, max_steps=max(config.steps, config.max_steps), batch_size=config.batch_size,
            learning_rate=config.learning_rate, weight_decay=config.weight_decay,
        )  # fmt: skip
        form = "chain" if config.form == "chain" else "bezier"
        resume = CurveTraining.restored(state, form, self.curve.points) if state is not None else None  # type: ignore[arg-type]
        module = self.model.module if self.has_norm else None
        training = resume
        results = train_curve(
            self.model.loss, self.model.params, self.curve, self.setting.splits["train"], settings,
            module=module, seed=config.seed, resume=resume,
        )  # fmt: skip
        for training in results:
            self.task.point()
            self.task.checkpoint(training.state())
            self.task.progress(
                min(training.step, settings.max_steps), max(settings.steps, training.step) * 1.1, "curve"
            )
            if training.losses:
                self.task.measure("curve_loss", training.losses[-1], step=training.step)
        assert training is not None
        if not training.converged:
            self.task.warn(
                "The curve was still getting better when its {steps} steps were used up: the barrier is an upper bound."
                " Allow more steps.",
                steps=training.step,
            )
        return training

    def _evaluate(self, curve: Curve, times: Array, note: str) -> dict[str, Array]:
        """Field -> (n,) along a curve."""
        refit = self._refit if self.has_norm else None
        fields: dict[str, list[float]] = {f"{split}_{what}": [] for split in self.splits for what in ("loss", "error")}
        for index, point in enumerate(
            evaluate_curve(curve, self.setting.layout, self._score(), self.splits, times, refit=refit)
        ):
            self.task.point()
            self.task.progress(0.9 + 0.1 * (index + 1) / len(times), 1.0, note)
            for split in self.splits:
                fields[f"{split}_loss"].append(point.loss[split])
                fields[f"{split}_error"].append(point.error[split])
        return {name: np.array(values) for name, values in fields.items()}

    def _refit(self, weights: Params) -> Params:
        inputs = self.setting.splits["train"][0]
        return refit_batchnorm(self.model.module, weights, inputs, self.bytes_each, self.task.point)

    @cached_property
    def bytes_each(self) -> int:
        """Size of the network's largest intermediate result of one example."""
        return record(self.model.module, self.setting.splits["train"][0]).bytes_per_example()

    def _score(self) -> Any:
        if self.model.classes:
            return classification_score(self.model.outputs, self.setting.criterion)

        def score(params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            loss = self.model.loss(params, batch)
            return loss, torch.full_like(loss, float("nan"))

        return score

    def _plane(self, plane: CurvePlane) -> tuple[Array, Array, Array]:
        """Coordinates (m,), (m,) and training loss (m, m) on the plane through both ends and the bend."""
        low, high = plane.corners.min(axis=0), plane.corners.max(axis=0)
        margin = MARGIN * float((high - low).max())
        x, y = (np.linspace(low[k] - margin, high[k] + margin, self.config.plane) for k in (0, 1))
        span = Span(plane.origin, plane.axes, centred=False)
        surface, field = self.setting.surface(span, refit=self.has_norm), np.full((len(y), len(x)), np.nan)
        for row, height in enumerate(y):
            self.task.progress(0.95 + 0.05 * row / len(y), 1.0, "plane")
            field[row] = surface.values(np.column_stack([x, np.full(len(x), height)])).loss["train"]
        return x, y, field

    def _tell(
        self,
        curve: Curve,
        times: Array,
        found: dict[str, Array],
        straight: dict[str, Array],
        training: CurveTraining | None,
    ) -> None:
        run, form = self.task, self.config.form
        for name, values in (("mc_error", found["train_error"]), ("mc_loss", found["train_loss"])):
            run.measure(name, mode_connectivity(times, values)[0], n=len(times), curve=form)
        for name, values in (("mc_error", straight["train_error"]), ("mc_loss", straight["train_loss"])):
            if training is not None:
                run.measure(name, mode_connectivity(times, values)[0], n=len(times), curve="linear")
        loss = found["train_loss"]
        run.measure("barrier_loss", float(np.max(loss - ((1 - times) * loss[0] + times * loss[-1]))), curve=form)
        run.measure("curve_loss", float(loss.mean()))
        plane = curve_plane(curve, times) if len(curve.points) > 2 else None
        x, y, field = (
            self._plane(plane) if plane is not None and self.config.plane else (np.zeros(0), np.zeros(0), EMPTY)
        )
        run.publish(
            "curve",
            CurveReport(
                times=times, train_loss=loss, train_error=found["train_error"], test_loss=found["test_loss"],
                test_error=found["test_error"],
                linear_loss=straight["train_loss"], linear_error=straight["train_error"],
                steps=np.arange(1, len(training.losses) + 1, dtype=float) if training else np.zeros(0),
                losses=np.array(training.losses) if training else np.zeros(0),
                round_means=np.array(training.means) if training else np.zeros(0),
                corners=plane.corners if plane else np.zeros((0, 2)), path=plane.path if plane else np.zeros((0, 2)),
                plane_x=x, plane_y=y, plane_loss=field,
                form=form, converged=bool(training.converged) if training else True, aligned=self.config.align,
            ),
            complete=True,
        )  # fmt: skip
