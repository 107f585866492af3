"""Which code of users' own may run on this machine: hashes that a person has confirmed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from engine.models.errors import ConsentMissing


def consent_file() -> Path:
    """Where the confirmed hashes are kept; never inside a run, so that an imported run brings no consent with it."""
    return user_state_path("theodolite", appauthor=False) / "consent.json"


def consented(sha256: str) -> bool:
    """Whether code with this hash (see engine.models.freeze) was confirmed here."""
    return sha256 in _read()


def grant(sha256: str, path: str) -> None:
    """Remember that a person has confirmed the code with this hash; ``path`` is for the list of confirmations."""
    known = _read() | {sha256: {"path": path, "time": time.time()}}
    _write(known)


def revoke(sha256: str) -> None:
    """Forget a confirmation; nothing happens if there is none."""
    _write({key: value for key, value in _read().items() if key != sha256})


def granted() -> dict[str, dict[str, Any]]:
    """Hash -> path and time of every confirmation."""
    return _read()


def require_consent(sha256: str, path: str) -> None:
    """Raises:
    ConsentMissing: nobody has confirmed this code here.
    """
    if not consented(sha256):
        raise ConsentMissing(path=path, sha256=sha256)


def _read() -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(consent_file().read_text("utf-8"))
    except (OSError, ValueError):  # none yet, or damaged: then everything is asked again
        return {}
    return known if isinstance(known, dict) else {}


def _write(known: dict[str, dict[str, Any]]) -> None:
    file = consent_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(known, indent=1), "utf-8")
    os.replace(temporary, file)
