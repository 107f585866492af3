"""The window's view of the runs: starts and stops them off-thread, and tells on a timer what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.shell.background import Background
from engine.artifacts import kinds
from engine.artifacts.refs import ArtifactRef
from engine.errors import EngineError
from engine.runs.library import Runs, Summary
from engine.runs.reader import RunReader
from engine.studies import catalogue
from engine.studies.contract import PipelineConfig, TaskConfig

LIVE_MS = 100
LIST_MS = 500
SPARE_MS = 2_000


class Watch(QObject):
    """Follows one run; ``changed`` fires at most ten times a second, in the window's thread."""

    changed = Signal()

    def __init__(self, reader: RunReader, parent: QObject) -> None:
        super().__init__(parent)
        self.reader = reader
        self._state = ""

    def poll(self) -> None:
        """Look at the folder; fires ``changed`` when there is news."""
        events = self.reader.poll()
        if events or self.reader.state != self._state:
            self._state = self.reader.state
            self.changed.emit()


class RunsService(QObject):
    """All of the window's dealings with runs.

    Signals:
        listed: the list of run summaries, when it changed.
        failed: an EngineError from something the user asked for.
    """

    listed = Signal(list)
    failed = Signal(object)

    def __init__(self, root: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.library = Runs(root)
        self.background = Background(self)
        self.background.failed.connect(self.failed)
        self.rows: Sequence[Summary] = []
        self._watches: dict[str, Watch] = {}
        self._listing = False
        self._trouble = ""
        self._live = QTimer(self, interval=LIVE_MS)
        self._live.timeout.connect(self._poll)
        self._list = QTimer(self, interval=LIST_MS)
        self._list.timeout.connect(self.refresh)
        self._spare = QTimer(self, interval=SPARE_MS, singleShot=True)
        self._spare.timeout.connect(self._warm)

    def begin(self) -> None:
        """Start looking; called once the window has been painted."""
        for timer in (self._live, self._list, self._spare):
            timer.start()
        # What they list takes an import of every study: not on the window's thread, when a run's first news appear.
        for catalogued in (catalogue.configs, catalogue.measures, kinds.kinds):
            self.background.do(catalogued)
        self.refresh()

    def close(self) -> None:
        """Stop looking; running runs go on without the window."""
        for timer in (self._live, self._list, self._spare):
            timer.stop()
        self.background.do(self.library.close)
        self.background.close()

    def start(
        self, config: TaskConfig | PipelineConfig, then: Callable[[Mapping[str, str]], None], **options: Any
    ) -> None:
        """Create and start the run or runs of ``config``; ``then`` gets stage -> run id.

        A lone task's stage is its name.
        """

        def create() -> Mapping[str, str]:
            if isinstance(config, PipelineConfig):
                stages = self.library.create_pipeline(config, **options)
            else:
                stages = {config.task: self.library.create(config, **options)}
            return stages

        self._ask(create, then)

    def stop(self, run: str) -> None:
        """Stop a run at its next point."""
        self._ask(lambda: self.library.stop(run))

    def cancel(self, run: str) -> None:
        """Kill a run at once."""
        self._ask(lambda: self.library.cancel(run))

    def resume(self, run: str) -> None:
        """Queue a stopped or lost run again."""
        self._ask(lambda: self.library.resume(run))

    def delete(self, run: str) -> None:
        """Move a run to the trash."""
        self._ask(lambda: self.library.delete(run))

    def export(self, run: str, path: Path, then: Callable[[Any], object]) -> None:
        """Write a run as a zip file."""
        self.background.do(lambda: self.library.export(run, path), then)

    def import_(self, source: Path, then: Callable[[str], None]) -> None:
        """Copy a run from a zip file or a folder to the runs here; ``then`` gets its id."""
        self._ask(lambda: self.library.import_(source), then)

    def watch(self, run: str) -> Watch:
        """Follow a run; the same object for the same run."""
        if run not in self._watches:
            self._watches[run] = Watch(self.library.reader(run), self)
        return self._watches[run]

    def unwatch(self, run: str) -> None:
        """Nobody looks at this run any more."""
        if watch := self._watches.pop(run, None):
            watch.deleteLater()

    def artifacts(self, kind: str) -> Sequence[tuple[str, ArtifactRef]]:
        """(label, newest reference) of every artifact of a kind among the runs, newest run first."""
        return self.library.artifacts(kind)

    @property
    def running(self) -> list[str]:
        """Ids of the runs that have a process."""
        return [row.id for row in self.rows if row.state in ("starting", "running", "stopping")]

    def refresh(self) -> None:
        """List the runs anew and let waiting ones start."""
        if not self._listing:
            self._listing = True
            self.background.do(self._look, self._looked, self._blind)

    def _look(self) -> tuple[bool, Sequence[Summary]]:
        started = self.library.attend()
        return bool(started), self.library.list()

    def _ask(self, call: Callable[[], Any], then: Callable[[Any], object] | None = None) -> None:
        self.background.do(call, then)
        self.background.do(self._look, self._looked, self._blind)

    def _looked(self, found: tuple[bool, Sequence[Summary]]) -> None:
        self._listing, self._trouble = False, ""
        started, rows = found
        if started:
            self._spare.start()  # the warm worker is taken: have another one before the next run is asked for
        if rows != self.rows:
            self.rows = rows
            self.listed.emit(rows)

    def _blind(self, error: EngineError) -> None:
        """The folder cannot be looked at, perhaps for a while only: say so once, and go on trying."""
        self._listing = False
        if str(error) != self._trouble:
            self._trouble = str(error)
            self.failed.emit(error)

    def _poll(self) -> None:
        before = self._going()
        for watch in list(self._watches.values()):
            watch.poll()
        if self._going() < before:
            self.refresh()  # a slot is free: what waits for it can start at once

    def _going(self) -> int:
        return sum(not watch.reader.status.over for watch in self._watches.values())

    def _warm(self) -> None:
        self.background.do(self.library.warm)
