"""The queue between processes: nothing starts twice, and it goes on when nobody watches."""

import subprocess
import sys
import time

import pytest

from engine.runs import events, state
from engine.runs.executors.local import LocalExecutor
from engine.runs.library import Runs

DISPATCHER = """
import sys, time
from pathlib import Path
from engine.runs.library import Runs
runs, end = Runs(Path(sys.argv[1])), time.monotonic() + 60
while time.monotonic() < end and any(item.state not in ("finished", "failed", "lost") for item in runs.list()):
    runs.dispatch()
    time.sleep(0.03)
"""


def lines(runs, id, kind):
    return [event for event in events.EventTail(runs.root / id / "events.jsonl").read() if event.type == kind]


def test_two_dispatchers_start_nothing_twice(runs, fake, environment):
    ids = [runs.create(fake.Act(seed=seed)) for seed in range(5)]
    command = [sys.executable, "-c", DISPATCHER, runs.root]
    dispatchers = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [dispatcher.wait(60) for dispatcher in dispatchers] == [0, 0]
    for id in ids:
        assert runs.reader(id).state == "finished"
        assert len(lines(runs, id, "started")) == len(lines(runs, id, "finished")) == 1
    # One slot a worker: no two overlap more than the machine has slots.
    slots = len([slot for slot in runs.executor.capacity() if slot.device == "cpu"])
    times = [(lines(runs, id, kind)[0].t, sign) for id in ids for kind, sign in (("started", 1), ("finished", -1))]
    busy = most = 0
    for _, change in sorted(times):
        busy += change
        most = max(most, busy)
    assert most <= slots


def test_the_queue_goes_on_without_its_starter(runs, fake, environment, until):
    count = 1 + 2 * len(runs.executor.capacity())
    ids = [runs.create(fake.Act(seed=seed)) for seed in range(count)]
    code = "import sys; from pathlib import Path; from engine.runs.library import Runs; "
    starter = [sys.executable, "-c", code + "Runs(Path(sys.argv[1])).dispatch()", runs.root]
    subprocess.run(starter, env=environment, check=True)
    for id in ids:
        reader = runs.reader(id)  # reading only: nobody here dispatches
        end = time.monotonic() + 30
        while reader.state != "finished" and time.monotonic() < end:
            time.sleep(0.02)
            reader.poll()
        assert reader.state == "finished"
    end = time.monotonic() + 5
    while runs._store.leases() and time.monotonic() < end:
        time.sleep(0.02)
    assert runs._store.leases() == []


def test_first_in_first_out_and_one_slot_for_one_run(runs, fake):
    ids = [runs.create(fake.Act(what="wait", seed=seed)) for seed in range(6)]
    slots = len(runs.executor.capacity())
    assert list(runs.dispatch()) == ids[:slots]
    assert runs.dispatch() == []
    runs.cancel(ids[0])
    assert {lease.run for lease in runs._store.leases()} == set(ids[1 : slots + 1])


def test_what_depends_waits_and_then_goes(runs, fake, until):
    first = runs.create(fake.Act(what="wait"), device="cpu")
    second = runs.create(fake.Act(), after=[first])
    assert list(runs.dispatch()) == [first]
    until(runs, first, "running")
    assert runs.dispatch() == []
    runs.stop(first)
    until(runs, first, "stopped")
    assert runs.dispatch() == [] and runs.reader(second).state == "queued"  # a stopped run can still be resumed
    runs.resume(first)
    runs.dispatch()
    runs.cancel(first)
    runs.dispatch()
    reader = runs.reader(second)
    assert reader.state == "failed"
    assert str(reader.error).startswith(f"The run it builds on, {first}, did not finish.")


def test_a_failed_upstream_fails_what_builds_on_it_by_name(runs, fake, until):
    first = runs.create(fake.Act(what="raise_key"), name="Training")
    second = runs.create(fake.Act(), after=[first])
    third = runs.create(fake.Act(), after=[second], name="last")
    runs.dispatch()
    until(runs, first, "failed")
    end = time.monotonic() + 10
    while runs.reader(third).state != "failed" and time.monotonic() < end:
        runs.dispatch()
        time.sleep(0.02)
    assert "The run it builds on, Training, did not finish." in str(runs.reader(second).error)
    assert runs.reader(third).state == "failed"
    assert not (runs.root / third / "launch.json").exists()


def test_a_finished_run_without_the_artifact_fails_what_needs_it(runs, fake, until):
    from engine.artifacts.refs import ArtifactRef

    first = runs.create(fake.Act())
    second = runs.create(fake.Sum(walk=ArtifactRef(run=first, name="walk", kind="table")))
    runs.dispatch()
    until(runs, first, "finished")
    runs.dispatch()
    assert runs.reader(second).state == "failed"


