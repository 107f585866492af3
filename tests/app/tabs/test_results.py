"""What tabs hold of the runs that they show."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from app.tabs.results import Results
from engine.artifacts.refs import ArtifactRef
from engine.runs.events import Warned


@dataclass
class Reader:
    state: str = "finished"
    outputs: dict[str, tuple[int, Any]] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    @property
    def artifacts(self):
        return {
            name: ArtifactRef(run="r", name=name, kind=name, version=version)
            for name, (version, _) in self.outputs.items()
        }

    def artifact(self, name):
        self.read.append(name)
        return self.outputs[name][1]


class Shown(Results):
    plane: Any = None
    line: Any = None


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([], ""),
        (["finished"], "finished"),
        (["finished", "running", "queued"], "running"),
        (["finished", "failed", "lost"], "failed"),
        (["finished", "finished"], "finished"),
    ],
)
def test_the_first_stage_that_is_not_finished_speaks_for_all(states, said):
    shown = Shown(runs={str(i): f"run{i}" for i in range(len(states))})
    shown.readers = {str(i): Reader(state) for i, state in enumerate(states)}
    assert shown.state == said


def test_each_version_of_an_artifact_is_read_once():
    shown, reader = Shown(), Reader(outputs={"plane": (1, "coarse"), "other": (1, "not ours")})
    assert shown.read_artifacts(reader, ("plane", "line")) == {"plane"}
    assert shown.read_artifacts(reader, ("plane", "line")) == set()
    reader.outputs |= {"plane": (2, "fine"), "line": (1, "straight")}
    assert shown.read_artifacts(reader, ("plane", "line")) == {"plane", "line"}
    assert (shown.plane, shown.line) == ("fine", "straight") and reader.read == ["plane", "plane", "line"]


def test_a_dropped_artifact_is_read_again():
    shown, reader = Shown(), Reader(outputs={"plane": (1, "coarse")})
    shown.read_artifacts(reader, ("plane",))
    shown.drop("plane")
    shown.drop("line")  # was never there
    assert shown.plane is None
    assert shown.read_artifacts(reader, ("plane",)) == {"plane"} and shown.plane == "coarse"


def test_what_two_stages_say_alike_is_said_once():
    one, other = (
        Warned(template="It is {how}.", params={"how": "so"}),
        Warned(template="It is {how}.", params={"how": "no"}),
    )
    shown = Shown(readers={"a": Reader(warnings=[one]), "b": Reader(warnings=[one.model_copy(), other])})
    assert [warned.params["how"] for warned in shown.warnings] == ["so", "no"]


def test_a_line_tells_of_each_run_what_repeats_it():
    shown = Results(runs={"fit": "r1", "select": "r2"})
    begun = SimpleNamespace(versions={"engine": "1.2.0", "python": "3.11"})
    facts = {"task": "mixture.fit", "name": "Clusters of iris", "config": {"seed": 7}, "started": begun}
    shown.readers["fit"] = SimpleNamespace(id="r1", **facts)
    shown.readers["select"] = SimpleNamespace(id="r2", **{**facts, "name": "", "config": {}, "started": None})
    assert shown.provenance().splitlines() == [
        "run: r1; task: mixture.fit; name: Clusters of iris; seed: 7; theodolite: 1.2.0",
        "run: r2; task: mixture.fit",
    ]
    assert Results().provenance() == ""
