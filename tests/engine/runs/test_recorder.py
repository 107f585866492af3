"""What a task may say, and what becomes of it; in this process."""

import json
import time

import numpy as np
import pytest

from engine.artifacts.refs import ArtifactRef
from engine.runs import checkpoints, control, events, folder
from engine.runs.reader import RunReader
from engine.runs.recorder import Recorder
from engine.runs.run import Stopped
from engine.seeding import derive


@pytest.fixture
def begin(tmp_path, fake):
    """``begin()`` makes a run, ``begin(path)`` goes on with it; gives its recorder."""
    recorders = []

    def make(path=None, config=None, inputs=None):
        config = config or fake.Walk(seed=7)
        again = path is not None
        if path is None:
            request = folder.Request(config.task, config.model_dump(mode="json"), 1, folder.SCHEMA_VERSION)
            path = tmp_path / folder.create(tmp_path, request, folder.Meta(), lambda path: None)
        log = events.EventLog(path / folder.EVENTS)
        run = Recorder(path, config, "cpu", log, control.Inbox(path, 0), inputs or {})
        recorders.append((run, log))
        if again:
            run.rewind()
        return run

    yield make
    for run, log in recorders:
        run.close()
        log.close()


def read(run):
    run.close()
    reader = RunReader(run.folder)
    reader.poll()
    return reader


def test_scalars_and_their_dims(begin):
    run = begin()
    run.measure("fake_total", np.float32(1.5), interval=(1, np.float64(2)), n=3, chain=np.int64(2), split="train")
    run.measure("fake_total", 2, chain=2, split="train")
    run.measure("fake_total", 9.0)
    reader = read(run)
    assert [(m.value, m.dims) for m in reader.measures] == [(2.0, {"chain": 2, "split": "train"}), (9.0, {})]
    assert reader.measure("fake_total").value == 9.0
    assert reader.measure("fake_total", chain=2, split="train").interval is None


def test_series_by_points_and_by_arrays(begin):
    run = begin()
    run.measure("fake_position", 0.5, step=0, side="l")
    run.measure("fake_position", np.array([1.0, 2.0]), step=np.array([1, 2]), side="l")
    run.measure("fake_position", np.array([1.0, 2.0]), step=[1, 2], interval=(np.zeros(2), 3.0))
    reader = read(run)
    assert reader.series("fake_position", side="l").tolist() == [[0, 0.5], [1, 1], [2, 2]]
    assert reader.series("fake_position").tolist() == [[1, 1, 0, 3], [2, 2, 0, 3]]
    assert reader.series("fake_position", side="r").shape == (0, 2)
    assert [opened.columns for opened in reader.series_opened] == [("step", "value"), ("step", "value", "low", "high")]


def test_a_series_keeps_its_columns(begin):
    run = begin()
    run.measure("fake_position", 0.5, step=0)
    with pytest.raises(ValueError, match="has columns"):
        run.measure("fake_position", 0.5, step=0, interval=(0, 1))


def test_a_measure_nobody_registers_is_refused(begin):
    run = begin()
    for step in (None, 1):
        with pytest.raises(ValueError, match="no study registers the measure 'hessian_tarce'"):
            run.measure("hessian_tarce", 1.0, step=step)


def test_progress_is_thinned_but_the_last_is_kept(begin):
    run = begin()
    for done in range(10_001):
        run.progress(done, 10_000, "walking")
    reader = read(run)
    lines = (run.folder / "events.jsonl").read_bytes().count(b'"progress"')
    assert 2 <= lines < 200
    assert (reader.progress.done, reader.progress.note) == (10_000, "walking")


def test_pending_progress_reaches_the_disk_at_a_point(begin):
    run = begin()
    run.progress(1, 10)
    run.progress(2, 10)
    reader = RunReader(run.folder)
    reader.poll()
    assert reader.progress.done == 1
    time.sleep(0.11)
    run.point()
    reader.poll()
    assert reader.progress.done == 2


def test_a_point_costs_next_to_nothing(begin):
    run = begin()
    count = 50_000
    began = time.process_time()
    for _ in range(count):
        run.point()
    assert (time.process_time() - began) / count < 5e-6


def test_stop_takes_effect_at_a_point(begin):
    run = begin()
    run.point()
    control.send(run.folder, "stop")
    time.sleep(0.03)
    with pytest.raises(Stopped):
        run.point()
    assert run.command.command == "stop"


def test_what_was_announced_can_be_read(begin):
    run = begin()
    first = run.publish("walk", {"x": np.zeros(2)})
    run.publish("walk", {"x": np.ones(3)}, complete=True)
    run.publish("extra", {"y": np.ones(1)}, kind="table")
    reader = read(run)
    assert first.version == 1 and first.run == run.folder.name and first.sha256
    assert reader.artifacts["walk"].version == 2
    assert [(item.ref.version, item.complete) for item in reader.versions["walk"]] == [(1, False), (2, True)]
    assert reader.versions["walk"][1].describe == {"rows": 3, "columns": "x"}
    assert reader.artifact("walk")["x"].tolist() == [1, 1, 1]
    assert reader.artifact("walk", 1)["x"].tolist() == [0, 0]
    assert reader.artifact("extra")["y"].tolist() == [1]


