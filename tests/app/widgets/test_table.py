import csv
import io

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.widgets.plot.table import Table
from app.widgets.table_view import TableDialog, TableModel

TABLE = Table(["name", "α (nats)"], [["one, two", "three|four"], np.array([0.1 + 0.2, np.nan])])


def test_csv_reads_back_exactly() -> None:
    text = TABLE.csv("run 0427\nseed 0")
    assert text.startswith("# run 0427\n# seed 0\n")
    rows = list(csv.reader(io.StringIO(text.split("\n", 2)[2])))
    assert rows[0] == ["name", "α (nats)"]
    assert rows[1][0] == "one, two"
    assert float(rows[1][1]) == 0.1 + 0.2
    assert rows[2][1] == "nan"


def test_markdown() -> None:
    lines = TABLE.markdown().splitlines()
    assert lines[0] == "| name | α (nats) |"
    assert lines[1] == "| --- | --- |"
    assert "three\\|four" in lines[3]


def test_lengths() -> None:
    assert len(TABLE) == 2
    assert len(Table([])) == 0


def test_model_formats_cells(qtbot: QtBot) -> None:
    model = TableModel(TABLE)
    assert (model.rowCount(), model.columnCount()) == (2, 2)
    assert model.data(model.index(0, 1)) == "0.3"
    assert model.data(model.index(0, 0)) == "one, two"
    right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    assert model.data(model.index(0, 1), Qt.ItemDataRole.TextAlignmentRole) == right
    assert model.headerData(1, Qt.Orientation.Horizontal) == "α (nats)"
    assert model.headerData(0, Qt.Orientation.Vertical) == "1"


def test_dialog_copies(qtbot: QtBot) -> None:
    dialog = TableDialog("Loss", TABLE)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(dialog)
    dialog.open()
    for button in dialog.findChildren(QPushButton):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert QGuiApplication.clipboard().text() in (TABLE.csv(), TABLE.markdown())
    dialog.view.selectRow(0)
    dialog.copy_selected()
    assert QGuiApplication.clipboard().text() == "one, two\t0.30000000000000004"
