"""An idle session knows when a queued run needs its device."""

import pytest

from engine.runs.library import Runs
from engine.sessions.demand import run_waits
from engine.studies import catalogue


@pytest.mark.parametrize(
    ("wanted", "held", "waits"),
    [
        ("auto", "cuda:0", True),
        ("cuda", "cuda:0", True),
        ("cuda:0", "cuda:0", True),
        ("cuda:1", "cuda:0", False),
        ("cpu", "cuda:0", False),
        ("mps", "mps", True),
    ],
)
def test_only_a_run_that_wants_the_held_device_counts(tmp_path, wanted, held, waits):
    assert not run_waits(tmp_path / "runs", held)
    runs = Runs(tmp_path / "runs")
    assert not run_waits(tmp_path / "runs", held)
    runs.create(catalogue.config_class("training.train")(), device=wanted)
    runs.close()
    assert run_waits(tmp_path / "runs", held) is waits
