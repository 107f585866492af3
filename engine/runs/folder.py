"""The run folder: its name, its files, and what was asked for in it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.durable import publish_folder, read_json, write_json
from engine.errors import EngineError
from engine.runs.events import EventLog, Queued
from engine.runs.processes import Process

SCHEMA_VERSION = 1
CONFIG, META, EVENTS, LAUNCH, EXIT = "config.json", "meta.json", "events.jsonl", "launch.json", "exit.json"
LOG, CRASH, LOCK, HEARTBEAT = "log.txt", "crash.txt", "worker.lock", "heartbeat"
_Model = TypeVar("_Model", bound=BaseModel)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class NotARun(EngineError):
    """Raised when a folder that should be a run is none."""

    what = "{folder} is not a run."
    why = "{reason}"
    remedy = "Choose a run folder, or one exported by this program."


class Meta(BaseModel):
    """What the user said of a run, besides its config.

    Attributes:
        device: "auto", "cpu", "cuda", "cuda:0", "mps". interpreter: path of another Python, None for this program's.
        after: ids of runs that must finish first. created: seconds since 1970.
        imported: it came from outside; user code in it needs consent before it runs.
    """

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    project: str = ""
    device: str = "auto"
    interpreter: str | None = None
    after: tuple[str, ...] = ()
    created: float = 0.0
    imported: bool = False


class Launch(BaseModel):
    """A worker was sent for; written before it is (``process`` None) and again when its process is known.

    Attributes:
        attempt: the count of the run's ``queued`` events it answers. executor, slot, device, threads: where it runs.
        launcher: who sent for it. t: when. grace: seconds after which a worker that never showed up is given up.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    attempt: int
    executor: str
    slot: str
    device: str
    threads: int
    launcher: Process
    t: float
    grace: float = 60.0
    process: Process | None = None


class Exit(BaseModel):
    """How a worker ended that said nothing; ``code`` is its exit code, known only to who started it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    attempt: int
    cause: str
    t: float
    code: int | None = None


@dataclass(frozen=True)
class Request:
    """What config.json says: the task, its config as plain JSON, and the versions of both formats."""

    task: str
    config: Mapping[str, Any]
    config_version: int
    schema_version: int

    @property
    def newer(self) -> bool:
        """Whether a newer program wrote the folder: then it is only read."""
        return self.schema_version > SCHEMA_VERSION


def new_id() -> str:
    """A run id: second, then two characters of milliseconds and two of chance: 20261123-142233-k3f9; sorts by time."""
    now = time.time()
    moment = int(now % 1 * 1024)
    tail = [_ALPHABET[moment // 32], _ALPHABET[moment % 32], *(secrets.choice(_ALPHABET) for _ in range(2))]
    return time.strftime("%Y%m%d-%H%M%S-", time.localtime(now)) + "".join(tail)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run (and not half made or thrown away)."""
    return not folder.name.startswith(".") and (folder / CONFIG).is_file()


def create(root: Path, request: Request, meta: Meta, fill: Callable[[Path], None]) -> str:
    """Make a queued run in ``root``; it appears complete or not at all.

    Args:
        fill: adds more files to the folder while nobody sees it.

    Returns:
        The new run's id.

    Raises:
        OSError: the disk is full, or ``root`` cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    temporary = root / f".{os.getpid()}.{secrets.token_hex(4)}.new"
    temporary.mkdir()
    try:
        write_request(temporary, request)
        write_json(temporary / META, meta.model_dump(), sync=False)
        fill(temporary)
        append_queued(temporary, control=0, sync=False)
        while True:
            id = new_id()
            try:
                publish_folder(temporary, root / id)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                continue  # two processes drew the same id
            return id
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def append_queued(folder: Path, *, control: int, sync: bool = True) -> None:
    """Put a run in the queue; commands up to number ``control`` no longer count. No worker may be alive."""
    log = EventLog(folder / EVENTS)
    try:
        log.append(Queued(control=control), sync=sync)
    finally:
        log.close()


def write_request(folder: Path, request: Request) -> None:
    """Write config.json."""
    write_json(
        folder / CONFIG,
        {
            "schema_version": request.schema_version,
            "task": request.task,
            "config_version": request.config_version,
            "config": dict(request.config),
        },
        sync=False,
    )


def request(folder: Path) -> Request:
    """What the run was asked to do.

    Raises:
        NotARun: config.json is missing or unreadable.
    """
    try:
        data = read_json(folder / CONFIG)
        return Request(data["task"], data["config"], data["config_version"], data["schema_version"])
    except OSError as error:
        raise NotARun(folder=str(folder), reason=f"{CONFIG} cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotARun(folder=str(folder), reason=f"{CONFIG} is damaged.") from error


def meta(folder: Path) -> Meta:
    """What the user said of the run; nothing when meta.json cannot be read."""
    return _model(folder / META, Meta) or Meta()


def write_meta(folder: Path, value: Meta) -> None:
    """Replace meta.json."""
    write_json(folder / META, value.model_dump())


def launch(folder: Path) -> Launch | None:
    """The last launch, or None."""
    return _model(folder / LAUNCH, Launch)


def write_launch(folder: Path, value: Launch) -> None:
    """Note a launch."""
    write_json(folder / LAUNCH, value.model_dump(), sync=False)


def exit_note(folder: Path, attempt: int) -> Exit | None:
    """What was noted of the end of an attempt, or None."""
    note = _model(folder / EXIT, Exit)
    return note if note is not None and note.attempt == attempt else None


def note_exit(folder: Path, attempt: int, cause: str, code: int | None = None) -> None:
    """Note why a worker ended without a word; the first note stays unless only the new one knows the exit code.

    Never raises OSError: the note is a help, and the folder may be read-only.
    """
    known = exit_note(folder, attempt)
    if known is None or (known.code is None and code is not None):
        try:
            note = Exit(attempt=attempt, cause=cause, t=time.time(), code=code)
            write_json(folder / EXIT, note.model_dump(), sync=False)
        except OSError:
            return


def _model(path: Path, cls: type[_Model]) -> _Model | None:
    try:
        return cls.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
