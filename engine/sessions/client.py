"""The client of a session: opens it, calls it, cancels, and brings it back when its process is gone."""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.runs.command import session_command
from engine.sessions import errors
from engine.sessions.call import Call, Event
from engine.sessions.connection import Connection, Launcher
from engine.sessions.folders import sweep

IDLE_S = 300.0
_CANCEL_S = 0.25  # 50 ms are left of the promised 300 for the killing
_CLOSE_S = 1.5


class Session:
    """A service held by a process of its own. Nothing here blocks, except ``Call.result`` and ``close(timeout)``.

    The process starts at once, ends when idle or when this program does, and is started again from the same spec
    when a call needs it. Calls are answered in order. Arrays in params must stay unchanged until the call is
    answered; arrays in results belong to the receiver.
    """

    def __init__(
        self, service: str, spec: dict[str, Any], inputs: dict[str, Any], launcher: Launcher, options: dict[str, Any]
    ) -> None:
        self.service = service
        self._opening = {"kind": "open", "service": service, "spec": spec, "inputs": inputs, **options}
        self._launcher = launcher
        self._ids = itertools.count(1)
        self._changed = threading.Condition()  # guards all below; no event is delivered while it is held
        self._outbox: deque[Call] = deque()
        self._cancels: deque[int] = deque()
        self._sent: dict[int, Call] = {}  # unanswered by the present process, oldest first: that one is running
        self._connection: Connection | None = None
        self._wanted = True
        self._closed = False
        self._closer: threading.Timer | None = None
        self._gone = threading.Event()
        threading.Thread(target=self._write, name="session-writer", daemon=True).start()

    @classmethod
    def open(
        cls,
        service: str,
        spec: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        interpreter: str | None = None,
        runs: Path | None = None,
        idle_s: float = IDLE_S,
        launcher: Launcher | None = None,
    ) -> Session:
        """Start a process that builds ``service`` from JSON settings and inputs (JSON values or numeric arrays).

        Args:
            interpreter: path of another Python that serves it, with the user's packages; None for this program's own.
            runs: the runs folder; an idle session that holds an accelerator leaves for a run queued there.
            idle_s: seconds without a call after which the process leaves until the next.
            launcher: builds command line and environment in place of ``engine.runs.command``.
        """
        threads = max(1, (os.cpu_count() or 1) - 1)
        usual = functools.partial(session_command, interpreter=interpreter, threads=threads)
        options = {"idle_s": idle_s, "runs": None if runs is None else str(runs.absolute())}
        return cls(service, dict(spec or {}), dict(inputs or {}), launcher or usual, options)

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
        listener: Callable[[Event], None] | None = None,
    ) -> Call:
        """Ask for something. Of queued calls with the same key only the latest is answered, the others are superseded.

        Args:
            listener: takes the events in place of ``Call.poll``, in the session's threads or the caller's.

        Raises:
            SessionClosed: after ``close``.
        """
        call = Call(next(self._ids), method, dict(params or {}), key, listener)
        with self._changed:
            if self._closed:
                raise errors.SessionClosed(service=self.service)
            older = [queued for queued in self._outbox if key is not None and queued.key == key]
            for queued in older:
                self._outbox.remove(queued)
            self._outbox.append(call)
            self._changed.notify_all()
        self._supersede(older)
        return call

    def cancel(self, call: Call) -> None:
        """Give a call up. A running one that goes on for 300 ms costs the process, which is opened again at once."""
        with self._changed:
            call.cancelling = True
            unsent = call in self._outbox
            if unsent:
                self._outbox.remove(call)
            elif call.id in self._sent:
                self._cancels.append(call.id)
                self._changed.notify_all()
                _after(_CANCEL_S, self._enforce_cancel, call)
        if unsent:
            self._cancelled([call])

    def close(self, timeout: float = 0.0) -> None:
        """End it; waiting calls fail with SessionClosed. Waits up to ``timeout`` seconds for the process to be gone."""
        with self._changed:
            self._closed = True
            abandoned = [*self._sent.values(), *self._outbox]
            self._sent.clear()
            self._outbox.clear()
            self._changed.notify_all()
            if not self._gone.is_set() and self._closer is None:
                self._closer = _after(_CLOSE_S, self._enforce_close)
        self._failed(abandoned, errors.SessionClosed(service=self.service))
        self._gone.wait(timeout)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(_CLOSE_S)

    # -- the writer's thread

    def _write(self) -> None:
        sweep()
        while self._wait_for_work():
            connection = self._connection or self._connect()
            if connection is not None:
                self._send_next(connection)
        connection = self._connection
        if connection is None:
            self._finish()
        else:
            connection.hang_up()

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._outbox or self._cancels or self._wanted)
            return not self._closed

    def _connect(self) -> Connection | None:
        try:
            connection = Connection(self._launcher)
        except OSError as error:
            self._fail_all(errors.SessionNotStarted(service=self.service, reason=str(error)))
            return None
        with self._changed:
            self._connection = connection
            self._cancels.clear()
            self._wanted = False
        connection.listen(self._on_message, self._on_end)
        try:
            connection.send(self._opening)
        except EngineError as error:
            self._fail_all(error)
            connection.kill()
        return connection

    def _send_next(self, connection: Connection) -> None:
        call = None
        with self._changed:
            if self._connection is not connection:
                return
            if self._cancels:
                message: dict[str, Any] = {"kind": "cancel", "id": self._cancels.popleft()}
            elif self._outbox:
                call = self._outbox.popleft()
                self._sent[call.id] = call
                message = {"kind": "call", "id": call.id, "method": call.method, "params": call.params, "key": call.key}
            else:
                return
        try:
            connection.send(message)
        except EngineError as error:
            assert call is not None
            with self._changed:
                self._sent.pop(call.id, None)
            self._failed([call], error)

    # -- the reader's thread

    def _on_message(self, connection: Connection, message: dict[str, Any]) -> None:
        kind = message["kind"]
        if kind == "leaving":
            connection.leaving = True
        elif kind == "refused":
            connection.refusal = errors.from_wire(message["error"])
        else:
            with self._changed:
                current = self._connection is connection
                take = self._sent.get if kind == "partial" else self._sent.pop
                call = take(message["id"], None) if current else None
            if call is not None:
                self._answer(call, kind, message)

    def _answer(self, call: Call, kind: str, message: dict[str, Any]) -> None:
        if kind == "superseded":
            self._supersede([call])
        elif kind == "cancelled":
            self._cancelled([call])
        elif kind == "failed":
            self._failed([call], errors.from_wire(message["error"]))
        else:
            call.emit(Event("partial" if kind == "partial" else "done", call, message["value"]))

    def _on_end(self, connection: Connection) -> None:
        unanswered = self._detach(connection)
        if connection.refusal is not None:
            self._failed(unanswered, connection.refusal)
            self._fail_all(connection.refusal)
        elif unanswered and not connection.leaving:
            running = unanswered.pop(0)
            self._failed([running], connection.cause_of_death(self.service, running.method))
            self._reopen(unanswered)
        elif unanswered:
            self._reopen(unanswered)
        if self._closed:
            self._finish()

    # -- any thread

    def _detach(self, connection: Connection) -> list[Call]:
        with self._changed:
            if self._connection is not connection:
                return []
            self._connection = None
            unanswered = list(self._sent.values())
            self._sent.clear()
            return unanswered

    def _reopen(self, calls: list[Call]) -> None:
        """Have a process again, and have it answer these first."""
        with self._changed:
            self._wanted = True
            newer = {call.key for call in self._outbox if call.key is not None}
            superseded = [call for call in calls if call.key in newer]
            cancelled = [call for call in calls if call.cancelling]
            kept = [call for call in calls if not (call.cancelling or call.key in newer)]
            self._outbox.extendleft(reversed(kept if not self._closed else []))
            self._changed.notify_all()
        self._cancelled(cancelled)
        self._supersede(superseded)
        self._failed(kept if self._closed else [], errors.SessionClosed(service=self.service))

    def _enforce_cancel(self, call: Call) -> None:
        with self._changed:
            if call.id not in self._sent:
                return
            running = next(iter(self._sent.values())) is call
            del self._sent[call.id]
            connection = self._connection if running else None
            unanswered = self._detach(connection) if connection is not None else []
        if connection is not None:
            connection.kill()
            self._cancelled([call])
            self._reopen(unanswered)
        self._cancelled([call])

    def _enforce_close(self) -> None:
        if (connection := self._connection) is not None:
            connection.kill()

    def _finish(self) -> None:
        with self._changed:
            if self._connection is None:
                self._gone.set()
                if self._closer is not None:
                    self._closer.cancel()

    def _fail_all(self, error: EngineError) -> None:
        with self._changed:
            calls = [*self._sent.values(), *self._outbox]
            self._sent.clear()
            self._outbox.clear()
            self._cancels.clear()
            self._wanted = False
        self._failed(calls, error)

    def _failed(self, calls: Iterable[Call], error: EngineError) -> None:
        for call in calls:
            call.emit(Event("failed", call, error=error))

    def _supersede(self, calls: Iterable[Call]) -> None:
        for call in calls:
            call.emit(Event("superseded", call, error=errors.CallSuperseded(method=call.method)))

    def _cancelled(self, calls: Iterable[Call]) -> None:
        for call in calls:
            call.emit(Event("cancelled", call, error=errors.CallCancelled(method=call.method)))


def _after(seconds: float, function: Callable[..., None], *args: Any) -> threading.Timer:
    timer = threading.Timer(seconds, function, args)
    timer.daemon = True
    timer.start()
    return timer
