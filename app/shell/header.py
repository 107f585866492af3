"""The line above a tab: its title, what it shows, its pages, and what can be done with all of it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from app.shell.text import live, tr
from app.shell.theme import SPACE_2, SPACE_3
from app.widgets.labels import ElidedLabel, Label, tool


class Header(QWidget):
    """Shows the tab in front.

    Signals:
        export, copy_python, view: the user pressed these.
    """

    export = Signal()
    copy_python = Signal()
    view = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tab = ""
        self.title = Label("", "title")
        self.headline = ElidedLabel("", "muted")
        self.export_button = QPushButton()
        self.export_button.clicked.connect(self.export)
        self.python_button = QPushButton()
        self.python_button.clicked.connect(self.copy_python)
        self.view_button = tool("settings", "", self.view.emit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_2)
        row.addWidget(self.title)
        row.addSpacing(SPACE_3)
        row.addWidget(self.headline, 1)
        row.addWidget(self.export_button)
        row.addWidget(self.python_button)
        row.addWidget(self.view_button)
        live(self._say)

    def _say(self) -> None:
        self.title.setText(tr(self._tab))
        self.export_button.setText(tr("Export …"))
        self.export_button.setToolTip(tr("Write the shown run, with all it holds, into a zip file"))
        self.python_button.setText(tr("Copy as Python"))
        self.python_button.setToolTip(tr("Copy the engine calls that repeat what is set up"))
        self.view_button.say(tr("Look and language of the window"))

    def show_tab(self, title: str, headline: str, exportable: bool) -> None:
        """Show a tab's title (English) and headline."""
        self._tab = title
        self.title.setText(tr(title))
        self.headline.setText(headline)
        self.export_button.setEnabled(exportable)
