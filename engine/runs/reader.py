"""Looks at a run from outside: polls its folder cheaply and keeps what was read."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.artifacts import versions
from engine.artifacts.refs import ArtifactRef
from engine.runs import events, folder, log, state
from engine.runs.series import Floats, SeriesReader

_RATE_OVER = 30.0
_Key = tuple[str, tuple[tuple[str, str], ...]]


class RunReader:
    """A run as its folder shows it; call ``poll`` as often as you like, then look at the attributes.

    Attributes:
        folder, id: where and which. state, reason: see engine.runs.state. status: both with more detail.
        progress: the last Progress event or None. warnings: Warned events, each once; ``str()`` gives the English.
        error: the Failed event or None, likewise. started: the last Started event or None.
        artifacts: name -> newest version. versions: name -> all versions announced, in order.
    """

    def __init__(self, path: Path) -> None:
        self.folder = Path(path)
        self.id = self.folder.name
        self._request = folder.request(self.folder)
        self._meta: folder.Meta | None = None
        self._meta_changed = -1
        self._tail = events.EventTail(self.folder / folder.EVENTS)
        self._life = state.Life()
        self._fresh: list[events.Event] = []
        self._measures: dict[_Key, events.Measured] = {}
        self._opened: dict[_Key, SeriesReader] = {}
        self._series_events: list[events.SeriesOpened] = []
        self._progress_times: deque[tuple[float, float]] = deque()
        self.status = state.Status("queued")
        self.progress: events.Progress | None = None
        self.warnings: list[events.Warned] = []
        self.error: events.Failed | None = None
        self.versions: dict[str, list[events.Published]] = {}

    def poll(self) -> list[events.Event]:
        """Read what is new; a few ``stat`` calls when nothing is."""
        self._fresh = []
        if self.status.over and self.state != "lost":  # the cause of a loss may become known later
            self._refresh()
            if not self._fresh:
                return []
        self.status = state.status(self.folder, self._life, self._refresh)
        return self._fresh

    def _refresh(self) -> None:
        new = self._tail.read()
        self._life.add(new)
        for event in new:
            self._take(event)
        self._fresh += new

    def _take(self, event: events.Event) -> None:
        match event:
            case events.Queued():
                self.error = None
                self._progress_times.clear()
            case events.Progress():
                self.progress = event
                self._note_rate(event)
            case events.Measured():
                self._measures[_key(event.id, event.dims)] = event
            case events.SeriesOpened():
                if _key(event.id, event.dims) not in self._opened:
                    self._series_events.append(event)
                reader = SeriesReader(self.folder / "series" / event.file, event.columns)
                self._opened[_key(event.id, event.dims)] = reader
            case events.Resumed():
                for series in self._opened.values():
                    series.forget()
            case events.Published():
                self.versions.setdefault(event.ref.name, []).append(event)
            case events.Warned():
                if all((event.template, event.params) != (old.template, old.params) for old in self.warnings):
                    self.warnings.append(event)
            case events.Failed():
                self.error = event

    def _note_rate(self, event: events.Progress) -> None:
        times = self._progress_times
        if times and event.done < times[-1][1]:
            times.clear()
        times.append((event.t, event.done))
        while len(times) > 2 and times[0][0] < event.t - _RATE_OVER:
            times.popleft()

    @property
    def state(self) -> state.State:
        """Where the run stands, as of the last poll."""
        return self.status.state

    @property
    def reason(self) -> str:
        """Why it is stopped or lost, as of the last poll."""
        return self.status.reason

    @property
    def started(self) -> events.Started | None:
        """How the worker was started: device, versions of packages, settled inputs; None before that."""
        return self._life.started

    @property
    def time_left(self) -> float | None:
        """Seconds to go at the rate of the last half minute; None when unknown."""
        times = self._progress_times
        if self.state != "running" or self.progress is None or len(times) < 2:
            return None
        (begin, before), (end, now) = times[0], times[-1]
        if now <= before or end <= begin:
            return None
        left = (self.progress.total - now) * (end - begin) / (now - before)
        return max(0.0, left - (time.time() - end))

    @property
    def task(self) -> str:
        """The task's name."""
        return self._request.task

    @property
    def config(self) -> Mapping[str, Any]:
        """The config as plain JSON."""
        return self._request.config

    @property
    def request(self) -> folder.Request:
        """All of config.json."""
        return self._request

    @property
    def meta(self) -> folder.Meta:
        """What the user said of the run; read again when it changed."""
        try:
            changed = (self.folder / folder.META).stat().st_mtime_ns
        except OSError:
            changed = 0
        if self._meta is None or changed != self._meta_changed:
            self._meta, self._meta_changed = folder.meta(self.folder), changed
        return self._meta

    @property
    def name(self) -> str:
        """What the user called it."""
        return self.meta.name

    @property
    def title(self) -> str:
        """The name, or the task where it has none."""
        return self.name or self.task

    @property
    def measures(self) -> list[events.Measured]:
        """The last value of every scalar measure, in the order of their first appearance."""
        return list(self._measures.values())

    def measure(self, id: str, **dims: Any) -> events.Measured | None:
        """The last value of one scalar measure, or None."""
        return self._measures.get(_key(id, dims))

    @property
    def series_opened(self) -> list[events.SeriesOpened]:
        """All series there are: id, dims, columns."""
        return list(self._series_events)

    def series(self, id: str, **dims: Any) -> Floats:
        """Rows of one series so far: (n, columns) float64, step and value first; (0, 2) when there is none."""
        reader = self._opened.get(_key(id, dims))
        if reader is None:
            return SeriesReader(self.folder / "series" / "", ("step", "value")).read()
        return reader.read()

    @property
    def artifacts(self) -> dict[str, ArtifactRef]:
        """Name -> reference to the newest version."""
        return {name: published[-1].ref for name, published in self.versions.items()}

    def artifact(self, name: str, version: int | None = None) -> Any:
        """The value of an artifact, the newest version when none is named.

        Raises:
            NoSuchArtifact: it was not announced. DamagedArtifact, NewerArtifact: it cannot be read.
        """
        for published in reversed(self.versions.get(name, [])):
            if version in (None, published.ref.version):
                ref = published.ref.model_copy(update={"run": self.id})
                return versions.read(self.folder.parent, ref)
        raise versions.NoSuchArtifact(ref=f"{self.id}/{name}")

    def log(self, size: int = 20_000) -> str:
        """The end of what the worker printed."""
        return log.tail(self.folder / folder.LOG, size)


def _key(id: str, dims: Mapping[str, Any]) -> _Key:
    return id, tuple(sorted((name, str(value)) for name, value in dims.items()))
