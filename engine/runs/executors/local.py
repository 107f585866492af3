"""Workers as processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from engine import devices
from engine.errors import EngineError
from engine.runs import control, folder, state
from engine.runs.command import command, spare_command
from engine.runs.executors.base import Slot
from engine.runs.processes import kill_tree, process, this_process

SPARE_NEEDS = 2 << 30
CANCEL_WITHIN = 0.3


class CannotStart(EngineError):
    """Raised when the worker's process cannot be made."""

    what = "The run could not be started."
    why = "{program}: {reason}"
    remedy = "Check that this interpreter exists and may be run; choose another one for the run."


class _Worker(subprocess.Popen[bytes]):
    """A child that may outlive us; Popen itself would warn of that when it is forgotten."""

    def __del__(self) -> None:
        return


class LocalExecutor:
    """Starts workers in sessions of their own, so that they outlive who started them."""

    name = "local"

    def __init__(self) -> None:
        self._children: list[tuple[_Worker, Path | None, int]] = []
        self._spare: _Worker | None = None

    def capacity(self) -> list[Slot]:
        """``cpu:0`` ..., at most four and one for two cores; one for each usable accelerator."""
        cores = os.cpu_count() or 1
        count = max(1, min(4, cores // 2))
        threads = max(1, (cores - 1) // count)
        slots = [Slot(f"cpu:{index}", "cpu", threads) for index in range(count)]
        return slots + [Slot(name, name, threads) for name in devices.accelerators()]

    def prepare(self) -> None:
        """Start a spare worker if there is none: the next run begins at once instead of after importing torch."""
        self._reap()
        if self._spare is None and psutil.virtual_memory().available > SPARE_NEEDS:
            arguments, environment = spare_command(self.capacity()[0].threads)
            self._spare = _spawn(arguments, environment, Path(os.devnull), stdin=subprocess.PIPE)

    def close(self) -> None:
        """Let the spare worker go."""
        self._drop_spare()

    def submit(self, path: Path, slot: Slot, attempt: int) -> None:
        """See Executor."""
        self._reap()
        interpreter = folder.meta(path).interpreter
        launch = folder.Launch(
            attempt=attempt, executor=self.name, slot=slot.name, device=slot.device, threads=slot.threads,
            launcher=this_process(), t=time.time(),
        )  # fmt: skip
        folder.write_launch(path, launch)
        child = self._take_spare(path) if interpreter is None else None
        if child is None:
            arguments, environment = command(path, interpreter, slot.threads)
            try:
                child = _spawn(arguments, environment, path / folder.LOG)
            except OSError as error:
                raise CannotStart(program=arguments[0], reason=error.strerror) from error
        self._children.append((child, path, attempt))
        if (worker := process(child.pid)) is not None:
            folder.write_launch(path, launch.model_copy(update={"process": worker}))

    def _take_spare(self, path: Path) -> _Worker | None:
        spare = self._spare
        if spare is None or spare.stdin is None:
            return None
        try:
            spare.stdin.write(os.fsencode(path.absolute()) + b"\n")
        except OSError:
            self._drop_spare()
            return None
        self._spare = None
        spare.stdin.close()
        return spare

    def state(self, path: Path) -> state.State:
        """See Executor."""
        self._reap()
        return state.status(path).state

    def stop(self, path: Path, *, grace: float = control.STOP_GRACE) -> None:
        """See Executor. The grace is watched by the worker itself and by ``tend`` of any process."""
        control.send(path, "stop", grace=grace)

    def cancel(self, path: Path) -> None:
        """See Executor; returns when the process is gone, at most 0.3 s later."""
        control.send(path, "cancel")
        end = time.monotonic() + CANCEL_WITHIN
        while not (now := state.status(path)).over and time.monotonic() < end:
            if now.process is not None:
                kill_tree(now.process, end - time.monotonic())
            else:
                time.sleep(0.005)  # another process is just about to name the worker it has started
        self._reap()

    def tend(self, paths: list[Path]) -> None:
        """See Executor."""
        self._reap()
        for path in paths:
            life = state.Life()
            now = state.status(path, life)
            if now.state == "stopping" and now.process is not None and now.process.here:
                asked = control.pending(path, life.voided)
                if asked is not None and asked.overdue:
                    kill_tree(now.process)

    def _reap(self) -> None:
        """Collect children that ended, and note what only their parent can know: the exit code."""
        running = []
        for child, path, attempt in self._children:
            code = child.poll()
            if code is None:
                running.append((child, path, attempt))
            elif path is not None and code != 0:
                _note(path, attempt, code)
        self._children = running
        if self._spare is not None and self._spare.poll() is not None:
            self._drop_spare()

    def _drop_spare(self) -> None:
        """End the spare, which has no work, wherever it is in its start."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.stdin is not None:
            spare.stdin.close()
            spare.kill()
            self._children.append((spare, None, 0))


def _note(path: Path, attempt: int, code: int) -> None:
    life = state.Life()
    now = state.status(path, life)
    if now.state == "lost" and now.attempt == attempt and now.process is not None:
        folder.note_exit(path, attempt, state.cause_of_death(path, life, now.process, code), code)


def _spawn(arguments: list[str], environment: dict[str, str], output: Path, stdin: int = subprocess.DEVNULL) -> _Worker:
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    with open(output, "ab") as log:
        return _Worker(arguments, env=environment, stdin=stdin, stdout=log, stderr=log, bufsize=0, **options)
