"""The program tests itself: opens the window, visits every tab, runs its smallest example, saves pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QEventLoop

from app.window import MainWindow

RUN_LIMIT = 120.0
SETTLE = 0.7
TIMES = ("seconds_to_first_paint", "seconds_to_first_tab")
OVER = frozenset({"finished", "stopped", "failed", "lost"})


class SelfTest:
    """Runs the steps one after another and prints a line of JSON for each.

    Attributes:
        ok: whether all steps so far went well.
    """

    def __init__(self, window: MainWindow, screenshots: Path | None) -> None:
        self.window = window
        self.screenshots = screenshots
        self.ok = True
        self._told = 0

    def run(self, times: Sequence[float]) -> int:
        """Do everything; returns the exit code.

        Args:
            times: filled as they happen: seconds from the start of the process to the first painting, and until the
                first tab stands in the window.
        """
        facts = {name: partial(_at, times, index) for index, name in enumerate(TIMES)}
        self.step("window", lambda: until(lambda: len(times) == len(TIMES), 30), **facts)
        for tab in self.window.tabs:
            self.step(f"{tab.id}: open", partial(self._open, tab.id))
            self.step(f"{tab.id}: smoke", partial(self._smoke, tab.id))
            for page in self.window.view(tab.id).pages():
                self.step(f"{tab.id}: page {page}", partial(self._page, tab.id, page))
        return 0 if self.ok else 1

    def step(self, name: str, action: Callable[[], Any], **facts: Callable[[], Any]) -> None:
        """One step: ``action`` returns a sentence when something is wrong, or raises."""
        start = time.perf_counter()
        try:
            wrong = action()
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        wrong = wrong or self._complaints()
        self.ok &= not wrong
        line = {"name": name, "ok": not wrong, "seconds": round(time.perf_counter() - start, 3)}
        line |= {key: value() for key, value in facts.items()} | ({"error": str(wrong)} if wrong else {})
        print(json.dumps(line), flush=True)

    def _complaints(self) -> str:
        """What the window told the user went wrong since the last step."""
        history = list(self.window.reporter.history)
        fresh, self._told = history[self._told :], len(history)
        return " ".join(notice.text() for notice in fresh if notice.level == "bad")

    def _open(self, tab: str) -> str:
        self.window.show_tab(tab)
        settle()
        self._picture(f"{tab}-empty")
        return "" if self.window.current_tab == tab else "the tab did not come to the front"

    def _smoke(self, tab: str) -> str:
        view = self.window.view(tab)
        if wrong := until(lambda: self.window.status.devices, 60):
            return f"the devices: {wrong}"
        reason = self.window.engine_missing()
        if reason:
            return "" if view.isVisible() else reason
        view.example("smoke")
        until(lambda: view.shown_runs(), 20)
        runs = self.window.services.runs
        states = dict.fromkeys(view.shown_runs(), "")

        def over() -> bool:
            states.update({run: runs.watch(run).reader.state for run in view.shown_runs()})
            return all(state in OVER for state in states.values())

        if wrong := until(over, RUN_LIMIT):
            return f"{wrong}: {states}"
        settle()
        bad = {run: str(runs.watch(run).reader.error or state) for run, state in states.items() if state != "finished"}
        return str(bad) if bad else ""

    def _page(self, tab: str, page: str) -> str:
        self.window.view(tab).show_page(page)
        settle()
        return self._picture(f"{tab}-{page}".lower().replace(" ", "-"))

    def _picture(self, name: str) -> str:
        if self.screenshots is None:
            return ""
        self.screenshots.mkdir(parents=True, exist_ok=True)
        path = self.screenshots / f"{name}.png"
        return "" if self.window.grab().save(str(path)) else f"could not save {path}"


def _at(times: Sequence[float], index: int) -> float:
    return round(times[index], 3)


def until(condition: Callable[[], Any], limit: float) -> str:
    """Let the window live until the condition holds; a sentence when it does not in time."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return f"nothing after {limit:.0f} s"
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.005)
    return ""


def settle() -> None:
    """Let timers and sessions bring their pictures."""
    end = time.monotonic() + SETTLE
    until(lambda: time.monotonic() > end, SETTLE + 1)
