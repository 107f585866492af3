"""Kill -9 at random moments, resume, and again: the numbers are those of an uninterrupted run."""

import random
import time

import psutil

from engine.artifacts import versions
from engine.runs import state
from engine.runs.reader import RunReader


def outcome(reader):
    return reader.series("fake_position", side="left").tobytes(), reader.artifact("walk")["x"].tobytes()


def test_any_number_of_kills(runs, fake, until):
    whole = runs.create(fake.Walk(seed=11, units=40, steps=10))
    runs.dispatch()
    expected = outcome(until(runs, whole, "finished"))

    id = runs.create(fake.Walk(seed=11, units=40, steps=10))
    chance, kills = random.Random(3), 0
    for _ in range(5):
        runs.dispatch()
        reader = until(runs, id, "running", "finished")
        worker = reader.status.process
        time.sleep(chance.random() * 0.25)
        if worker is not None and worker.alive():
            psutil.Process(worker.pid).kill()
        end = time.monotonic() + 5
        while not reader.status.over and time.monotonic() < end:
            reader.poll()
        if reader.state == "finished":
            break
        assert (reader.state, reader.reason) == ("lost", "killed")
        kills += 1
        # Whatever was announced can be read, and what a fresh reader sees is what the old one saw.
        for published in reader.versions.get("walk", []):
            versions.read(runs.root, published.ref, verify=True)
        fresh = RunReader(reader.folder)
        fresh.poll()
        both = [one.series("fake_position", side="left").tobytes() for one in (fresh, reader)]
        assert both[0] == both[1]
        runs.resume(id)
    runs.dispatch()
    reader = until(runs, id, *state.OVER)
    assert reader.state == "finished"
    assert kills >= 1
    assert outcome(reader) == expected
