"""The spare worker: ready before it is asked, used once, gone when nobody can ask any more."""

import contextlib
import os
import subprocess
import sys
import time

import psutil

from engine.runs import state
from engine.runs.executors.local import LocalExecutor
from engine.runs.library import Runs


def waits_for_a_line(pid, timeout=60.0):
    """Wait until a spare has imported all it wants: then it sleeps in a read and uses no time."""
    process, end = psutil.Process(pid), time.monotonic() + timeout
    calm = 0
    while calm < 5 and time.monotonic() < end:
        before = process.cpu_times().user
        time.sleep(0.1)
        calm = calm + 1 if process.cpu_times().user == before and before > 0.1 else 0
    assert calm == 5


def test_the_next_run_takes_the_spare(runs, fake, until, no_torch):
    runs.warm()
    spare = runs.executor._spare
    runs.warm()
    assert runs.executor._spare is spare
    first, second = (runs.create(fake.Act(seed=seed)) for seed in range(2))
    runs.dispatch()
    reader = until(runs, first, *state.OVER)
    assert reader.state == "finished"
    assert reader.started.process.pid == spare.pid
    assert f"threads {reader.started.threads}" in reader.log()
    runs.dispatch()
    other = until(runs, second, *state.OVER)
    assert other.state == "finished" and other.started.process.pid != spare.pid


def test_a_spare_computes_soon_after_the_click(runs, fake, until, no_torch):
    """What the spare saves is the start of an interpreter; asserted in CPU time, since wall time is not ours."""
    runs.warm()
    pid = runs.executor._spare.pid
    waits_for_a_line(pid)
    worker = psutil.Process(pid)
    before = worker.cpu_times()
    id = runs.create(fake.Act(what="wait"))
    runs.dispatch()
    until(runs, id, "running")
    spent = worker.cpu_times()
    assert spent.user + spent.system - before.user - before.system <= 0.15
    runs.cancel(id)


def test_a_spare_that_died_is_not_waited_for(runs, fake, until, no_torch):
    runs.warm()
    runs.executor._spare.kill()
    runs.executor._spare.wait()
    id = runs.create(fake.Act())
    runs.dispatch()
    assert until(runs, id, *state.OVER).state == "finished"


def test_a_spare_leaves_with_its_owner(tmp_path, environment, no_torch):
    code = (
        "import sys, time; from pathlib import Path; from engine.runs.library import Runs\n"
        "runs = Runs(Path(sys.argv[1])); runs.warm(); print(runs.executor._spare.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, tmp_path / "runs"]
    environment["PYTHONPATH"] = os.pathsep.join([environment["PYTHONPATH"], str(no_torch)])
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as owner:
        spare = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        spare.wait(30)
    assert not spare.is_running() or spare.status() == psutil.STATUS_ZOMBIE


def test_closing_lets_the_spare_go(tmp_path, no_torch):
    runs = Runs(tmp_path / "runs")
    runs.warm()
    spare = runs.executor._spare
    runs.close()
    assert spare.wait(5) != 0  # at once, and not when it has imported all it wants


def test_no_spare_where_memory_is_short(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.runs.executors.local.SPARE_NEEDS", 1 << 60)
    executor = LocalExecutor()
    executor.prepare()
    assert executor._spare is None


def test_another_interpreter_does_not_take_the_spare(runs, fake, until, no_torch):
    runs.warm()
    spare = runs.executor._spare
    id = runs.create(fake.Act(), interpreter=sys.executable)
    runs.dispatch()
    assert until(runs, id, *state.OVER).started.process.pid != spare.pid
    assert runs.executor._spare is spare
