"""Attendants: while somebody with a warm worker looks at the queue, workers that leave let it start the next run."""

import os
import signal
import subprocess
import sys
import time

import pytest

from engine.runs import folder, processes, state
from engine.runs.dispatch import ATTENDANCE, attended
from engine.runs.library import Runs

ATTENDANT = """
import sys, time
from pathlib import Path
from engine.runs.library import Runs
runs, end = Runs(Path(sys.argv[1])), time.monotonic() + 60
while time.monotonic() < end:
    runs.attend()
    print("looked", flush=True)
    time.sleep(0.05)
"""


@pytest.fixture
def attendant(runs, environment):
    """A process that attends, at work."""
    child = subprocess.Popen([sys.executable, "-c", ATTENDANT, runs.root], env=environment, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"looked\n"
    yield child
    child.kill()
    child.communicate()


def two(runs, fake, until):
    """A run that goes on until it is stopped, and one that waits for its slot."""
    slots = len(runs.executor.capacity())
    going = [runs.create(fake.Act(what="wait", seed=seed)) for seed in range(slots)]
    waiting = runs.create(fake.Act(seed=99))
    for id in going:
        until(runs, id, "running")
    return going, waiting


def worker(runs, id):
    return runs.reader(id).started.process.pid


def launcher(runs, id):
    return folder.launch(runs.root / id).launcher.pid


def stop_all(runs, ids):
    for id in ids:
        runs.stop(id)


def test_the_attendant_starts_the_next(runs, fake, until, attendant):
    going, waiting = two(runs, fake, until)
    stop_all(runs, going)
    until(runs, waiting, "finished")
    assert launcher(runs, waiting) == attendant.pid


def test_when_the_attendant_is_killed_a_worker_starts_the_next(runs, fake, until, attendant):
    going, waiting = two(runs, fake, until)
    attendant.kill()
    attendant.wait()
    workers = {worker(runs, id) for id in going}
    stop_all(runs, going)
    until(runs, waiting, "finished")
    assert launcher(runs, waiting) in workers


def test_an_attendant_that_hangs_is_not_waited_for_long(runs, fake, until, attendant):
    going, waiting = two(runs, fake, until)
    os.kill(attendant.pid, signal.SIGSTOP)
    workers = {worker(runs, id) for id in going}
    stop_all(runs, going)
    until(runs, waiting, "finished", timeout=ATTENDANCE + 15)
    assert launcher(runs, waiting) in workers


def test_the_next_run_takes_the_spare_of_the_attendant(runs, fake, no_torch):
    ids = [runs.create(fake.Act(seed=seed)) for seed in range(1 + len(runs.executor.capacity()))]
    runs.attend()
    runs.warm()
    spare = runs.executor._spare.pid
    end = time.monotonic() + 30
    while runs.reader(ids[-1]).state not in state.OVER and time.monotonic() < end:
        runs.attend()
        time.sleep(0.02)
    assert worker(runs, ids[-1]) == spare


def test_nobody_waits_when_nothing_waits_or_nobody_attends(runs, fake):
    start = time.process_time(), time.monotonic()
    runs.attend()
    assert not attended(runs._store)  # nothing is queued
    runs.create(fake.Act())
    runs._store.leave(processes.this_process())
    assert not attended(runs._store)  # nobody is there
    dead = processes.this_process().model_copy(update={"pid": 2**22 - 7})
    runs._store.attend(dead, time.time())
    assert not attended(runs._store)  # it is dead
    runs._store.attend(processes.this_process(), time.time() - ATTENDANCE)
    assert not attended(runs._store)  # it lives, but is late
    assert time.monotonic() - start[1] < ATTENDANCE and time.process_time() - start[0] < 0.5


def test_a_look_that_began_before_does_not_count(runs, fake, monkeypatch):
    """It may have seen the slot still taken."""
    runs.create(fake.Act())
    runs._store.attend(processes.this_process(), time.time())
    monkeypatch.setattr("engine.runs.dispatch.ATTENDANCE", 0.3)
    assert not attended(runs._store)
    runs._store.attend(processes.this_process(), time.time() + 0.2)
    assert attended(runs._store)


def test_closing_ends_the_attendance(tmp_path, fake):
    runs, other = Runs(tmp_path / "runs"), Runs(tmp_path / "runs")
    runs.attend()
    assert [owner for owner, _ in other._store.attendants()] == [processes.this_process()]
    runs.close()
    assert other._store.attendants() == []
    other.close()
