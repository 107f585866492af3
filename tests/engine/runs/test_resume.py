"""Resume: the same numbers as without interruption, after a stop, a kill, and a damaged checkpoint."""

import pytest

from engine.runs import state


def outcome(reader):
    return (
        reader.series("fake_position", side="left").tobytes(),
        reader.measure("fake_total").value.hex(),
        reader.artifact("walk")["x"].tobytes(),
        reader.artifacts["walk"].sha256,
    )


@pytest.fixture
def whole(runs, fake, until):
    """The outcome of an uninterrupted run."""
    id = runs.create(fake.Walk(seed=5, units=4, steps=3))
    runs.dispatch()
    return outcome(until(runs, id, "finished"))


def go_on(runs, until, id):
    runs.resume(id)
    assert runs.reader(id).state == "queued"
    runs.dispatch()
    return until(runs, id, *state.OVER)


def test_after_a_kill_inside_a_unit(runs, fake, until, whole):
    id = runs.create(fake.Walk(seed=5, units=4, steps=3, die_in=2))
    runs.dispatch()
    reader = until(runs, id, *state.OVER)
    assert (reader.state, reader.reason) == ("lost", "killed")
    again = go_on(runs, until, id)
    assert again.state == "finished"
    assert outcome(again) == whole
    lines = (again.folder / "events.jsonl").read_text().splitlines()
    assert [line.count('"resumed"') for line in lines].count(1) == 1
    assert '"unit":2' in next(line for line in lines if '"resumed"' in line)


def test_after_a_kill_with_a_damaged_checkpoint(runs, fake, until, whole):
    id = runs.create(fake.Walk(seed=5, units=4, steps=3, die_in=2))
    runs.dispatch()
    reader = until(runs, id, *state.OVER)
    newest = max((reader.folder / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:50])
    assert outcome(go_on(runs, until, id)) == whole


def test_after_a_stop_inside_a_unit(runs, fake, until, whole):
    id = runs.create(fake.Walk(seed=5, units=4, steps=3, pause=0.05))
    runs.dispatch()
    until(runs, id, "running", condition=lambda reader: reader.progress and reader.progress.done > 4)
    runs.stop(id)
    reader = until(runs, id, *state.OVER)
    assert (reader.state, reader.reason) == ("stopped", "stopped")
    assert 0 < len(reader.series("fake_position", side="left")) < 12
    assert outcome(go_on(runs, until, id)) == whole


def test_resume_keeps_the_versions_of_its_inputs(runs, fake, until):
    """What was settled at the first start counts, even when something newer came meanwhile."""
    import numpy as np

    from engine.artifacts import versions
    from engine.artifacts.refs import ArtifactRef
    from engine.artifacts.shared_kinds import TableKind
    from engine.runs import events, folder

    walk = runs.create(fake.Walk(units=1, steps=2))
    runs.dispatch()
    until(runs, walk, "finished")
    id = runs.create(fake.Sum(walk=ArtifactRef(run=walk, name="walk", kind="table")))
    runs.dispatch()
    first = until(runs, id, "finished")
    versions.write(runs.root / walk / "artifacts", "walk", TableKind(), {"x": np.ones(1)}, complete=True)
    log = events.EventLog(first.folder / folder.EVENTS)
    log.append(events.Failed(error="E", what="As if it had failed."))
    log.close()
    again = go_on(runs, until, id)
    assert again.state == "finished" and again.error is None
    assert again.started.inputs == first.started.inputs
    assert again.measure("fake_total", split="all").n == 2


def test_what_is_finished_or_active_cannot_be_resumed(runs, fake, until):
    from engine.runs.library import NotResumable

    id = runs.create(fake.Walk(units=1, steps=1))
    with pytest.raises(NotResumable, match="it is queued"):
        runs.resume(id)
    runs.dispatch()
    until(runs, id, "finished")
    with pytest.raises(NotResumable, match="it is finished"):
        runs.resume(id)
