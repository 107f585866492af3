"""The bridge from a session to signals: in the window's thread, in order, and never to an object that is gone."""

import sys
import threading
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject

from app.widgets.session_link import SessionLink
from engine.sessions import client
from engine.sessions.errors import CallFailed, SessionClosed

FAKES = Path(__file__).parents[1] / "engine" / "sessions" / "fakes.py"
PATIENCE = 30_000


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    """Serve the engine tests' fake services in place of the real ones."""
    usual = client.session_command

    def command(folders, interpreter, threads):
        _, environment = usual(folders, interpreter, threads)
        return [sys.executable, "-P", str(FAKES), *map(str, folders)], environment

    monkeypatch.setattr(client, "session_command", command)


@pytest.fixture
def link(qapp):
    link = SessionLink("fake")
    yield link
    link.close()


def heard(signal):
    """Everything that a signal tells, and in which thread."""
    events = []
    signal.connect(lambda *values: events.append((*values, threading.current_thread() is threading.main_thread())))
    return events


def test_answers_come_as_signals_in_the_windows_thread(qtbot, link):
    done, partial = heard(link.done), heard(link.partial)
    with qtbot.waitSignal(link.done, timeout=PATIENCE):
        link.call("count", {"n": 3})
    assert done == [("count", "counted", True)]
    assert [(method, value["index"], main) for method, value, main in partial] == [("count", n, True) for n in range(3)]


def test_errors_come_as_signals_and_superseded_calls_say_nothing(qtbot, link):
    done, failed = heard(link.done), heard(link.failed)
    link.call("sleep", {"s": 0.2})
    old, latest = link.call("echo", {"i": 0}, key="k"), link.call("echo", {"i": 1}, key="k")
    link.call("raises", {"kind": "plain"})
    qtbot.waitUntil(lambda: len(failed) == 1, timeout=PATIENCE)
    assert [(method, value) for method, value, _ in done] == [("sleep", "slept"), ("echo", {"i": 1})]
    assert failed[0][0] == "raises" and isinstance(failed[0][1], CallFailed)
    assert (old.state, latest.state) == ("superseded", "done")


def test_cancelled_calls_say_nothing(qtbot, link):
    failed = heard(link.failed)
    with qtbot.waitSignal(link.partial, timeout=PATIENCE):
        call = link.call("until_pointed")
    link.cancel(call)
    with qtbot.waitSignal(link.done, timeout=PATIENCE) as signal:
        link.call("echo", {"i": 1})
    assert signal.args == ["echo", {"i": 1}] and call.state == "cancelled" and failed == []


def test_without_a_service_it_must_be_opened(qtbot):
    link = SessionLink()
    assert not link.is_open()
    with pytest.raises(SessionClosed):
        link.call("echo")
    with pytest.raises(SessionClosed):
        link.ask("echo", {}, 1)
    link.cancel(None)
    link.open("fake", {"width": 2}, {"depth": 3})
    assert link.is_open()
    with qtbot.waitSignal(link.done, timeout=PATIENCE) as signal:
        link.call("held")
    assert signal.args[1] == {"spec": {"width": 2}, "inputs": {"depth": 3}}
    assert link.ask("echo", {"i": 2}, 30) == {"i": 2}
    link.close()
    assert not link.is_open()


def test_nothing_comes_from_a_session_that_was_replaced(qtbot, link):
    done, failed = heard(link.done), heard(link.failed)
    with qtbot.waitSignal(link.partial, timeout=PATIENCE):
        link.call("sleep", {"s": 60})
    link.open("fake")
    with qtbot.waitSignal(link.done, timeout=PATIENCE):
        link.call("echo", {"i": 1})
    assert [value for _, value, _ in done] == [{"i": 1}] and failed == []


def test_answers_on_their_way_to_a_closed_link_are_dropped(qtbot, link):
    done = heard(link.done)
    call = link.call("echo", {"i": 1})
    call.result(30)  # delivered by the session's thread, not yet taken by the window's
    link.close()
    QCoreApplication.processEvents()
    assert done == []


def test_an_owner_that_goes_takes_the_session_along(qtbot):
    owner = QObject()
    link = SessionLink("fake", parent=owner)
    with qtbot.waitSignal(link.done, timeout=PATIENCE) as signal:
        link.call("pid")
    pid = signal.args[1]
    link.call("count", {"n": 2000})  # answers keep coming while the owner goes
    owner.deleteLater()
    QCoreApplication.sendPostedEvents(owner, QEvent.Type.DeferredDelete)
    qtbot.waitUntil(lambda: not psutil.pid_exists(pid), timeout=PATIENCE)
