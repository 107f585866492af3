import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from app.shell.actions import Actions, Command
from app.shell.text import language


class Window(QMainWindow):
    def __init__(self) -> None:
        super().__init__()
        self.actions_ = Actions(self)
        self.done: list[str] = []
        self.allowed = False
        self.dark = False
        self.actions_.add_all(
            [
                Command("run.start", "Start the run", lambda: self.done.append("start"), "Ctrl+R", "play", menu="Run"),
                Command(
                    "run.stop",
                    "Stop the run",
                    lambda: self.done.append("stop"),
                    "Ctrl+.",
                    enabled=lambda: self.allowed,
                    menu="Run",
                ),
                Command("view.dark", "Dark theme", self.flip, menu="View", checked=lambda: self.dark),
            ]
        )

    def flip(self) -> None:
        self.dark = not self.dark


@pytest.fixture
def window(qtbot: QtBot) -> Window:
    made = Window()
    qtbot.addWidget(made)
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    return made


def test_shortcut_does_the_thing(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert window.done == ["start"]


def test_disabled_command_is_not_done(window: Window, qtbot: QtBot) -> None:
    assert not window.actions_.action("run.stop").isEnabled()
    assert not window.actions_.trigger("run.stop")
    window.allowed = True
    window.actions_.refresh()
    assert window.actions_.action("run.stop").isEnabled()
    with qtbot.waitSignal(window.actions_.triggered, check_params_cb=lambda key: key == "run.stop"):
        window.actions_.action("run.stop").trigger()
    assert window.done == ["stop"]


def test_command_that_became_impossible_is_refused(window: Window) -> None:
    window.allowed = True
    window.actions_.refresh()
    window.allowed = False
    assert not window.actions_.trigger("run.stop")
    assert not window.actions_.action("run.stop").isEnabled()


def test_switch_shows_its_state(window: Window) -> None:
    action = window.actions_.action("view.dark")
    assert action.isCheckable() and not action.isChecked()
    action.trigger()
    assert action.isChecked() and window.dark


def test_menu_is_made_of_commands(window: Window) -> None:
    menu = window.actions_.menu("Run", order=["run.stop", "-"])
    assert [action.text() for action in menu.actions() if not action.isSeparator()] == ["Stop the run", "Start the run"]
    assert menu.actions()[1].isSeparator()
    menu.actions()[2].trigger()
    assert window.done == ["start"]


def test_ids_and_shortcuts_are_unique(window: Window) -> None:
    with pytest.raises(ValueError, match=r"run\.start"):
        window.actions_.add(Command("run.start", "Again", lambda: None))
    with pytest.raises(ValueError, match=r"Ctrl\+R belongs to run\.start"):
        window.actions_.add(Command("run.other", "Other", lambda: None, "Ctrl+R"))
    with pytest.raises(ValueError, match="belongs to"):
        window.actions_.set_shortcut("run.stop", "Ctrl+R")


def test_shortcut_can_be_changed(window: Window, qtbot: QtBot) -> None:
    window.actions_.set_shortcut("run.start", "F5")
    assert window.actions_.action("run.start").shortcut() == QKeySequence("F5")
    qtbot.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert window.done == []
    qtbot.keyClick(window, Qt.Key.Key_F5)
    assert window.done == ["start"]
    assert "F5" in window.actions_.action("run.start").toolTip()


def test_removed_command_frees_its_shortcut(window: Window) -> None:
    window.actions_.remove("run.start")
    window.actions_.remove("run.start")
    assert [command.id for command in window.actions_.commands()] == ["run.stop", "view.dark"]
    window.actions_.add(Command("run.other", "Other", lambda: None, "Ctrl+R"))


def test_texts_are_set_again_with_the_language(window: Window) -> None:
    window.actions_.action("run.start").setText("?")
    language().changed.emit()
    assert window.actions_.action("run.start").text() == "Start the run"