def test_a_version_that_is_there_can_be_used_while_its_run_goes_on(runs, fake, until, monkeypatch):
    from engine.artifacts.refs import ArtifactRef
    from engine.runs.executors.base import Slot

    monkeypatch.setattr(LocalExecutor, "capacity", lambda self: [Slot(f"cpu:{i}", "cpu", 1) for i in range(3)])
    walk = runs.create(fake.Walk(units=100, pause=0.01))
    newest = runs.create(fake.Sum(walk=ArtifactRef(run=walk, name="walk", kind="table")))
    exact = runs.create(fake.Sum(walk=ArtifactRef(run=walk, name="walk", kind="table", version=1)))
    runs.dispatch()
    until(runs, walk, "running", condition=lambda reader: "walk" in reader.artifacts)
    assert list(runs.dispatch()) == [exact]
    assert until(runs, exact, "finished", "failed").measure("fake_total", split="all").n == 4
    assert runs.reader(newest).state == "queued"


@pytest.mark.parametrize("device", ["cuda:9", "teapot"])
def test_a_device_that_is_not_here_fails_in_words(runs, fake, device):
    id = runs.create(fake.Act(), device=device)
    runs.dispatch()
    assert f"This computer has no usable device {device}." in str(runs.reader(id).error)


def test_devices_are_chosen_as_asked(runs, fake, monkeypatch):
    from engine.runs.dispatch import _fits
    from engine.runs.executors.base import Slot

    cpu, first, second = Slot("cpu:0", "cpu", 1), Slot("cuda:0", "cuda:0", 1), Slot("cuda:1", "cuda:1", 1)
    both = [cpu, first, second]
    assert [_fits(slot, "auto", both) for slot in both] == [False, True, True]
    assert _fits(cpu, "auto", [cpu])
    assert [_fits(slot, "cpu", both) for slot in both] == [True, False, False]
    assert [_fits(slot, "cuda", both) for slot in both] == [False, True, True]
    assert [_fits(slot, "cuda:1", both) for slot in both] == [False, False, True]


def test_a_broken_interpreter_fails_in_words(runs, fake):
    id = runs.create(fake.Act(), interpreter="/nowhere/python")
    assert runs.dispatch() == []
    reader = runs.reader(id)
    assert reader.state == "failed"
    assert "The run could not be started. /nowhere/python" in str(reader.error)
    assert runs._store.leases() == []


def test_an_interpreter_without_our_packages_is_lost_with_a_log(runs, fake, until, tmp_path):
    import venv

    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    id = runs.create(fake.Act(), interpreter=tmp_path / "bare" / "bin" / "python")
    runs.dispatch()
    reader = until(runs, id, *state.OVER)
    assert (reader.state, reader.reason) == ("lost", "ended early")
    assert "No module named" in reader.log()


def test_the_slot_of_a_dead_worker_is_taken_back(runs, fake, until):
    first = runs.create(fake.Act(what="native"))
    second = runs.create(fake.Act())
    runs.dispatch()
    reader = until(runs, first, "running")
    import psutil

    psutil.Process(reader.status.process.pid).kill()
    until(runs, first, "lost")
    assert second in runs.dispatch() or runs.reader(second).state != "queued"
    until(runs, second, "finished")


def test_the_claim_of_a_dead_dispatcher_is_taken_back(runs, fake, until, monkeypatch):
    """It had claimed a slot and died before it sent the worker."""
    from engine.runs import processes

    id = runs.create(fake.Act())
    me = processes.this_process()
    runs._store.lease("cpu:0", id, me.model_copy(update={"pid": 2**22 - 7}))
    assert list(runs.dispatch()) == [id]
    until(runs, id, "finished")


def test_the_claim_of_a_living_dispatcher_is_respected(runs, fake):
    from engine.runs import processes

    id = runs.create(fake.Act())
    runs._store.lease("cpu:0", id, processes.this_process())
    assert runs.dispatch() == []


def test_a_fresh_root_from_two_processes_at_once(tmp_path, environment):
    code = "import sys; from pathlib import Path; from engine.runs.library import Runs; Runs(Path(sys.argv[1])).list()"
    makers = [subprocess.Popen([sys.executable, "-c", code, tmp_path / "new"], env=environment) for _ in range(3)]
    assert [maker.wait(60) for maker in makers] == [0, 0, 0]
    Runs(tmp_path / "new").close()