def test_an_output_nobody_declared_is_refused(begin):
    with pytest.raises(ValueError, match="is not among the outputs of fake"):
        begin().publish("mystery", {"x": np.zeros(1)})


def test_inputs_are_those_of_the_config_as_settled(begin, fake):
    producer = begin()
    ref = producer.publish("walk", {"x": np.arange(3.0)}, complete=True)
    open_ref = ArtifactRef(run=ref.run, name="walk", kind="table")
    run = begin(config=fake.Sum(walk=open_ref), inputs={"walk": ref})
    assert run.input(open_ref)["x"].tolist() == [0, 1, 2]
    assert run.input(ref)["x"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="is not an input"):
        run.input(open_ref.model_copy(update={"name": "other"}))


def test_the_history_of_an_input_ends_at_the_cited_version(begin, fake):
    producer = begin()
    refs = [producer.publish("walk", {"x": np.full(2, float(index))}) for index in range(3)]
    run = begin(config=fake.Sum(walk=refs[1]), inputs={"walk": refs[1]})
    assert run.history(refs[1]) == refs[:2]
    assert [run.input(ref)["x"][0] for ref in run.history(refs[1])] == [0.0, 1.0]
    with pytest.raises(ValueError, match="is not an input"):
        run.input(refs[2])


def test_warnings_are_said_once_by_the_reader(begin):
    run = begin()
    for _ in range(3):
        run.warn("{share} % of the units are dead.", share=np.float64(40.0))
    with pytest.raises(KeyError):
        run.warn("{missing}")
    assert [str(warning) for warning in read(run).warnings] == ["40.0 % of the units are dead."]


def test_units_are_seeded_by_their_place(begin):
    run = begin()
    first = [(unit.index, unit.label, unit.seed) for unit in run.units(["a", "b"])]
    second = [unit.seed for unit in run.units(2)]
    assert first == [(0, "a", derive(7, "unit", 0, 0)), (1, "b", derive(7, "unit", 0, 1))]
    assert len({seed for _, _, seed in first} | set(second)) == 4


def test_resume_goes_on_after_the_unit_of_the_checkpoint(begin):
    run = begin()
    for unit in run.units(4):
        run.measure("fake_position", unit.index, step=unit.index)
        if unit.index == 1:
            run.checkpoint({"sum": 1})
        if unit.index == 2:
            break
    run.close()
    again = begin(run.folder)
    assert again.restored() == {"sum": 1}
    assert [unit.index for unit in again.units(4)] == [2, 3]


def test_resume_skips_plans_that_were_done(begin):
    run = begin()
    assert [unit.index for unit in run.units(2)] == [0, 1]
    for unit in run.units(3):
        run.checkpoint({"unit": unit.index})
        break
    run.close()
    again = begin(run.folder)
    assert [unit.index for unit in again.units(2)] == []
    assert [unit.index for unit in again.units(3)] == [1, 2]
    assert [unit.index for unit in again.units(1)] == [0]


def test_a_checkpoint_between_plans_counts_them_as_done(begin):
    run = begin()
    list(run.units(2))
    run.checkpoint({})
    run.close()
    again = begin(run.folder)
    assert list(again.units(2)) == []
    assert len(list(again.units(2))) == 2


def test_resume_cuts_series_back_to_the_checkpoint(begin):
    run = begin()
    run.measure("fake_position", 1.0, step=0)
    run.checkpoint({})
    run.measure("fake_position", 2.0, step=1)
    run.measure("fake_position", 5.0, step=0, side="new")
    live = RunReader(run.folder)
    run.close()
    live.poll()
    assert len(live.series("fake_position")) == 2 and len(live.series("fake_position", side="new")) == 1
    again = begin(run.folder)
    live.poll()
    assert live.series("fake_position").tolist() == [[0, 1]]
    assert len(live.series("fake_position", side="new")) == 0
    again.measure("fake_position", 3.0, step=1)
    again.measure("fake_position", 6.0, step=0, side="new")
    again.close()
    live.poll()
    assert live.series("fake_position").tolist() == [[0, 1], [1, 3]]
    assert live.series("fake_position", side="new").tolist() == [[0, 6]]
    assert (run.folder / "events.jsonl").read_bytes().count(b'"series_opened"') == 2


def test_a_restart_without_a_checkpoint_starts_all_over(begin):
    run = begin()
    run.measure("fake_position", 1.0, step=0)
    run.close()
    again = begin(run.folder)
    assert again.restored() is None
    assert len(read(again).series("fake_position")) == 0


def test_a_checkpoint_is_announced_when_it_can_be_read(begin, monkeypatch):
    run = begin()
    monkeypatch.setattr(checkpoints, "replacing", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        run.checkpoint({})
    assert b"checkpointed" not in (run.folder / "events.jsonl").read_bytes()
    monkeypatch.undo()


def test_the_log_is_json_lines(begin):
    run = begin()
    run.measure("fake_total", float("nan"))
    run.close()
    for line in (run.folder / "events.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
