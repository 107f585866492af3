"""log.txt: everything that a worker and its libraries print, kept from filling the disk."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

HEAD = 4 << 20
TAIL = 1 << 20
_GAP = b"\n[... %d bytes left out ...]\n"


def redirect(path: Path) -> None:
    """Point stdout and stderr of this process, native code's included, to the end of ``path``.

    Straight to the file and not through a pipe: native code that prints while it holds the interpreter's lock
    would block on a full pipe for ever.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)


def trim(path: Path) -> None:
    """Cut the middle out of a log that has grown beyond HEAD + 2 TAIL; what is printed meanwhile may be cut too."""
    try:
        if os.stat(path).st_size <= HEAD + 2 * TAIL:
            return
        with open(path, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(size - TAIL)
            tail = file.read(TAIL)
            file.truncate(HEAD)
            # The printing process appends, so what it prints from now on follows the cut.
            file.seek(HEAD)
            file.write(_GAP % (size - HEAD - TAIL) + tail)
    except OSError:
        return


def tail(path: Path, size: int = 20_000) -> str:
    """The last ``size`` bytes as text."""
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - size))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
