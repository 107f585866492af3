"""Configs of the tiny tasks."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from engine.artifacts.refs import ArtifactRef, OfKind
from engine.studies.contract import Links, PipelineConfig, TaskConfig, field, input_field

TABLE = Annotated[ArtifactRef, OfKind("table")]


class Walk(TaskConfig):
    """A random walk in units, with everything a run can say."""

    task: ClassVar[str] = "fake.walk"
    title: ClassVar[str] = "Walk"
    summary: ClassVar[str] = "A random walk."
    outputs: ClassVar[Mapping[str, str]] = {"walk": "table"}

    units: int = field(5, "Units", "How many.", ge=0)
    steps: int = field(4, "Steps", "Steps in a unit.", ge=1)
    pause: float = field(0.0, "Pause", "Seconds a step.", unit="s", ge=0)
    die_in: int = field(-1, "Die in", "The unit in which the process kills itself, once.", ge=-1)


class Sum(TaskConfig):
    """Adds up a walk."""

    task: ClassVar[str] = "fake.sum"
    title: ClassVar[str] = "Sum"
    summary: ClassVar[str] = "Sums a table."

    walk: TABLE | None = input_field("Walk", "What is summed.")  # type: ignore[valid-type]
    others: list[TABLE] = input_field("Others", "Summed too.", required=False, several=True)  # type: ignore[valid-type]


class Act(TaskConfig):
    """Does one odd thing."""

    task: ClassVar[str] = "fake.act"
    title: ClassVar[str] = "Act"
    summary: ClassVar[str] = "Does one odd thing."
    schema_version: ClassVar[int] = 2

    what: str = field("nothing", "What", "Which odd thing.")
    amount: int = field(0, "Amount", "How much of it.")

    @classmethod
    def migrate(cls, data: dict[str, object], version: int) -> dict[str, object]:
        """Version 1 called ``what`` ``deed``."""
        return {("what" if key == "deed" else key): value for key, value in data.items()}


class Chain(PipelineConfig):
    """A walk and its sum."""

    pipeline: ClassVar[str] = "fake.chain"
    title: ClassVar[str] = "Chain"
    summary: ClassVar[str] = "A walk and its sum."
    walk: Walk = field(Walk, "Walk", "First.")
    sum: Sum | None = field(Sum, "Sum", "Then.")

    def links(self) -> Links:
        """The sum takes the walk."""
        return {"sum.walk": ("walk", "walk"), "sum.others": [("walk", "walk")]}
