"""The state of a run: a fold over its events, its commands and whether its process lives."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.runs import control, folder
from engine.runs.events import Event, EventTail, Failed, Finished, Queued, Started, Stopped, Stopping
from engine.runs.processes import Process, oom_kills

State = Literal["queued", "starting", "running", "stopping", "stopped", "finished", "failed", "lost"]
OVER = frozenset({"stopped", "finished", "failed", "lost"})
ACTIVE = frozenset({"starting", "running", "stopping"})
CAUSES = {
    "killed": "Its process was killed from outside.",
    "out of memory": "The system killed it because the memory was used up.",
    "crash": "Its process crashed; crash.txt in the run folder says where.",
    "machine restarted": "The computer was restarted while it ran.",
    "ended early": "Its process ended by itself without a result; log.txt in the run folder may say why.",
    "disk full": "The disk was full, so that nothing more could be written.",
    "no contact": "The computer {host}, which ran it, no longer gives a sign of life.",
}
DISK_FULL_EXIT = 74
HEARTBEAT_EVERY = 5.0
NO_CONTACT_AFTER = 60.0


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes:
        state: see State. reason: "cancelled" or "stopped" when stopped, one of CAUSES when lost, else "".
        since: when the last event of its life happened, seconds since 1970. attempt: how often it was queued.
        process: its worker, when one is or was there. device: where that computes or computed, as torch names it.
    """

    state: State
    reason: str = ""
    since: float = 0.0
    attempt: int = 0
    process: Process | None = None
    device: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen unless somebody resumes it."""
        return self.state in OVER


class Life:
    """The events that decide the state, folded one by one."""

    def __init__(self) -> None:
        self.attempt = 0
        self.voided = 0
        self.started: Started | None = None
        self.first_inputs: Started | None = None
        self.last: Event | None = None

    def add(self, events: Iterable[Event]) -> None:
        """Fold in more events."""
        for event in events:
            match event:
                case Queued():
                    self.attempt += 1
                    self.voided = event.control
                    self.started = None
                case Started():
                    self.started = event
                    self.first_inputs = self.first_inputs or event
                case Stopping() | Stopped() | Finished() | Failed():
                    pass
                case _:
                    continue
            self.last = event


def status(path: Path, life: Life | None = None, refresh: Callable[[], None] | None = None) -> Status:
    """The state of the run in the folder ``path``, as seen from this machine.

    Args:
        life, refresh: what a reader has folded so far, and how it folds in what is new; None to read all.
    """
    life = life or Life()
    tail = EventTail(path / folder.EVENTS)
    refresh = refresh or (lambda: life.add(tail.read()))
    refresh()
    while True:
        # First whether the worker lives, then what it said: if it ended in between, it has said so by now.
        seen = life.last
        process, alive = _worker(path, life)
        refresh()
        if life.last is seen:
            return _judge(path, life, process, alive)


def _worker(path: Path, life: Life) -> tuple[Process | None, bool]:
    if life.last is None or isinstance(life.last, Stopped | Finished | Failed):
        return life.started.process if life.started else None, False
    if life.started is not None:
        process = life.started.process
        return process, _lives(path, process)
    launch = folder.launch(path)
    if launch is None or launch.attempt != life.attempt:
        return None, False
    if launch.process is not None:
        return launch.process, _lives(path, launch.process)
    waiting = time.time() < launch.t + launch.grace and (launch.launcher.alive() or not launch.launcher.here)
    return None, waiting


def _lives(path: Path, process: Process) -> bool:
    if process.here:
        return process.alive()
    try:
        return time.time() - os.stat(path / folder.HEARTBEAT).st_mtime < NO_CONTACT_AFTER
    except OSError:
        return False


def _judge(path: Path, life: Life, process: Process | None, alive: bool) -> Status:
    last = life.last
    if last is None:
        return Status("lost", "ended early")

    def done(state: State, reason: str = "") -> Status:
        return Status(state, reason, last.t, life.attempt, process, life.started.device if life.started else "")

    match last:
        case Finished() | Failed():
            return done(last.type)
        case Stopped():
            return done("stopped", last.reason)
    command = control.pending(path, life.voided)
    if alive:
        leaving = command is not None or isinstance(last, Stopping)
        return done("stopping" if leaving else "running" if life.started else "starting")
    if command is not None:
        return done("stopped", "cancelled" if command.command == "cancel" else "stopped")
    if process is None:
        return done("queued")
    return done("lost", cause_of_death(path, life, process))


def cause_of_death(path: Path, life: Life, process: Process, code: int | None = None) -> str:
    """Why a worker ended without a word, as far as can be told; one of CAUSES.

    Args:
        code: its exit code (negative: the signal), known only to who started it.
    """
    if code is None and (note := folder.exit_note(path, life.attempt)):
        return note.cause
    if not process.here:
        return "no contact"
    if not process.same_boot:
        return "machine restarted"
    crash = path / folder.CRASH
    if crash.is_file() and crash.stat().st_size:
        return "crash"
    before, now = life.started.oom_kills if life.started else None, oom_kills()
    if before is not None and now is not None and now > before and code in (None, -9):
        return "out of memory"
    if code == DISK_FULL_EXIT:
        return "disk full"
    if (code is not None and code >= 0) or life.started is None:
        return "ended early"
    return "killed"
