"""The network that is set up, before it runs: layers, parameters and shapes, from a session that builds it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from app.shell.text import live, number, tr
from app.widgets.labels import Label

COLUMNS = ("Layer", "Type", "Output", "Parameters")


class Preview(QWidget):
    """A table of layers with a line above it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._facts: dict[str, Any] = {}
        self.line = Label("", "muted", wrap=True)
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 2, 12, 10)
        column.addWidget(self.line)
        column.addWidget(self.table, 1)
        live(self._say)

    def _say(self) -> None:
        self.table.setHorizontalHeaderLabels([tr(name) for name in COLUMNS])
        self.table.setAccessibleName(tr("Layers"))
        if self._facts:
            self.show_facts(self._facts)

    def show_facts(self, facts: dict[str, Any]) -> None:
        """Show an answer of the session "models.preview"."""
        self._facts = facts
        layers = facts["layers"]
        self.line.setText(
            tr("{parameters} parameters, of which {trainable} are trained. Input {input}, output {output}.",
               parameters=number(int(facts["parameters"])), trainable=number(int(facts["trainable"])),
               input=_shape(facts["input_shape"]), output=facts["outputs"])
        )  # fmt: skip
        self.table.setRowCount(len(layers))
        for row, layer in enumerate(layers):
            cells = (layer["name"], layer["type"], _shape(layer["output"]), number(int(layer["parameters"])))
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if column == len(cells) - 1:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        self.table.resizeColumnsToContents()


def _shape(shape: Any) -> str:
    return " × ".join(str(size) for size in shape) if shape else "—"
