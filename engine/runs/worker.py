"""The process that does one run: takes the folder, finds the task, runs it, and says how it ended."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import engine
from engine import device_probe
from engine.artifacts import versions
from engine.artifacts.kinds import kinds
from engine.artifacts.refs import ArtifactRef
from engine.durable import FileLock
from engine.errors import EngineError
from engine.precision import forbid_tf32
from engine.runs import control, failures, folder, log, state
from engine.runs.command import left_command
from engine.runs.events import Event, EventLog, EventTail, Finished, Queued, Started, Stopped, Stopping
from engine.runs.processes import kill_children, oom_kills, this_process
from engine.runs.recorder import Recorder
from engine.runs.run import Stopped as StopTask
from engine.studies.contract import TaskConfig

PACKAGES = ("numpy", "scipy", "torch", "scikit-learn", "safetensors")
_BALLAST = "ballast"
_WATCH_EVERY = 0.25
_LOCK_PATIENCE = 5.0


class UnreadableConfig(EngineError):
    """Raised when a stored config does not fit the task's settings of today."""

    what = "The settings of this run do not fit the task {task}."
    why = "{reason}"
    remedy = "Set it up anew; the old settings are in config.json."


class NewerRun(EngineError):
    """Raised when a newer program made the run."""

    what = "This run was made by a newer version of this program."
    remedy = "Update this program to run it; it can be read meanwhile."


def main(arguments: list[str]) -> int:
    """``FOLDER``, ``--spare``, ``--devices`` or ``--left FOLDER``; returns the exit code."""
    if arguments == ["--spare"]:
        return spare()
    if arguments == ["--devices"]:
        device_probe.main()
        return 0
    if arguments[:1] == ["--left"]:
        return go_on(Path(arguments[1]))
    return work(Path(arguments[0]))


def spare() -> int:
    """Import what takes long, then wait for a line with the path of a run; leave when nobody can send one any more."""
    with contextlib.suppress(ImportError):
        import torch  # noqa: F401
    from engine.runs import library  # noqa: F401
    from engine.studies import catalogue

    catalogue.configs()
    catalogue.measures()
    kinds()
    installed()
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return 0
    return work(Path(os.fsdecode(line[:-1])))


def work(path: Path) -> int:
    """Do the run in the folder ``path``, unless it is being done or was done already."""
    path = path.absolute()
    lock = FileLock(path / folder.LOCK)
    life = _claim(path, lock)
    launch = folder.launch(path)
    if life is None or launch is None:
        return 0
    if control.pending(path, life.voided) is not None:
        _leave(path, launch)
        return 0
    log.redirect(path / folder.LOG)
    os.chdir(path)
    with open(path / folder.CRASH, "w") as crash:
        faulthandler.enable(crash)
        code = _Worker(path, life, launch).run()
        faulthandler.disable()
    kill_children()
    lock.release()
    _leave(path, launch)
    return code


def _claim(path: Path, lock: FileLock) -> state.Life | None:
    """The life of the run so far, once this process alone may work on it; None when somebody does or did.

    A worker whose run was stopped and resumed may still be on its way out with the lock.
    """
    end = time.monotonic() + _LOCK_PATIENCE
    while True:
        locked = lock.acquire()
        life = state.Life()
        life.add(EventTail(path / folder.EVENTS).read())
        if not isinstance(life.last, Queued) or time.monotonic() > end:
            return None
        if locked:
            return life
        time.sleep(0.01)


def _leave(path: Path, launch: folder.Launch) -> None:
    """Give the slot back and start what waits for it."""
    if launch.executor != "local":
        return
    try:
        from engine.runs.library import Runs

        Runs(path.parent).left(path.name)
    except Exception:
        # The run itself is over and recorded; whoever looks next starts what waits.
        traceback.print_exc()


def go_on(path: Path) -> int:
    """In place of a worker that has to leave by force: when it is gone, give its slot back and start what waits."""
    launch, end = folder.launch(path), time.monotonic() + _LOCK_PATIENCE
    while not state.status(path).over and time.monotonic() < end:
        time.sleep(0.01)
    if launch is not None:
        _leave(path, launch)
    return 0


