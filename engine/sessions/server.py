"""The process of a session, spoken with over stdin and stdout: one client, one service, calls in order."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from engine.precision import forbid_tf32
from engine.sessions import registry
from engine.sessions.demand import run_waits
from engine.sessions.errors import UnknownMethod, to_wire
from engine.sessions.service import Interrupted, methods
from engine.sessions.shared import ArrayFiles, remove
from engine.sessions.wire import PREAMBLE, Channel

_LEAVE_S = 1.0  # what a running call gets when the client is gone
_LOG_BYTES = 4 << 20
_LOG_KEPT = 1 << 16
_YIELD_POLL_S = 0.5


class Request:
    """A call as the server holds it; what its method sees as ``Context``."""

    def __init__(self, message: dict[str, Any], channel: Channel) -> None:
        self.id = message["id"]
        self.method = message["method"]
        self.params = message["params"]
        self.key = message["key"]
        self.newer_waits = False
        self.given_up = False
        self._channel = channel

    def partial(self, value: Any) -> None:
        """Send something on the way to the result."""
        self._channel.send({"kind": "partial", "id": self.id, "value": value})

    def superseded(self) -> bool:
        """Whether a newer call with the same key waits."""
        return self.newer_waits

    def cancelled(self) -> bool:
        """Whether the caller gave up."""
        return self.given_up

    def point(self) -> None:
        """Raise Interrupted when superseded or cancelled."""
        if self.newer_waits or self.given_up:
            raise Interrupted

    def answer(self, kind: str, **words: Any) -> None:
        """Send the outcome."""
        self._channel.send({"kind": kind, "id": self.id, **words})


class Server:
    """Answers the calls of one client: a thread takes requests, the thread that calls ``run`` does them in order."""

    def __init__(
        self,
        channel: Channel,
        find: Callable[[str], type[Any]],
        yield_requested: Callable[[Path, str], bool],
    ) -> None:
        self._channel = channel
        self._find = find
        self._yield_requested = yield_requested
        self._messages = channel.messages()
        self._changed = threading.Condition()
        self._queue: deque[Request] = deque()
        self._running: Request | None = None
        self._ended = False  # the client is gone
        self._leaving = False

    def run(self, on_end: Callable[[], None]) -> None:
        """Serve until idle, until the client is gone, or until the service cannot be built.

        Args:
            on_end: called, in another thread, when the client is gone; it may end the process.
        """
        opening = next(self._messages, None)
        if opening is None:
            return
        threading.Thread(target=self._receive, args=(on_end,), name="requests", daemon=True).start()
        try:
            service = self._find(opening["service"])(opening["spec"], opening["inputs"])
        except BaseException as error:
            words = to_wire(error, opening["service"], "open", traceback.format_exc())
            self._channel.send({"kind": "refused", "error": words})
            return
        device = getattr(service, "device", "cpu")
        forbid_tf32(device)
        yields = device != "cpu" and opening["runs"] is not None
        demand = functools.partial(self._yield_requested, Path(opening["runs"]), device) if yields else None
        while (request := self._next(opening["idle_s"], demand)) is not None:
            self._do(service, opening["service"], request)

    def _receive(self, on_end: Callable[[], None]) -> None:
        try:
            for message in self._messages:
                if message["kind"] == "call":
                    self._accept(Request(message, self._channel))
                else:
                    self._cancel(message["id"])
        finally:  # whatever a client that was killed has left in the pipe
            with self._changed:
                self._ended = True
                if self._running is not None:
                    self._running.given_up = True
                self._changed.notify_all()
            on_end()

    def _accept(self, request: Request) -> None:
        with self._changed:
            same = [older for older in self._queue if request.key is not None and older.key == request.key]
            for older in same:
                self._queue.remove(older)
            if self._running is not None and request.key is not None and self._running.key == request.key:
                self._running.newer_waits = True
            self._queue.append(request)
            self._changed.notify_all()
        for older in same:
            older.answer("superseded")

    def _cancel(self, id: int) -> None:
        with self._changed:
            queued = [request for request in self._queue if request.id == id]
            for request in queued:
                self._queue.remove(request)
            if self._running is not None and self._running.id == id:
                self._running.given_up = True
        for request in queued:
            request.answer("cancelled")

    def _next(self, idle_s: float, demand: Callable[[], bool] | None) -> Request | None:
        deadline = time.monotonic() + idle_s
        with self._changed:
            self._running = None
            while not (self._queue or self._ended):
                left = deadline - time.monotonic()
                if left <= 0 or (demand is not None and demand()):
                    # what arrives from here on is not begun, and the client sends it to a fresh process
                    self._channel.send({"kind": "leaving"})
                    return None
                self._changed.wait(left if demand is None else min(left, _YIELD_POLL_S))
            if self._ended:
                return None
            self._running = self._queue.popleft()
            return self._running

    def _do(self, service: Any, name: str, request: Request) -> None:
        try:
            known = methods(type(service))
            if request.method not in known:
                raise UnknownMethod(service=name, method=request.method, known=", ".join(known))
            value = getattr(service, request.method)(request.params, request)
            if request.given_up:
                request.answer("cancelled")
            else:
                request.answer("done", value=value)
        except Interrupted:
            request.answer("cancelled" if request.given_up else "superseded")
        except BaseException as error:
            details = traceback.format_exc()
            sys.stderr.write(details)
            request.answer("failed", error=to_wire(error, name, request.method, details))
        _tidy_log()


def main(
    argv: Sequence[str] | None = None,
    find: Callable[[str], type[Any]] = registry.find,
    yield_requested: Callable[[Path, str], bool] = run_waits,
) -> NoReturn:
    """Serve the client at the other end of stdin and stdout; never returns.

    Args:
        argv: the session's folders, as ``SessionFolders.arrays`` lists them; the program's arguments by default.
        find: service name -> class.
        yield_requested: (runs folder, device) -> whether a queued run there needs that device of an idle service.
    """
    folders = [Path(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    source, sink = _claim_streams(folders[-1] / "log.txt")
    faulthandler.enable()
    finished = threading.Event()

    def leave() -> NoReturn:
        remove(folders)
        # not sys.exit: users' threads and libraries' exit handlers may hang
        os._exit(0)

    def on_end() -> None:
        finished.wait(_LEAVE_S)
        leave()

    with contextlib.suppress(BrokenPipeError):
        Server(Channel(source, sink, ArrayFiles(folders)), find, yield_requested).run(on_end)
    finished.set()
    leave()


def _claim_streams(log: Path) -> tuple[BinaryIO, BinaryIO]:
    """Take stdin and stdout for the protocol and point the standard descriptors elsewhere, native code's too."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    sink.write(PREAMBLE)
    sink.flush()
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (
        os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        for descriptor in (1, 2)
    )
    if hasattr(os, "register_at_fork"):
        # a child that outlives this process would keep the client from noticing its end
        os.register_at_fork(after_in_child=functools.partial(_let_go, source.fileno(), sink.fileno()))
    return source, sink


def _let_go(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _tidy_log() -> None:
    """Keep the end of a log that has grown long: a session may live for days."""
    size = os.fstat(1).st_size
    if size > _LOG_BYTES:
        os.lseek(1, size - _LOG_KEPT, os.SEEK_SET)
        kept = os.read(1, _LOG_KEPT)
        os.ftruncate(1, 0)
        os.write(1, kept)
