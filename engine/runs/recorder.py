"""The worker's side of a run: what a task calls becomes events, series, artifacts and checkpoints in the folder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.artifacts import versions
from engine.artifacts.kinds import kind_named
from engine.artifacts.refs import ArtifactRef
from engine.runs import checkpoints, events
from engine.runs.control import Command, Inbox
from engine.runs.run import Stopped, Unit
from engine.runs.series import SeriesWriter, file_name
from engine.seeding import derive
from engine.studies.contract import TaskConfig

# A tenth of a second at first, a second after five minutes: what a long run says must stay quick to read.
_PROGRESS_EVERY, _PROGRESS_AT_LEAST, _PROGRESS_SLOWER = 0.1, 1.0, 1 / 300


class Recorder:
    """A Run (see run.py) that writes into the run's folder.

    Resume: a checkpoint saved in the body of unit k says that ``state`` holds all that unit k did, so resume goes on
    at k+1; save it as the unit's last act. One saved between units counts the units begun so far as done. Series are
    cut back to the checkpoint; scalars, warnings and versions of the unfinished unit are written again.

    Attributes:
        command: the command that ended the run, None while there is none.
    """

    def __init__(
        self, folder: Path, config: TaskConfig, device: str, log: events.EventLog, inbox: Inbox,
        inputs: Mapping[str, ArtifactRef],
    ) -> None:  # fmt: skip
        self.folder = folder
        self.device = device
        self.command: Command | None = None
        self._config = config
        self._log = log
        self._inbox = inbox
        self._inputs = _lookup(config, inputs)
        self._series: dict[str, SeriesWriter] = {}
        self._progress: events.Progress | None = None
        self._next_progress = 0.0
        self._began = time.monotonic()
        self._plan = -1
        self._unit = 0
        self._checkpoint = checkpoints.newest(folder / "checkpoints")
        self._measures: Mapping[str, Any] | None = None

    def rewind(self) -> None:
        """Bring the series back to the checkpoint; for a run that was begun before."""
        kept = self._checkpoint.series if self._checkpoint else {}
        for event in events.EventTail(self.folder / "events.jsonl").read():
            if isinstance(event, events.SeriesOpened) and event.file not in self._series:
                writer = SeriesWriter(self.folder / "series" / event.file, event.columns)
                writer.cut(kept.get(event.file, 0))
                self._series[event.file] = writer
        point = self._checkpoint
        self._log.append(events.Resumed(plan=point.plan if point else 0, unit=point.unit if point else 0))

    def input(self, ref: ArtifactRef) -> Any:
        """See Run. Raises ValueError for a reference that is not in the config."""
        settled = self._inputs.get(ref)
        if settled is None:
            raise ValueError(f"{ref} is not an input of this run's config")
        return versions.read(self.folder.parent, settled, verify=True)

    def history(self, ref: ArtifactRef) -> list[ArtifactRef]:
        """See Run."""
        settled = self._inputs[ref]
        root = self.folder.parent
        numbers = versions.versions(root / settled.run / "artifacts")[settled.name]
        earlier = [
            settled.model_copy(update={"version": n, "sha256": ""}) for n in numbers if n < (settled.version or 0)
        ]
        found = [*(versions.settle(root, each) for each in earlier), settled]
        self._inputs = {**self._inputs, **{each: each for each in found}}
        return found

    def progress(self, done: float, total: float, note: str = "") -> None:
        """See Run. At most ten a second reach the disk; the last always does."""
        self._progress = events.Progress(done=done, total=total, note=note)
        if time.monotonic() >= self._next_progress:
            self._write_progress()

    def _write_progress(self) -> None:
        if self._progress is not None:
            self._log.append(self._progress)
            self._progress = None
            now = time.monotonic()
            pause = min(_PROGRESS_AT_LEAST, max(_PROGRESS_EVERY, (now - self._began) * _PROGRESS_SLOWER))
            self._next_progress = now + pause

    def measure(
        self, id: str, value: Any, *, step: Any = None, interval: tuple[Any, Any] | None = None,
        n: int | None = None, **dims: Any,
    ) -> None:  # fmt: skip
        """See Run. Raises ValueError for an id that no study registers."""
        self._check_registered(id)
        plain = {key: item.item() if isinstance(item, np.generic) else item for key, item in dims.items()}
        if step is None:
            bounds = None if interval is None else (float(interval[0]), float(interval[1]))
            self._log.append(events.Measured(id=id, value=float(value), interval=bounds, n=n, dims=plain))
            return
        parts = {"step": step, "value": value}
        if interval is not None:
            parts |= {"low": interval[0], "high": interval[1]}
        columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(part, np.float64)) for part in parts.values()))
        self._open_series(id, plain, tuple(parts)).add(np.column_stack(columns))

    def _check_registered(self, id: str) -> None:
        if self._measures is None:
            from engine.studies import catalogue

            self._measures = catalogue.measures()
        if id not in self._measures:
            raise ValueError(f"no study registers the measure {id!r} in its measures.py")

    def _open_series(self, id: str, dims: dict[str, Any], columns: tuple[str, ...]) -> SeriesWriter:
        file = file_name(id, dims)
        writer = self._series.get(file)
        if writer is None:
            (self.folder / "series").mkdir(exist_ok=True)
            writer = SeriesWriter(self.folder / "series" / file, columns)
            self._series[file] = writer
            self._log.append(events.SeriesOpened(file=file, id=id, dims=dims, columns=columns))
        if writer.columns != columns:
            raise ValueError(f"the series {id} has columns {writer.columns}, not {columns}")
        return writer

    def publish(self, name: str, artifact: Any, *, kind: str | None = None, complete: bool = False) -> ArtifactRef:
        """See Run. Raises ValueError when neither ``kind`` nor Config.outputs says what ``name`` is."""
        kind = kind or self._config.outputs.get(name)
        if kind is None:
            raise ValueError(f"{name!r} is not among the outputs of {self._config.task}")
        found = versions.write(self.folder / "artifacts", name, kind_named(kind), artifact, complete=complete)
        ref = ArtifactRef(run=self.folder.name, name=name, kind=kind, version=found.version, sha256=found.sha256)
        self._log.append(events.Published(ref=ref, complete=complete, describe=found.describe), sync=True)
        return ref

    def units(self, plan: Iterable[str] | int) -> Iterator[Unit]:
        """See Run. Each call opens the next plan; units are skipped up to the checkpoint's plan and unit."""
        labels = [str(index) for index in range(plan)] if isinstance(plan, int) else list(plan)
        self._plan += 1
        number, self._unit = self._plan, 0
        resume = self._checkpoint
        done = 0 if resume is None or resume.plan < number else resume.unit if resume.plan == number else len(labels)
        for index, label in enumerate(labels):
            self._unit = index + 1
            if index < done:
                continue
            self.point()
            yield Unit(index, label, derive(self._config.seed, "unit", number, index))

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """See Run and the class."""
        for writer in self._series.values():
            writer.flush(sync=True)
        rows = {file: writer.rows for file, writer in self._series.items()}
        plan = max(self._plan, 0)
        checkpoints.save(self.folder / "checkpoints", checkpoints.Checkpoint(plan, self._unit, rows, state))
        self._log.append(events.Checkpointed(plan=plan, unit=self._unit), sync=True)

    def restored(self) -> Mapping[str, Any] | None:
        """See Run."""
        return self._checkpoint.state if self._checkpoint else None

    def warn(self, template: str, **params: Any) -> None:
        """See Run."""
        plain = {key: item.item() if isinstance(item, np.generic) else item for key, item in params.items()}
        template.format(**plain)
        self._log.append(events.Warned(template=template, params=plain))

    def point(self) -> None:
        """See Run."""
        command = self._inbox.look()
        if command is not None:
            self.command = command
            raise Stopped
        if self._progress is not None and time.monotonic() >= self._next_progress:
            self._write_progress()

    def close(self) -> None:
        """Bring all that is buffered to the disk."""
        self._write_progress()
        for writer in self._series.values():
            writer.flush(sync=True)
            writer.close()
        self._series.clear()


def _lookup(config: TaskConfig, settled: Mapping[str, ArtifactRef]) -> dict[ArtifactRef, ArtifactRef]:
    asked = config.inputs()
    return {asked[path]: ref for path, ref in settled.items()} | {ref: ref for ref in settled.values()}
