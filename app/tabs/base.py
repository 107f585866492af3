"""What the window asks of every tab, and what it gives to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.shell.runs import RunsService
from engine.artifacts.refs import ArtifactRef
from engine.errors import EngineError


@dataclass(frozen=True)
class Services:
    """What a tab may use of the window's: the runs, and where sessions keep their inputs (the runs' root)."""

    runs: RunsService

    @property
    def root(self) -> Path:
        """The folder of all runs."""
        return self.runs.library.root


class TabView(QWidget):
    """A tab. Subclasses build their widgets in __init__ and override what applies to them.

    Signals:
        headline: the line beside the title changed.
        failed: an EngineError for the notices.

    Attributes:
        headline_text: what is shown, in a line.
    """

    headline = Signal(str)
    failed = Signal(object)

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services
        self.headline_text = ""

    def set_headline(self, text: str) -> None:
        """Say in a line what is shown."""
        if text != self.headline_text:
            self.headline_text = text
            self.headline.emit(text)

    def shown(self) -> None:
        """The tab has come to the front of a painted window: time for sessions and the like."""

    def set_engine_missing(self, reason: str) -> None:
        """Nothing can be computed on this machine, for this reason; "" when something can."""

    def pages(self) -> Sequence[str]:
        """Names of the tab's pages."""
        return ()

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""

    def run(self) -> None:
        """Start what is set up."""

    def example(self, preset: str = "quick") -> None:
        """Start the tab's example: at once, offline, done within a minute; "smoke" within seconds."""

    def shown_runs(self) -> Sequence[str]:
        """Ids of the runs whose results the tab shows."""
        return ()

    def open_run(self, run: str) -> bool:
        """Show a run of the list; False when it is none of this tab's."""
        return False

    def open_files(self, paths: Sequence[Path]) -> bool:
        """Take dropped or named files; False when none of them is for this tab."""
        return False

    def open_artifact(self, ref: ArtifactRef) -> bool:
        """Use an artifact of another tab; False when it is none of this tab's kinds."""
        return False

    def undo(self) -> None:
        """Take back the last change of what is set up."""

    def redo(self) -> None:
        """Make that change again."""

    def provenance(self) -> str:
        """A line a run that is shown, for files saved from its pictures."""
        return ""

    def python(self) -> str:
        """The engine calls that repeat what is set up."""
        return ""

    def report(self, error: EngineError) -> None:
        """Show an error in the window's notices."""
        self.failed.emit(error)

    def close_tab(self) -> None:
        """End sessions and timers; the window is closing."""
