from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QLabel, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.shell.theme import theme
from app.widgets.consent import ConsentDialog, SourceFile
from app.widgets.empty import EmptyState
from app.widgets.labels import ElidedLabel, ElidedTick, Label, restyle, rule, scrolled, tool
from app.widgets.log_view import TAIL, LogView
from tests.app.widgets.pixels import colours

FILES = [SourceFile("~/model.py", "ab" * 32, "def build():\n    ...\n"), SourceFile("~/data.py", "cd" * 32, "X = 1\n")]


@pytest.fixture
def dialog(qtbot: QtBot) -> ConsentDialog:
    made = ConsentDialog(FILES)
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(made)
    made.open()
    return made


def test_consent_shows_each_file_with_its_hash(dialog: ConsentDialog) -> None:
    assert dialog.source.toPlainText() == FILES[0].text
    assert FILES[0].sha256 in dialog.hash.text()
    dialog.list.setCurrentRow(1)
    assert dialog.source.toPlainText() == FILES[1].text and dialog.source.isReadOnly()
    assert FILES[1].sha256 in dialog.hash.text()


def test_consent_is_given_only_by_its_button(dialog: ConsentDialog, qtbot: QtBot) -> None:
    with qtbot.waitSignal(dialog.decided) as heard:
        qtbot.mouseClick(dialog.accept_button, Qt.MouseButton.LeftButton)
    assert heard.args == [True]


@pytest.mark.parametrize("how", ["button", "escape", "enter", "close"])
def test_everything_else_refuses(dialog: ConsentDialog, qtbot: QtBot, how: str) -> None:
    with qtbot.waitSignal(dialog.decided) as heard:
        if how == "button":
            qtbot.mouseClick(dialog.refuse_button, Qt.MouseButton.LeftButton)
        elif how == "close":
            dialog.close()
        else:
            qtbot.keyClick(dialog, Qt.Key.Key_Escape if how == "escape" else Qt.Key.Key_Return)
    assert heard.args == [False]
    assert dialog.result() == QDialog.DialogCode.Rejected


def test_log_follows_a_growing_file(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    log = LogView()
    qtbot.addWidget(log)
    log.resize(300, 120)
    log.show()
    log.follow(path)  # not written yet
    path.write_bytes("epoch 1 λ\n".encode()[:-2])  # torn within a letter
    log.poll()
    assert log.toPlainText().startswith("epoch 1")
    with path.open("ab") as file:
        file.write("epoch 1 λ\n".encode()[-2:] + b"epoch 2\n")
    qtbot.waitUntil(lambda: "epoch 2" in log.toPlainText())
    assert "epoch 1 λ" in log.toPlainText() and "�" not in log.toPlainText()
    path.write_text("anew\n")
    qtbot.waitUntil(lambda: "anew" in log.toPlainText())
    log.follow(None)
    assert log.toPlainText() == ""


def test_log_reads_only_the_end_of_a_huge_file(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"x" * 79 + b"\n" + b"old line\n" * 100000 + b"last\n")
    log = LogView()
    qtbot.addWidget(log)
    log.follow(path)
    for _ in range(8):
        log.poll()
    assert log.toPlainText().rstrip().endswith("last")
    assert len(log.toPlainText()) <= TAIL
    log.follow(None)


def test_log_stays_where_the_user_reads(qtbot: QtBot) -> None:
    log = LogView()
    qtbot.addWidget(log)
    log.resize(300, 120)
    log.show()
    log.append("\n".join(f"line {i}" for i in range(200)))
    bar = log.verticalScrollBar()
    assert bar.value() == bar.maximum()
    bar.setValue(20)
    log.append("\nmore\n" * 5)
    assert bar.value() == 20
    bar.setValue(bar.maximum())
    log.append("\nmore\n" * 5)
    assert bar.value() == bar.maximum()


def test_log_stops_reading_while_hidden(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("one\n")
    log = LogView()
    qtbot.addWidget(log)
    log.show()
    log.follow(path)
    assert log._timer.isActive()
    log.hide()
    assert not log._timer.isActive()


def test_empty_state_offers_the_example(qtbot: QtBot) -> None:
    empty = EmptyState("Tails", "Shows tail exponents. Put in any series.", "tails")
    qtbot.addWidget(empty)
    empty.resize(500, 400)
    empty.show()
    assert empty.button.text() == "Try the example" and empty.accessibleName() == "Tails"
    with qtbot.waitSignal(empty.example):
        qtbot.mouseClick(empty.button, Qt.MouseButton.LeftButton)
    light = empty._picture.pixmap().toImage()
    theme().set_mode("dark")
    assert empty._picture.pixmap().toImage() != light


def test_empty_state_fits_a_narrow_place(qtbot: QtBot) -> None:
    empty = EmptyState("Tails", "Shows tail exponents of anything. " * 4, "tails", button="")
    qtbot.addWidget(empty)
    assert empty.minimumSizeHint().width() < 300
    assert not empty.button.isVisible()


def test_elided_label(qtbot: QtBot) -> None:
    label = ElidedLabel("a long caption that does not fit into so little room", "caption")
    qtbot.addWidget(label)
    label.resize(80, 18)
    label.show()
    assert label.elided() and label.toolTip() == label.text() == label.accessibleName()
    assert colours(label.grab().toImage()) > 3
    label.resize(label.sizeHint())
    assert not label.elided() and label.toolTip() == ""
    label.setText("short")
    assert label.text() == "short" and label.minimumSizeHint().width() <= 24


def test_elided_tick(qtbot: QtBot) -> None:
    tick = ElidedTick("many words that do not fit into so little room")
    qtbot.addWidget(tick)
    tick.resize(100, 24)
    tick.show()
    assert tick.minimumSizeHint().width() == 60 and tick.toolTip() == tick.text()
    narrow = tick.grab().toImage()
    tick.setText("other words that do not fit there as well")
    assert tick.toolTip() == tick.text()
    assert colours(narrow) > 3 and tick.grab().toImage() != narrow
    tick.resize(tick.sizeHint())
    assert tick.toolTip() == ""


def test_roles_and_rules(qtbot: QtBot) -> None:
    label = Label("words", "good")
    qtbot.addWidget(label)
    label.show()
    before = label.grab().toImage()
    restyle(label, "role", "bad")
    assert label.grab().toImage() != before
    line = rule(label)
    assert line.maximumHeight() == 1 or line.property("role") == "rule"
    assert label.textFormat() == Qt.TextFormat.PlainText  # a file name with < in it is no markup


def test_tool_button(qtbot: QtBot) -> None:
    pressed: list[int] = []
    button = tool("save", "Save the plane", lambda: pressed.append(1))
    qtbot.addWidget(button)
    button.show()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert pressed == [1]
    assert button.accessibleName() == button.toolTip() == "Save the plane"
    assert not button.hasFocus()


def test_scrolled_never_squashes(qtbot: QtBot) -> None:
    inner = QWidget()
    column = QVBoxLayout(inner)
    for index in range(20):
        column.addWidget(QLabel(f"row {index}"))
    area = scrolled(inner)
    qtbot.addWidget(area)
    area.resize(200, 100)
    area.show()
    assert inner.height() >= 20 * 15
    assert area.verticalScrollBar().maximum() > 0
