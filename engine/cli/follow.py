"""Follows runs on a terminal: a progress bar with the time left, or plain lines when nobody looks."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from engine.runs.library import Runs
from engine.runs.reader import RunReader

OVER = frozenset({"stopped", "finished", "failed", "lost"})
BAR = 28
ATTEND_EVERY = 0.5


class Screen:
    """Where progress goes: stderr, redrawn in place on a terminal, a line at each change of note or tenth elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._last = ""

    def show(self, title: str, done: float, total: float, left: float | None, note: str) -> None:
        """Show how far a run is; ``left`` in seconds or None when unknown."""
        share = min(1.0, done / total) if total > 0 else 0.0
        time_left = "" if left is None else f" {duration(left)} left"
        if self.live:
            filled = round(share * BAR)
            bar = "━" * filled + "╌" * (BAR - filled)
            self.stream.write(f"\r\x1b[2K{title} {bar} {share:4.0%}{time_left}  {note}"[:200])
            self.stream.flush()
            return
        line = f"{title}: {int(share * 10) * 10} %{time_left and ','}{time_left} {note}".rstrip()
        key = f"{title}{int(share * 10)}"
        if key != self._last:
            self._last = key
            self.line(line)

    def line(self, text: str) -> None:
        """A line that stays."""
        self.stream.write(("\r\x1b[2K" if self.live else "") + text + "\n")
        self.stream.flush()


def duration(seconds: float) -> str:
    """12 s, 4 min 10 s, 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def wait(
    runs: Runs, run: str, title: str, screen: Screen, attend: Callable[[], object], interval: float = 0.1
) -> RunReader:
    """Wait until a run is over, showing it; the first Ctrl+C stops it, the second cancels it.

    Args:
        attend: called at once while the run waits in the queue, else now and then; starts what can start.
    """
    reader = runs.reader(run)
    asked = told = 0
    attended = 0.0
    with Interrupts() as interrupts:
        while True:
            reader.poll()
            for warning in reader.warnings[told:]:
                screen.line(f"{title}: {warning}")
            told = len(reader.warnings)
            state = reader.state
            if state in OVER:
                return reader
            while asked < interrupts.count:
                asked += 1
                screen.line("Stopping; press Ctrl+C again to cancel." if asked == 1 else "Cancelling.")
                (runs.stop if asked == 1 else runs.cancel)(run)
            if state == "queued" or time.monotonic() > attended + ATTEND_EVERY:
                attend()
                attended = time.monotonic()
            progress = reader.progress
            if state == "queued":
                screen.show(title, 0, 1, None, "queued")
            elif progress is not None:
                screen.show(title, progress.done, progress.total, reader.time_left, progress.note)
            time.sleep(interval)


class Interrupts:
    """Counts Ctrl+C instead of raising, so that none is lost while another one is being answered."""

    def __init__(self) -> None:
        self.count = 0
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python takes no signals
            self._before = signal.signal(signal.SIGINT, self._pressed)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _pressed(self, *_: object) -> None:
        self.count += 1
