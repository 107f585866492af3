"""What tests with windows need on top: a Qt platform without a screen; no widget, timer or thread left behind."""

from __future__ import annotations

import gc
import os
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# The lanes say where to draw; a user's own setting must not decide how tests run.
os.environ["QT_QPA_PLATFORM"] = os.environ.get("THEODOLITE_TEST_PLATFORM", "offscreen")
os.environ["QT_SCALE_FACTOR"] = "1"
os.environ["PYQTGRAPH_QT_LIB"] = "PySide6"
for _variable in ("QT_STYLE_OVERRIDE", "QT_QPA_PLATFORMTHEME", "WAYLAND_DISPLAY", "QT_LOGGING_RULES"):
    os.environ.pop(_variable, None)

from PySide6.QtCore import QCoreApplication, QEvent, QThread, QTimer
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

GRACE = 1.0  # seconds for deferred deletions, threads and timers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a real windowing system where there is none."""
    if os.environ["QT_QPA_PLATFORM"] == "offscreen":
        for item in items:
            if item.get_closest_marker("window"):
                item.add_marker(pytest.mark.skip(reason="needs a windowing system; the window lane starts one"))


def _recorded(monkeypatch: pytest.MonkeyPatch, cls: Any) -> weakref.WeakSet[Any]:
    """The instances of a Qt class whose ``start`` was called from Python in this test."""
    seen: weakref.WeakSet[Any] = weakref.WeakSet()
    start: Callable[..., Any] = cls.start

    def recording(self: Any, *args: Any) -> Any:
        seen.add(self)
        return start(self, *args)

    monkeypatch.setattr(cls, "start", recording)
    return seen


def _windows() -> set[QWidget]:
    if not isinstance(QApplication.instance(), QApplication):
        return set()
    return {widget for widget in QApplication.topLevelWidgets() if widget.parent() is None}


@pytest.fixture(autouse=True)
def leaves_no_qt_objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a window, a running thread or an active timer behind."""
    before = _windows()
    timers, threads = _recorded(monkeypatch, QTimer), _recorded(monkeypatch, QThread)
    yield

    def left() -> list[str]:
        widgets = [f"window {widget!r}" for widget in _windows() - before]
        active = [f"timer {one!r} of {one.parent()!r}" for one in set(timers) if isValid(one) and one.isActive()]
        running = [f"thread {one!r}" for one in set(threads) if isValid(one) and one.isRunning()]
        return widgets + active + running

    end = time.monotonic() + GRACE
    while left() and time.monotonic() < end:
        gc.collect()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QCoreApplication.processEvents()
    found = left()
    assert not found, "left behind:\n" + "\n".join(found)
