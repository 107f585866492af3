"""The list of runs at the bottom of the window, with real runs behind its buttons."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox, QPushButton

from app.shell import runs as module
from app.shell.runs import RunsService
from app.shell.runs_dock import RunsDock, _row
from engine.runs.library import Summary

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def dock(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPARE_MS", 10**8)
    service = RunsService(tmp_path / "runs")
    found = RunsDock(service)
    qtbot.addWidget(found)
    found.resize(900, 220)
    found.show()
    service.begin()
    yield found
    for row in service.rows:
        service.cancel(row.id)
    service.close()


@pytest.fixture
def start(dock, qtbot):
    """``start(config, state)`` starts a run, waits for a state and returns its id."""

    def begin(config, *wanted, **options):
        stages = []
        dock.runs.start(config, stages.append, **options)
        qtbot.waitUntil(lambda: stages != [])
        (id,) = stages[0].values()
        becomes(dock, qtbot, id, *wanted)
        return id

    return begin


def becomes(dock, qtbot, id, *wanted):
    qtbot.waitUntil(lambda: {row.id: row.state for row in dock.runs.rows}.get(id) in wanted, timeout=40_000)


def choose(dock, *ids):
    """Select lines as clicks do."""
    dock.table.view.clearSelection()
    mode = dock.table.view.selectionMode()
    dock.table.view.setSelectionMode(mode.MultiSelection)
    for index, row in enumerate(dock.table.model.rows()):
        if row.id in ids:
            dock.table.view.selectRow(index)
    dock.table.view.setSelectionMode(mode)
    assert set(dock.table.ids()) == set(ids)


def enabled(dock):
    return {verb for verb, button in dock._buttons.items() if button.isEnabled()}


def answer(dock, qtbot, text):
    box = dock.findChildren(QMessageBox)[-1]
    qtbot.mouseClick(next(b for b in box.findChildren(QPushButton) if text in b.text()), LEFT)
    return box


def test_buttons_do_what_fits_the_selection(dock, start, qtbot, fake):
    assert enabled(dock) == set()
    done = start(fake.Act(), "finished")
    choose(dock, done)
    assert enabled(dock) == {"log"}
    going = start(fake.Act(what="wait"), "running")
    choose(dock, going)
    assert enabled(dock) == {"stop", "cancel", "log"}
    choose(dock, going, done)
    assert enabled(dock) == {"stop", "cancel"}
    qtbot.mouseClick(dock._buttons["stop"], LEFT)
    becomes(dock, qtbot, going, "stopped")
    qtbot.waitUntil(lambda: enabled(dock) == {"resume"})  # the selection stands, what fits it has changed
    qtbot.mouseClick(dock._buttons["resume"], LEFT)
    becomes(dock, qtbot, going, "running")
    choose(dock, going)
    qtbot.mouseClick(dock._buttons["cancel"], LEFT)
    becomes(dock, qtbot, going, "stopped")
    assert {row.id: row.reason for row in dock.runs.rows} == {going: "cancelled", done: ""}


def test_the_log_is_shown_and_hidden(dock, start, qtbot, fake):
    id = start(fake.Act(what="shout", amount=1), "finished")
    choose(dock, id)
    qtbot.mouseClick(dock._buttons["log"], LEFT)
    assert dock.log.isVisible()
    qtbot.waitUntil(lambda: "the end" in dock.log.toPlainText())
    qtbot.mouseClick(dock._buttons["log"], LEFT)
    assert not dock.log.isVisible() and dock.log.toPlainText() == ""


def test_the_log_grows_while_the_run_prints(dock, start, qtbot, fake):
    id = start(fake.Act(what="wait"), "running")
    dock.show_log(id)
    with open(dock.runs.library.root / id / "log.txt", "a") as log:
        log.write("a line of later\n")
    qtbot.waitUntil(lambda: "a line of later" in dock.log.toPlainText())


def test_deleting_asks_first(dock, start, qtbot, fake):
    first, second = start(fake.Act(), "finished"), start(fake.Act(seed=1), "finished")
    choose(dock, first)
    qtbot.keyClick(dock.table.view, Qt.Key.Key_Delete)
    assert "Move this run to the trash?" in answer(dock, qtbot, "Cancel").text()
    assert len(dock.runs.library.list()) == 2
    choose(dock, first, second)
    menu = dock.table.menu()
    delete = next(action for action in menu.actions() if action.data() == "delete")
    delete.trigger()
    menu.deleteLater()
    assert "Move 2 runs to the trash?" in answer(dock, qtbot, "Move to the trash").text()
    qtbot.waitUntil(lambda: len(dock.runs.rows) == 0)
    assert dock.table.model.rows() == []


def test_what_others_build_on_stays(dock, start, qtbot, fake):
    from engine.artifacts.refs import ArtifactRef

    walk = start(fake.Walk(units=1, steps=1), "finished", name="The walk")
    start(fake.Sum(walk=ArtifactRef(run=walk, name="walk", kind="table")), "finished", name="The sum")
    choose(dock, walk)
    qtbot.keyClick(dock.table.view, Qt.Key.Key_Delete)
    with qtbot.waitSignal(dock.runs.failed) as said:
        answer(dock, qtbot, "Move to the trash")
    assert str(said.args[0]) == "The run The walk is used by 1 runs: The sum. Delete these first."


def test_opening_and_folders_and_folding(dock, start, qtbot, fake, monkeypatch):
    id = start(fake.Act(), "finished")
    choose(dock, id)
    opened, folders, folded = [], [], []
    dock.opened.connect(opened.append)
    dock.folded.connect(lambda: folded.append(True))
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: folders.append(url.toLocalFile()))
    qtbot.keyClick(dock.table.view, Qt.Key.Key_Return)
    dock.table.asked.emit("folder", [id])
    qtbot.mouseClick(dock.fold, LEFT)
    assert (opened, folders, folded) == ([id], [str(dock.runs.library.root / id)], [True])


def test_runs_of_other_processes_come_and_go(dock, qtbot, fake):
    from engine.runs.library import Runs

    other = Runs(dock.runs.library.root)
    id = other.create(fake.Act(what="wait"), name="from elsewhere")
    becomes(dock, qtbot, id, "running")  # the window has started it
    assert [row.name for row in dock.table.model.rows()] == ["from elsewhere"]
    other.cancel(id)
    becomes(dock, qtbot, id, "stopped")
    other.delete(id)
    qtbot.waitUntil(lambda: dock.table.model.rows() == [])
    other.close()


def summary(**changes):
    base = {"task": "fake.act", "name": "", "project": "", "tags": (), "created": 0.0, "device": "auto"}
    more = {"imported": False, "read_only": False, "state": "running", "reason": "", "since": 0.0}
    return Summary(id="20260101-000000-abcd", **{**base, **more, **changes})


def test_lines_are_in_words(fake):
    line = _row(summary(progress=0.25, left=12.0, device="cuda:1"))
    assert (line.name, line.study, line.done, line.left) == ("20260101-000000-abcd", "Act", 0.25, 12.0)
    assert "GPU 1" in (line.device or "")
    assert _row(summary(state="finished")).done == 1.0 and _row(summary(state="queued")).done is None
    assert _row(summary(task="of.a.newer.program", name="n")).study == "of.a.newer.program"
    assert _row(summary(device="cpu")).device == "CPU" and _row(summary()).device == ""
    assert _row(summary(state="finished", ran_on="mps")).device == "Apple GPU"  # where it was, whatever was asked
    assert _row(summary(device="cuda", ran_on="cuda:0")).device == "GPU 0"
