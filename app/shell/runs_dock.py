"""The runs at the bottom of the window: list, stop, cancel, resume, log, folder, delete."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QMessageBox, QSplitter, QWidget

from app.shell.runs import RunsService
from app.shell.text import live, tr
from app.widgets.labels import tool
from app.widgets.log_view import LogView
from app.widgets.runs_table import RunRow, RunsTable
from engine.runs.library import Summary
from engine.studies import catalogue

ACTIVE = ("queued", "starting", "running", "stopping")


class RunsDock(QWidget):
    """A table of all runs; the log of one beside it on demand.

    Signals:
        opened: the id of a run that the user wants to see in its tab.
        folded: the user wants the dock smaller or larger.
    """

    opened = Signal(str)
    folded = Signal()

    def __init__(self, runs: RunsService, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.runs = runs
        self.table = RunsTable()
        self.table.opened.connect(self.opened)
        self.table.asked.connect(self._asked)
        self.table.selected.connect(self._selected)
        self.log = LogView()
        self.log.hide()
        self._buttons = {verb: tool(icon, "", partial(self._press, verb)) for verb, icon in BUTTONS.items()}
        for button in self._buttons.values():
            self.table.add_widget(button)
        self.fold = tool("down", "", self.folded.emit)
        self.table.add_widget(self.fold)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.table)
        split.addWidget(self.log)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(split)
        self._logged = ""
        runs.listed.connect(self._list)
        live(self._say)
        self._selected([])

    def _say(self) -> None:
        texts = {
            "resume": tr("Resume the selected runs"),
            "stop": tr("Stop the selected runs; they can be resumed"),
            "cancel": tr("Cancel the selected runs at once"),
            "log": tr("Show the log of the selected run"),
        }
        for verb, button in self._buttons.items():
            button.setToolTip(texts[verb])
            button.setAccessibleName(texts[verb])
        self.fold.setToolTip(tr("Fold or unfold the list of runs"))
        self.fold.setAccessibleName(self.fold.toolTip())
        self._list(self.runs.rows)

    def _list(self, rows: Sequence[Summary]) -> None:
        self.table.set_rows([_row(row) for row in rows])
        self._selected(self.table.ids())

    def _selected(self, ids: Sequence[str]) -> None:
        states = {row.id: row.state for row in self.runs.rows}
        chosen = [states.get(id, "") for id in ids]
        active = any(state in ACTIVE for state in chosen)
        self._buttons["stop"].setEnabled(active)
        self._buttons["cancel"].setEnabled(active)
        self._buttons["resume"].setEnabled(any(state in ("stopped", "failed", "lost") for state in chosen))
        self._buttons["log"].setEnabled(len(ids) == 1)

    def _press(self, verb: str) -> None:
        self._asked(verb, self.table.ids())

    def _asked(self, verb: str, ids: Sequence[str]) -> None:
        if verb == "log":
            self.show_log(ids[0])
        elif verb == "delete":
            self._ask_delete(list(ids))
        elif verb == "folder":
            for id in ids:
                QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.runs.library.root / id)))
        else:
            states = {row.id: row.state for row in self.runs.rows}
            fitting = ("stopped", "failed", "lost") if verb == "resume" else ACTIVE
            for id in (id for id in ids if states.get(id) in fitting):
                getattr(self.runs, verb)(id)

    def show_log(self, run: str) -> None:
        """Show what a run's worker printed, or hide it when it is shown already."""
        self._logged = "" if self._logged == run else run
        self.log.follow(self.runs.library.root / run / "log.txt" if self._logged else None)
        self.log.setVisible(bool(self._logged))

    def _ask_delete(self, ids: list[str]) -> QMessageBox:
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(tr("Delete runs"))
        box.setText(
            tr("Move {count} runs to the trash?", count=len(ids)) if len(ids) > 1 else tr("Move this run to the trash?")
        )
        box.setInformativeText(tr("Their numbers and artifacts go with them. Runs that others build on stay."))
        delete = box.addButton(tr("Move to the trash"), QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.buttonClicked.connect(lambda button: self._delete(ids) if button is delete else None)
        box.open()
        return box

    def _delete(self, ids: list[str]) -> None:
        for id in ids:
            self.runs.delete(id)


BUTTONS = {"resume": "play", "stop": "stop", "cancel": "cancel", "log": "log"}


def _row(row: Summary) -> RunRow:
    title = tr(catalogue.configs()[row.task].title) if row.task in catalogue.configs() else row.task
    asked = row.ran_on or ("" if row.device == "auto" else row.device)
    device = {"cpu": tr("CPU"), "mps": tr("Apple GPU")}.get(asked, asked.replace("cuda:", tr("GPU") + " "))
    done: Any = 1.0 if row.state == "finished" else row.progress
    return RunRow(
        row.id,
        row.name or row.id,
        title,
        row.state,
        done,
        row.left,
        device,
        tr(row.reason),
    )
