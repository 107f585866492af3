"""What a run says: typed events, one JSON line each, written strictly and read tolerantly."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.artifacts.refs import ArtifactRef
from engine.runs.processes import Process

SCHEMA_VERSION = 1
Scalar = str | int | float | bool | None


class _Event(BaseModel):
    """Common to all: ``t`` seconds since 1970, ``v`` the major version of the format."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    t: float = Field(default_factory=time.time)
    v: int = SCHEMA_VERSION


class Queued(_Event):
    """The run waits for a slot; ``control`` is the last command that no longer counts."""

    type: Literal["queued"] = "queued"
    control: int = 0


class Started(_Event):
    """A worker has begun.

    ``oom_kills`` is the kernel's count at that moment, None where it cannot be read. ``tf32``: whether CUDA may round
    single precision to TF32, None where torch was not loaded.
    """

    type: Literal["started"] = "started"
    process: Process
    device: str
    threads: int
    interpreter: str
    versions: dict[str, str]
    inputs: dict[str, ArtifactRef]
    oom_kills: int | None = None
    tf32: bool | None = None


class Progress(_Event):
    """How far it is."""

    type: Literal["progress"] = "progress"
    done: float
    total: float
    note: str = ""


class Measured(_Event):
    """A scalar measure; a later one with the same id and dims replaces it."""

    type: Literal["measured"] = "measured"
    id: str
    value: float
    interval: tuple[float, float] | None = None
    n: int | None = None
    dims: dict[str, str | int | float] = {}


class SeriesOpened(_Event):
    """A series begins; ``file`` lies in series/ and has rows of float64 ``columns``."""

    type: Literal["series_opened"] = "series_opened"
    file: str = Field(pattern=r"^[a-z0-9_=-][a-z0-9_.=-]*\.f64$")  # an imported run names no other file
    id: str
    dims: dict[str, str | int | float]
    columns: tuple[str, ...]


class Published(_Event):
    """A version of an artifact can be read."""

    type: Literal["published"] = "published"
    ref: ArtifactRef
    complete: bool
    describe: dict[str, str | int | float]


class Checkpointed(_Event):
    """The run can be resumed at unit ``unit`` of its plan number ``plan``."""

    type: Literal["checkpointed"] = "checkpointed"
    plan: int
    unit: int


class Warned(_Event):
    """Something about the numbers that the user should know: English template and its values."""

    type: Literal["warned"] = "warned"
    template: str
    params: dict[str, Scalar] = {}

    def __str__(self) -> str:
        return self.template.format(**self.params)


class Resumed(_Event):
    """The worker goes on from a checkpoint; all series were cut back to it before this event."""

    type: Literal["resumed"] = "resumed"
    plan: int
    unit: int


class Stopping(_Event):
    """The worker has seen the command and is leaving."""

    type: Literal["stopping"] = "stopping"


class Stopped(_Event):
    """The worker left on command: ``stopped`` (can be resumed) or ``cancelled``."""

    type: Literal["stopped"] = "stopped"
    reason: Literal["stopped", "cancelled"]


class Finished(_Event):
    """All is done."""

    type: Literal["finished"] = "finished"


class Failed(_Event):
    """It could not be done: the error's class, its three English templates and their values."""

    type: Literal["failed"] = "failed"
    error: str
    what: str
    why: str = ""
    remedy: str = ""
    params: dict[str, Scalar] = {}

    def __str__(self) -> str:
        return " ".join(part.format(**self.params) for part in (self.what, self.why, self.remedy) if part)


Event = Annotated[
    Queued
    | Started
    | Progress
    | Measured
    | SeriesOpened
    | Published
    | Checkpointed
    | Warned
    | Resumed
    | Stopping
    | Stopped
    | Finished
    | Failed,
    Field(discriminator="type"),
]
_CLASSES = (
    Queued, Started, Progress, Measured, SeriesOpened, Published, Checkpointed, Warned, Resumed, Stopping,
    Stopped, Finished, Failed,
)  # fmt: skip
TYPES: Mapping[str, type[_Event]] = {cls.model_fields["type"].default: cls for cls in _CLASSES}


@functools.cache
def _known(cls: type[_Event]) -> frozenset[str]:
    return frozenset(cls.model_fields)


def parse(line: bytes) -> Event | None:
    """The event in a line; None for what this program does not know or cannot read."""
    try:
        data = json.loads(line)
        cls = TYPES[data["type"]]
        if data["v"] > SCHEMA_VERSION:
            return None
        return cls.model_validate({key: data[key] for key in _known(cls) & data.keys()})  # type: ignore[return-value]
    except (ValueError, KeyError, TypeError):
        return None


class EventLog:
    """Appends events to events.jsonl; only one process at a time may hold one (see worker.lock)."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._size = _whole(self._descriptor)
        os.ftruncate(self._descriptor, self._size)

    def append(self, event: Event, *, sync: bool = False) -> None:
        """Write one line; every reader sees it whole or not at all.

        Args:
            sync: wait for the disk; for events whose loss after a power cut would mislead.

        Raises:
            OSError: the disk is full; nothing of the line stays.
        """
        line = event.model_dump_json().encode() + b"\n"
        try:
            _write_all(self._descriptor, line, self._size)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)
        if sync:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    os.lseek(descriptor, offset, os.SEEK_SET)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _whole(descriptor: int) -> int:
    """The length up to the end of the last whole line: a writer that died may have left a part of one."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        os.lseek(descriptor, start, os.SEEK_SET)
        newline = os.read(descriptor, end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


class EventTail:
    """Reads the events that were added since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Event]:
        """New events in order; a torn last line waits until it is whole. One ``stat`` when there is nothing new."""
        try:
            if os.stat(self._path).st_size <= self._offset:
                return []
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        return [event for line in data[:whole].split(b"\n") if (event := parse(line)) is not None]
