"""The self-test's steps: a line of JSON each, and nothing bad goes unseen."""

import json
from types import SimpleNamespace

import pytest

from app.shell.errors import Reporter
from app.shell.selftest import SelfTest, until


@pytest.fixture
def steps(qapp):
    return SelfTest(SimpleNamespace(reporter=Reporter()), None)


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_step_says_how_it_went(steps, capsys):
    steps.step("good", lambda: "", answer=lambda: 42)
    assert steps.ok
    steps.step("wrong", lambda: "it is wrong")
    steps.step("raises", lambda: 1 / 0)
    good, wrong, raises = lines(capsys)
    assert good["ok"] and good["answer"] == 42 and good["seconds"] >= 0 and "error" not in good
    assert not wrong["ok"] and wrong["error"] == "it is wrong"
    assert not raises["ok"] and raises["error"].startswith("ZeroDivisionError")
    assert not steps.ok


def test_what_the_window_complains_of_counts(steps, capsys):
    steps.step("quiet", lambda: steps.window.reporter.tell("good", "Saved.") and "")
    steps.step("loud", lambda: steps.window.reporter.tell("bad", "It broke.") and "")
    steps.step("later", lambda: "")  # told once
    assert [line["ok"] for line in lines(capsys)] == [True, False, True] and not steps.ok


def test_waiting_lets_the_window_live_and_gives_up(qapp):
    calls = []
    assert until(lambda: calls.append(1) or len(calls) > 3, 5) == ""
    assert until(lambda: False, 0.05) == "nothing after 0 s"
