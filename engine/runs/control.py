"""Commands to a run: small numbered files in control/, cheap to look for."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.durable import write_exclusive

STOP_GRACE = 10.0
_LOOK_EVERY = 0.02
_SETTLED_AFTER_NS = 100_000_000


class Command(BaseModel):
    """One command.

    Attributes:
        number: its place in the sequence. command: what to do. t: when, seconds since 1970.
        grace: seconds a stop may take before the worker is killed (it stays resumable).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    command: Literal["stop", "cancel"]
    t: float
    grace: float = STOP_GRACE

    @property
    def overdue(self) -> bool:
        """Whether its grace is over."""
        return self.command == "cancel" or time.time() > self.t + self.grace


def send(folder: Path, command: Literal["stop", "cancel"], *, grace: float = STOP_GRACE) -> Command:
    """Leave a command in the run folder; it is seen by every process at once, and durable when this returns.

    A cancel is not waited for on the disk: what it asks is done within the same call.
    """
    control = folder / "control"
    control.mkdir(exist_ok=True)
    while True:
        item = Command(number=newest(folder) + 1, command=command, t=time.time(), grace=grace)
        try:
            write_exclusive(control / f"{item.number:03d}.json", item.model_dump_json(), sync=command == "stop")
        except FileExistsError:
            continue
        return item


def newest(folder: Path) -> int:
    """The highest number used so far, 0 when there is none."""
    return max(_numbers(folder / "control"), default=0)


def pending(folder: Path, after: int) -> Command | None:
    """The command in force among those numbered above ``after``: a cancel, else the first stop, else None."""
    found = [item for number in _numbers(folder / "control") if number > after and (item := _read(folder, number))]
    return next((item for item in found if item.command == "cancel"), found[0] if found else None)


def _numbers(control: Path) -> list[int]:
    try:
        names = os.listdir(control)
    except OSError:
        return []
    return sorted(int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit())


def _read(folder: Path, number: int) -> Command | None:
    try:
        return Command.model_validate_json((folder / "control" / f"{number:03d}.json").read_bytes())
    except (OSError, ValidationError):
        return None


class Inbox:
    """Looks for commands as often as one likes: at most one ``stat`` each 20 ms, and reads only what changed."""

    def __init__(self, folder: Path, after: int) -> None:
        self._folder = folder
        self._control = folder / "control"
        self._after = after
        self._next_look = 0.0
        self._seen = -1
        self._pending: Command | None = None

    def look(self) -> Command | None:
        """The command in force, or None."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            self._refresh()
        return self._pending

    def _refresh(self) -> None:
        try:
            changed = self._control.stat().st_mtime_ns
        except OSError:
            return
        if changed == self._seen:
            return
        self._pending = pending(self._folder, self._after)
        # Two files of one clock tick leave the same time stamp: a fresh stamp is not trusted yet.
        self._seen = changed if time.time_ns() - changed > _SETTLED_AFTER_NS else -1
