import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from app.shell.theme import LIGHT
from app.widgets.runs_table import COLUMNS, STATES, RunRow, RunsModel, RunsTable
from tests.app.widgets.pixels import count

ROWS = [
    RunRow("0431", "MLP seed 2", "Landscape", "queued"),
    RunRow("0430", "wine, 14 families", "Mixtures", "running", 0.71, 3, "CPU 1"),
    RunRow("0429", "phase map digits", "Landscape", "running", 0.38, 250, "CPU 0"),
    RunRow("0428", "MLP seed 1", "Training", "failed", 0.4, None, "CPU 0", "loss became infinite"),
    RunRow("0427", "MLP 64-64-10", "Landscape", "finished", 1.0, None, "CPU 0"),
]


@pytest.fixture
def table(qtbot: QtBot) -> RunsTable:
    made = RunsTable()
    qtbot.addWidget(made)
    made.resize(1000, 240)
    made.show()
    made.set_rows(ROWS)
    return made


def shown(table: RunsTable) -> list[str]:
    return [row.id for row in table.model.rows()]


def test_cells(table: RunsTable) -> None:
    model = table.model
    texts = [[model.data(model.index(row, column)) for column in range(len(COLUMNS))] for row in range(5)]
    assert texts[0] == ["MLP seed 2", "Landscape", "queued", "", "—", "—"]
    assert texts[2] == ["phase map digits", "Landscape", "running", "38 %", "4 min 10 s", "CPU 0"]
    assert texts[4] == ["MLP 64-64-10", "Landscape", "finished", "100 %", "", "CPU 0"]
    assert "loss became infinite" in model.data(model.index(3, 0), Qt.ItemDataRole.ToolTipRole)
    heads = [model.headerData(column, Qt.Orientation.Horizontal) for column in range(6)]
    assert heads == ["Run", "Study", "State", "Progress", "Time left", "Device"]


def test_counts_are_told(table: RunsTable) -> None:
    assert any(
        label.text() == "1 queued  ·  2 running  ·  1 failed  ·  1 finished" for label in table.findChildren(QLabel)
    )
    table.set_rows([])
    assert any(label.text() == "none yet" for label in table.findChildren(QLabel))


def test_filter_looks_at_all_words(table: RunsTable, qtbot: QtBot) -> None:
    qtbot.keyClicks(table.filter, "MLP land")
    assert shown(table) == ["0431", "0427"]
    table.filter.clear()
    assert len(shown(table)) == 5
    qtbot.keyClicks(table.filter, "cpu 0 FAILED")
    assert shown(table) == ["0428"]
    table.set_rows([*ROWS, RunRow("0426", "late", "Training", "failed", device="CPU 0")])
    assert shown(table) == ["0428", "0426"]  # new rows meet the filter too


def test_only_differences_are_announced(table: RunsTable, qtbot: QtBot) -> None:
    changed: list[tuple[int, int]] = []
    inserted: list[tuple[int, int]] = []
    removed: list[tuple[int, int]] = []
    resets: list[int] = []
    table.model.dataChanged.connect(lambda a, b, _=None: changed.append((a.row(), b.row())))
    table.model.rowsInserted.connect(lambda _p, a, b: inserted.append((a, b)))
    table.model.rowsRemoved.connect(lambda _p, a, b: removed.append((a, b)))
    table.model.modelReset.connect(lambda: resets.append(1))
    table.set_rows(ROWS)
    assert changed == inserted == removed == resets == []
    table.set_rows([RunRow("0432", "new", "Tails", "queued"), *ROWS[:2], replace(ROWS[2], done=0.5), ROWS[4]])
    assert (inserted, removed, changed, resets) == ([(0, 0)], [(3, 3)], [(3, 3)], [])
    table.set_rows(list(reversed(ROWS)))
    assert resets == [1]


def test_selection_survives_an_update(table: RunsTable) -> None:
    table.view.selectRow(2)
    assert table.ids() == ["0429"]
    table.set_rows([RunRow("0432", "new", "Tails", "queued"), *ROWS])
    assert table.ids() == ["0429"]


_row = st.builds(
    RunRow,
    id=st.sampled_from([f"{n:04d}" for n in range(12)]),
    name=st.sampled_from(["a", "b"]),
    study=st.just("s"),
    state=st.sampled_from(sorted(STATES)),
    done=st.none() | st.floats(-1, 2),
)
_rows = st.lists(_row, max_size=12, unique_by=lambda row: row.id)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_rows, min_size=2, max_size=5), st.sampled_from(["", "a", "running"]))
def test_any_update_keeps_views_in_step(qtmodeltester: ModelTester, sequence: list[list[RunRow]], text: str) -> None:
    model, mirror = RunsModel(), []
    model.rowsInserted.connect(lambda _p, a, b: mirror.__setitem__(slice(a, a), [None] * (b - a + 1)))
    model.rowsRemoved.connect(lambda _p, a, b: mirror.__delitem__(slice(a, b + 1)))
    model.modelReset.connect(lambda: mirror.__setitem__(slice(None), [None] * model.rowCount()))
    model.set_filter(text)
    for rows in sequence:
        model.set_rows(rows)
        assert model.rows() == [row for row in rows if text in row.words()]
        assert len(mirror) == model.rowCount()
    qtmodeltester.check(model)


