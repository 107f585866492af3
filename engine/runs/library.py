"""All that a person does with runs: create, start, stop, resume, look up, tidy, move between computers."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from engine.artifacts import versions
from engine.artifacts.refs import ArtifactRef
from engine.errors import EngineError
from engine.runs import archive, control, folder, state
from engine.runs.dispatch import attended, dispatch, refresh
from engine.runs.executors.base import Executor
from engine.runs.executors.local import LocalExecutor
from engine.runs.failures import in_words
from engine.runs.processes import this_process
from engine.runs.reader import RunReader
from engine.runs.store import Row, Store
from engine.studies.contract import PipelineConfig, TaskConfig

TRASH = ".trash"


class NoSuchRun(EngineError):
    """Raised when an id is not in the runs folder."""

    what = "There is no run {id} in {root}."
    remedy = "It may have been deleted, or lies in another runs folder."


class StillActive(EngineError):
    """Raised when something needs a run to be over."""

    what = "The run {name} is still {state}."
    remedy = "Stop it first."


class NotResumable(EngineError):
    """Raised when a run that is not over with work left is to be resumed."""

    what = "The run {name} cannot be resumed: it is {state}."
    remedy = "Only stopped, failed and lost runs can."


class InUse(EngineError):
    """Raised when other runs build on what is to be deleted."""

    what = "The run {name} is used by {count} runs: {users}."
    remedy = "Delete these first."


class OpenInputs(EngineError):
    """Raised when a run is to be created whose config lacks what it works on."""

    what = "{title} cannot run yet: {inputs} not chosen."
    remedy = "Choose an artifact of another run, or run the whole pipeline."


class ReadOnly(EngineError):
    """Raised when a run of a newer program is to be changed."""

    what = "The run {name} was made by a newer version of this program and can only be read."
    remedy = "Update this program to change it."


@dataclass(frozen=True)
class Summary:
    """One line of a list of runs; see store.Row.

    Attributes:
        progress: share done, 0 to 1, None when unknown. left: seconds to go, None when unknown.
        ran_on: where it computes or computed ("cpu", "mps", "cuda:0"), "" before that; ``device`` is what was asked.
    """

    id: str
    task: str
    name: str
    project: str
    tags: tuple[str, ...]
    created: float
    device: str
    imported: bool
    read_only: bool
    state: str
    reason: str
    since: float
    progress: float | None = None
    left: float | None = None
    ran_on: str = ""


def default_root() -> Path:
    """Where runs are kept when nothing else is said: THEODOLITE_RUNS_DIR, or in the user's data folder."""
    given = os.environ.get("THEODOLITE_RUNS_DIR")
    return Path(given) if given else Path(platformdirs.user_data_dir("theodolite", False)) / "runs"


