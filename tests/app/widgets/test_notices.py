import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.shell.errors import Reporter
from app.shell.theme import DARK, LIGHT, theme
from app.widgets import notices as module
from app.widgets.notices import Notices
from engine.errors import EngineError
from tests.app.widgets.pixels import count


class Broken(EngineError):
    what = "Run {run} failed."
    why = "The loss became infinite."
    remedy = "Lower the learning rate."


@pytest.fixture
def notices(qtbot: QtBot) -> Notices:
    made = Notices(Reporter())
    qtbot.addWidget(made)
    made.resize(700, 60)
    return made


def test_no_notice_takes_no_room(notices: Notices) -> None:
    assert notices.isHidden() and notices.bars() == []


def test_error_shows_what_why_and_what_to_do(notices: Notices) -> None:
    notices._reporter.error(Broken(run="0428"))
    bar = notices.bars()[0]
    texts = [label.text() for label in bar.findChildren(QLabel) if label.text()]
    assert texts == ["Error: Run 0428 failed.", "The loss became infinite. Lower the learning rate."]
    assert bar.accessibleName() == "Error: Run 0428 failed. The loss became infinite. Lower the learning rate."
    assert not bar.details.isVisible()
    assert notices.isVisible()


def test_details_and_close(notices: Notices, qtbot: QtBot) -> None:
    opened: list[str] = []
    notices._reporter.error(Broken(run="0428"), details=lambda: opened.append("log"))
    bar = notices.bars()[0]
    qtbot.mouseClick(bar.details, Qt.MouseButton.LeftButton)
    assert opened == ["log"]
    qtbot.mouseClick(bar.close_button, Qt.MouseButton.LeftButton)
    assert notices.bars() == [] and notices.isHidden()


def test_escape_closes_the_focused_bar(notices: Notices, qtbot: QtBot) -> None:
    notices._reporter.error(Broken(run="0428"))
    qtbot.keyClick(notices.bars()[0], Qt.Key.Key_Escape)
    assert notices.bars() == []


def test_same_notice_counts_up(notices: Notices) -> None:
    for _ in range(3):
        notices._reporter.error(Broken(run="0428"))
    assert len(notices.bars()) == 1
    assert "×3" in notices.bars()[0].findChildren(QLabel)[1].text()


def test_oldest_give_way(notices: Notices) -> None:
    for run in range(5):
        notices._reporter.error(Broken(run=run))
    assert [bar.notice.what for bar in notices.bars()] == ["Run 2 failed.", "Run 3 failed.", "Run 4 failed."]
    notices.clear()
    assert notices.bars() == []


def test_good_news_go_by_themselves_and_bad_ones_stay(
    notices: Notices, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GOOD_FOR_MS", 20)
    notices._reporter.tell("good", "Run {run} is finished.", run="0427")
    notices._reporter.error(Broken(run="0428"))
    qtbot.waitUntil(lambda: len(notices.bars()) == 1)
    assert notices.bars()[0].notice.level == "bad"


def test_levels_differ_by_word_and_shape(notices: Notices) -> None:
    words = set()
    shapes = []
    for level in ("info", "good", "warn", "bad"):
        notices.clear()
        notices._reporter.tell(level, "Something.")
        bar = notices.bars()[0]
        words.add(bar.accessibleName())
        shapes.append(bar._mark.pixmap().toImage())
    assert words == {"Note: Something.", "Done: Something.", "Warning: Something.", "Error: Something."}
    assert all(a != b for i, a in enumerate(shapes) for b in shapes[i + 1 :])


def test_bar_follows_the_theme(notices: Notices) -> None:
    notices._reporter.error(Broken(run="0428"))
    bar = notices.bars()[0]
    assert count(bar.grab().toImage(), LIGHT.bad) > 20
    theme().set_mode("dark")
    assert count(bar.grab().toImage(), DARK.bad) > 20


def test_history_brings_a_notice_back(notices: Notices, qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    assert not notices.history_menu(window).actions()[0].isEnabled()
    notices._reporter.error(Broken(run="0428"))
    notices.clear()
    menu = notices.history_menu(window)
    assert menu.actions()[0].text().endswith("Run 0428 failed.")
    menu.actions()[0].trigger()
    assert len(notices.bars()) == 1
