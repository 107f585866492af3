"""What an executor is: it sends workers for run folders, and ends them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.runs.state import State


@dataclass(frozen=True)
class Slot:
    """Room for one worker.

    Attributes:
        name: unique, "cpu:0". device: as torch names it. threads: for numerical libraries.
    """

    name: str
    device: str
    threads: int


class Executor(Protocol):
    """Sends workers and ends them. Everything it must remember of a run is in the run's folder (launch.json),
    so any process may stop or cancel what another submitted; a worker that arrives twice does nothing the second time.
    """

    name: str

    def capacity(self) -> list[Slot]:
        """The slots there are, busy or not."""

    def submit(self, folder: Path, slot: Slot, attempt: int) -> None:
        """Send a worker for the run; returns at once, after launch.json was written.

        Raises:
            EngineError: it cannot be done; the run will not start.
        """

    def state(self, folder: Path) -> State:
        """Where the run stands."""

    def stop(self, folder: Path, *, grace: float = 10.0) -> None:
        """Ask the worker to leave at its next point; after ``grace`` seconds it is killed, still resumable."""

    def cancel(self, folder: Path) -> None:
        """End the worker and all its children now."""

    def prepare(self) -> None:
        """Make the next ``submit`` quick, where that can be done."""

    def close(self) -> None:
        """Let go of what ``prepare`` made; workers go on."""

    def tend(self, folders: list[Path]) -> None:
        """End what is overdue, note how workers died. Called now and then with the active runs."""
