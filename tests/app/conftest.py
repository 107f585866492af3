"""What tests with windows need on top: a Qt platform without a screen; no widget, timer or thread left behind."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
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


# ---------------------------------------------------------------------------------------------------- runs and windows
STAGES = ("line", "hessian", "connect", "similarity", "sharpness")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A runs folder with every stage of the smallest landscape, really computed, and stage -> run id. Only to read."""
    from engine.cli.settings import build

    config = build("landscape", "smoke", None, ["networks=2", *(f"{stage}=on" for stage in STAGES)])
    root = tmp_path_factory.mktemp("landscape") / "runs"
    script = Path(__file__).with_name("pipeline.py")
    done = subprocess.run(
        [sys.executable, "-P", script, root, "landscape", config.model_dump_json()],
        env={**os.environ, "PYTHONPATH": str(script.parents[2])}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root, json.loads(done.stdout)


@pytest.fixture
def open_window(qtbot: Any, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``open_window(root)`` shows the main window and waits for its first tab; at the end it is closed and runs killed.

    It has no warm worker: that would cost each test an import of torch.
    """
    from app.shell import runs
    from app.shell.settings import Settings
    from app.shell.theme import install
    from app.window import MainWindow

    monkeypatch.setattr(runs, "SPARE_MS", 10**8)
    install(qapp, "light")
    opened: list[Any] = []

    def open_(root: Path | None = None) -> MainWindow:
        window = MainWindow(root or tmp_path / "runs", Settings(persistent=False))
        opened.append(window)
        qtbot.addWidget(window)
        window.show()
        qtbot.waitUntil(lambda: window.current_tab != "" and bool(window.status.devices), timeout=60_000)
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        return window

    yield open_
    for window in opened:
        for run in window.services.runs.running:
            window.services.runs.cancel(run)
        window.close_for_good()


# ----------------------------------------------------------------------------------------------------------- languages
@pytest.fixture
def missed(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Ids that the window asks for in Chinese and the catalogue lacks; in the end the window is English again.

    The language can be chosen whatever fonts there are.
    """
    from app.shell import translation

    asked: set[str] = set()
    translate = translation.Translator.translate

    def recording(self: Any, context: str, text: str, *rest: Any) -> str | None:
        found = translate(self, context, text, *rest)
        if found is None and context == translation.CONTEXT:
            asked.add(text)
        return found

    monkeypatch.setattr(translation.Translator, "translate", recording)
    monkeypatch.setattr(translation, "drawable", lambda code: True)
    yield asked
    translation._install("en")  # silently: the windows of the test are closed
