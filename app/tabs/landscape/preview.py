"""The network that is set up, before it runs: layers, parameters and shapes, from a session that builds it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from app.shell.errors import words
from app.shell.text import live, number, tr
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.labels import Label
from app.widgets.session_link import SessionLink
from engine.errors import EngineError
from engine.studies.training.config import TrainConfig

COLUMNS = ("Layer", "Type", "Output", "Parameters")


class NetworkPage(CardGrid):
    """The page Network: asks a session for the layers of the network that is set up."""

    def __init__(self) -> None:
        super().__init__(columns=1)
        self.preview = Preview()
        self.card = self.add(
            Card("Network", "layers, outputs for one example, parameters", "The layers of the network appear here.")
        )
        self.card.set_body(self.preview)
        self._link = SessionLink("models.preview", parent=self)
        self._link.done.connect(self._inspected)
        self._link.failed.connect(self._failed)

    def inspect(self, train: TrainConfig | None) -> None:
        """Show the network of a training; None: it comes from another run."""
        if train is None:
            self.card.show_empty("The network of the chosen run is used as it is.")
            return
        if not self.preview.table.rowCount():
            self.card.show_empty("Building the network …")
        model, data = train.model.model_dump(mode="json"), train.data.model_dump(mode="json")
        self._link.call("layers", {"model": model, "data": data, "seed": train.seed}, key="layers")

    def close_session(self) -> None:
        """Let the session go."""
        self._link.close()

    def _failed(self, _method: str, error: EngineError) -> None:
        self.card.show_empty("{error}", error=" ".join(part for part in words(error) if part))

    def _inspected(self, _method: str, facts: dict[str, Any]) -> None:
        self.preview.show_facts(facts)
        self.card.show_body()


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
