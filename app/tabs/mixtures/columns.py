"""The page Table: columns with their kinds and gaps, to be ticked; what is left out and why; the scree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.shell.text import live, short, tr
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.labels import Label
from app.widgets.plot import Axis, LinePlot

HEADS = ("Column", "Kind", "Missing", "Different", "Range")


class ColumnList(QWidget):
    """The columns of a table.

    Signals:
        ticked: names of the columns that are ticked, after the user changed one.
    """

    ticked = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._facts: dict[str, Any] = {}
        self.line = Label("", "muted", wrap=True)
        self.table = QTableWidget(0, len(HEADS))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._boxes: list[QCheckBox] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 2, 12, 10)
        column.addWidget(self.line)
        column.addWidget(self.table, 1)
        live(self._say)

    def _say(self) -> None:
        self.table.setHorizontalHeaderLabels([tr(name) for name in HEADS])
        self.table.setAccessibleName(tr("Columns"))
        if self._facts:
            self.show_facts(self._facts)

    def show_facts(self, facts: dict[str, Any]) -> None:
        """Show an answer of the session "mixture.preview"."""
        self._facts = facts
        said = [tr("{rows} of {all} rows take part.", rows=facts["rows"], all=facts["file_rows"])]
        self.line.setText(" ".join(said + [tr(note["template"], **note["params"]) for note in facts["notes"]]))
        self._boxes = []
        self.table.setRowCount(len(facts["columns"]))
        for row, column in enumerate(facts["columns"]):
            self._fill(row, column)

    def _fill(self, row: int, column: dict[str, Any]) -> None:
        between = "" if column["low"] is None else f"{short(column['low'])} … {short(column['high'])}"
        cells = [tr(column["kind"]), str(column["missing"] or ""), str(column["different"]), between]
        for index, text in enumerate(cells, start=1):
            item = QTableWidgetItem(text)
            if index > 1:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, index, item)
        self.table.setItem(row, 0, QTableWidgetItem("" if column["kind"] == "number" else column["name"]))
        if column["kind"] == "number":
            box = QCheckBox(column["name"].replace("&", "&&"))
            box.setChecked(column["used"])
            box.setProperty("column", column["name"])
            box.toggled.connect(lambda _on: self.ticked.emit(self.chosen()))
            self._boxes.append(box)
            self.table.setCellWidget(row, 0, box)
        else:
            self.table.removeCellWidget(row, 0)

    def chosen(self) -> list[str]:
        """Names of the ticked columns."""
        return [str(box.property("column")) for box in self._boxes if box.isChecked()]


class TablePage(CardGrid):
    """The columns, and the scree with the number of axes."""

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self.listing = ColumnList()
        self.scree = LinePlot(tr("Scree"), x=Axis(tr("axis")), y=Axis(tr("eigenvalue"), log=True))
        self.columns_card = self.add(
            Card("Columns", "ticked ones are clustered", "The columns of the chosen table appear here."), 2
        )
        self.scree_card = self.add(Card("Scree", empty="The variance along the leading axes appears here."), 2)
        self.columns_card.set_body(self.listing)
        self.columns_card.show_empty()
        self.scree_card.set_body(self.scree)

    def show_facts(self, facts: dict[str, Any]) -> None:
        """Show the columns."""
        self.listing.show_facts(facts)
        self.columns_card.show_body()

    def show_scree(self, facts: dict[str, Any], chosen: int | None) -> None:
        """Draw the eigenvalues, those of permuted columns, and how many axes are kept."""
        values: Sequence[float] = facts["values"]
        self.scree.clear()
        if not values:
            return
        ranks = np.arange(1, len(values) + 1)
        self.scree.set_series(tr("the table"), ranks, values, points=True)
        self.scree.set_series(tr("by chance (95 %)"), ranks[: len(facts["chance"])], facts["chance"])
        q = chosen or facts["suggested"]
        self.scree.set_marks([q], "q")
        template = "{q} axes by your choice" if chosen else "{q} axes by parallel analysis, within what the rows carry"
        self.scree_card.set_caption(template, q=q)