class _Worker:
    def __init__(self, path: Path, life: state.Life, launch: folder.Launch) -> None:
        self._path = path
        self._life = life
        self._launch = launch
        self._log = EventLog(path / folder.EVENTS)
        self._inbox = control.Inbox(path, life.voided)
        self._recorder: Recorder | None = None
        self._over = threading.Event()

    def run(self) -> int:
        """Work and write the last event; the exit code."""
        watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        watcher.start()
        try:
            last: Event = self._attempt()
        except StopTask:
            last = self._stopped()
        except BaseException as error:
            if not isinstance(error, EngineError):
                traceback.print_exc()
            last = failures.event(failures.explain(error, self._launch.device, sys.executable))
        self._over.set()
        watcher.join()
        return self._say(last)

    def _attempt(self) -> Event:
        versions.sweep(self._path / "artifacts")
        (self._path / _BALLAST).write_bytes(bytes(16384))
        request = folder.request(self._path)
        if request.newer:
            raise NewerRun()
        config = load_config(request)
        inputs = self._settle(config)
        again = self._life.first_inputs is not None
        self._log.append(self._started(inputs))
        _set_threads(self._launch.threads)
        self._recorder = run = Recorder(self._path, config, self._launch.device, self._log, self._inbox, inputs)
        if again:
            run.rewind()
        run.point()
        from engine.studies import catalogue

        catalogue.task(config.task).run(config, run)
        run.close()
        return Finished()

    def _settle(self, config: TaskConfig) -> dict[str, ArtifactRef]:
        """Versions of the inputs: those of the first attempt when there was one, so that resume computes the same."""
        before = self._life.first_inputs.inputs if self._life.first_inputs else {}
        return {
            path: before.get(path) or versions.settle(self._path.parent, ref) for path, ref in config.inputs().items()
        }

    def _started(self, inputs: Mapping[str, ArtifactRef]) -> Started:
        return Started(
            process=this_process(), device=self._launch.device, threads=self._launch.threads,
            interpreter=sys.executable, versions=installed(), inputs=dict(inputs), oom_kills=oom_kills(),
            tf32=forbid_tf32(self._launch.device),
        )  # fmt: skip

    def _stopped(self) -> Event:
        command = self._recorder.command if self._recorder else None
        with contextlib.suppress(OSError):
            self._log.append(Stopping())
        return Stopped(reason="cancelled" if command and command.command == "cancel" else "stopped")

    def _say(self, last: Event) -> int:
        """Write the last event; a reserve on the disk is given up first, so that a full disk can still be reported."""
        with contextlib.suppress(OSError):
            os.unlink(self._path / _BALLAST)
        if self._recorder is not None:
            try:
                self._recorder.close()
            except OSError as error:
                last = failures.event(failures.explain(error, self._launch.device, sys.executable))
        log.trim(self._path / folder.LOG)  # a short run may be over before the watch has looked at it
        try:
            self._log.append(last, sync=True)
        except OSError:
            traceback.print_exc()
            return state.DISK_FULL_EXIT
        return 1 if last.type == "failed" else 0

    def _watch(self) -> None:
        """Give signs of life, keep the log small, and leave by force when a stop is overdue."""
        beat = 0.0
        while not self._over.wait(_WATCH_EVERY):
            log.trim(self._path / folder.LOG)
            beat -= _WATCH_EVERY
            if beat <= 0:
                beat = state.HEARTBEAT_EVERY
                with contextlib.suppress(OSError):
                    (self._path / folder.HEARTBEAT).touch()
            command = control.pending(self._path, self._life.voided)
            if command is not None and command.overdue:
                kill_children()
                # Not from here: who kills this process meanwhile kills its children too, a worker just begun included.
                arguments, environment = left_command(self._path)
                subprocess.Popen(arguments, env=environment, start_new_session=True, stdin=subprocess.DEVNULL)
                os._exit(0)


def load_config(request: folder.Request) -> TaskConfig:
    """The typed config of a request, migrated to today's fields.

    Raises:
        UnknownTask, NewerRun, UnreadableConfig.
    """
    from pydantic import ValidationError

    from engine.studies import catalogue

    cls: type[TaskConfig] = catalogue.config_class(request.task)
    if request.config_version > cls.schema_version:
        raise NewerRun()
    data: dict[str, Any] = dict(request.config)
    if request.config_version < cls.schema_version:
        data = cls.migrate(data, request.config_version)
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UnreadableConfig(task=request.task, reason=reason) from error


def _set_threads(threads: int) -> None:
    torch = sys.modules.get("torch")  # a spare worker has it already, with the threads of its own start
    if torch is not None:
        torch.set_num_threads(threads)


@functools.cache
def installed() -> dict[str, str]:
    """Versions of what a run's numbers depend on; asking imports none of it."""
    found = {"python": platform.python_version(), "engine": engine.__version__}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
