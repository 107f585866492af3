"""The page Table: columns to be ticked, known classes, scaling, what is left out and why; the scree with its q."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.shell.errors import words
from app.shell.text import language, live, number, short, tr
from app.shell.theme import SPACE_2
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.labels import Label
from app.widgets.plot import Axis, LinePlot
from app.widgets.session_link import SessionLink
from engine.errors import EngineError
from engine.studies.mixture.config import RESAMPLED, BuiltinTable, FitConfig, MixtureConfig, TableSource

HEADS = ("Column", "Kind", "Missing", "Different", "Range")
MOST = 300  # columns that are listed
NO_CLASSES = ""
SCALINGS = {"zscore": "Standardise columns", "none": "As they are"}
RULES = {
    "parallel": "parallel analysis",
    "gavish_donoho": "Gavish & Donoho",
    "variance": "90 % of the variance",
    "elbow": "elbow",
}


class ColumnList(QWidget):
    """The columns of a table.

    Signals:
        ticked: names of the columns that are ticked, after the user changed one.
        labelled: the column with known classes that was chosen, "" for none. scaled: the scaling that was chosen.
    """

    ticked = Signal(list)
    labelled = Signal(str)
    scaled = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._facts: dict[str, Any] = {}
        self._own = True
        self.line = Label("", "muted", wrap=True)
        self.table = QTableWidget(0, len(HEADS))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._boxes: list[QCheckBox] = []
        self.label, self.scaling = QComboBox(), QComboBox()
        self._captions = [Label("", "muted"), Label("", "muted")]
        self.label.activated.connect(lambda _index: self.labelled.emit(self.label.currentData()))
        self.scaling.activated.connect(lambda _index: self.scaled.emit(self.scaling.currentData()))
        choosers = QHBoxLayout()
        choosers.setSpacing(SPACE_2)
        for caption, box in zip(self._captions, (self.label, self.scaling), strict=True):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
            caption.setBuddy(box)
            choosers.addWidget(caption)
            choosers.addWidget(box, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 2, 12, 10)
        column.addLayout(choosers)
        column.addWidget(self.line)
        column.addWidget(self.table, 1)
        live(self._say)

    def _say(self) -> None:
        self.table.setHorizontalHeaderLabels([tr(name) for name in HEADS])
        self.table.setAccessibleName(tr("Columns"))
        for caption, box, word, hint in zip(
            self._captions, (self.label, self.scaling), ("Known classes", "Scaling"),
            ("A column that is kept apart and only compared with", "What is done to columns before they are fitted"),
            strict=True,
        ):  # fmt: skip
            caption.setText(tr(word))
            box.setAccessibleName(tr(word))
            box.setToolTip(tr(hint))
        for index in range(self.scaling.count()):
            self.scaling.setItemText(index, tr(SCALINGS[self.scaling.itemData(index)]))
        if self._facts:
            self.show_facts(self._facts)

    def show_source(self, data: TableSource) -> None:
        """Show the scaling that is set up; a built-in table has its classes by itself."""
        chosen = data.scaling
        self.scaling.clear()
        for key, text in SCALINGS.items():
            self.scaling.addItem(tr(text), key)
        self.scaling.setCurrentIndex(self.scaling.findData(chosen))
        self._own = not isinstance(data, BuiltinTable)

    def show_facts(self, facts: dict[str, Any]) -> None:
        """Show an answer of the session "mixture.preview"."""
        self._facts = facts
        words = {"rows": number(int(facts["rows"])), "all": number(int(facts["file_rows"]))}
        said = [tr("{rows} of {all} rows take part.", **words)]
        if sampled := int(facts.get("sampled", 0)):
            words["sampled"] = number(sampled)
            exact = bool(facts.get("exact", True))
            said = [
                tr("The file has {all} rows; {sampled} of them were looked at.", **words) if exact
                else tr("The file has about {all} rows; {sampled} of them were looked at.", **words)
            ]  # fmt: skip
        columns = facts["columns"]
        if len(columns) > MOST:
            said.append(tr("The first {most} of {count} columns are listed.", most=MOST, count=number(len(columns))))
        self.line.setText(" ".join(said + [tr(note["template"], **note["params"]) for note in facts["notes"]]))
        self._boxes = []
        self.table.setRowCount(min(MOST, len(columns)))
        for row, column in enumerate(columns[:MOST]):
            self._fill(row, column)
        self._list_labels(columns)

    def _list_labels(self, columns: Sequence[dict[str, Any]]) -> None:
        self.label.clear()
        self.label.addItem(tr("none"), NO_CLASSES)
        for column in columns:
            self.label.addItem(column["name"], column["name"])
        given = next((column["name"] for column in columns if column["kind"] == "class"), NO_CLASSES)
        self.label.setCurrentIndex(max(0, self.label.findData(given)))
        self.label.setEnabled(self._own)

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
        """Names of the ticked columns; those that are not listed stay as they are."""
        ticked = [str(box.property("column")) for box in self._boxes if box.isChecked()]
        return ticked + [column["name"] for column in self._facts["columns"][MOST:] if column["used"]]


class TablePage(CardGrid):
    """The columns of what is set up, and the scree with the number of axes; asks a session for both.

    Signals:
        edited: changes of the table source, by field. axes_chosen: the q that the user dropped the line at.
    """

    edited = Signal(dict)
    axes_chosen = Signal(int)

    def __init__(self, root: Path) -> None:
        """``root``: the runs' folder, for tables of other runs."""
        super().__init__(narrow=500, row_height=226)
        self._fit: FitConfig | None = None
        self._scree: dict[str, Any] = {}
        self.listing = ColumnList()
        self.listing.ticked.connect(lambda names: self.edited.emit({"columns": tuple(names)}))
        self.listing.labelled.connect(lambda name: self.edited.emit({"label": name}))
        self.listing.scaled.connect(lambda name: self.edited.emit({"scaling": name}))
        self.scree = LinePlot("Scree", x=Axis("axis", whole=True), y=Axis("eigenvalue", log=True))
        self.scree.handle_moved.connect(self._moved)
        self.scree.handle_dropped.connect(lambda value: self.axes_chosen.emit(self._q_at(value)))
        self.columns_card = self.add(
            Card("Columns", "ticked ones are clustered", "The columns of the chosen table appear here."), 2
        )
        self.scree_card = self.add(Card("Scree", empty="The variance along the leading axes appears here."), 2)
        self.columns_card.set_body(self.listing)
        self.columns_card.show_empty()
        self.scree_card.set_body(self.scree)
        self.preview = SessionLink("mixture.preview", {"root": str(root)}, parent=self)
        self.preview.done.connect(self._looked)
        self.preview.failed.connect(self._cannot_look)
        language().changed.connect(self._say_again)

    def look(self, config: MixtureConfig) -> None:
        """Ask for the table that is set up."""
        self._fit = config.fit
        self.listing.show_source(config.data)
        data = config.data.model_dump(mode="json")
        self.preview.call("look", {"data": data}, key="look")
        self.preview.call(
            "scree", {"data": data, "components": config.fit.components if config.fit else 3}, key="scree"
        )

    def close_page(self) -> None:
        """End the session."""
        self.preview.close()

    def _looked(self, method: str, facts: dict[str, Any]) -> None:
        if method == "look":
            self.listing.show_facts(facts)
            self.columns_card.show_body()
        else:
            self.show_scree(facts)

    def _cannot_look(self, _method: str, error: EngineError) -> None:
        self.columns_card.show_empty("{error}", error=" ".join(part for part in words(error) if part))
        self.scree.clear()

    def _say_again(self) -> None:
        if self._scree:
            self.show_scree(self._scree)

    def show_scree(self, facts: dict[str, Any]) -> None:
        """Draw the eigenvalues, those of permuted columns, and how many axes are kept."""
        self._scree = facts
        values: Sequence[float] = facts["values"]
        self.scree.clear()
        if not values:
            return
        ranks = np.arange(1, len(values) + 1)
        self.scree.set_series(tr("the table"), ranks, values, points=True)
        self.scree.set_series(tr("by chance (95 %)"), ranks[: len(facts["chance"])], facts["chance"])
        chosen = self._fit.q if self._fit else None
        rule = self._fit.q_rule if self._fit else "parallel"
        q = chosen or facts["rules"].get(rule, facts["suggested"])
        self.scree.set_handle(float(q), tr("q"))
        self._caption(q, by_hand=chosen is not None)

    def _q_at(self, value: float) -> int:
        return int(np.clip(round(value), 1, max(1, len(self._scree.get("values", ())))))

    def _moved(self, value: float) -> None:
        self._caption(self._q_at(value), by_hand=True)

    def _caption(self, q: int, *, by_hand: bool) -> None:
        rules = self._scree.get("rules", {})
        said = [tr("q = {q} by your choice", q=q) if by_hand else tr("q = {q} axes", q=q)]
        said += [f"{tr(RULES[rule])} {count}" for rule, count in rules.items()]
        if self._fit is None or self._fit.method not in RESAMPLED:
            said.append(tr("used by the two bootstraps"))
        self.scree_card.set_caption("{said}", said=", ".join(said))
