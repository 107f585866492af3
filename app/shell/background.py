"""Runs short engine calls off the window's thread, in order, and hands the results back to it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from engine.errors import EngineError

log = logging.getLogger(__name__)


class Unexpected(EngineError):
    """Raised in place of an error that nobody foresaw."""

    what = "Something failed that should not have: {reason}."
    remedy = "Please report it with the log; your runs and files are untouched."


class Background(QObject):
    """One thread for calls that touch the disk or start processes.

    Signals:
        failed: an EngineError that no caller asked to handle itself.
    """

    failed = Signal(object)
    _done = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._closed = False
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._done.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._work, name="engine-calls", daemon=True)
        self._thread.start()

    def do(
        self,
        function: Callable[[], Any],
        then: Callable[[Any], object] | None = None,
        failed: Callable[[EngineError], None] | None = None,
    ) -> None:
        """Call ``function`` on the thread; then ``then(result)`` or ``failed(error)`` on the window's thread."""

        def call() -> None:
            try:
                result = function()
            except EngineError as error:
                self._tell(failed or self.failed.emit, error)
            except Exception as error:
                log.exception("an engine call failed")
                self._tell(failed or self.failed.emit, Unexpected(reason=repr(error)))
            else:
                if then is not None:
                    self._tell(then, result)

        self._calls.put(call)

    def _tell(self, receive: Callable[[Any], object], value: Any) -> None:
        if not self._closed:  # else nobody is there, perhaps not even this object
            self._done.emit((receive, value))

    def close(self, wait: float = 10.0) -> None:
        """Finish what was asked and end the thread; waits at most so many seconds for that, and tells nothing more."""
        self._closed = True
        self._calls.put(None)
        self._thread.join(wait)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    @Slot(object)
    def _deliver(self, delivery: tuple[Callable[[Any], None], Any]) -> None:
        receive, value = delivery
        receive(value)
