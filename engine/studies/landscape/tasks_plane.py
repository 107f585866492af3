"""The tasks landscape.surface and landscape.line: the loss around a trained network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.artifacts.refs import ArtifactRef
from engine.models.load import load
from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.landscape import cost, lattice
from engine.studies.landscape.config import LineConfig, SurfaceConfig
from engine.studies.landscape.kinds import Directions, Line, Path2D, Plane
from engine.studies.landscape.setting import Setting
from engine.studies.landscape.spans import Span, line_span, path_on, plane_span
from engine.studies.landscape.surface import LossSurface, Values
from engine.studies.landscape.weights import read_weights

Array = NDArray[Any]
BLOCK = 64  # points of a unit of resume
PATH_POINTS = 60  # snapshots whose own loss is evaluated
CHECKPOINT_SECONDS = 3.0


@dataclass(frozen=True)
class Piece:
    """A unit of work: lattice points of one stage, or snapshots of the path.

    Attributes:
        label: what it is. points: (m, 2) rows and columns, or (m,) positions on a line, or (m,) indices of snapshots.
        path: it is about snapshots. closes: the stage that is complete after it, or None.
    """

    label: str
    points: Array
    path: bool = False
    closes: lattice.Stage | None = None


class View(Setting):
    """A network that is looked at along a line or a plane."""

    def __init__(self, config: SurfaceConfig | LineConfig, run: Run) -> None:
        assert config.model is not None
        super().__init__(run, config.model, config.examples, config.test)
        self.config = config

    def over(self, span: Span) -> LossSurface:
        """The loss over a span."""
        return self.surface(span, refit=self.config.batch_norm == "refit")

    def weights_of(self, ref: ArtifactRef) -> Tensor:
        """(n,) weights of another model."""
        return read_weights(load(self.run.input(ref), self.run.device).module)

    def fields(self, shape: tuple[int, ...]) -> dict[str, Array]:
        """Empty fields for what will be measured."""
        names = [f"{split}_{what}" for split in self.splits for what in ("loss", "accuracy")]
        keep = [name for name in names if self.model.classes or not name.endswith("accuracy")]
        return {name: np.full(shape, np.nan) for name in keep}

    def facts(self, span: Span) -> dict[str, Any]:
        """What to tell beside the picture."""
        data = self.model.artifact.identity or {}
        counts = {name: len(x) for name, (x, _) in self.splits.items()}
        told = {
            "radius": self.config.radius,
            "examples": counts,
            "data": data.get("name", ""),
            "loss": self.model.loss_name,
        }
        return {**span.settings, **told}


class Surface:
    """Task landscape.surface."""

    Config = SurfaceConfig

    def estimate(self, config: SurfaceConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """From the network and data of the run that makes the model, where these are built in."""
        points = config.resolution**2 + (PATH_POINTS if config.trajectory else 0)
        return cost.estimate(
            points, config.examples, config.test, config.batch_norm == "refit", (upstream or {}).get("model")
        )

    def run(self, config: SurfaceConfig, run: Run) -> None:
        """Fill the lattice from coarse to fine; a version of the plane is published after each stage."""
        Drawing(config, run).run_all()


class Drawing:
    """One run of the surface task."""

    def __init__(self, config: SurfaceConfig, run: Run) -> None:
        self.config, self.task = config, run
        self.setting = View(config, run)
        self.snapshots: Any = None
        self.steps = self.chosen = np.zeros(0, dtype=int)
        if config.trajectory is not None:
            path = run.input(config.trajectory)["snapshots"]
            chosen = np.unique(
                np.linspace(0, len(path["steps"]) - 1, min(PATH_POINTS, len(path["steps"]))).round().astype(int)
            )
            self.snapshots, self.steps = path["weights"], np.asarray(path["steps"])[chosen]
            self.chosen = chosen
        others = [self.setting.weights_of(ref) for ref in (config.second, config.third) if ref is not None]
        self.span = plane_span(config, self.setting.model.module, others, self.snapshots)
        self.surface = self.setting.over(self.span)
        self.axis = lattice.axis(config.resolution, config.radius)
        self.fields = self.setting.fields((config.resolution, config.resolution))
        self.known = np.zeros((config.resolution, config.resolution), dtype=bool)
        self.lines = np.zeros(0, dtype=int)
        self.path_loss = np.full(len(self.steps), np.nan)
        self.projection = None if self.snapshots is None else path_on(self.span, self.snapshots[self.chosen])

    def plan(self) -> list[Piece]:
        """Blocks of each stage; the path after the second, so that the first picture comes at once."""
        pieces = []
        for stage in lattice.stages(self.config.resolution):
            blocks = [stage.points[i : i + BLOCK] for i in range(0, len(stage.points), BLOCK)]
            label = f"{len(stage.lines)} × {len(stage.lines)}"
            pieces += [Piece(label, block) for block in blocks[:-1]] + [Piece(label, blocks[-1], closes=stage)]
            if stage.index == 1 or (stage.index == 0 and len(stage.lines) == self.config.resolution):
                pieces += [
                    Piece("path", part, path=True)
                    for part in np.array_split(np.arange(len(self.path_loss)), 6)
                    if len(part)
                ]
        return pieces

    def run_all(self) -> None:
        """All pieces that are still to do, then the plane for good."""
        if (state := self.task.restored()) is not None:
            self.fields = {name: np.array(values) for name, values in state["fields"].items()}
            self.known, self.path_loss = np.array(state["known"]), np.array(state["path_loss"])
            self.lines = np.array(state["lines"])
        else:
            self.task.publish("directions", self.directions(), complete=True)
            if self.span.explained is not None:
                self.task.measure("explained_variance", self.span.explained)
            if self.projection is not None:
                self.task.measure(
                    "path_residual", float(self.projection.residual.max() / max(self.projection.distance.max(), 1e-300))
                )
        plan = self.plan()
        total = sum(len(piece.points) for piece in plan)
        done = int(self.known.sum() + np.isfinite(self.path_loss).sum())
        saved = time.monotonic()
        for unit in self.task.units([piece.label for piece in plan]):
            piece = plan[unit.index]
            self.fill(piece)
            done += len(piece.points)
            self.task.progress(done, total, piece.label)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.task.checkpoint(
                    {"fields": self.fields, "known": self.known, "path_loss": self.path_loss, "lines": self.lines}
                )
                saved = time.monotonic()
        self.tell(complete=True)

    def fill(self, piece: Piece) -> None:
        """Evaluate one piece; publish when it closes a stage."""
        if piece.path:
            rows = self.snapshots[self.chosen[piece.points]]
            self.path_loss[piece.points] = self.surface.values_of(rows).loss["train"]
            return
        values = self.surface.values(lattice.coordinates(piece.points, self.axis))
        rows, columns = piece.points.T
        put(self.fields, (rows, columns), values)
        self.known[rows, columns] = True
        if piece.closes is not None:
            self.lines = piece.closes.lines
            if len(self.lines) < self.config.resolution:
                self.tell(complete=False)

    def tell(self, complete: bool) -> None:
        """Measures so far, and a version of the plane."""
        loss = self.fields["train_loss"][self.known]
        finite = loss[np.isfinite(loss)]
        if self.span.centred:
            self.task.measure(
                "plane_loss_centre", float(self.fields["train_loss"][len(self.axis) // 2, len(self.axis) // 2])
            )
        if len(finite):
            self.task.measure("plane_loss_min", float(finite.min()))
            self.task.measure("plane_loss_max", float(finite.max()))
        self.task.measure("plane_nonfinite", 100.0 * (1 - len(finite) / len(loss)), n=len(loss))
        self.task.publish("plane", self.plane(), complete=complete)

    def directions(self) -> Directions:
        """What spans the plane, for whoever wants to evaluate more of it."""
        origin = None if self.span.centred else self.span.origin.cpu().numpy()
        return Directions(self.span.directions.cpu().numpy(), self.span.settings, origin)

    def plane(self) -> Plane:
        """The plane as far as it is known."""
        path = None
        if self.projection is not None:
            path = Path2D(self.steps, self.projection.coordinates, self.projection.residual, self.path_loss)
        return Plane(
            self.axis, self.axis, self.fields, self.known, self.lines, self.lines,
            self.setting.facts(self.span), path, self.span.marks,
        )  # fmt: skip


class Through:
    """Task landscape.line."""

    Config = LineConfig

    def estimate(self, config: LineConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """As for a plane."""
        return cost.estimate(
            config.resolution, config.examples, config.test, config.batch_norm == "refit", (upstream or {}).get("model")
        )

    def run(self, config: LineConfig, run: Run) -> None:
        """Evaluate the line block by block."""
        setting = View(config, run)
        second = setting.weights_of(config.second) if config.second is not None else None
        span = line_span(config, setting.model.module, second)
        positions = lattice.axis(config.resolution, config.radius)
        if second is not None:  # from a little before the first model (0) to as far behind the second (1)
            positions = 0.5 + lattice.axis(config.resolution, 0.5 + 0.25 * config.radius)
        surface, fields = setting.over(span), setting.fields((len(positions),))
        if (state := run.restored()) is not None:
            fields = {name: np.array(values) for name, values in state["fields"].items()}
        starts = range(0, len(positions), BLOCK)
        for unit in run.units([f"{start + 1} ..." for start in starts]):
            part = np.arange(len(positions))[starts[unit.index] : starts[unit.index] + BLOCK]
            put(fields, part, surface.values(positions[part, None]))
            run.progress(int(part[-1]) + 1, len(positions))
            run.checkpoint({"fields": fields})
        publish_line(run, Line(positions, fields, setting.facts(span)))


def publish_line(run: Run, line: Line) -> None:
    """The finished line and its measures."""
    loss = line.fields["train_loss"]
    if np.isfinite(loss).any():
        lowest = int(np.nanargmin(np.where(np.isfinite(loss), loss, np.nan)))
        run.measure("line_loss_min", float(loss[lowest]))
        run.measure("line_offset_min", float(line.alpha[lowest]))
    run.publish("line", line, complete=True)


def put(fields: Mapping[str, Array], where: Any, values: Values) -> None:
    """Write measured values into their fields; accuracies in percent."""
    for name, field in fields.items():
        split, _, what = name.partition("_")
        field[where] = values.loss[split] if what == "loss" else 100.0 * values.accuracy[split]
