"""What a person does with runs: create, name, find, tidy."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from engine.artifacts import versions
from engine.artifacts.refs import ArtifactRef
from engine.errors import EngineError
from engine.runs import folder, library
from engine.runs.failures import DiskFull
from engine.runs.library import Runs, default_root


@pytest.fixture
def walked(runs, fake, until):
    """A finished walk."""
    id = runs.create(fake.Walk(units=1, steps=2), name="walk one")
    runs.dispatch()
    until(runs, id, "finished")
    return id


def table(run, **more):
    return ArtifactRef(run=run, name="walk", kind="table", **more)


def test_the_root_is_where_the_user_says(monkeypatch, tmp_path):
    assert default_root().name == "runs"
    monkeypatch.setenv("THEODOLITE_RUNS_DIR", str(tmp_path / "mine"))
    assert default_root() == tmp_path / "mine"
    runs = Runs()
    assert runs.root == tmp_path / "mine"
    runs.close()


def test_lists_are_newest_first_and_say_how_far(runs, fake, until):
    ids = [runs.create(fake.Walk(units=10, steps=1, pause=0.05, seed=seed), name=f"n{seed}") for seed in range(2)]
    assert [item.id for item in runs.list()] == ids[::-1]
    runs.dispatch()
    until(runs, ids[0], "running", condition=lambda reader: reader.progress is not None)
    first = {item.id: item for item in runs.list()}[ids[0]]
    assert first.state == "running" and 0 < first.progress <= 1
    assert first.name == "n0" and not first.read_only and not first.imported
    runs.cancel(ids[1])
    runs.cancel(ids[0])
    assert {item.state for item in runs.list()} == {"stopped"}


def test_the_user_can_say_things_of_a_run(runs, fake):
    id = runs.create(fake.Act(), tags=("x",), project="thesis")
    runs.rename(id, "新 name")
    runs.set_tags(id, ["a", "b"])
    runs.set_notes(id, "first line\nsecond")
    item = next(iter(runs.list()))
    assert (item.name, item.tags, item.project) == ("新 name", ("a", "b"), "thesis")
    reader = runs.reader(id)
    assert reader.name == "新 name" and reader.meta.notes == "first line\nsecond"
    runs.rename(id, "again")
    assert reader.name == "again"


def test_files_are_copied_into_the_run(runs, fake, tmp_path):
    (tmp_path / "model.py").write_text("x = 1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "data.csv").write_text("1,2")
    id = runs.create(fake.Act(), files={"model.py": tmp_path / "model.py", "deep/er": tmp_path / "folder"})
    (tmp_path / "model.py").write_text("x = 2")
    assert (runs.root / id / "inputs" / "model.py").read_text() == "x = 1"
    assert (runs.root / id / "inputs" / "deep" / "er" / "data.csv").read_text() == "1,2"
    with pytest.raises(ValueError, match="leaves the folder"):
        runs.create(fake.Act(), files={"../evil": tmp_path / "model.py"})
    assert len(runs.list()) == 1


@pytest.mark.parametrize("id", ["20200101-000000-aaaa", "..", "../x", "", "/"])
def test_an_unknown_run_is_an_error_in_words(runs, id):
    (runs.root.parent / "config.json").write_text("{}")
    for ask in (runs.reader, runs.stop, runs.cancel, runs.resume, runs.delete, runs.restore):
        with pytest.raises(library.NoSuchRun, match="There is no run"):
            ask(id)


def test_references_to_unknown_runs_are_refused(runs, fake):
    with pytest.raises(library.NoSuchRun):
        runs.create(fake.Sum(walk=table("20200101-000000-aaaa")))
    with pytest.raises(library.NoSuchRun):
        runs.create(fake.Act(), after=["20200101-000000-aaaa"])
    assert list(runs.list()) == []


def test_pipelines_are_linked(runs, fake, walked):
    ids = runs.create_pipeline(fake.Chain(), name="both")
    ref = runs.reader(ids["sum"]).config["walk"]
    assert ref == {"run": ids["walk"], "name": "walk", "kind": "table", "version": None, "sha256": ""}
    assert runs.reader(ids["sum"]).config["others"] == [ref]
    given = runs.create_pipeline(fake.Chain(sum=fake.Sum(walk=table(walked, version=1))))
    assert runs.reader(given["sum"]).config["walk"]["run"] == walked
    assert list(runs.create_pipeline(fake.Chain(sum=None))) == ["walk"]


def test_what_lacks_an_input_cannot_be_created(runs, fake):
    with pytest.raises(library.OpenInputs, match=r"Sum cannot run yet: Walk not chosen\."):
        runs.create(fake.Sum())
    assert list(runs.list()) == []


def test_what_is_used_cannot_be_deleted(runs, fake, walked):
    users = [runs.create(fake.Sum(walk=table(walked)), name=name) for name in ("first", "second")]
    assert sorted(runs.used_by(walked)) == sorted(users)
    with pytest.raises(library.InUse, match="The run walk one is used by 2 runs: first, second"):
        runs.delete(walked)
    for id in users:
        runs.cancel(id)
        runs.delete(id)
    runs.delete(walked)
    assert list(runs.list()) == []
    assert not (runs.root / walked).exists()


def test_what_was_deleted_can_be_restored_until_the_trash_is_emptied(runs, walked):
    runs.delete(walked)
    with pytest.raises(library.NoSuchRun):
        runs.reader(walked)
    assert runs.reindex() == 0
    runs.restore(walked)
    assert [item.state for item in runs.list()] == ["finished"]
    assert len(runs.reader(walked).artifact("walk")["x"]) == 2
    runs.delete(walked)
    runs.empty_trash()
    with pytest.raises(library.NoSuchRun):
        runs.restore(walked)


def test_folders_moved_by_hand_leave_and_enter_the_list(runs, walked, fake, tmp_path):
    os.rename(runs.root / walked, tmp_path / walked)
    assert list(runs.list()) == []
    (runs.root / "20200101-000000-junk").mkdir()
    os.rename(tmp_path / walked, runs.root / walked)
    assert [(item.id, item.state) for item in runs.list()] == [(walked, "finished")]


def test_what_is_running_cannot_be_deleted(runs, fake, until):
    id = runs.create(fake.Act(what="wait"), name="busy")
    runs.dispatch()
    until(runs, id, "running")
    with pytest.raises(library.StillActive, match=r"The run busy is still running\. Stop it first\."):
        runs.delete(id)
    runs.cancel(id)
    runs.delete(id)


def test_a_run_of_a_newer_program_can_be_read_but_not_changed(runs, walked, fake):
    waiting = runs.create(fake.Act())
    for id in (walked, waiting):
        path = runs.root / id / folder.CONFIG
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    runs.reindex()
    assert all(item.read_only for item in runs.list())
    reader = runs.reader(walked)
    assert reader.state == "finished" and len(reader.artifact("walk")["x"]) == 2
    for ask in (runs.stop, runs.cancel, runs.resume, lambda id: runs.rename(id, "x")):
        with pytest.raises(library.ReadOnly, match="made by a newer version"):
            ask(walked)
    assert runs.dispatch() == []


def test_a_full_disk_at_creation_leaves_nothing(runs, fake, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match=r"Free some space"):
        runs.create(fake.Act())
    monkeypatch.undo()
    assert [path for path in runs.root.iterdir() if path.is_dir()] == []


def test_artifacts_are_found_by_kind(runs, fake, walked):
    newer = runs.create(fake.Walk(units=1, steps=1), name="two")
    assert [str(ref) for _, ref in runs.artifacts("table")] == [f"{walked}/walk.0002"]
    assert runs.artifacts("model") == []
    runs.executor.submit(runs.root / newer, runs.executor.capacity()[0], 1)
    end = time.monotonic() + 20
    while runs.reader(newer).state != "finished" and time.monotonic() < end:
        time.sleep(0.02)
    runs.list()
    titles = {title: ref.run for title, ref in runs.artifacts("table")}
    assert titles == {"two · walk": newer, "walk one · walk": walked}
    assert list(titles) == ["two · walk", "walk one · walk"]
    (runs.root / walked / "artifacts" / "walk.0002" / "artifact.json").write_text("{")
    assert len(versions.latest(runs.root, walked)) == 0


def test_looking_at_runs_imports_nothing_heavy(environment):
    code = (
        "import sys, engine.runs.library, engine.runs.reader, engine.artifacts.kinds as kinds; kinds.kinds(); "
        "heavy = {'torch', 'scipy', 'sklearn', 'polars', 'open3d', 'PySide6', 'pandas', 'safetensors'}; "
        "print(*heavy & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_error_says_what_to_do():
    errors = [item for item in vars(library).values() if isinstance(item, type) and issubclass(item, EngineError)]
    assert len(errors) >= 5
    assert all(error.what and error.remedy for error in errors if error is not EngineError)


def test_a_walk_is_the_sum_of_seeded_steps(runs, walked):
    """The task's own known answer: what the engine hands through is what numpy computes."""
    from engine.seeding import derive

    steps = np.random.default_rng(derive(0, "unit", 0, 0)).normal(size=2)
    np.testing.assert_array_equal(runs.reader(walked).artifact("walk")["x"], np.cumsum(steps))
