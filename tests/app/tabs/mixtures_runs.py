"""Finished runs of the mixture study without processes: what the tab's tests read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from engine.artifacts.refs import ArtifactRef
from engine.runs.events import Measured, Warned
from engine.studies import catalogue
from engine.studies.contract import TaskConfig
from engine.studies.mixture.config import BuiltinTable, FitConfig, SelectConfig, StabilityConfig
from tests.engine.fakes import FakeRun

NAMES = {
    "mixture.select": "choice",
    "mixture.fit": "mixture",
    "mixture.stability": "stability",
    "mixture.ratio": "ratio",
}


@dataclass
class Reader:
    """What a RunReader tells of a run."""

    id: str
    task: str
    config: dict[str, Any]
    outputs: dict[str, Any]
    measures: list[Any] = field(default_factory=list)
    warnings: list[Any] = field(default_factory=list)
    state: str = "finished"
    error: Exception | None = None
    folder: Path = Path()
    name: str = ""
    started: Any = None

    @property
    def artifacts(self) -> dict[str, ArtifactRef]:
        return {name: ArtifactRef(run=self.id, name=name, kind=name, version=1) for name in self.outputs}

    def artifact(self, name: str) -> Any:
        return self.outputs[name]


def made(config: TaskConfig, id: str, folder: Path, inputs: dict[str, Any] | None = None) -> Reader:
    """The reader of a run that was made in this process."""
    fake = FakeRun(folder, config.seed, inputs)
    catalogue.task(config.task).run(config, fake)
    measures = []
    for key, (value, interval, n) in fake.scalars.items():
        name, *dims = key if isinstance(key, tuple) else (key,)
        measures.append(Measured(id=name, value=value, interval=interval, n=n, dims=dict(dims)))
    name = NAMES[config.task]
    warnings = [Warned(template=template, params=params) for template, params in fake.warnings]
    return Reader(id, config.task, config.model_dump(mode="json"), {name: fake.last(name)}, measures, warnings)


def ref(run: str, name: str) -> ArtifactRef:
    return ArtifactRef(run=run, name=name, kind=name)


def pipeline(folder: Path) -> dict[str, Reader]:
    """Choice, fit of its best and stability of iris: stage -> reader."""
    data = BuiltinTable(name="iris")
    select = made(SelectConfig(data=data, families=("EEE", "VVV"), largest=4), "s", folder)
    fit = made(
        FitConfig(data=data, components=3, prior="off", starts=20, choice=None), "f", folder,
    )  # fmt: skip
    fit.config["choice"] = ref("s", "choice").model_dump()
    config = StabilityConfig(mixture=ref("f", "mixture"), replicates=10)
    stability = made(config, "b", folder, {"f/mixture": fit.outputs["mixture"]})
    return {"select": select, "fit": fit, "stability": stability}


class Watch(QObject):
    """Follows a run that is over."""

    changed = Signal()

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader


class Library:
    """Where runs are."""

    def __init__(self, root: Path, readers: dict[str, Reader]) -> None:
        self.root = root
        self.readers = readers

    def used_by(self, run: str) -> list[str]:
        """Runs whose config names an artifact of this one."""
        refs = {
            reader.id: [value.get("run") for value in reader.config.values() if isinstance(value, dict)]
            for reader in self.readers.values()
        }
        return [id for id, named in refs.items() if run in named]


class Runs:
    """The window's runs; keeps what was started."""

    def __init__(self, readers: dict[str, Reader], root: Path) -> None:
        self.library = Library(root, readers)
        self.watches = {reader.id: Watch(reader) for reader in readers.values()}
        self.started: list[Any] = []
        self.next: dict[str, str] = {}

    def artifacts(self, kind: str) -> list[tuple[str, ArtifactRef]]:
        return []

    def watch(self, run: str) -> Watch:
        return self.watches[run]

    def unwatch(self, run: str) -> None:
        assert run in self.watches

    def start(self, config: Any, then: Any, **options: Any) -> None:
        self.started.append((config, options))
        then(self.next)
