"""The main window with the real engine behind it: what keys, buttons, drops and closing do."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton

from app.shell.theme import theme
from app.widgets.consent import ConsentDialog
from app.widgets.notices import Notices
from engine.models import consent
from engine.models.freeze import survey
from engine.studies.landscape.config import LandscapeConfig
from engine.studies.training.config import TrainConfig

NET = "import torch\n\ndef build():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"
SMOKE = LandscapeConfig.presets()["smoke"]
ENDLESS = TrainConfig.presets()["smoke"].model_copy(update={"epochs": 900_000, "evaluations": 1})


@pytest.fixture
def window(open_window):
    return open_window()


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished runs, to change."""
    root = tmp_path / "copy"
    shutil.copytree(finished[0], root)
    return root, finished[1]


def words(window):
    """What the notices in the window say now."""
    return [bar.notice.text() for bar in window.findChild(Notices).bars()]


def drop(window, *paths):
    """Drag files in and let go, as a file manager does."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    action, button, no = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entering = QDragEnterEvent(QPoint(5, 5), action, data, button, no)
    QApplication.sendEvent(window, entering)
    assert entering.isAccepted()
    QApplication.sendEvent(window, QDropEvent(QPointF(5, 5), action, data, button, no))


def states(window):
    return {row.id: row.state for row in window.services.runs.rows}


def button_of(box, text):
    return next(button for button in box.findChildren(QPushButton) if text in button.text())


# Running -------------------------------------------------------------------------------------------------------------
def test_from_the_form_to_the_plane(window, qtbot):
    view = window.front()
    view.setup.form.set_value(SMOKE)
    assert view.setup.button.isEnabled() and not window.can_export()
    qtbot.mouseClick(view.setup.button, Qt.MouseButton.LeftButton)
    assert not view.empty.isVisible()
    qtbot.waitUntil(lambda: len(view.shown_runs()) == 2, timeout=20_000)
    qtbot.waitUntil(lambda: set(states(window).values()) == {"finished"}, timeout=90_000)
    qtbot.waitUntil(lambda: not view.cards.plane_card.is_empty(), timeout=10_000)
    assert view.model.picture()[2].shape == (7, 7)
    assert not view.cards.training_card.is_empty() and not view.cards.slice_card.is_empty()
    qtbot.waitUntil(lambda: not view.cards.surface_card.is_empty(), timeout=10_000)
    shown = {number.measure.id for number in view.model.numbers}
    assert {"train_loss", "test_accuracy", "plane_loss_centre"} <= shown
    assert "digits" in view.headline_text.lower() and view.headline_text.endswith("finished")
    assert window.header.headline.text() == view.headline_text or view.headline_text in window.header.headline.toolTip()
    assert window.can_export() and window.header.export_button.isEnabled()
    assert words(window) == []


def mapped(root):
    return sorted(item.path for item in psutil.Process().open_files() if item.path.startswith(str(root)))


def test_a_closed_window_has_let_go_of_its_files(open_window, finished, qtbot):
    root, stages = finished
    window = open_window(root)
    view = window.front()
    assert view.open_run(stages["surface"])
    for page in view.pages():
        view.show_page(page)
    qtbot.waitUntil(lambda: not view.cards.plane_card.is_empty(), timeout=10_000)
    assert any("plane" in path for path in mapped(root)) and any("spectrum" in path for path in mapped(root))
    window.close_for_good()  # the widgets are still there, and pytest holds them
    assert mapped(root) == [] and list(view.shown_runs()) == []


def test_run_says_why_it_is_off(window, qtbot):
    view = window.front()
    field = view.setup.form.editor("surface.resolution")
    line = field.lineEdit()
    line.selectAll()
    qtbot.keyClicks(line, "8")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not view.setup.button.isEnabled())
    assert "odd" in view.setup.button.toolTip()
    qtbot.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)  # Ctrl+Return is no way round it
    view.setup.form.undo_stack.undo()
    assert view.setup.button.isEnabled() and "odd" not in view.setup.button.toolTip()
    assert window.services.runs.library.list() == []


def test_nothing_switched_on_is_nothing_to_run(window):
    view = window.front()
    view.setup.form.set_value(LandscapeConfig(train=None, surface=None))
    assert not view.setup.button.isEnabled()
    assert view.setup.button.toolTip() == "Nothing is switched on."
    view.setup.form.set_value(LandscapeConfig(train=None))
    assert "models are needed" in view.setup.button.toolTip()


def test_where_nothing_can_be_computed_run_is_off_in_every_tab(window):
    window.status._found([window.status.devices[-1].model_copy(update={"usable": False, "reason": "no torch"})])
    assert "Nothing can be computed here: no torch." in window.engine_missing()
    for tab in window.tabs:
        view = window.view(tab.id)  # also one that is made only now
        assert not view.setup.button.isEnabled() and "no torch" in view.setup.button.toolTip()
        assert not view.empty.button.isEnabled()
    assert "Processor not usable: no torch" in window.status.text.text()


def test_a_failed_run_says_the_first_cause(window, qtbot, tmp_path):
    view = window.front()
    (tmp_path / "bad.csv").write_text("a,b\n1,x\n")
    drop(window, tmp_path / "bad.csv")
    config = view.setup.form.value()
    assert config.train.data.path == str(tmp_path / "bad.csv")
    qtbot.mouseClick(view.setup.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: sorted(states(window).values()) == ["failed", "failed"], timeout=60_000)
    qtbot.waitUntil(lambda: {reader.state for reader in view.model.readers.values()} == {"failed"})
    assert "examples are too few" in view.cards.plane_card._sentence.text()


# Keys ----------------------------------------------------------------------------------------------------------------
def test_keys(window, qtbot):
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    started = []
    window.front().setup.run.disconnect()
    window.front().setup.run.connect(started.append)
    qtbot.keyClick(window, Qt.Key.Key_Return, control)
    assert [type(config) for config in started] == [LandscapeConfig]
    before = window.dock.height()
    qtbot.keyClick(window, Qt.Key.Key_J, control)
    qtbot.waitUntil(lambda: window.dock.height() < before)
    qtbot.keyClick(window, Qt.Key.Key_J, control)
    qtbot.waitUntil(lambda: window.dock.height() == before)
    dark = theme().tokens.dark
    qtbot.keyClick(window, Qt.Key.Key_L, control | shift)
    assert theme().tokens.dark is not dark and window.settings.theme == ("light" if dark else "dark")
    qtbot.keyClick(window, Qt.Key.Key_L, control | shift)
    assert theme().tokens.dark is dark
    for index, tab in enumerate(window.tabs):
        qtbot.keyClick(window, Qt.Key(Qt.Key.Key_1 + index), control)
        assert window.current_tab == tab.id and window.header.title.text() == tab.title
    qtbot.keyClick(window, Qt.Key.Key_W, control)
    assert not window.isVisible()


def test_copy_as_python_gives_what_is_set_up(window, qtbot):
    view = window.front()
    view.setup.form.set_value(SMOKE)
    qtbot.mouseClick(window.header.python_button, Qt.MouseButton.LeftButton)
    code = QGuiApplication.clipboard().text()
    known = {}
    exec(code.split("runs = Runs")[0], known)
    assert known["config"] == SMOKE
    assert str(window.services.root) in code
    assert words(window) == ["Copied the engine calls that repeat this."]


# Files ---------------------------------------------------------------------------------------------------------------
def model_file(folder, text=NET):
    file = folder / "net.py"
    file.write_text(f"# {folder}\n{text}")
    return file


def test_a_dropped_model_is_asked_about_and_shown(window, qtbot, tmp_path):
    view, file = window.front(), model_file(tmp_path)
    drop(window, file)
    dialog = window.findChild(ConsentDialog)
    assert (
        dialog.isVisible() and [item.path for item in dialog.files] == ["net.py"] and NET in dialog.source.toPlainText()
    )
    qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    sha256 = survey(file).sha256
    assert consent.consented(sha256)
    model = view.setup.form.value().train.model
    assert (model.path, model.sha256) == (str(file), sha256)
    assert view.sheets.page_bar.current() == "network"
    table = view.sheets.network.preview.table
    qtbot.waitUntil(lambda: table.rowCount() >= 2, timeout=60_000)
    cells = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount())]
    assert ["1", "Linear", "10", "650"] in cells
    assert words(window) == []


def test_refused_code_is_not_run(window, qtbot, tmp_path):
    mark = tmp_path / "executed"
    file = model_file(tmp_path, f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n{NET}")
    view = window.front()
    before = view.setup.form.value()
    drop(window, file)
    qtbot.mouseClick(window.findChild(ConsentDialog).refuse_button, Qt.MouseButton.LeftButton)
    assert view.setup.form.value() == before and not consent.consented(survey(file).sha256)
    # Typed into the form it is asked about at Run, and refused it does not run either.
    typed = SMOKE.model_copy(
        update={
            "train": SMOKE.train.model_validate(
                {**SMOKE.train.model_dump(), "model": {"builder": "user", "path": str(file)}}
            )
        }
    )
    view.setup.form.set_value(typed)
    qtbot.mouseClick(view.setup.button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(window.findChildren(ConsentDialog)[-1].refuse_button, Qt.MouseButton.LeftButton)
    qtbot.wait(200)
    assert window.services.runs.library.list() == [] and not mark.exists()


def test_agreed_code_runs(window, qtbot, tmp_path):
    file = model_file(tmp_path)
    view = window.front()
    train = SMOKE.train.model_validate({**SMOKE.train.model_dump(), "model": {"builder": "user", "path": str(file)}})
    view.setup.form.set_value(SMOKE.model_copy(update={"train": train, "surface": None}))
    qtbot.mouseClick(view.setup.button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(window.findChild(ConsentDialog).accept_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: set(states(window).values()) == {"finished"}, timeout=60_000)
    (run,) = view.shown_runs()
    assert window.services.runs.watch(run).reader.config["model"]["sha256"] == survey(file).sha256


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("notes.odt", "x", "notes.odt was not opened. No tab reads this kind of file."),
        ("bad.py", "def build(:", "bad.py is not valid Python. Line 1"),
        ("torch.py", NET, "The model file cannot be called torch.py."),
        ("odd.zip", "x", "It is no zip file"),
    ],
)
def test_what_cannot_be_opened_says_why(window, qtbot, tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    drop(window, tmp_path / name)
    qtbot.waitUntil(lambda: words(window) != [])
    assert len(words(window)) == 1 and said in words(window)[0]


def test_a_table_becomes_the_data(window, tmp_path):
    (tmp_path / "flowers.csv").write_text("a,b,c\n1,2,0\n")
    window.view("landscape")
    drop(window, tmp_path / "flowers.csv")
    assert window.front().setup.form.value().train.data.path == str(tmp_path / "flowers.csv")


# Runs that are there --------------------------------------------------------------------------------------------------
def test_a_run_of_the_list_is_shown_and_exported_and_comes_back(open_window, copied, qtbot, tmp_path):
    root, stages = copied
    window = open_window(root)
    qtbot.waitUntil(lambda: set(states(window).values()) == {"finished"})
    window.dock.table.opened.emit(stages["surface"])
    view = window.front()
    assert set(view.model.runs) == {*stages} - {"train2"} and not view.cards.plane_card.is_empty()
    file = tmp_path / "surface.zip"
    window.export_to(stages["surface"], file)
    qtbot.waitUntil(lambda: words(window) == ["Saved as surface.zip."], timeout=10_000)
    shutil.rmtree(root / stages["surface"])
    qtbot.waitUntil(lambda: stages["surface"] not in states(window))
    drop(window, file)
    qtbot.waitUntil(lambda: states(window).get(stages["surface"]) == "finished", timeout=10_000)
    qtbot.waitUntil(lambda: stages["surface"] in view.shown_runs())
    assert not view.cards.plane_card.is_empty()
    drop(window, file)
    qtbot.waitUntil(lambda: any("is already here" in text for text in words(window)))


def test_run_folders_are_opened_where_they_are_or_copied(open_window, finished, qtbot):
    root, stages = finished
    window = open_window()
    drop(window, root / stages["train"])
    qtbot.waitUntil(lambda: list(states(window)) == [stages["train"]], timeout=10_000)
    qtbot.waitUntil(lambda: list(window.front().shown_runs()) == [stages["train"]])
    assert [row.imported for row in window.services.runs.rows] == [True]
    drop(window, window.services.root / stages["train"])
    assert words(window) == [] and len(states(window)) == 1


def test_a_run_that_is_gone_is_said(window):
    window.open_run("20200101-000000-abcd")
    assert "There is no run 20200101-000000-abcd" in words(window)[0]


# Closing -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def busy(window, qtbot):
    """A window with a run that goes on for ever."""
    window.services.runs.start(ENDLESS, lambda stages: None)
    qtbot.waitUntil(lambda: list(states(window).values()) == ["running"], timeout=60_000)
    (run,) = states(window)
    watch = window.services.runs.watch(run)
    qtbot.waitUntil(lambda: watch.reader.progress is not None, timeout=60_000)
    return window


def test_closing_with_a_run_asks_and_can_be_called_off(busy, qtbot):
    assert not busy.close()
    box = busy.findChild(QMessageBox)
    assert box.text() == "A run is going."
    qtbot.mouseClick(button_of(box, "Cancel"), Qt.MouseButton.LeftButton)
    assert busy.isVisible() and list(states(busy).values()) == ["running"]


def test_closing_can_stop_the_run(busy, qtbot):
    busy.close()
    (run,) = states(busy)
    qtbot.mouseClick(button_of(busy.findChild(QMessageBox), "Stop them"), Qt.MouseButton.LeftButton)
    assert not busy.isVisible()
    reader = busy.services.runs.watch(run).reader
    qtbot.waitUntil(lambda: reader.poll() is not None and reader.state == "stopped", timeout=15_000)
    assert reader.reason == "stopped"


def test_closing_can_leave_the_run_going(busy, qtbot, open_window):
    busy.close()
    (run,) = states(busy)
    qtbot.mouseClick(button_of(busy.findChild(QMessageBox), "Let them go on"), Qt.MouseButton.LeftButton)
    assert not busy.isVisible()
    reader = busy.services.runs.watch(run).reader
    done = reader.progress.done
    qtbot.waitUntil(lambda: reader.poll() is not None and reader.progress.done > done, timeout=15_000)
    again = open_window(busy.services.root)
    qtbot.waitUntil(lambda: states(again) == {run: "running"})
    again.services.runs.cancel(run)
    qtbot.waitUntil(lambda: states(again) == {run: "stopped"}, timeout=15_000)
    assert again.close()


def test_an_idle_window_closes_without_a_word(window):
    assert window.close() and window.findChild(QMessageBox) is None
    assert Path(window.services.root).is_dir()
