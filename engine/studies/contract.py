"""What a study declares: measures, task configs with their presets, pipelines, costs, tasks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from engine.artifacts.refs import ArtifactRef

if TYPE_CHECKING:
    from engine.runs.run import Run

PRESETS = ("smoke", "quick", "standard", "paper")


@dataclass(frozen=True)
class Measure:
    """A quantity that may be shown to a person.

    Attributes:
        id: stable snake_case name, unique in the product.
        title: its name in the field, English (a translation id).
        symbol: how it is written in a formula.
        unit: "" when dimensionless; "nat", "%", "s" ...
        definition: one or two sentences that define the number computed here.
        source: paper and equation, or "own" with a reason.
        digits: significant digits that are meaningful to print.
        better: "lower", "higher", or "" where neither is.
    """

    id: str
    title: str
    symbol: str
    unit: str
    definition: str
    source: str
    digits: int = 4
    better: str = ""


def field(
    default: Any,
    title: str,
    help: str,
    *,
    unit: str = "",
    symbol: str = "",
    advanced: bool = False,
    labels: Mapping[str, str] | None = None,
    log: bool = False,
    axis: bool = False,
    **limits: Any,
) -> Any:
    """A config field with what a form, the command line's help and a sweep need to know of it.

    Args:
        default: the value when nothing is said; ``...`` makes the field required.
        title: its label. help: one or two sentences, shown on hover and F1 and by ``--help``.
        unit: the unit of the number. symbol: as in formulas. advanced: folded away in forms.
        labels: for Literal fields, the words for each choice. log: steps by factors. axis: may be swept.
        limits: pydantic's own (ge, gt, le, lt, min_length ...).
    """
    extra: dict[str, Any] = {"unit": unit, "symbol": symbol, "advanced": advanced, "log": log, "axis": axis}
    if labels:
        extra["labels"] = dict(labels)
    if callable(default):
        return Field(default_factory=default, title=title, description=help, json_schema_extra=extra, **limits)
    return Field(default, title=title, description=help, json_schema_extra=extra, **limits)


def input_field(title: str, help: str, *, advanced: bool = False, required: bool = True, several: bool = False) -> Any:
    """A config field for an artifact of another run: ``model: ModelRef | None = input_field(...)``.

    It is None (or with ``several`` an empty list) while open; a run cannot be created before its required inputs are
    filled.
    """
    extra: dict[str, Any] = {"advanced": advanced, "required": required}
    if several:
        return Field(default_factory=list, title=title, description=help, json_schema_extra=extra)
    return Field(None, title=title, description=help, json_schema_extra=extra)


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path)) if path else ""


# The path of a user's file, "" for none; absolute from the start, since workers run in folders of their own
UserPath = Annotated[str, AfterValidator(_absolute)]


class Spec(BaseModel):
    """A frozen group of settings; configs are made of these."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class TaskConfig(Spec):
    """The light face of a task: its settings, name and presets. One drives form, flags, config.json and sweeps.

    Attributes:
        task: the task's name, ``study.verb``. title, summary: for people (translation ids).
        outputs: artifact name -> kind of what the task publishes.
    """

    task: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    outputs: ClassVar[Mapping[str, str]] = {}
    schema_version: ClassVar[int] = 1

    seed: int = field(0, "Seed", "All randomness of the run follows from this number.", ge=0, advanced=True)

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        """Preset name -> config; the names are those of PRESETS. Inputs (references) are left open."""
        return {"quick": cls()}

    @classmethod
    def migrate(cls, data: dict[str, Any], version: int) -> dict[str, Any]:
        """Bring a config written under an older schema_version to today's fields."""
        return data

    def open_inputs(self) -> list[str]:
        """Names of the required inputs that nobody has filled yet; a run needs this to be empty."""
        marked = [name for name, info in type(self).model_fields.items() if _extra(info).get("required")]
        return [name for name in marked if getattr(self, name) in (None, [])]

    def inputs(self) -> dict[str, ArtifactRef]:
        """Field path -> reference, for every artifact that this config names (lists get ``name.0``, ``name.1``)."""
        return dict(_references("", self))


def _extra(info: FieldInfo) -> dict[str, Any]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def _references(path: str, value: Any) -> list[tuple[str, ArtifactRef]]:
    if isinstance(value, ArtifactRef):
        return [(path, value)]
    if isinstance(value, BaseModel):
        items = [(name, getattr(value, name)) for name in type(value).model_fields]
    elif isinstance(value, list | tuple):
        items = [(str(index), item) for index, item in enumerate(value)]
    else:
        return []
    return [ref for name, item in items for ref in _references(f"{path}.{name}" if path else name, item)]


# "stage.field" -> (earlier stage, artifact name), or several of them for a field that takes a list
Links = Mapping[str, tuple[str, str] | list[tuple[str, str]]]


class PipelineConfig(Spec):
    """Several tasks, later ones fed by earlier ones: one config field a stage, None where a stage is left out.

    Attributes:
        pipeline: its name on the command line. title, summary: for people.
    """

    pipeline: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]

    @classmethod
    def presets(cls) -> Mapping[str, PipelineConfig]:
        """Preset name -> config."""
        return {"quick": cls()}

    def stages(self) -> dict[str, TaskConfig]:
        """Stage name -> config of the stages that are switched on, in order."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in found.items() if isinstance(value, TaskConfig)}

    def links(self) -> Links:
        """What fills the references that the user left open."""
        return {}


@dataclass(frozen=True)
class Cost:
    """What a run will take; None where it is not known, and shown as unknown.

    Attributes:
        seconds: on the device asked for. bytes: peak memory of the worker.
    """

    seconds: float | None = None
    bytes: int | None = None


class Task(Protocol):
    """The working side of a task; lives in study.py and imports heavy code inside its methods."""

    Config: type[TaskConfig]

    def estimate(self, config: Any, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """Seconds and bytes to expect; ``upstream``: input field -> config of the run that makes it, where known."""

    def run(self, config: Any, run: Run) -> None:
        """Do the work; everything worth keeping leaves through ``run``."""
