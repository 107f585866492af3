"""Numbers in a window of their own: a table that is read as it scrolls, and copied as CSV or Markdown."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QDialog, QHBoxLayout, QPushButton, QTableView, QVBoxLayout, QWidget

from app.shell.text import short, tr
from app.shell.theme import SPACE_3
from app.widgets.labels import Label
from app.widgets.plot.table import Table

Index = QModelIndex | QPersistentModelIndex


class TableModel(QAbstractTableModel):
    """A Table as Qt's views want it; cells are formatted when they are looked at."""

    def __init__(self, table: Table, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = table

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.table)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.table.headers)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        value = self.table.columns[index.column()][index.row()]
        words = isinstance(value, str)
        if role == Qt.ItemDataRole.DisplayRole:
            return value if words else short(value.item() if hasattr(value, "item") else value, 6)
        if role == Qt.ItemDataRole.TextAlignmentRole and not words:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return self.table.headers[section] if orientation == Qt.Orientation.Horizontal else str(section + 1)


class TableDialog(QDialog):
    """A table to read and to copy; closes with Esc and is then gone."""

    def __init__(self, title: str, table: Table, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.resize(560, 480)
        self.table = table
        self.view = QTableView()
        self.view.setModel(TableModel(table, self.view))
        self.view.setAccessibleName(title)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ContiguousSelection)
        self.view.verticalHeader().setDefaultSectionSize(26)
        self.view.horizontalHeader().setStretchLastSection(True)
        count = Label(tr("{n} rows", n=len(table)), "caption")
        buttons = QHBoxLayout()
        buttons.addWidget(count, 1)
        for text, call in ((tr("Copy as CSV"), table.csv), (tr("Copy as Markdown"), table.markdown)):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, call=call: QGuiApplication.clipboard().setText(call()))
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_3, SPACE_3, SPACE_3, SPACE_3)
        column.addWidget(self.view)
        column.addLayout(buttons)
        QShortcut(
            QKeySequence.StandardKey.Copy, self.view, self.copy_selected, context=Qt.ShortcutContext.WidgetShortcut
        )

    def copy_selected(self) -> None:
        """Put the selected cells on the clipboard, tab-separated."""
        chosen = sorted(self.view.selectionModel().selectedIndexes(), key=lambda index: (index.row(), index.column()))
        rows: dict[int, list[str]] = {}
        for index in chosen:
            rows.setdefault(index.row(), []).append(str(self.table.columns[index.column()][index.row()]))
        QGuiApplication.clipboard().setText("\n".join("\t".join(row) for row in rows.values()))
