"""Looking at runs from outside: cheap when nothing is new, right when something is."""

import os
import time

import numpy as np
import pytest

from engine.artifacts.versions import NoSuchArtifact
from engine.runs import events, folder
from engine.runs.processes import this_process
from engine.runs.reader import RunReader


@pytest.fixture
def run(tmp_path):
    """``run(*events)`` appends to a run of this process and returns its reader."""
    request = folder.Request("fake.walk", {"units": 3}, 1, folder.SCHEMA_VERSION)
    path = tmp_path / folder.create(tmp_path, request, folder.Meta(), lambda path: None)
    reader = RunReader(path)
    log = events.EventLog(path / folder.EVENTS)

    def say(*said):
        for event in said:
            log.append(event)
        reader.poll()
        return reader

    say(events.Started(process=this_process(), device="cpu", threads=1, interpreter="p", versions={}, inputs={}))
    yield say
    log.close()


def progress(t, done, total=100.0):
    return events.Progress(t=t, done=done, total=total)


def test_poll_gives_each_event_once(run):
    reader = run(progress(1, 1))
    assert [event.type for event in reader.poll()] == []
    run(events.Warned(template="x"))
    assert reader.title == "fake.walk" and reader.config == {"units": 3} and reader.id == reader.folder.name


def test_time_left_follows_the_recent_rate(run):
    now = time.time()
    reader = run(progress(now - 100, 0))
    assert reader.time_left is None
    run(progress(now - 20, 10), progress(now - 10, 30), progress(now, 50))
    assert reader.time_left == pytest.approx(25, abs=2)  # 2 a second of late, not 0.5 as on the whole
    run(progress(now, 50))
    assert reader.time_left == pytest.approx(25, abs=2)


def test_time_left_is_unknown_after_a_step_back(run):
    now = time.time()
    reader = run(progress(now - 2, 10), progress(now - 1, 50), progress(now, 20))
    assert reader.time_left is None


def test_time_left_ends_with_the_run(run):
    now = time.time()
    reader = run(progress(now - 1, 10), progress(now, 50), events.Finished())
    assert reader.state == "finished" and reader.time_left is None


def test_a_failure_is_forgotten_when_the_run_is_queued_again(run):
    reader = run(events.Failed(error="E", what="It broke."))
    assert str(reader.error) == "It broke." and reader.state == "failed"
    run(events.Queued())
    assert reader.error is None and reader.state == "queued"


def test_artifacts_that_were_not_announced_are_not_there(run):
    with pytest.raises(NoSuchArtifact):
        run().artifact("walk")
    assert run().artifacts == {}


def test_polling_many_runs_that_are_quiet_is_cheap(run):
    reader = run(*(events.Measured(id="fake_total", value=float(value)) for value in range(100)))
    count = 1000
    began = time.process_time()
    for _ in range(count):
        reader.poll()
    assert (time.process_time() - began) / count < 1e-3
    run(events.Finished())
    began = time.process_time()
    for _ in range(count):
        reader.poll()
    assert (time.process_time() - began) / count < 1e-4


def test_a_folder_that_cannot_be_written_is_read_all_the_same(run):
    reader = run(events.Finished())
    reader.folder.chmod(0o500)
    try:
        again = RunReader(reader.folder)
        again.poll()
        assert again.state == "finished"
        assert set(os.listdir(reader.folder)) == {"config.json", "meta.json", "events.jsonl"}
    finally:
        reader.folder.chmod(0o700)


def test_a_run_that_went_away_is_lost_not_an_error(run, tmp_path):
    reader = run(events.SeriesOpened(file="x.f64", id="x", dims={}, columns=("step", "value")))
    os.rename(reader.folder, tmp_path / "elsewhere")
    reader.poll()
    assert reader.state == "running"  # what was read stays, and its process (this one) lives
    np.testing.assert_array_equal(reader.series("x"), np.empty((0, 2)))
    assert reader.log() == "" and reader.name == ""
