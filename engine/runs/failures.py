"""From any exception to an error that a person can act on."""

from __future__ import annotations

import contextlib
import errno
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from engine.errors import EngineError
from engine.runs.events import Failed


class OutOfMemory(EngineError):
    """Raised when the computer's memory does not suffice."""

    what = "The computer's memory was not enough."
    remedy = "Choose a smaller network, batch or grid, or close other programs, and run it again."


class DeviceOutOfMemory(EngineError):
    """Raised when the accelerator's memory does not suffice."""

    what = "The memory of {device} was not enough."
    remedy = "Choose a smaller network or batch, close other programs that use it, or run on the cpu."


class DeviceLost(EngineError):
    """Raised when the accelerator stopped answering."""

    what = "{device} stopped working."
    why = "Its driver says: {reason}"
    remedy = "Resume the run; if it happens again, restart the computer or run on the processor (device cpu)."


class DiskFull(EngineError):
    """Raised when nothing more can be written."""

    what = "The disk with the runs is full."
    why = "{path} could not be written."
    remedy = "Free some space, for instance by deleting runs, then resume. What was announced before is kept."


class NotWritable(EngineError):
    """Raised when the run folder may not be written."""

    what = "The run could not write {path}."
    why = "The folder is read-only, or belongs to somebody else."
    remedy = "Choose another folder for runs in the settings, or change its permissions."


class IndexTrouble(EngineError):
    """Raised when the file runs.sqlite can neither be read nor written for another reason."""

    what = "The index of the runs cannot be used."
    why = "The system says: {reason}"
    remedy = "Check the disk; if the file runs.sqlite is damaged, remove it: it is made anew from the run folders."


class MissingPackage(EngineError):
    """Raised when the interpreter of a run lacks a package."""

    what = "The Python package {package} is missing."
    why = "The interpreter of this run, {interpreter}, does not have it."
    remedy = "Install it there, or choose another interpreter."


class TaskFailed(EngineError):
    """Raised in place of an exception that no part of the program foresaw."""

    what = "The task failed unexpectedly ({kind})."
    why = "{reason}"
    remedy = "The file log.txt in the run folder has the details; please report them."


def explain(error: BaseException, device: str, interpreter: str) -> EngineError:
    """The error in words: an EngineError as it is, known causes by their class, the rest as TaskFailed."""
    origin = type(error).__module__.partition(".")[0]
    match error:
        case EngineError():
            return error
        case MemoryError():
            return OutOfMemory()
        case OSError() if (known := disk_trouble(error)) is not None:
            return known
        case Exception() if _says_full(error):
            return DiskFull(path="A file")
        case ModuleNotFoundError():
            return MissingPackage(package=error.name or "", interpreter=interpreter)
        case RuntimeError() if origin == "torch" and type(error).__name__ == "OutOfMemoryError":
            return DeviceOutOfMemory(device=device)
        case RuntimeError() if _is_cpu_allocation(error):
            return OutOfMemory()
        case RuntimeError() if type(error).__name__ == "AcceleratorError" or str(error).startswith("CUDA error"):
            return DeviceLost(device=device, reason=_first_line(error))
    return TaskFailed(kind=type(error).__name__, reason=_first_line(error))


_NO_ROOM = (sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE)
_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_TROUBLE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CORRUPT)


def disk_trouble(error: OSError | sqlite3.Error) -> EngineError | None:
    """The error in words when a disk is full or may not be written, else None."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF == sqlite3.SQLITE_FULL or code in _NO_ROOM:
            return DiskFull(path="The index of the runs")
        if code & 0xFF in _NOT_WRITABLE:
            return NotWritable(path="the index of the runs")
        return IndexTrouble(reason=_first_line(error)) if code & 0xFF in _TROUBLE else None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(path=str(error.filename or "A file"))
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return NotWritable(path=str(error.filename or "a file"))
    return None


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Turn trouble with the disk into an EngineError; other errors pass."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        known = disk_trouble(error)
        if known is None:
            raise
        raise known from error


def _says_full(error: BaseException) -> bool:
    """Numpy and safetensors tell of a full disk only in words: a short write, the system's message."""
    return bool(re.search(r"^\d+ requested and \d+ written$|No space left on device", str(error)))


def _is_cpu_allocation(error: BaseException) -> bool:
    return "DefaultCPUAllocator" in str(error)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else "It gave no reason")[:300].rstrip(".") + "."


def event(error: EngineError) -> Failed:
    """The event that ends a run with this error."""
    return Failed(
        error=type(error).__name__, what=error.what, why=error.why, remedy=error.remedy,
        params={key: _plain(value) for key, value in error.params.items()},
    )  # fmt: skip


def _plain(value: Any) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
