from collections.abc import Callable

from pytestqt.qtbot import QtBot

from app.shell.errors import HISTORY, Notice, Reporter, words
from engine.errors import EngineError


class NoModel(EngineError):
    what = "Run {run} has no model."
    why = "It was stopped after {units} of {total} units."
    remedy = "Resume it."


RECORD = {
    "what": "Run {run} failed.",
    "why": "The loss became {value} in epoch {epoch}.",
    "remedy": "Lower the learning rate.",
    "params": {"run": "0428", "value": "infinite", "epoch": 3},
    "traceback": "Traceback: secret",
}


def test_words_of_an_error_and_of_its_record() -> None:
    assert words(NoModel(run="0427", units=2, total=9)) == (
        "Run 0427 has no model.",
        "It was stopped after 2 of 9 units.",
        "Resume it.",
    )
    assert words(RECORD)[1] == "The loss became infinite in epoch 3."


def test_words_of_a_poor_record() -> None:
    assert words({}) == ("Something went wrong.", "", "")
    assert words({"what": "It broke.", "params": None}) == ("It broke.", "", "")


def test_reporter_tells_and_keeps(qtbot: QtBot) -> None:
    reporter = Reporter()
    with qtbot.waitSignal(reporter.noticed) as heard:
        notice = reporter.error(NoModel(run="0427", units=2, total=9))
    assert heard.args == [notice]
    assert notice.level == "bad"
    assert notice.text() == "Run 0427 has no model. It was stopped after 2 of 9 units. Resume it."
    assert list(reporter.history) == [notice]


def test_no_traceback_is_shown(qtbot: QtBot) -> None:
    notice = Reporter().error(RECORD)
    assert "Traceback" not in notice.text()
    assert notice.technical == "Traceback: secret"


def test_unforeseen_error_is_worded_and_logged(qtbot: QtBot, expect_log: Callable[[str], None]) -> None:
    expect_log("unexpected")
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError as error:
        notice = Reporter().error(error)
    assert notice.what == "Something unexpected happened: ZeroDivisionError."
    assert notice.why == "division by zero"
    assert "Traceback" not in notice.text() and "Traceback" in notice.technical


def test_tell_fills_its_template(qtbot: QtBot) -> None:
    notice = Reporter().tell("good", "Run {run} is finished.", run="0427")
    assert (notice.level, notice.text()) == ("good", "Run 0427 is finished.")


def test_history_is_bounded(qtbot: QtBot) -> None:
    reporter = Reporter()
    for index in range(HISTORY + 10):
        reporter.tell("info", "Notice {index}", index=index)
    assert len(reporter.history) == HISTORY
    assert reporter.history[-1].text() == f"Notice {HISTORY + 9}"


def test_notice_knows_when(qtbot: QtBot) -> None:
    assert Notice("info", "x").when > 1.7e9
