"""Settings of the landscape tasks and of the pipeline that trains a network and looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import field_validator

from engine.artifacts.refs import ArtifactRef, OfKind
from engine.studies.contract import PRESETS, Links, PipelineConfig, TaskConfig, field, input_field
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


class _OfModel(TaskConfig):
    """What measures one network on its own data has in common."""

    model: ModelRef | None = input_field("Model", "The trained network that is measured.")
    examples: int = field(
        0, "Examples", "At most this many training examples enter the loss; 0 takes all.", ge=0, advanced=True
    )


class HessianConfig(_OfModel):
    """Curvature of the training loss at a model."""

    task: ClassVar[str] = "landscape.hessian"
    title: ClassVar[str] = "Hessian spectrum"
    summary: ClassVar[str] = "Largest and smallest curvatures of the training loss, their density, trace and layers."
    outputs: ClassVar[Mapping[str, str]] = {"spectrum": "spectrum"}

    matrix: Literal["hessian", "ggn"] = field(
        "hessian",
        "Matrix",
        "The Hessian itself, or its Gauss-Newton part, which is never negative and belongs to the linearised network.",
        labels={"hessian": "Hessian", "ggn": "Gauss-Newton (GGN)"},
    )
    top: int = field(
        10,
        "Eigenvalues",
        "How many of the largest eigenvalues are sought; equal ones count once unless Multiplicities is on.",
        ge=1,
        le=200,
    )
    probes: int = field(
        4, "Density probes", "Random vectors behind the spectral density; more narrow its interval.", ge=1, le=100
    )
    steps: int = field(30, "Steps", "Lanczos steps of each density probe.", ge=5, le=200, advanced=True)
    trace_tolerance: float = field(
        0.02,
        "Trace tolerance",
        "Probing ends when the trace's interval is within this share of it.",
        gt=0,
        le=1,
        advanced=True,
    )
    copies: bool = field(
        False,
        "Multiplicities",
        "List equal eigenvalues as often as they occur. Otherwise each shows once, because one Krylov space holds one"
        " vector of each; trace and density count them rightly either way. Doubles the time.",
        advanced=True,
    )
    history: bool = field(
        False,
        "During training",
        "Measure every version of the network that its training kept, not only the last.",
        advanced=True,
    )

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {
            "smoke": cls(top=2, probes=2, steps=8, examples=200, trace_tolerance=0.5),
            "quick": cls(examples=1000),
            "standard": cls(probes=8, steps=50, history=True),
            "paper": cls(probes=10, steps=80, examples=200),
        }


class ConnectConfig(TaskConfig):
    """Whether two models are connected by a curve of low loss."""

    task: ClassVar[str] = "landscape.connect"
    title: ClassVar[str] = "Mode connectivity"
    summary: ClassVar[str] = "Train a curve of low loss between two networks and measure the barrier along it."
    outputs: ClassVar[Mapping[str, str]] = {"curve": "curve"}

    first: ModelRef | None = input_field("First model", "One end of the curve.")
    second: ModelRef | None = input_field("Second model", "The other end: the same network, trained from another seed.")
    form: Literal["linear", "bezier", "chain"] = field(
        "bezier",
        "Curve",
        "A straight line, a quadratic Bézier curve with one trained bend, or a polygonal chain.",
        labels={"linear": "Straight line", "bezier": "Bézier curve", "chain": "Polygonal chain"},
    )
    bends: int = field(1, "Bends", "Trained points between the ends.", ge=1, le=9, advanced=True)
    align: bool = field(
        False,
        "Align units",
        "First permute the second network's units to match the first's; its function stays the same.",
    )
    steps: int = field(
        1500, "Steps", "Updates of the first round; more follow until nothing changes.", ge=10, le=1_000_000
    )
    max_steps: int = field(6000, "At most", "Updates of all rounds.", ge=10, le=10_000_000, advanced=True)
    learning_rate: float = field(0.01, "Learning rate", "Step size of the bends.", gt=0, le=10, log=True, advanced=True)
    weight_decay: float = field(
        5e-4, "Weight decay", "L2 penalty on the points of the curve.", ge=0, le=1, log=True, advanced=True
    )
    batch_size: int = field(128, "Batch size", "Examples a step.", ge=1, le=100_000, advanced=True)
    points: int = field(61, "Points", "Points of the curve that are evaluated; odd.", ge=21, le=1001, advanced=True)
    plane: int = field(
        25,
        "Plane",
        "Points along each side of the plane through both ends and the bend; 0 leaves the plane out.",
        ge=0,
        le=201,
        advanced=True,
    )
    examples: int = field(0, "Examples", "At most this many training examples; 0 takes all.", ge=0, advanced=True)

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {
            "smoke": cls(steps=60, max_steps=60, points=21, examples=200),
            "quick": cls(),
            "standard": cls(steps=3000, max_steps=12000),
            "paper": cls(steps=20_000, max_steps=20_000, points=61),
        }


class SimilarityConfig(TaskConfig):
    """How alike the representations of several models are."""

    task: ClassVar[str] = "landscape.similarity"
    title: ClassVar[str] = "Similarity"
    summary: ClassVar[str] = "CKA between networks and between their layers; distance of weights and of answers."
    outputs: ClassVar[Mapping[str, str]] = {"similarity": "similarity"}

    models: list[ModelRef] = input_field("Models", "Networks for the same data; two at least.", several=True)
    read: Literal["softmax", "logits", "features"] = field(
        "softmax",
        "Compare",
        "Class probabilities as in Yang et al. 2021, logits, or the features before the last layer.",
        labels={"softmax": "Class probabilities", "logits": "Logits", "features": "Last features"},
    )
    mixup: bool = field(
        True, "Mixed inputs", "Compare on mixtures of two training inputs each (Beta(16, 16)), as in Yang et al. 2021."
    )
    debiased: bool = field(False, "Debiased", "Use the estimator that is zero for unrelated networks.")
    samples: int = field(768, "Inputs", "How many inputs are compared on.", ge=4, le=1_000_000, advanced=True)

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {"smoke": cls(samples=128), "quick": cls(), "standard": cls(samples=2000), "paper": cls()}


class SharpnessConfig(_OfModel):
    """How much the loss rises near a model."""

    task: ClassVar[str] = "landscape.sharpness"
    title: ClassVar[str] = "Sharpness"
    summary: ClassVar[str] = "How much the training loss rises near the network, in four definitions of near."
    outputs: ClassVar[Mapping[str, str]] = {"samples": "table"}

    epsilon: float = field(
        1e-3, "Box", "Half width of Keskar's box, relative to each weight plus one.", symbol="ε", gt=0, le=1, log=True
    )
    rho: float = field(0.05, "Ball", "Radius of the ball of SAM.", symbol="ρ", gt=0, le=10, log=True)
    rho_adaptive: float = field(
        0.5, "Adaptive ball", "Radius of the ball of ASAM.", symbol="ρ", gt=0, le=10, log=True, advanced=True
    )
    batch_size: int = field(
        128, "Batch size", "Examples over which SAM's ascent is taken.", symbol="m", ge=1, le=100_000
    )
    radius: float = field(0.1, "Random radius", "Length of filter-normalised random steps.", gt=0, le=10)
    directions: int = field(20, "Directions", "Random steps of each of four repeats.", ge=2, le=10_000, advanced=True)

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {
            "smoke": cls(examples=200, directions=3),
            "quick": cls(),
            "standard": cls(directions=100),
            "paper": cls(directions=100),
        }


class LandscapeConfig(PipelineConfig):
    """Train networks, then look at their loss."""

    pipeline: ClassVar[str] = "landscape"
    title: ClassVar[str] = "Landscape"
    summary: ClassVar[str] = (
        "Train networks, then measure their loss: planes, curvature, connectivity, similarity, sharpness."
    )

    train: TrainConfig | None = field(TrainConfig, "Training", "How the networks are trained.")
    networks: int = field(
        3,
        "Networks",
        "Trained alike from so many seeds, where connectivity (two) or similarity (all) compare them.",
        ge=2,
        le=20,
    )
    surface: SurfaceConfig | None = field(SurfaceConfig, "Loss plane", "The plane through the first network.")
    line: LineConfig | None = field(None, "Loss line", "A line through the first network, finer than the plane.")
    hessian: HessianConfig | None = field(None, "Hessian spectrum", "Curvature at the first network.")
    connect: ConnectConfig | None = field(None, "Mode connectivity", "A curve between the first two networks.")
    similarity: SimilarityConfig | None = field(None, "Similarity", "How alike the networks are.")
    sharpness: SharpnessConfig | None = field(None, "Sharpness", "How much the loss rises near the first network.")

    @classmethod
    def presets(cls) -> Mapping[str, PipelineConfig]:
        parts: dict[str, type[TaskConfig]] = {"train": TrainConfig, "surface": SurfaceConfig}
        return {name: cls(**{key: part.presets()[name] for key, part in parts.items()}) for name in PRESETS}

    def trainings(self) -> dict[str, TrainConfig]:
        """Stage name -> training: alike but for the seed, as many as the later stages need."""
        if self.train is None:
            return {}
        count = self.networks if self.similarity is not None else 2 if self.connect is not None else 1
        names = ["train", *(f"train{index + 1}" for index in range(1, count))]
        return {name: self.train.model_copy(update={"seed": self.train.seed + i}) for i, name in enumerate(names)}

    def stages(self) -> dict[str, TaskConfig]:
        """All trainings, then what looks at the networks."""
        return {**self.trainings(), **{name: part for name, part in super().stages().items() if name != "train"}}

    def links(self) -> Links:
        """Everything measures the first network, or the first two, or all."""
        model, models = ("train", "model"), [(name, "model") for name in self.trainings()]
        return {
            "surface.model": model,
            "surface.trajectory": ("train", "trajectory"),
            "line.model": model,
            "hessian.model": model,
            "sharpness.model": model,
            "connect.first": model,
            "connect.second": ("train2", "model"),
            "similarity.models": models,
        }
