"""The window's view of the runs: started off-thread, listed on a timer, followed, and looked after."""

from __future__ import annotations

import itertools
import os
import threading

import pytest

from app.shell import runs as module
from app.shell.runs import RunsService
from engine.runs.failures import DiskFull


@pytest.fixture
def service(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPARE_MS", 10**8)
    found = RunsService(tmp_path / "runs")
    found.begin()
    yield found
    for row in found.rows:
        found.cancel(row.id)
    found.close()


def test_what_a_run_may_speak_of_is_imported_off_the_windows_thread(qtbot, tmp_path, monkeypatch):
    asked = {}
    for place, name in ((module.catalogue, "configs"), (module.catalogue, "measures"), (module.kinds, "kinds")):
        monkeypatch.setattr(place, name, lambda name=name: asked.update({name: threading.current_thread()}))
    service = RunsService(tmp_path / "runs")
    service.begin()
    qtbot.waitUntil(lambda: len(asked) == 3)
    service.close()
    assert threading.main_thread() not in asked.values()


def started(service, qtbot, config, **options):
    stages = []
    service.start(config, stages.append, **options)
    qtbot.waitUntil(lambda: stages != [])
    return stages[0]


def states(service):
    return {row.id: row.state for row in service.rows}


def test_a_task_is_started_named_and_listed(service, qtbot, fake):
    lists = []
    service.listed.connect(lists.append)
    stages = started(service, qtbot, fake.Walk(units=2, steps=2), name="mine")
    assert list(stages) == ["fake.walk"]
    qtbot.waitUntil(lambda: states(service) == {stages["fake.walk"]: "finished"}, timeout=30_000)
    assert service.rows[0].name == "mine" and lists[-1] == service.rows
    assert all(before != after for before, after in itertools.pairwise(lists))  # told only when there is news
    assert service.running == []


def test_a_pipeline_goes_through(service, qtbot, fake):
    stages = started(service, qtbot, fake.Chain())
    assert list(stages) == ["walk", "sum"]
    qtbot.waitUntil(lambda: set(states(service).values()) == {"finished"}, timeout=40_000)
    assert service.watch(stages["sum"]).reader.measure("fake_total", split="all").n == 20


def test_what_cannot_be_created_is_said(service, qtbot, fake):
    with qtbot.waitSignal(service.failed) as said:
        service.start(fake.Sum(), pytest.fail)
    assert str(said.args[0]).startswith("Sum cannot run yet: Walk not chosen.")


def test_following_a_run(service, qtbot, fake):
    run = started(service, qtbot, fake.Walk(units=20, steps=5, pause=0.005))["fake.walk"]
    watch = service.watch(run)
    assert service.watch(run) is watch
    seen = []
    watch.changed.connect(lambda: seen.append(watch.reader.state))
    qtbot.waitUntil(lambda: "finished" in seen, timeout=30_000)
    assert "running" in seen and len(seen) > 3
    before = len(seen)
    watch.poll()
    assert len(seen) == before  # nothing new
    service.unwatch(run)
    assert service.watch(run) is not watch
    service.unwatch("nothing")


def test_stop_resume_cancel_delete(service, qtbot, fake):
    run = started(service, qtbot, fake.Act(what="wait"))["fake.act"]
    qtbot.waitUntil(lambda: service.running == [run] and states(service)[run] == "running", timeout=30_000)
    service.stop(run)
    qtbot.waitUntil(lambda: states(service) == {run: "stopped"}, timeout=15_000)
    service.resume(run)
    qtbot.waitUntil(lambda: states(service) == {run: "running"}, timeout=30_000)
    service.cancel(run)
    qtbot.waitUntil(lambda: states(service) == {run: "stopped"}, timeout=15_000)
    assert service.rows[0].reason == "cancelled"
    service.delete(run)
    qtbot.waitUntil(lambda: states(service) == {}, timeout=15_000)


def test_it_attends_and_warms_again_after_each_start(service, qtbot, fake, monkeypatch):
    warmed = []
    monkeypatch.setattr(service.library, "warm", lambda: warmed.append(True))
    service._spare.stop()
    service._spare.setInterval(1)
    started(service, qtbot, fake.Act())
    qtbot.waitUntil(lambda: warmed == [True])
    assert [owner.pid for owner, _ in service.library._store.attendants()] == [os.getpid()]


def test_trouble_is_told_once_and_passes(service, qtbot, fake, monkeypatch):
    told = []
    service.failed.connect(told.append)

    def full():
        raise DiskFull(path="the index")

    with monkeypatch.context() as patch:
        patch.setattr(service.library, "list", full)
        qtbot.waitUntil(lambda: len(told) == 1)
        for _ in range(3):
            service.refresh()
            qtbot.waitUntil(lambda: not service._listing)
        assert len(told) == 1
    run = started(service, qtbot, fake.Act())["fake.act"]
    qtbot.waitUntil(lambda: run in states(service))  # it has gone on looking
    with monkeypatch.context() as patch:
        patch.setattr(service.library, "list", full)
        qtbot.waitUntil(lambda: len(told) == 2)  # a new trouble after a good time is told again


def test_exporting_and_importing(service, qtbot, fake, tmp_path):
    run = started(service, qtbot, fake.Walk(units=1, steps=1))["fake.walk"]
    qtbot.waitUntil(lambda: states(service) == {run: "finished"}, timeout=30_000)
    done, back = [], []
    service.export(run, tmp_path / "run.zip", done.append)
    qtbot.waitUntil(lambda: done == [None])
    service.delete(run)
    qtbot.waitUntil(lambda: states(service) == {})
    service.import_(tmp_path / "run.zip", back.append)
    qtbot.waitUntil(lambda: back == [run] and states(service) == {run: "finished"})
    assert service.artifacts("table")[0][1].run == run
