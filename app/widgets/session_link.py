"""A session as the window sees it: calls that return at once, answers as signals in the window's thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from engine.errors import EngineError
from engine.sessions.call import Call, Event
from engine.sessions.client import Session
from engine.sessions.errors import SessionClosed


class _Relay:
    """Carries events from the session's threads to a QObject, for as long as there is one to take them."""

    def __init__(self, session: Session, post: Callable[[object], None]) -> None:
        self.session = session
        self._post: Callable[[object], None] | None = post
        self._lock = threading.Lock()

    def deliver(self, event: Event) -> None:
        """Called in the session's threads."""
        with self._lock:
            if self._post is not None:
                self._post((self, event))

    def stop(self) -> None:
        """Deliver nothing from here on and end the session; does not wait."""
        with self._lock:
            self._post = None
        self.session.close()


class SessionLink(QObject):
    """One session at a time. It may be closed and opened again, and goes with the object that owns it.

    Calls that a newer one with the same key replaced, and those that were cancelled, tell nothing.

    Signals:
        done: method and value. partial: method and value, before ``done``. failed: method and EngineError.
    """

    done = Signal(str, object)
    partial = Signal(str, object)
    failed = Signal(str, object)
    _arrived = Signal(object)

    def __init__(
        self, service: str = "", spec: Mapping[str, Any] | None = None, *, parent: QObject | None = None
    ) -> None:
        """With ``service`` the first call opens the session; without, ``open`` must come before."""
        super().__init__(parent)
        self._service, self._spec = service, dict(spec or {})
        self._open: list[_Relay] = []  # one or none
        # a plain function: when it is called, this object's own methods are gone
        self.destroyed.connect(functools.partial(_stop, self._open))
        self._arrived.connect(self._take, Qt.ConnectionType.QueuedConnection)

    def open(
        self,
        service: str,
        spec: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        interpreter: str | None = None,
        runs: Path | None = None,
    ) -> None:
        """Open a session in place of the present one; see ``Session.open``."""
        self.close()
        session = Session.open(service, spec, inputs, interpreter=interpreter, runs=runs)
        self._open.append(_Relay(session, self._arrived.emit))

    def is_open(self) -> bool:
        """Whether there is a session."""
        return bool(self._open)

    def call(self, method: str, params: Mapping[str, Any] | None = None, key: str | None = None) -> Call:
        """Ask; the answer comes as a signal. Of calls with the same key the latest wins.

        Raises:
            SessionClosed: no session is open and no service was named.
        """
        if not self._open and self._service:
            self.open(self._service, self._spec)
        return self._present().session.call(method, params, key, self._present().deliver)

    def ask(self, method: str, params: Mapping[str, Any], timeout: float) -> Any:
        """Ask and wait, for the rare answer that cannot come later (a file that is being written).

        Raises:
            EngineError: there is none within ``timeout`` seconds.
        """
        return self._present().session.call(method, params).result(timeout)

    def cancel(self, call: Call) -> None:
        """Give a call up."""
        if self._open:
            self._present().session.cancel(call)

    def close(self) -> None:
        """End the session; no signal comes from it any more."""
        _stop(self._open)

    def _present(self) -> _Relay:
        if not self._open:
            raise SessionClosed(service=self._service)
        return self._open[0]

    @Slot(object)
    def _take(self, arrival: tuple[_Relay, Event]) -> None:
        relay, event = arrival
        if relay not in self._open:
            return
        if event.kind == "partial":
            self.partial.emit(event.call.method, event.value)
        elif event.kind == "done":
            self.done.emit(event.call.method, event.value)
        elif event.kind == "failed":
            assert isinstance(event.error, EngineError)
            self.failed.emit(event.call.method, event.error)


def _stop(relays: list[_Relay], *_: object) -> None:
    while relays:
        relays.pop().stop()
