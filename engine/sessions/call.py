"""One call to a session: its state, its events, its result."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import EngineError
from engine.sessions.errors import CallTimeout

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """Something that happened to a call.

    Attributes:
        kind: "partial" any number of times, then one outcome.
        call: the call. value: of a partial or of "done". error: what ``result`` raises otherwise.
    """

    kind: Literal["partial", "done", "failed", "superseded", "cancelled"]
    call: Call
    value: Any = None
    error: EngineError | None = None


class Call:
    """Returned by ``Session.call``. Partials arrive in order and before the outcome.

    Attributes:
        id: counts up within the session. method, params, key: as asked.
        cancelling: whether somebody asked to cancel it.
    """

    def __init__(
        self, id: int, method: str, params: dict[str, Any], key: str | None, listener: Callable[[Event], None] | None
    ) -> None:
        self.id = id
        self.method = method
        self.params = params
        self.key = key
        self.cancelling = False
        self._listener = listener
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._outcome: Event | None = None

    @property
    def state(self) -> str:
        """One of "waiting", "done", "failed", "superseded", "cancelled"."""
        return "waiting" if self._outcome is None else self._outcome.kind

    def poll(self) -> list[Event]:
        """The events since the last poll, without waiting; none where a listener takes them."""
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the outcome, at most ``timeout`` seconds, and return the value.

        Raises:
            CallTimeout: not yet. CallSuperseded, CallCancelled, SessionClosed, SessionCrashed, SessionNotStarted,
                CallFailed (as which every error of the service comes): the other outcomes.
        """
        if not self._ended.wait(timeout):
            raise CallTimeout(method=self.method, seconds=timeout)
        assert self._outcome is not None
        if self._outcome.error is not None:
            raise self._outcome.error
        return self._outcome.value

    def emit(self, event: Event) -> None:
        """Deliver an event to whoever listens, unless the call has ended already; used by the session only."""
        with self._lock:
            if self._outcome is not None:
                return
            if event.kind != "partial":
                self._outcome = event
            try:
                (self._listener or self._events.put)(event)
            except Exception:
                _log.exception("the listener of %s failed", self.method)
        if event.kind != "partial":
            self._ended.set()
