"""Files that survive a crash: atomic writes, exclusive creation, folders published by rename, process locks."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of ``path`` when the block ends without an error.

    A reader sees the old or the new content, never a part.

    Args:
        sync: wait until the disk has it; False when only a crash of the machine could lose it and that is harmless.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        _replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def _replace(temporary: Path, path: Path) -> None:
    for _ in range(50):
        try:
            return os.replace(temporary, path)
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(0.01)  # there, a reader that has the file open for a moment is in the way
    os.replace(temporary, path)


def write_atomic(path: Path, data: bytes | str, *, sync: bool = True) -> None:
    """Replace the content of ``path``; see ``replacing``."""
    with replacing(path, sync=sync) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def write_exclusive(path: Path, data: bytes | str, *, sync: bool = True) -> None:
    """Like write_atomic, but never over a file that is there.

    Raises:
        FileExistsError: somebody else was first.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.new")
    write_atomic(temporary, data, sync=sync)
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links on this file system
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if sync:
        sync_folder(path.parent)


def write_json(path: Path, value: Any, *, sync: bool = True) -> None:
    """Replace ``path`` by ``value`` as readable JSON."""
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n", sync=sync)


def read_json(path: Path) -> Any:
    """The JSON value in ``path``.

    Raises:
        OSError, ValueError: it cannot be read, or is no JSON.
    """
    return json.loads(path.read_bytes())


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable; a no-op where folders cannot be synced (Windows, some network disks)."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def publish_folder(temporary: Path, target: Path) -> None:
    """Make all files of ``temporary`` durable, then give the folder its name in one step.

    Raises:
        OSError: ``target`` exists and is not empty, or the disk is full.
    """
    for folder, _, names in os.walk(temporary):
        for name in names:
            with open(Path(folder) / name, "rb+") as file:
                os.fsync(file.fileno())
        sync_folder(Path(folder))
    os.rename(temporary, target)
    sync_folder(target.parent)


class FileLock:
    """A lock between processes that the system releases when its holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def acquire(self, *, wait: bool = False) -> bool:
        """Take the lock; False when another process has it and ``wait`` is not set."""
        file = open(self._path, "ab")  # noqa: SIM115  held open for as long as the lock is
        try:
            _lock(file, wait)
        except (BlockingIOError, PermissionError):
            file.close()
            return False
        except OSError:
            pass  # this file system has no locks: better none than no work
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back; the file stays, since removing it would let two holders in."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> FileLock:
        self.acquire(wait=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes], wait: bool) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes], wait: bool) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
