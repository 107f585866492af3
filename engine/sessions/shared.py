"""Arrays in shared memory: files in a folder of the session, mapped and unlinked by the one who receives them."""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.sessions.errors import NoRoom

_ALIGNMENT = 64


def remove(folders: Sequence[Path]) -> None:
    """Delete session folders; a file that another process still holds open is left to a later sweep."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


class ArrayFiles:
    """Hands arrays over: one file a message, written here, mapped there."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = list(folders)
        self._held: list[str] = []  # only where a mapped file cannot be unlinked (Windows)

    def put(self, arrays: Sequence[np.ndarray[Any, Any]]) -> dict[str, Any] | None:
        """Write the arrays to a new file; what the receiver needs to find them, or None without any.

        Raises:
            NoRoom: no folder has space for them.
        """
        if not arrays:
            return None
        for folder in self._folders:
            path = folder / secrets.token_hex(8)
            try:
                return {"file": str(path), "parts": _write(path, arrays)}
            except OSError as error:
                path.unlink(missing_ok=True)
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
        raise NoRoom(mebibytes=sum(array.nbytes for array in arrays) >> 20, folder=self._folders[-1].parent)

    def take(self, placed: dict[str, Any] | None) -> list[np.ndarray[Any, Any]]:
        """Map what ``put`` wrote; the arrays may be changed without the other side seeing it. The file goes."""
        if placed is None:
            return []
        path = placed["file"]
        with open(path, "r+b") as file:
            # a file of empty arrays only has nothing to map
            buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if os.fstat(file.fileno()).st_size else None
        self._held = [held for held in (*self._held, path) if not _unlinked(held)]
        return [
            np.ndarray(shape, kind, buffer, offset) if 0 not in shape else np.empty(shape, kind)
            for kind, shape, offset in placed["parts"]
        ]


def _write(path: Path, arrays: Sequence[np.ndarray[Any, Any]]) -> list[tuple[str, list[int], int]]:
    # write() rather than a writable mapping: a full disk is an OSError then, not a SIGBUS
    parts = []
    with open(path, "xb", buffering=0) as file:
        offset = 0
        for array in arrays:
            file.seek(offset)
            parts.append((array.dtype.str, list(array.shape), offset))
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8) if array.nbytes else np.empty(0, np.uint8)
            while data.size:
                data = data[file.write(data.data) :]
            offset += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    return parts


def _unlinked(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    return True
