"""Stop and cancel, from any process, of any task."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from engine.runs import control, processes, state


@pytest.fixture
def begin(runs, fake, until):
    """``begin(what)`` returns the id of a run that is inside its odd thing."""

    def start(what):
        id = runs.create(fake.Act(what=what))
        runs.dispatch()
        if what == "wait":
            until(runs, id, "running")
        else:
            until(runs, id, "running", condition=lambda reader: reader.progress is not None)
        return id

    return start


def test_stop_is_quick_at_a_point(runs, until, begin):
    id = begin("wait")
    runs.stop(id)
    reader = until(runs, id, "stopped", timeout=5)
    assert reader.reason == "stopped"
    kinds = [event.type for event in type(reader._tail)(reader.folder / "events.jsonl").read()]
    assert kinds[-2:] == ["stopping", "stopped"]


@pytest.mark.parametrize("what", ["native", "hold_lock"])
def test_cancel_ends_a_worker_stuck_in_native_code(runs, begin, what):
    id = begin(what)
    worker = runs.reader(id).status.process
    began = time.monotonic()
    runs.executor.cancel(runs.root / id)
    took = time.monotonic() - began
    assert not worker.alive()
    assert took <= 0.3
    reader = runs.reader(id)
    assert (reader.state, reader.reason) == ("stopped", "cancelled")


def test_cancel_takes_the_children_along(runs, begin):
    id = begin("family")
    pids = [int(word) for word in runs.reader(id).progress.note.split(",")]
    family = [processes.process(pid) for pid in pids]
    assert all(member.alive() for member in family)
    runs.cancel(id)
    end = time.monotonic() + 0.3
    while any(member.alive() for member in family) and time.monotonic() < end:
        time.sleep(0.005)
    assert not any(member.alive() for member in family)


def test_an_overdue_stop_becomes_a_kill_that_can_be_resumed(runs, fake, until, begin):
    """The worker itself sees to it where its interpreter can run..."""
    id = begin("native")
    waiting = runs.create(fake.Act(), device="cpu")
    runs.stop(id, grace=0.1)
    reader = until(runs, id, "stopped", timeout=5)
    assert reader.reason == "stopped"
    until(runs, waiting, "finished")  # the slot was handed on, and nobody here dispatched
    runs.resume(id)
    assert runs.reader(id).state == "queued"
    runs.cancel(id)


def test_an_overdue_stop_of_a_worker_that_cannot_even_look(runs, until, begin):
    """... and whoever dispatches where it cannot."""
    id = begin("hold_lock")
    runs.stop(id, grace=0.1)
    time.sleep(0.15)
    assert runs.reader(id).state == "stopping"
    runs.dispatch()
    assert (until(runs, id, "stopped", timeout=1)).reason == "stopped"


def test_kill_9_of_the_worker_is_lost(runs, until, begin):
    id = begin("native")
    psutil.Process(runs.reader(id).status.process.pid).send_signal(signal.SIGKILL)
    reader = until(runs, id, *state.OVER, timeout=2)
    assert (reader.state, reader.reason) == ("lost", "killed")
    assert "killed" in state.CAUSES[reader.reason]


def test_a_run_that_waits_leaves_the_queue(runs, fake):
    for ask, reason in ((runs.stop, "stopped"), (runs.cancel, "cancelled")):
        id = runs.create(fake.Walk())
        ask(id)
        assert (runs.reader(id).state, runs.reader(id).reason) == ("stopped", reason)
        assert runs.dispatch() == []


def test_a_cancel_while_the_worker_is_on_its_way(runs, fake, until):
    id = runs.create(fake.Act(what="wait"))
    runs.dispatch()
    runs.cancel(id)
    reader = until(runs, id, *state.OVER, timeout=5)
    assert (reader.state, reader.reason) == ("stopped", "cancelled")


STARTER = """
import sys, time
from pathlib import Path
from engine.runs.library import Runs
from engine.studies import catalogue
runs = Runs(Path(sys.argv[1]))
print(runs.create(catalogue.config_class("fake.act")(what="wait")), flush=True)
runs.dispatch()
print("started", flush=True)
time.sleep(60)
"""


def test_a_run_outlives_its_starter_and_another_process_stops_it(runs, until, environment):
    command = [sys.executable, "-c", STARTER, runs.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as starter:
        id = starter.stdout.readline().decode().strip()
        starter.stdout.readline()
        until(runs, id, "running")
        starter.kill()
    reader = runs.reader(id)
    worker = reader.status.process
    assert reader.state == "running"
    time.sleep(0.2)
    reader.poll()
    assert reader.state == "running" and worker.alive()
    runs.stop(id)
    assert until(runs, id, *state.OVER).state == "stopped"
    end = time.monotonic() + 5
    while worker.alive() and time.monotonic() < end:
        time.sleep(0.01)
    assert not worker.alive()


def test_commands_before_a_resume_do_not_count_after_it(runs, fake, until):
    id = runs.create(fake.Walk(units=1, steps=1))
    runs.stop(id)
    runs.cancel(id)
    runs.resume(id)
    assert control.newest(runs.root / id) == 1  # the run was over when cancel was asked
    runs.dispatch()
    assert until(runs, id, *state.OVER).state == "finished"
