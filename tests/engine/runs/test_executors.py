"""One suite for every executor: the one that is real, and one that delays, reorders, duplicates and drops."""

import random
import time

import pytest

from engine.runs import folder, state
from engine.runs.dispatch import dispatch
from engine.runs.events import EventTail
from engine.runs.executors.base import Slot
from engine.runs.executors.local import LocalExecutor
from engine.runs.library import Runs
from engine.runs.processes import this_process


class UnreliableExecutor:
    """Sends each worker late, in another order, twice, or (the first time) not at all."""

    name = "unreliable"

    def __init__(self):
        self.local = LocalExecutor()
        self.random = random.Random(0)
        self.waiting = []
        self.dropped = set()

    def capacity(self):
        return [Slot(f"cpu:{index}", "cpu", 1) for index in range(3)]

    def submit(self, path, slot, attempt):
        folder.write_launch(
            path,
            folder.Launch(
                attempt=attempt,
                executor=self.name,
                slot=slot.name,
                device="cpu",
                threads=1,
                launcher=this_process(),
                t=time.time(),
                grace=0.5,
            ),
        )
        if path not in self.dropped:
            self.dropped.add(path)
            if len(self.dropped) % 2:
                return
        due = time.monotonic() + self.random.random() * 0.2
        self.waiting += [(due, path, slot, attempt)] * self.random.choice([1, 2])

    def tend(self, paths):
        self.random.shuffle(self.waiting)
        for item in [item for item in self.waiting if item[0] <= time.monotonic()]:
            self.waiting.remove(item)
            self.local.submit(*item[1:])
        self.local.tend(paths)

    def state(self, path):
        return self.local.state(path)

    def stop(self, path, *, grace=10.0):
        self.local.stop(path, grace=grace)

    def cancel(self, path):
        self.waiting = [item for item in self.waiting if item[1] != path]
        self.local.cancel(path)

    def prepare(self):
        self.local.prepare()

    def close(self):
        self.local.close()


@pytest.fixture(params=[LocalExecutor, UnreliableExecutor])
def runs(request, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.runs.dispatch.CLAIM_GRACE", 0.5)
    library = Runs(tmp_path / "runs", request.param())
    yield library
    for item in library.list():
        library.cancel(item.id)
    library.close()


def drive(runs, done, timeout=40.0):
    end = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < end, [(item.id, item.state, item.reason) for item in runs.list()]
        dispatch(runs._store, runs.executor)
        time.sleep(0.02)


def test_every_run_is_done_exactly_once(runs, fake):
    ids = [runs.create(fake.Walk(seed=seed, units=2, steps=2)) for seed in range(4)]
    drive(runs, lambda: all(item.state in state.OVER for item in runs.list()))
    for id in ids:
        kinds = [event.type for event in EventTail(runs.root / id / "events.jsonl").read()]
        assert (kinds.count("started"), kinds.count("finished"), kinds[-1]) == (1, 1, "finished")
        assert len(runs.reader(id).series("fake_position", side="left")) == 4


def test_stop_then_resume(runs, fake):
    id = runs.create(fake.Walk(units=4, steps=5, pause=0.01))
    drive(runs, lambda: runs.executor.state(runs.root / id) == "running")
    runs.stop(id)
    drive(runs, lambda: runs.executor.state(runs.root / id) == "stopped")
    runs.resume(id)
    drive(runs, lambda: runs.executor.state(runs.root / id) in state.OVER)
    reader = runs.reader(id)
    assert reader.state == "finished"
    assert reader.series("fake_position", side="left")[:, 0].tolist() == list(range(20))


def test_cancel_is_final(runs, fake):
    id = runs.create(fake.Act(what="native"))
    drive(runs, lambda: runs.executor.state(runs.root / id) == "running")
    worker = runs.reader(id).status.process
    runs.cancel(id)
    assert not worker.alive()
    for _ in range(20):
        runs.dispatch()
        time.sleep(0.02)
    assert (runs.reader(id).state, runs.reader(id).reason) == ("stopped", "cancelled")


def test_slots_have_names_of_their_own(runs):
    slots = runs.executor.capacity()
    assert len({slot.name for slot in slots}) == len(slots) >= 1
    assert all(slot.threads >= 1 for slot in slots)


@pytest.mark.parametrize(
    ("cores", "count", "threads"), [(1, 1, 1), (2, 1, 1), (4, 2, 1), (8, 4, 1), (16, 4, 3), (64, 4, 15)]
)
def test_slots_leave_a_core_for_the_window(monkeypatch, cores, count, threads):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr("engine.devices.accelerators", lambda: ["cuda:0"])
    slots = LocalExecutor().capacity()
    assert [slot.name for slot in slots] == [*(f"cpu:{index}" for index in range(count)), "cuda:0"]
    assert {slot.threads for slot in slots} == {threads}
    assert slots[-1].device == "cuda:0"
