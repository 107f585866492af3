"""Asks what becomes of the runs when the window closes."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QMessageBox, QWidget

from app.shell.text import tr


def ask(parent: QWidget, count: int, go_on: Callable[[], None], stop: Callable[[], None]) -> QMessageBox:
    """Show the question without blocking; Cancel and Escape keep the window open.

    Args:
        count: runs that have a process. go_on: close and let them run. stop: stop them at their next point and close.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(tr("Runs are going"))
    box.setText(tr("{count} runs are going.", count=count) if count > 1 else tr("A run is going."))
    box.setInformativeText(
        tr("They can go on without the window and are here when it opens again; stopped runs can be resumed.")
    )
    keep = box.addButton(tr("Let them go on"), QMessageBox.ButtonRole.AcceptRole)
    end = box.addButton(tr("Stop them"), QMessageBox.ButtonRole.DestructiveRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(keep)
    box.buttonClicked.connect(lambda button: go_on() if button is keep else stop() if button is end else None)
    box.open()
    return box