def test_keyboard_and_double_click_open(table: RunsTable, qtbot: QtBot) -> None:
    table.view.selectRow(4)
    with qtbot.waitSignal(table.opened) as heard:
        qtbot.keyClick(table.view, Qt.Key.Key_Return)
    assert heard.args == ["0427"]
    rect = table.view.visualRect(table.model.index(1, 0))
    with qtbot.waitSignal(table.opened) as heard:
        qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
        qtbot.mouseDClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert heard.args == ["0430"]
    with qtbot.waitSignal(table.asked) as heard:
        qtbot.keyClick(table.view, Qt.Key.Key_Delete)
    assert heard.args == ["delete", ["0430"]]


@pytest.mark.parametrize(
    ("row", "possible"),
    [
        (0, {"stop", "cancel", "log", "folder"}),
        (1, {"stop", "cancel", "log", "folder"}),
        (3, {"resume", "log", "folder", "delete"}),
        (4, {"log", "folder", "delete"}),
    ],
)
def test_menu_offers_what_fits_the_state(table: RunsTable, qtbot: QtBot, row: int, possible: set[str]) -> None:
    table.view.selectRow(row)
    menu = table.menu()
    assert menu is not None
    actions = [action for action in menu.actions() if not action.isSeparator()]
    assert {action.data() for action in actions if action.isEnabled()} == possible
    heard: list[tuple[str, list[str]]] = []
    table.asked.connect(lambda verb, ids: heard.append((verb, ids)))
    for action in actions:
        if action.isEnabled():
            action.trigger()
    assert heard == [(action.data(), [ROWS[row].id]) for action in actions if action.isEnabled()]


def test_no_menu_without_selection(table: RunsTable) -> None:
    table.view.clearSelection()
    assert table.menu() is None


@pytest.mark.qt_log_ignore(r"does not support (raise|grabbing)", extend=True)  # the offscreen platform, of any popup
def test_context_menu_opens(table: RunsTable, qtbot: QtBot) -> None:
    table.view.selectRow(1)
    table.view.customContextMenuRequested.emit(table.view.visualRect(table.model.index(1, 0)).center())
    menu = next(found for found in table.findChildren(QWidget) if found.inherits("QMenu") and found.isVisible())
    menu.close()


def cell(table: RunsTable, row: int, column: str) -> QImage:
    rect = table.view.visualRect(table.model.index(row, COLUMNS.index(column)))
    return table.view.viewport().grab(rect).toImage()


def test_states_differ_by_colour_and_by_shape(table: RunsTable) -> None:
    table.set_rows([RunRow(f"{i}", "x", "s", state, 0.5) for i, state in enumerate(STATES)])
    table.resize(1000, 400)
    images = {state: cell(table, row, "state") for row, state in enumerate(STATES)}
    assert count(images["failed"], LIGHT.bad) > 20
    assert count(images["finished"], LIGHT.good) > 20
    marks = {
        state: image.copy(8, 0, 18, image.height()).convertToFormat(QImage.Format.Format_Mono)
        for state, image in images.items()
    }
    assert marks["failed"] != marks["finished"] != marks["running"] != marks["queued"]
    assert marks["lost"] != marks["failed"]


def test_progress_bar_is_as_long_as_the_share(table: RunsTable) -> None:
    table.set_rows([RunRow("1", "x", "s", "running", 0.25), RunRow("2", "x", "s", "running", 0.75)])
    quarter, three = (count(cell(table, row, "progress"), LIGHT.accent) for row in (0, 1))
    assert three / quarter == pytest.approx(3, rel=0.1)


def test_five_thousand_rows_cost_little(table: RunsTable) -> None:
    rows = [RunRow(f"{n:05d}", f"run {n}", "Training", "finished", 1.0) for n in range(5000)]
    table.set_rows(rows)
    spent = []
    for step in range(5):
        start = time.process_time()
        table.set_rows([replace(rows[0], done=step / 5), *rows[1:]])
        spent.append(time.process_time() - start)
    assert sorted(spent)[2] < 0.05
    start = time.process_time()
    table.model.set_filter("run 4999")
    assert time.process_time() - start < 0.15
    assert table.model.rowCount(QModelIndex()) == 1


def test_names(table: RunsTable) -> None:
    assert table.filter.accessibleName() == "Filter runs"
    assert table.view.accessibleName() == "Runs"
