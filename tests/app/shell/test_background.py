"""Calls beside the window's thread: in order, answered in the window's thread, errors in words."""

import threading
import time

import pytest

from app.shell.background import Background, Unexpected
from engine.errors import EngineError


class Empty(EngineError):
    """Raised by nobody else."""

    what = "The {thing} is empty."


@pytest.fixture
def background(qtbot):
    found = Background()
    yield found
    found.close()


def test_calls_run_in_order_elsewhere_and_answer_here(background, qtbot):
    ran, told = [], []
    for index in range(20):
        background.do(
            lambda index=index: ran.append((index, threading.current_thread().name)) or index,
            lambda index: told.append((index, threading.current_thread() is threading.main_thread())),
        )
    qtbot.waitUntil(lambda: len(told) == 20)
    assert [index for index, _ in ran] == list(range(20)) and {name for _, name in ran} == {"engine-calls"}
    assert told == [(index, True) for index in range(20)]


def test_an_error_goes_to_who_asked_or_to_all(background, qtbot):
    def fail():
        raise Empty(thing="teapot")

    mine, all_, threads = [], [], []
    background.failed.connect(lambda error: (all_.append(error), threads.append(threading.current_thread())))
    background.do(fail, failed=mine.append)
    background.do(fail)
    qtbot.waitUntil(lambda: len(all_) == 1)
    assert [str(error) for error in mine + all_] == ["The teapot is empty."] * 2
    assert threads == [threading.main_thread()]


def test_what_nobody_foresaw_is_said_and_logged_and_the_next_call_runs(background, qtbot, expect_log):
    expect_log("an engine call failed")
    errors, results = [], []
    background.failed.connect(errors.append)
    background.do(lambda: 1 / 0)
    background.do(lambda: 7, results.append)
    qtbot.waitUntil(lambda: results == [7])
    assert isinstance(errors[0], Unexpected) and "ZeroDivisionError" in str(errors[0])


def test_closing_finishes_what_was_asked_and_tells_nothing_more(qtbot):
    background, done, told = Background(), [], []
    for index in range(5):
        background.do(lambda index=index: done.append(index), told.append)
    background.close()
    assert done == list(range(5))
    qtbot.wait(30)
    assert len(told) < 5  # at most what was on its way


def test_closing_need_not_wait(qtbot):
    background, release = Background(), threading.Event()
    background.do(release.wait, pytest.fail)
    start = time.monotonic()
    background.close(wait=0)
    assert time.monotonic() - start < 1
    background.deleteLater()
    release.set()
    background._thread.join(5)
    assert not background._thread.is_alive()
