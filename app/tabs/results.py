"""What every tab's state holds of the runs that it shows: their readers, newest artifacts, numbers and notes. No Qt."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from engine.runs.events import Warned
from engine.runs.reader import RunReader
from engine.studies.contract import Measure


@dataclass(frozen=True)
class Number:
    """One line of the numbers panel."""

    measure: Measure
    value: float | int
    interval: tuple[float, float] | None = None
    n: int | None = None
    dims: tuple[tuple[str, str], ...] = ()
    group: str = ""


@dataclass
class Results:
    """The runs shown. Subclasses have an attribute for each artifact that they show, called as it is.

    Attributes:
        runs: stage -> id of the run shown. readers: stage -> what it has told.
    """

    runs: dict[str, str] = dataclasses.field(default_factory=dict)
    readers: dict[str, RunReader] = dataclasses.field(default_factory=dict)
    _versions: dict[str, int] = dataclasses.field(default_factory=dict)

    def drop(self, artifact: str) -> None:
        """Forget an artifact, and with it the files that it has mapped."""
        self._versions.pop(artifact, None)
        setattr(self, artifact, None)

    def read_artifacts(self, reader: RunReader, artifacts: Iterable[str]) -> set[str]:
        """Read those of a run whose version is new; returns their names."""
        changed = set()
        for artifact in artifacts:
            ref = reader.artifacts.get(artifact)
            if ref is not None and ref.version != self._versions.get(artifact):
                self._versions[artifact] = ref.version or 0
                setattr(self, artifact, reader.artifact(artifact))
                changed.add(artifact)
        return changed

    @property
    def state(self) -> str:
        """The shown runs taken together: the first stage that is not finished speaks for all; "" before any run."""
        states = [self.readers[stage].state for stage in self.runs if stage in self.readers]
        unfinished = [state for state in states if state != "finished"]
        return unfinished[0] if unfinished else (states[-1] if states else "")

    def provenance(self) -> str:
        """A line a run that is shown: what repeats it, and what it is called, as its folder has it."""
        lines = []
        for reader in self.readers.values():
            facts = {"run": reader.id, "task": reader.task, "name": reader.name, "seed": reader.config.get("seed")}
            if reader.started is not None:
                facts["theodolite"] = reader.started.versions.get("engine")
            lines.append("; ".join(f"{name}: {fact}" for name, fact in facts.items() if fact not in (None, "")))
        return "\n".join(lines)

    @property
    def warnings(self) -> list[Warned]:
        """What the shown runs said about their numbers, each thing once."""
        said: dict[tuple[str, str], Warned] = {}
        for reader in self.readers.values():
            for warned in reader.warnings:
                said.setdefault((warned.template, str(warned.params)), warned)
        return list(said.values())
