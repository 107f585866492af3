"""A run in memory: what a task does with its Run, for tests of tasks."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.artifacts.refs import ArtifactRef
from engine.runs.run import Stopped, Unit
from engine.seeding import derive


class FakeRun:
    """Keeps what a task says. ``stop_after`` points it raises Stopped; ``resumed()`` gives the run that goes on.

    Attributes:
        scalars: (id, dims) -> last (value, interval, n). series: (id, dims) -> list of (step, value).
        published: name -> list of (artifact, complete). warnings: (template, params). points: calls of point().
    """

    def __init__(self, folder: Path, seed: int = 0, inputs: Mapping[str, Any] | None = None, device: str = "cpu",
                 stop_after: int | None = None) -> None:  # fmt: skip
        self.folder, self.device, self.seed, self.stop_after = folder, device, seed, stop_after
        self.inputs = dict(inputs or {})
        self.scalars: dict[Any, tuple[float, Any, Any]] = {}
        self.series: dict[Any, list[tuple[float, float]]] = {}
        self.published: dict[str, list[tuple[Any, bool]]] = {}
        self.warnings: list[tuple[str, dict[str, Any]]] = []
        self.progressed: list[tuple[float, float, str]] = []
        self.points = self.checkpoints = 0
        self._plan, self._unit = -1, 0
        self._saved: tuple[int, int, dict[Any, int], Any] | None = None

    def input(self, ref: ArtifactRef) -> Any:
        return self.inputs[f"{ref.run}/{ref.name}"]

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.progressed.append((done, total, note))

    def measure(
        self, id: str, value: Any, *, step: Any = None, interval: Any = None, n: Any = None, **dims: Any
    ) -> None:
        key = (id, *sorted(dims.items())) if dims else id
        if step is None:
            self.scalars[key] = (float(value), interval, n)
        else:
            rows = np.broadcast_arrays(np.atleast_1d(step), np.atleast_1d(value))
            self.series.setdefault(key, []).extend(zip(*(row.tolist() for row in rows), strict=True))

    def publish(self, name: str, artifact: Any, *, kind: str | None = None, complete: bool = False) -> ArtifactRef:
        self.published.setdefault(name, []).append((artifact, complete))
        return ArtifactRef(run="fake", name=name, kind=kind or "", version=len(self.published[name]))

    def units(self, plan: Iterable[str] | int) -> Iterator[Unit]:
        labels = [str(i) for i in range(plan)] if isinstance(plan, int) else list(plan)
        self._plan, self._unit = self._plan + 1, 0
        saved = self._saved
        done = 0 if saved is None or saved[0] < self._plan else saved[1] if saved[0] == self._plan else len(labels)
        for index, label in enumerate(labels):
            self._unit = index + 1
            if index >= done:
                self.point()
                yield Unit(index, label, derive(self.seed, "unit", self._plan, index))

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        self.checkpoints += 1
        lengths = {key: len(rows) for key, rows in self.series.items()}
        self._saved = (max(self._plan, 0), self._unit, lengths, copy.deepcopy(dict(state)))

    def restored(self) -> Mapping[str, Any] | None:
        return copy.deepcopy(self._saved[3]) if self._saved else None

    def warn(self, template: str, **params: Any) -> None:
        template.format(**params)
        self.warnings.append((template, params))

    def point(self) -> None:
        self.points += 1
        if self.stop_after is not None and self.points > self.stop_after:
            raise Stopped

    def resumed(self, stop_after: int | None = None) -> FakeRun:
        """The run that goes on after Stopped or a crash: series cut back to the checkpoint."""
        later = FakeRun(self.folder, self.seed, self.inputs, self.device, stop_after)
        later._saved = self._saved
        lengths = self._saved[2] if self._saved else {}
        later.series = {key: rows[: lengths[key]] for key, rows in self.series.items() if key in lengths}
        return later

    def last(self, name: str) -> Any:
        """The newest version of an output."""
        return self.published[name][-1][0]
