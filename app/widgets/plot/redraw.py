"""One timer for all live pictures: at most 20 redraws a second, and never so many at once that the window stalls."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QObject, QTimer
from shiboken6 import isValid

INTERVAL_MS = 50
SLICE_S = 0.02


class Redraw(QObject):
    """Calls each waiting method once a tick; what does not fit into a slice of time waits for the next turn."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: dict[tuple[int, str], weakref.WeakMethod[Callable[[], None]]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._tick)

    def request(self, method: Callable[[], None]) -> None:
        """Have a bound method called at the next tick; asking again before then changes nothing."""
        ref = weakref.WeakMethod(method)
        self._waiting.setdefault((id(method.__self__), method.__name__), ref)  # type: ignore[attr-defined]
        if not self._timer.isActive():
            self._timer.start(INTERVAL_MS)

    def pending(self) -> int:
        """How many methods wait."""
        return len(self._waiting)

    def _tick(self) -> None:
        end = time.perf_counter() + SLICE_S
        while self._waiting:
            method = self._waiting.pop(next(iter(self._waiting)))()
            if method is not None and isValid(method.__self__):  # type: ignore[attr-defined]
                method()
            if time.perf_counter() >= end:
                break
        if self._waiting:
            self._timer.start(1)


_redraw: Redraw | None = None


def redraw() -> Redraw:
    """The one timer of the process; it belongs to the application and ends with it."""
    global _redraw
    if _redraw is None:
        _redraw = Redraw()
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(_forget)
    return _redraw


def _forget() -> None:
    global _redraw
    _redraw = None
