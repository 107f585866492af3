"""One process of a session as its client sees it: started, spoken with, killed, and what it died of."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from engine.errors import EngineError
from engine.runs import processes
from engine.sessions.errors import SessionAborted, SessionCrashed, SessionEnded, SessionKilled
from engine.sessions.folders import SessionFolders
from engine.sessions.shared import ArrayFiles
from engine.sessions.wire import PREAMBLE, Channel

Launcher = Callable[[Sequence[Path]], tuple[list[str], dict[str, str]]]  # the session's folders -> argv, environment

_LAST_WORDS = 2000  # characters of the log that an error quotes
_LEAVE_S = 1.0
_SIGKILL = 9
_WINDOWS_FAULTS = 0x7FFFFFFF  # exit codes above are exceptions such as 0xC0000005
_log = logging.getLogger(__name__)


class Connection:
    """A running server process.

    Attributes:
        leaving: it announced that it exits by itself, without having begun what it has not answered.
        refusal: why its service could not be built.
    """

    def __init__(self, launcher: Launcher) -> None:
        """Start the process.

        Raises:
            OSError: it cannot be started.
        """
        self.leaving = False
        self.refusal: EngineError | None = None
        self._folders = SessionFolders()
        arguments, environment = launcher(self._folders.arrays)
        pipe = subprocess.PIPE
        try:
            with open(self._folders.log, "ab") as log:
                self._process: subprocess.Popen[bytes] = subprocess.Popen(
                    arguments, stdin=pipe, stdout=pipe, stderr=log, env=environment, **_detached()
                )
        except OSError:
            self._folders.remove()
            raise
        self._stdin, self._stdout = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        self._channel = Channel(self._stdout, self._stdin, ArrayFiles(self._folders.arrays))

    def listen(
        self, on_message: Callable[[Connection, dict[str, Any]], None], on_end: Callable[[Connection], None]
    ) -> None:
        """Begin to read in a thread of its own; ``on_end`` is the last call, when the process is gone."""
        threading.Thread(target=self._read, args=(on_message, on_end), name="session-reader", daemon=True).start()

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; a process that is gone is left to the reader to notice.

        Raises:
            NotTransferable, NoRoom: the message cannot be sent.
        """
        with contextlib.suppress(OSError, ValueError):
            self._channel.send(message)

    def hang_up(self) -> None:
        """Close the process's stdin, upon which it leaves."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def kill(self) -> None:
        """End the process and everything it started, at once."""
        target = processes.process(self._process.pid) if self._process.poll() is None else None
        if target is not None:
            processes.kill_tree(target)

    def cause_of_death(self, service: str, method: str) -> SessionCrashed:
        """What to tell whoever waited for ``method``; valid within ``on_end``."""
        code = self._process.returncode
        words = {"service": service, "method": method, "log": self._last_words, "code": code}
        if code in (-signal.SIGTERM, -_SIGKILL):
            return SessionKilled(**words)
        return SessionAborted(**words) if code < 0 or code > _WINDOWS_FAULTS else SessionEnded(**words)

    def _read(
        self, on_message: Callable[[Connection, dict[str, Any]], None], on_end: Callable[[Connection], None]
    ) -> None:
        try:
            if self._skip_to_preamble():
                for message in self._channel.messages():
                    on_message(self, message)
        except FileNotFoundError:
            pass  # the process has taken its arrays away: it is leaving, and nobody waits for them
        except Exception:
            _log.exception("a session's process sent something unreadable")
            self.kill()
        try:
            self._process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._stdout.close()
        self._last_words = _tail(self._folders.log)
        self._folders.remove()
        on_end(self)
        self.hang_up()

    def _skip_to_preamble(self) -> bool:
        return any(line.endswith(PREAMBLE) for line in self._stdout)


def _detached() -> dict[str, Any]:
    """Its own session or group: a Ctrl+C for the caller is none for it, and it dies with all that it started."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _tail(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - _LAST_WORDS))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""
