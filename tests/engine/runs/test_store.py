"""The index: nothing but what the folders say, rebuilt when it is gone or damaged."""

import sqlite3
import time

import pytest

from engine.artifacts.refs import ArtifactRef
from engine.runs import control, folder, processes
from engine.runs.failures import NotWritable
from engine.runs.library import Runs
from engine.runs.store import FILE, NewerIndex, Store, references


def content(runs):
    rows = [row.__dict__ for row in runs._store.rows()]
    links = sorted(runs._store._db.execute("SELECT * FROM links"))
    leases = [(lease.slot, lease.run, lease.owner.pid) for lease in runs._store.leases()]
    return rows, links, leases


@pytest.fixture
def some(runs, fake, until):
    """A finished, a running, a stopped and two queued runs that build on each other."""
    done = runs.create(fake.Walk(units=1, steps=1), name="done 行", tags=("a", "b"), project="p")
    runs.dispatch()
    until(runs, done, "finished")
    stopped = runs.create(fake.Act())
    runs.stop(stopped)
    going = runs.create(fake.Act(what="wait"))
    runs.dispatch()
    until(runs, going, "running")
    runs.create(fake.Sum(walk=ArtifactRef(run=done, name="walk", kind="table")), after=[going])
    runs.create(fake.Act(), device="cuda:3")
    runs.list()
    return {"done": done, "going": going}


def test_reindexing_changes_nothing(runs, some):
    runs.dispatch()
    before = content(runs)
    assert runs.reindex() == len(before[0]) == 5
    assert content(runs) == before


def test_a_damaged_index_is_rebuilt(runs, some):
    runs.dispatch()
    before = content(runs)
    runs.close()
    file = runs.root / FILE
    data = file.read_bytes()
    for damage, found in {b"rubbish" * 1000: 1, b"": 1, data[:5000] + bytes(9000): 2, None: 2}.items():
        for suffix in ("", "-wal", "-shm"):
            (runs.root / (FILE + suffix)).unlink(missing_ok=True)
        if damage is not None:
            file.write_bytes(damage)
        again = Runs(runs.root)
        assert content(again) == before
        again.close()
        kept = [path for path in runs.root.glob(FILE + ".damaged-*") if not path.name.endswith(("-wal", "-shm"))]
        assert len(kept) == found  # what was there is not thrown away
    runs._store = Store(runs.root)


def test_the_device_is_told_from_the_first_moment_to_after_the_end(runs, some):
    told = {row.state: (row.device, row.ran_on) for row in runs.list()}
    assert told["finished"] == told["running"] == ("auto", "cpu")
    assert told["stopped"] == ("auto", "") and told["queued"] in (("auto", ""), ("cuda:3", ""))
    again = next(row.id for row in runs.list() if row.state == "running")
    runs.cancel(again)
    runs.resume(again)
    assert next(row for row in runs.list() if row.id == again).ran_on == ""  # it may get another device now


def test_an_index_of_an_older_program_is_built_anew(runs, some):
    runs.dispatch()
    before = content(runs)
    runs.close()
    with sqlite3.connect(runs.root / FILE) as db:
        db.execute("ALTER TABLE runs DROP COLUMN ran_on")
        db.execute("PRAGMA user_version=2")
    db.close()
    runs._store = Store(runs.root)
    assert content(runs) == before


def test_an_index_of_a_newer_program_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(NewerIndex, match="newer version"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_an_index_that_cannot_be_opened_says_so(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(NotWritable, match="could not write the index"):
        Store(tmp_path)


def test_a_runs_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        Store(tmp_path / "file")


def test_what_is_no_run_is_passed_over(runs, fake):
    (runs.root / "stray").mkdir()
    (runs.root / "damaged").mkdir()
    (runs.root / "damaged" / folder.CONFIG).write_text("{")
    runs.create(fake.Act())
    assert runs.reindex() == 1


def test_a_transaction_that_fails_leaves_no_trace(runs, fake):
    id = runs.create(fake.Act())
    with pytest.raises(RuntimeError), runs._store.exclusive():
        runs._store.lease("cpu:0", id, processes.this_process())
        raise RuntimeError
    assert runs._store.leases() == []


def test_a_run_has_one_slot_and_a_slot_one_run(runs):
    me = processes.this_process()
    for slot, run in (("cpu:0", "a"), ("cpu:0", "b"), ("cpu:1", "b")):
        runs._store.lease(slot, run, me)
    assert [(lease.slot, lease.run, lease.owner) for lease in runs._store.leases()] == [("cpu:1", "b", me)]


def test_references_are_found_wherever_they_are():
    ref = {"run": "r", "name": "n", "kind": "k", "version": None, "sha256": ""}
    config = {"a": ref, "b": [{"c": ref}, 3, "x"], "d": {"run": 3, "name": "n", "kind": "k"}}
    assert references(config) == [ref, ref]
    assert references({"run": "only"}) == []


def test_a_list_of_thousands_is_quick(runs):
    """Rows of runs that are over come from the index alone."""
    with runs._store.exclusive():
        for index in range(3000):
            id = f"20200101-000000-{index:04d}"
            (runs.root / id).mkdir()
            runs._store._db.execute(
                "INSERT INTO runs VALUES (?, 'fake.act', '', '', '[]', ?, 'auto', 0, 0, 'finished', '', 0, 1, 'cpu')",
                (id, float(index)),
            )
    began = time.process_time()
    assert len(runs.list()) == 3000
    assert time.process_time() - began < 0.3
    runs._store._db.execute("DELETE FROM runs")


def test_commands_do_not_need_the_index(runs, fake):
    id = runs.create(fake.Act())
    control.send(runs.root / id, "cancel")
    assert next(iter(runs.list())).reason == "cancelled"
