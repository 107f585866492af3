"""The journal beside a document: what was changed since it was saved, and the lock that says who has it open."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from engine.documents.patch import Step, apply
from engine.durable import FileLock


@dataclass(frozen=True)
class Recovered:
    """What a journal of a program that died holds.

    Attributes:
        id, kind, version: of the document. base: the state that was saved. states: the state after each change.
        labels: what the user did, as many.
    """

    id: str
    kind: str
    version: int
    base: dict[str, Any]
    states: list[dict[str, Any]]
    labels: list[str]


class Journal:
    """A hidden file with the saved state in its first line, then a line for each change, and a lock beside it.

    Torn last lines are ignored. Both files exist while somebody has the document open, or died having it open.
    """

    def __init__(self, document: Path) -> None:
        self.path = document.with_name(f".{document.name}.journal")
        self._lock_path = document.with_name(f".{document.name}.lock")
        self._lock = FileLock(self._lock_path)
        self._file: IO[bytes] | None = None
        self._held = False

    def acquire(self) -> bool:
        """Take the document for this program; False when another has it.

        Raises:
            OSError: no file can be made in the folder.
        """
        self._held = self._lock.acquire()
        return self._held

    def read(self) -> Recovered | None:
        """What the journal holds; None when that is nothing that can be used."""
        try:
            first, *rest = [json.loads(line) for line in _whole_lines(self.path.read_bytes())]
            found = Recovered(first["id"], first["kind"], first["version"], first["base"], [], [])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        data = found.base
        for line in rest:
            try:
                data = apply(data, line["steps"])
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                break
            found.states.append(data)
            found.labels.append(str(line.get("label")))
        return found

    def begin(self, id: str, kind: str, version: int, base: dict[str, Any]) -> None:
        """Start anew from a state that is saved.

        Raises:
            OSError: it cannot be written.
        """
        self.end()
        self._file = open(self.path, "wb")  # noqa: SIM115  held open from change to change
        self._write({"id": id, "kind": kind, "version": version, "base": base})

    @property
    def begun(self) -> bool:
        """Whether changes can be recorded."""
        return self._file is not None

    def record(self, label: str, steps: list[Step]) -> None:
        """Add a change; it survives the death of this program from here on.

        Raises:
            OSError: it cannot be written.
        """
        self._write({"label": label, "steps": steps})

    def _write(self, line: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n")
        self._file.flush()

    def end(self) -> None:
        """Forget what was recorded: everything is saved."""
        with contextlib.suppress(OSError):  # what was buffered on a full disk is in memory as well
            if self._file is not None:
                file, self._file = self._file, None
                file.close()
        with contextlib.suppress(OSError):
            if self._held and self.path.exists():
                open(self.path, "wb").close()

    def release(self) -> None:
        """Forget what was recorded and let others have the document."""
        self.end()
        if self._held:
            for path in (self.path, self._lock_path):
                with contextlib.suppress(OSError):
                    path.unlink()
            self._lock.release()
            self._held = False


def _whole_lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")[:-1]
