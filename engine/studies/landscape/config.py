"""Settings of the landscape tasks and of the pipeline that trains a network and looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import field_validator

from engine.artifacts.refs import ArtifactRef, OfKind
from engine.studies.contract import PipelineConfig, TaskConfig, field, input_field
from engine.studies.training.config import TrainConfig

ModelRef = Annotated[ArtifactRef, OfKind("model")]
TrajectoryRef = Annotated[ArtifactRef, OfKind("trajectory")]

NORMALISATIONS = {"filter": "Filter-normalised", "layer": "Layer-normalised", "weight": "Weight-normalised"}
DIRECTIONS = {**NORMALISATIONS, "trajectory": "Principal axes of the path", "checkpoints": "Through three models"}


class _View(TaskConfig):
    """What a line and a plane have in common."""

    model: ModelRef | None = input_field("Model", "The trained network at the centre of the picture.")
    examples: int = field(
        0,
        "Examples",
        "At most this many training (and as many test) examples enter the loss; 0 takes all.",
        ge=0,
        advanced=True,
    )
    test: bool = field(True, "Test loss too", "Evaluate the test set at every point as well.", advanced=True)
    batch_norm: Literal["keep", "refit"] = field(
        "keep",
        "Batch norm statistics",
        "Away from the model its batch normalisation statistics no longer fit. Refit re-estimates them at every point"
        " on the training examples; this takes about twice as long.",
        labels={"keep": "Keep the model's", "refit": "Re-estimate at each point"},
        advanced=True,
    )

    @field_validator("resolution", check_fields=False)
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd, so that one point is the model itself")
        return value


class SurfaceConfig(_View):
    """Loss over a plane through a model."""

    task: ClassVar[str] = "landscape.surface"
    title: ClassVar[str] = "Loss plane"
    summary: ClassVar[str] = "Loss and accuracy on a plane through the model, from coarse to fine."
    outputs: ClassVar[Mapping[str, str]] = {"plane": "plane", "directions": "directions"}

    trajectory: TrajectoryRef | None = input_field(
        "Path", "The optimiser's path: drawn on the plane, and needed for its principal axes.", required=False
    )
    second: ModelRef | None = input_field(
        "Second model", "A plane through three models needs this one too.", required=False, advanced=True
    )
    third: ModelRef | None = input_field(
        "Third model", "A plane through three models needs this one too.", required=False, advanced=True
    )
    directions: Literal["filter", "layer", "weight", "trajectory", "checkpoints"] = field(
        "filter",
        "Directions",
        "Which plane: two random directions scaled like the weights of each filter, layer or single weight; the two"
        " axes along which training moved most; or the plane through three models.",
        labels=DIRECTIONS,
    )
    resolution: int = field(51, "Grid", "Points along each axis; odd, so that the model itself is one.", ge=7, le=401)
    radius: float = field(
        1.0,
        "Radius",
        "Half the width of the picture in units of the directions. For the path and three models: 1 just holds them.",
        gt=0,
        le=100,
    )

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {
            "smoke": cls(resolution=7, examples=200),
            "quick": cls(),
            "standard": cls(resolution=101),
            "paper": cls(resolution=51, batch_norm="refit"),
        }


class LineConfig(_View):
    """Loss along a line through a model."""

    task: ClassVar[str] = "landscape.line"
    title: ClassVar[str] = "Loss line"
    summary: ClassVar[str] = "Loss and accuracy along one direction through the model."
    outputs: ClassVar[Mapping[str, str]] = {"line": "line"}

    second: ModelRef | None = input_field(
        "Second model", "With a second model the line leads from the model (0) to this one (1).", required=False
    )
    directions: Literal["filter", "layer", "weight"] = field(
        "filter", "Direction", "How the random direction is scaled against the weights.", labels=NORMALISATIONS
    )
    resolution: int = field(201, "Points", "Points on the line; odd, so that the model itself is one.", ge=7, le=4001)
    radius: float = field(1.0, "Radius", "Half the length of the line, in units of the direction.", gt=0, le=100)

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {
            "smoke": cls(resolution=11, examples=200),
            "quick": cls(),
            "standard": cls(resolution=401),
            "paper": cls(resolution=401, batch_norm="refit"),
        }


class LandscapeConfig(PipelineConfig):
    """Train a network, then look at its loss around it."""

    pipeline: ClassVar[str] = "landscape"
    title: ClassVar[str] = "Landscape"
    summary: ClassVar[str] = "Train a network, then evaluate its loss on a plane and a line through it."
    links: ClassVar[Mapping[str, tuple[str, str]]] = {
        "surface.model": ("train", "model"),
        "surface.trajectory": ("train", "trajectory"),
        "line.model": ("train", "model"),
    }

    train: TrainConfig | None = field(TrainConfig, "Training", "How the network is trained.")
    surface: SurfaceConfig | None = field(SurfaceConfig, "Loss plane", "The plane through the trained network.")
    line: LineConfig | None = field(None, "Loss line", "A line through the trained network, finer than the plane.")

    @classmethod
    def presets(cls) -> Mapping[str, PipelineConfig]:
        stages: dict[str, dict[str, Any]] = {
            name: {"train": preset, "surface": SurfaceConfig.presets()[name]}
            for name, preset in TrainConfig.presets().items()
        }
        return {name: cls(**values) for name, values in stages.items()}
