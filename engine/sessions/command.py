"""How the process of a session is started: command line, environment, detachment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Launcher = Callable[[Sequence[Path]], list[str]]  # the session's folders -> argv

DETACHED: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x08000200}


def bundled(folders: Sequence[Path]) -> list[str]:
    """The command line of a session served by the interpreter that runs this program."""
    return [sys.executable, "-P", "-m", "engine.sessions.server", *map(str, folders)]


def environment() -> dict[str, str]:
    return {**os.environ, "GOMP_SPINCOUNT": "0", "OMP_NUM_THREADS": "1"}
