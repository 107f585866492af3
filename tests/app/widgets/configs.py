"""Config classes with every sort of field, for the form's tests."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from engine.artifacts.refs import ArtifactRef, OfKind
from engine.studies.contract import PipelineConfig, Spec, TaskConfig, field

MODEL = ArtifactRef(run="0427", name="model", kind="model", version=1)
OTHER = ArtifactRef(run="0431", name="model", kind="model", version=3)


def provider(kind: str) -> list[tuple[str, ArtifactRef]]:
    return [("MLP, run 0427", MODEL), ("MLP, run 0431", OTHER)] if kind == "model" else []


class Mlp(Spec):
    title: ClassVar[str] = "Perceptron"
    kind: Literal["mlp"] = "mlp"
    hidden: tuple[int, ...] = field((64, 64), "Hidden layers", "Widths.")


class Cnn(Spec):
    kind: Literal["cnn"] = "cnn"
    channels: int = field(16, "Channels", "Of the first layer.", ge=1)


class Hessian(Spec):
    top: int = field(10, "Top eigenvalues", "How many.", ge=1, le=100)
    probes: int = field(8, "Probes", "Random vectors.", ge=1, advanced=True)


class Everything(TaskConfig):
    task: ClassVar[str] = "test.everything"
    title: ClassVar[str] = "Everything"
    summary: ClassVar[str] = "All sorts of fields."
    model: Annotated[ArtifactRef, OfKind("model")] | None = field(None, "Model", "Which network.")
    models: list[Annotated[ArtifactRef, OfKind("model")]] = field(list, "Other models", "Which others.", advanced=True)
    net: Annotated[Mlp | Cnn, Field(discriminator="kind")] = field(Mlp(), "Network", "What is trained.")
    directions: Literal["random", "filter"] = field(
        "filter", "Directions", "The plane.", labels={"filter": "Filter-normalised"}
    )
    grid: int = field(51, "Grid", "Points a side.", ge=5, le=201)
    radius: float = field(1.0, "Radius", "Reach.", symbol="r", gt=0, log=True)
    span: tuple[float, float] = field((-1.0, 1.0), "Span", "From and to.")
    sharp: bool = field(False, "Sharpness", "Worst loss nearby.")
    hessian: Hessian | None = field(Hessian(), "Hessian spectrum", "Curvature.")
    spare: Hessian | None = field(None, "Second spectrum", "Off at first.", advanced=True)
    solver: Hessian = field(Hessian(top=3), "Solver", "Always there.", advanced=True)
    name: str = field("run", "Name", "Of the run.", min_length=1)
    tags: tuple[str, ...] = field(("a", "b"), "Tags", "Words.", advanced=True)
    which: tuple[Literal["train", "test"], ...] = field(("train",), "Splits", "Which data.", advanced=True)
    file: Path | None = field(None, "Own data", "A file.", advanced=True)
    limit: float | None = field(None, "Time limit", "Stop then.", unit="s", gt=0, advanced=True)
    bits: Literal[16, 32] | None = field(None, "Precision", "Bits.", advanced=True)
    flag: bool | None = field(None, "Maybe", "Yes, no, or neither.", advanced=True)
    extra: dict[str, Any] = field(dict, "Extra", "Anything.", advanced=True)

    @model_validator(mode="after")
    def ordered(self) -> "Everything":
        if self.span[0] >= self.span[1]:
            raise ValueError("the span must grow")
        return self


class Train(TaskConfig):
    task: ClassVar[str] = "test.train"
    title: ClassVar[str] = "Train"
    summary: ClassVar[str] = "Trains."
    epochs: int = field(5, "Epochs", "Passes.", ge=1)


class Surface(TaskConfig):
    task: ClassVar[str] = "test.surface"
    title: ClassVar[str] = "Surface"
    summary: ClassVar[str] = "Draws."
    model: Annotated[ArtifactRef, OfKind("model")] | None = field(None, "Model", "Which.")
    side: int = field(21, "Side", "Points.", ge=3)


class Both(PipelineConfig):
    pipeline: ClassVar[str] = "test"
    title: ClassVar[str] = "Both"
    summary: ClassVar[str] = "Two stages."
    links: ClassVar[dict[str, tuple[str, str]]] = {"surface.model": ("train", "model")}
    train: Train | None = field(Train(), "Training", "First.")
    surface: Surface | None = field(None, "Loss surface", "Then.")
