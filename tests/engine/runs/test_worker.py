"""The worker as a process: from the queue to its last event, whatever the task does."""

import json
import sys
import time

import numpy as np
import pytest

from engine.runs import events, folder, log, processes, state, worker


@pytest.fixture
def act(runs, fake, until):
    """``act(what, amount)`` runs one odd thing to its end and returns the reader."""

    def do(what, amount=0, *ends):
        id = runs.create(fake.Act(what=what, amount=amount))
        runs.dispatch()
        return until(runs, id, *(ends or state.OVER))

    return do


def test_a_run_from_click_to_result(runs, fake, until):
    ids = runs.create_pipeline(fake.Chain(walk=fake.Walk(seed=3)), name="both", tags=("a",))
    assert runs.dispatch() == [ids["walk"]]
    walk = until(runs, ids["walk"], "finished")
    runs.dispatch()
    total = until(runs, ids["sum"], "finished")
    assert [item.state for item in runs.list()] == ["finished", "finished"]

    path = walk.series("fake_position", side="left")
    assert path[:, 0].tolist() == list(range(20))
    np.testing.assert_array_equal(walk.artifact("walk")["x"], path[:, 1])
    assert walk.measure("fake_total").value == path[-1, 1]
    assert (walk.progress.done, walk.progress.total) == (20, 20)
    assert [item.complete for item in walk.versions["walk"]] == [False] * 5 + [True]

    summed = total.measure("fake_total", split="all")
    assert summed.value == pytest.approx(path[:, 1].sum()) and summed.n == 20
    assert total.started.inputs["walk"].version == 6
    assert total.started.inputs["walk"].sha256 == walk.artifacts["walk"].sha256
    assert total.started.versions["numpy"] == np.__version__ and total.started.threads >= 1
    assert total.name == "both" and total.title == "both" and total.meta.tags == ("a",)


@pytest.mark.parametrize(("device", "tf32"), [("cuda:0", False), ("cpu", None)])
def test_whether_tf32_may_be_used_is_recorded(runs, fake, monkeypatch, device, tf32):
    id = runs.create(fake.Walk(seed=1))
    launch = folder.Launch(
        attempt=1, executor="local", slot="a", device=device, threads=1, launcher=processes.this_process(), t=0.0
    )
    if device == "cpu":
        monkeypatch.delitem(sys.modules, "torch", raising=False)
    made = worker._Worker(runs.root / id, state.Life(), launch)
    started = made._started({})
    made._log.close()
    assert started.tf32 is tf32
    assert events.Started.model_validate_json(started.model_dump_json()).tf32 is tf32


def test_what_is_in_the_folder_can_be_read_by_a_person(act):
    path = act("nothing").folder
    assert json.loads((path / "config.json").read_text())["task"] == "fake.act"
    kinds = [json.loads(line)["type"] for line in (path / "events.jsonl").read_text().splitlines()]
    assert kinds == ["queued", "started", "progress", "finished"]
    assert not (path / "ballast").exists()


@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        ("raise_key", "TaskFailed", "The task failed unexpectedly (KeyError). 'the key'"),
        ("memory", "OutOfMemory", "Choose a smaller network, batch or grid"),
        ("full", "DiskFull", "/somewhere/file could not be written"),
        ("missing", "MissingPackage", "The Python package a_package_that_nobody_has is missing."),
        ("unregistered", "TaskFailed", "no study registers the measure"),
    ],
)
def test_failures_are_told_in_sentences(act, what, error, words):
    reader = act(what)
    assert reader.state == "failed"
    assert reader.error.error == error
    assert words in str(reader.error)
    assert "Traceback" not in str(reader.error)
    assert "Traceback" in reader.log()


def test_a_crash_in_native_code_is_lost_with_its_place(act, runs):
    reader = act("segfault")
    assert (reader.state, reader.reason) == ("lost", "crash")
    assert "study.py" in (reader.folder / "crash.txt").read_text()
    runs.dispatch()
    assert next(iter(runs.list())).reason == "crash"


def test_a_task_that_leaves_by_itself_is_lost(act, runs, until):
    reader = act("exit", 3)
    assert reader.state == "lost"
    runs.dispatch()  # collects the exit code
    reader.poll()
    assert reader.reason == "ended early"


def test_a_loud_task_does_not_fill_the_disk(act):
    reader = act("shout", 500)
    assert reader.state == "finished"
    log.trim(reader.folder / folder.LOG)
    size = (reader.folder / folder.LOG).stat().st_size
    assert size <= log.HEAD + 2 * log.TAIL
    assert reader.log().endswith("the end\n")
    text = (reader.folder / folder.LOG).read_bytes()
    assert text.startswith(b"xxx") and b"bytes left out" in text


def test_a_config_of_an_older_version_is_migrated(runs, fake, until):
    id = runs.create(fake.Act(what="nothing"))
    path = runs.root / id / "config.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "config_version": 1, "config": {"seed": 0, "deed": "raise_key"}}))
    runs.dispatch()
    assert until(runs, id, *state.OVER).error.params["kind"] == "KeyError"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"config_version": 3}, "NewerRun"),
        ({"config": {"seed": -1}}, "UnreadableConfig"),
        ({"task": "fake.gone"}, "UnknownTask"),
    ],
)
def test_a_config_that_does_not_fit_fails_in_words(runs, fake, until, change, error):
    id = runs.create(fake.Act())
    path = runs.root / id / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    runs.dispatch()
    assert until(runs, id, *state.OVER).error.error == error


def test_a_second_worker_for_the_same_run_does_nothing(runs, fake, until):
    id = runs.create(fake.Walk(units=3, steps=5, pause=0.01))
    runs.dispatch()
    slot = runs.executor.capacity()[0]
    for _ in range(2):
        runs.executor.submit(runs.root / id, slot, 1)
    reader = until(runs, id, "finished")
    end = time.monotonic() + 10
    while runs.executor._children and time.monotonic() < end:
        runs.executor._reap()
        time.sleep(0.02)
    reader.poll()
    said = (reader.folder / "events.jsonl").read_bytes()
    assert said.count(b'"started"') == said.count(b'"finished"') == 1
    assert len(reader.series("fake_position", side="left")) == 15
    assert reader.state == "finished"


@pytest.mark.parametrize("name", ["space and \"quote's", "中文 目录", "semi;colon & $(amp)"])
def test_any_folder_name_will_do(tmp_path, fake, until, name):
    from engine.runs.library import Runs

    runs = Runs(tmp_path / name / "runs")
    id = runs.create(fake.Walk(units=1, steps=1), name=name)
    runs.dispatch()
    reader = until(runs, id, *state.OVER)
    runs.close()
    assert reader.state == "finished", reader.log()
    assert reader.name == name and len(reader.artifact("walk")["x"]) == 1
