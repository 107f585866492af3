"""The folders of a session: made by its client, removed by either side, swept when both were killed."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from engine.runs import processes
from engine.sessions.shared import remove

_SHARED_MEMORY = Path("/dev/shm")
_START_TOLERANCE_S = 0.5


def bases() -> list[Path]:
    """Where session folders lie, fastest first: shared memory where there is any, the temporary folder."""
    return [base for base in (_SHARED_MEMORY,) if os.access(base, os.W_OK)] + [Path(tempfile.gettempdir())]


def _prefix() -> str:
    return f"theodolite-{os.getuid() if hasattr(os, 'getuid') else getpass.getuser()}-"


class SessionFolders:
    """The folders of one session, named after the process that owns them so that another may sweep them later.

    Attributes:
        arrays: candidates for array files, fastest first. log: what the session's process printed.
    """

    def __init__(self) -> None:
        owner = processes.this_process()
        name = f"{_prefix()}{owner.boot_id[:8]}-{owner.pid}-{owner.start_time:.2f}-{secrets.token_hex(4)}"
        self.arrays = [base / name for base in bases()]
        for folder in self.arrays:
            folder.mkdir(mode=0o700)
        self.log = self.arrays[-1] / "log.txt"

    def remove(self) -> None:
        """Delete them; what is mapped stays readable until it is let go."""
        remove(self.arrays)


def sweep() -> None:
    """Delete the folders of processes that no longer exist."""
    for base in bases():
        for folder in base.glob(_prefix() + "*-*-*-*"):
            if not _owner_lives(folder.name.removeprefix(_prefix())):
                shutil.rmtree(folder, ignore_errors=True)


def _owner_lives(name: str) -> bool:
    boot, pid, start, _token = name.split("-")
    if boot != processes.boot_id()[:8]:
        return False
    owner = processes.process(int(pid))
    return owner is not None and abs(owner.start_time - float(start)) < _START_TOLERANCE_S