class Runs:
    """The runs in one folder.

    Methods raise NoSuchRun for an unknown id, ReadOnly for runs of a newer program, and DiskFull or NotWritable
    (engine.runs.failures) when the disk is.

    Any number of processes may have one on the same folder. Calls that change something, and ``list``, belong to one
    thread at a time; ``reader``, ``artifacts`` and ``used_by`` may be called from others meanwhile.

    Attributes:
        root: the folder. executor: where runs are computed.
    """

    def __init__(self, root: Path | None = None, executor: Executor | None = None) -> None:
        self.root = Path(root if root is not None else default_root()).absolute()
        self.executor: Executor = executor or LocalExecutor()
        self._store = Store(self.root)
        self._attends = False
        self._readers: dict[str, RunReader] = {}
        self._latest: dict[tuple[str, float], Sequence[ArtifactRef]] = {}

    def warm(self) -> None:
        """Have a worker ready, torch imported, so that the next run begins at once; call it when there is time."""
        self.executor.prepare()

    def close(self) -> None:
        """Let go of the index and of what ``warm`` made; runs go on."""
        self.executor.close()
        if self._attends:
            self._store.leave(this_process())
        self._store.close()

    @in_words()
    def create(
        self, config: TaskConfig, *, name: str = "", tags: Iterable[str] = (), project: str = "",
        after: Iterable[str] = (), device: str = "auto", interpreter: str | Path | None = None,
        files: Mapping[str, Path] | None = None,
    ) -> str:  # fmt: skip
        """Put a run in the queue; ``dispatch`` starts it. Returns its id.

        Args:
            after: ids of runs that must finish first; runs that the config's references name count by themselves.
            device: "auto", "cpu", "cuda", "cuda:1", "mps". interpreter: another Python, with a matching torch.
            files: name -> file or folder, copied to the run's ``inputs/``.

        Raises:
            NoSuchRun: also when ``after`` or a reference names no run here.
        """
        if missing := config.open_inputs():
            fields = type(config).model_fields
            raise OpenInputs(title=config.title, inputs=", ".join(fields[name].title or name for name in missing))
        upstream = [*after, *(ref.run for ref in config.inputs().values())]
        for id in upstream:
            self._folder(id)
        request = folder.Request(
            config.task, config.model_dump(mode="json"), type(config).schema_version, folder.SCHEMA_VERSION
        )
        meta = folder.Meta(
            name=name, tags=tuple(tags), project=project, device=device, after=tuple(after), created=time.time(),
            interpreter=str(interpreter) if interpreter else None,
        )  # fmt: skip
        id = folder.create(self.root, request, meta, lambda path: _copy_inputs(files or {}, path))
        with self._store.exclusive():
            self._store.put(self.root / id)
        return id

    def create_pipeline(self, config: PipelineConfig, **options: Any) -> dict[str, str]:
        """Put all stages of a pipeline in the queue; references left open are filled by its links.

        Args:
            options: as for ``create``; ``after`` counts for every stage.

        Returns:
            Stage name -> run id.
        """
        ids: dict[str, str] = {}
        for stage, task in config.stages().items():
            ids[stage] = self.create(_linked(config, stage, task, ids), **options)
        return ids

    @in_words()
    def dispatch(self) -> Sequence[str]:
        """Start what can start and end what is overdue; cheap. Returns the ids started."""
        return dispatch(self._store, self.executor)

    @in_words()
    def attend(self) -> Sequence[str]:
        """Dispatch, and promise to do so again within a second, until ``close``.

        Workers that leave meanwhile let this process start the next run, with the worker that ``warm`` made. When it
        is late or gone they start the next one themselves.
        """
        since = time.time()
        started = dispatch(self._store, self.executor)
        self._store.attend(this_process(), since)
        self._attends = True
        return started

    def left(self, id: str) -> None:
        """A worker's last act: give the slot back and see to it that what waits is started."""
        self._store.release(id)
        refresh(self._store, id)
        if not attended(self._store):
            self.dispatch()

    @in_words()
    def stop(self, id: str, *, grace: float = control.STOP_GRACE) -> None:
        """Ask a run to stop at its next point; it can be resumed. One that waits leaves the queue."""
        path = self._writable(id)
        if not refresh(self._store, id).over:
            self.executor.stop(path, grace=grace)
            refresh(self._store, id)

    @in_words()
    def cancel(self, id: str) -> None:
        """End a run now; what it published and checkpointed stays. The next one gets its slot."""
        path = self._writable(id)
        if not refresh(self._store, id).over:
            self.executor.cancel(path)
            self.dispatch()
            refresh(self._store, id)

    @in_words()
    def resume(self, id: str) -> None:
        """Put a stopped, failed or lost run back in the queue; it goes on from its last checkpoint.

        Raises:
            NotResumable: it is none of these.
        """
        path = self._writable(id)
        with self._store.exclusive():
            now = refresh(self._store, id)
            if now.state not in ("stopped", "failed", "lost"):
                raise NotResumable(name=self._title(id), state=now.state)
            folder.append_queued(path, control=control.newest(path))
            self._store.release(id)
            refresh(self._store, id)

    @in_words()
    def delete(self, id: str) -> None:
        """Move a run to the trash.

        Raises:
            InUse: other runs build on it. StillActive: it is not over.
        """
        path = self._folder(id)
        with self._store.exclusive():  # nobody starts it meanwhile
            now = refresh(self._store, id)
            if now.state in state.ACTIVE:
                raise StillActive(name=self._title(id), state=now.state)
            if users := self.used_by(id):
                raise InUse(name=self._title(id), count=len(users), users=", ".join(map(self._title, users)))
            (self.root / TRASH).mkdir(exist_ok=True)
            os.rename(path, self.root / TRASH / id)
            self._store.forget(id)
        self._readers.pop(id, None)

    @in_words()
    def restore(self, id: str) -> None:
        """Bring a run back from the trash."""
        if Path(id).name != id or not folder.is_run(self.root / TRASH / id):
            raise NoSuchRun(id=id, root=str(self.root / TRASH))
        os.rename(self.root / TRASH / id, self.root / id)
        self._store.put(self.root / id)

    def empty_trash(self) -> None:
        """Remove for ever what was deleted."""
        shutil.rmtree(self.root / TRASH, ignore_errors=True)

    def rename(self, id: str, name: str) -> None:
        """Give a run another name."""
        self._change_meta(id, name=name)

    def set_tags(self, id: str, tags: Iterable[str]) -> None:
        """Replace the tags of a run."""
        self._change_meta(id, tags=tuple(tags))

    def set_notes(self, id: str, notes: str) -> None:
        """Replace the notes of a run."""
        self._change_meta(id, notes=notes)

    @in_words()
    def _change_meta(self, id: str, **changes: Any) -> None:
        path = self._writable(id)
        folder.write_meta(path, folder.meta(path).model_copy(update=changes))
        self._store.put(path)

    @in_words()
    def list(self) -> Sequence[Summary]:
        """All runs, newest first; those that are not over are looked at, the others come from the index.

        Folders that were removed or added by hand leave or enter the index.
        """
        there = {entry.name for entry in os.scandir(self.root) if not entry.name.startswith(".")}
        rows = self._store.rows()
        known = {row.id for row in rows}
        for id in known - there:
            self._store.forget(id)
        added = [id for id in there - known if folder.is_run(self.root / id) and self._store.adopt(self.root / id)]
        rows = self._store.rows() if added else [row for row in rows if row.id in there]
        return [self._summary(row) for row in rows]

    def _summary(self, row: Row) -> Summary:
        if row.state in state.OVER:
            self._readers.pop(row.id, None)
            return _summary(row)
        try:
            reader = self._readers.get(row.id) or self._readers.setdefault(row.id, RunReader(self.root / row.id))
        except folder.NotARun:  # removed this very moment
            return _summary(replace(row, state="lost"))
        reader.poll()
        now = reader.status
        if (now.state, now.reason) != (row.state, row.reason):
            self._store.set_state(row.id, now)
            row = replace(row, state=now.state, reason=now.reason, since=now.since)
        if reader.progress is None or reader.progress.total <= 0:
            return _summary(row)
        return _summary(row, min(1.0, max(0.0, reader.progress.done / reader.progress.total)), reader.time_left)

    def reader(self, id: str) -> RunReader:
        """A reader of one run, polled once."""
        reader = RunReader(self._folder(id))
        reader.poll()
        return reader

    def artifacts(self, kind: str) -> Sequence[tuple[str, ArtifactRef]]:
        """(title, newest reference) of every artifact of a kind, newest run first."""
        found = [(row, ref) for row in self._store.rows() for ref in self._published(row) if ref.kind == kind]
        return [(f"{row.name or row.id} · {ref.name}", ref) for row, ref in found]

    def _published(self, row: Row) -> Sequence[ArtifactRef]:
        if row.state not in state.OVER:
            return versions.latest(self.root, row.id)
        key = (row.id, row.since)
        if key not in self._latest:
            self._latest[key] = versions.latest(self.root, row.id)
        return self._latest[key]

    def used_by(self, id: str) -> Sequence[str]:
        """Ids of the runs that build on a run."""
        return self._store.used_by(id)

    @in_words()
    def reindex(self) -> int:
        """Rebuild the index from the folders; returns the number of runs."""
        return self._store.reindex()

    @in_words()
    def export(self, id: str, file: Path) -> None:
        """Copy a run with all it holds into a zip file."""
        archive.export(self._folder(id), Path(file))

    @in_words()
    def import_(self, source: Path) -> str:
        """Copy a run from a zip file or a folder into this runs folder; it is marked as imported. Returns its id.

        Raises:
            archive.UnsafeArchive: it holds what no export writes. archive.AlreadyHere. NotARun.
        """
        id = archive.import_(Path(source), self.root)
        with self._store.exclusive():
            self._store.put(self.root / id)
        return id

    def _folder(self, id: str) -> Path:
        path = self.root / id
        if Path(id).name != id or not folder.is_run(path):
            raise NoSuchRun(id=id, root=str(self.root))
        return path

    def _writable(self, id: str) -> Path:
        path = self._folder(id)
        if folder.request(path).newer:
            raise ReadOnly(name=self._title(id))
        return path

    def _title(self, id: str) -> str:
        return folder.meta(self.root / id).name or id


def _summary(row: Row, progress: float | None = None, left: float | None = None) -> Summary:
    return Summary(
        row.id, row.task, row.name, row.project, row.tags, row.created, row.device, row.imported, row.newer,
        row.state, row.reason, row.since, progress, left, row.ran_on,
    )  # fmt: skip


def _copy_inputs(files: Mapping[str, Path], path: Path) -> None:
    for name, source in files.items():
        target = path / "inputs" / name
        if not target.resolve().is_relative_to((path / "inputs").resolve()):
            raise ValueError(f"{name!r} leaves the folder of inputs")
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)


def _linked(pipeline: PipelineConfig, stage: str, task: TaskConfig, ids: Mapping[str, str]) -> TaskConfig:
    """The stage's config with open references filled from the stages before it."""
    stages, changes = pipeline.stages(), {}
    for target, sources in pipeline.links().items():
        its_stage, _, its_field = target.partition(".")
        if its_stage != stage or getattr(task, its_field) not in (None, []):
            continue
        several = sources if isinstance(sources, list) else [sources]
        refs = [ArtifactRef(run=ids[s], name=name, kind=stages[s].outputs[name]) for s, name in several if s in ids]
        if refs:
            changes[its_field] = refs if isinstance(sources, list) else refs[0]
    return type(task).model_validate({**task.model_dump(), **changes}) if changes else task
