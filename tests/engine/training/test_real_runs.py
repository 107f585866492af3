"""Training in real run folders: with a worker process, and stopped and resumed at real checkpoints."""

import time

import numpy as np
import pytest

from engine.data.config import BuiltinData, ModelFileData
from engine.models.config import Mlp, UserModel
from engine.models.consent import grant
from engine.models.freeze import survey
from engine.models.load import load
from engine.runs import control, events, folder, state
from engine.runs.library import Runs
from engine.runs.reader import RunReader
from engine.runs.recorder import Recorder
from engine.runs.run import Stopped
from engine.studies.training.config import TrainConfig
from engine.studies.training.study import Train

CONFIG = TrainConfig(
    model=Mlp(widths=(5,), batch_norm=True),
    data=BuiltinData(name="iris"),
    epochs=5,
    batch_size=16,
    versions=1,
    snapshots=6,
)


@pytest.fixture
def runs(tmp_path):
    library = Runs(tmp_path / "runs")
    yield library
    for item in library.list():
        if not item.read_only:
            library.cancel(item.id)
    library.close()


def wait(runs, id):
    reader, end = runs.reader(id), time.monotonic() + 60
    while reader.state not in state.OVER:
        assert time.monotonic() < end, f"{reader.state}, {reader.log()}"
        time.sleep(0.05)
        reader.poll()
    return reader


MINE = """
import torch
import helper

print("x" * 1000)

def build():
    return helper.Net()

def data():
    x = torch.randn(60, 3)
    return x, (x.sum(1) > 0).long()
"""

HELPER = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(3, 2)

    def forward(self, x):
        return self.line(x)
"""


def test_a_worker_trains_a_users_network_after_consent_only(runs, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    (tmp_path / "helper.py").write_text(HELPER)
    config = CONFIG.model_copy(update={"model": UserModel(path=str(path)), "data": ModelFileData(), "batch_size": 8})
    refused = runs.create(config)
    runs.dispatch()
    reader = wait(runs, refused)
    assert reader.state == "failed" and "not run without your consent" in str(reader.error)

    grant(survey(path).sha256, str(path))
    id = runs.create(config)
    runs.dispatch()
    reader = wait(runs, id)
    assert reader.state == "finished", reader.log()
    (tmp_path / "helper.py").write_text("raise SystemError")

    loaded = load(reader.artifact("model"))
    assert loaded.artifact.source.is_relative_to(reader.folder / "artifacts")
    for split in ("train", "test"):
        loss = float(loaded.loss(loaded.params, loaded.batch(split)))
        assert loss == pytest.approx(reader.measure(f"{split}_loss").value, rel=1e-6)
    trajectory = reader.artifact("trajectory")
    np.testing.assert_array_equal(reader.series("step_norm")[:, 1], trajectory["records"]["step_norm"])
    assert "x" * 1000 in reader.log()


def in_folder(root, path=None, stop_after=None, monkeypatch=None):
    """Train in a real folder in this process; a path goes on with that run. Gives the folder and whether it ended."""
    again = path is not None
    if path is None:
        request = folder.Request(CONFIG.task, CONFIG.model_dump(mode="json"), 1, folder.SCHEMA_VERSION)
        root.mkdir(exist_ok=True)
        path = root / folder.create(root, request, folder.Meta(), lambda path: None)
    log = events.EventLog(path / folder.EVENTS)
    run = Recorder(path, CONFIG, "cpu", log, control.Inbox(path, 0), {})
    points = 0

    def point():
        nonlocal points
        points += 1
        if stop_after is not None and points > stop_after:
            raise Stopped

    run.point = point
    try:
        if again:
            run.rewind()
        Train().run(CONFIG, run)
        return path, True
    except Stopped:
        return path, False
    finally:
        run.close()
        log.close()


def outcome(path):
    reader = RunReader(path)
    reader.poll()
    series = {
        name: reader.series(name).tobytes() for name in ("train_loss", "step_norm", "displacement", "test_accuracy")
    }
    hashes = {name: reader.artifacts[name].sha256 for name in ("model", "trajectory")}
    return series, hashes, reader.measure("test_loss").value


@pytest.mark.parametrize("points", [1, 9, 30])
def test_stopped_anywhere_it_goes_on_to_the_same_files(tmp_path, monkeypatch, points):
    for name in ("POINT_SECONDS", "STEPS_SECONDS", "CHECKPOINT_SECONDS", "SAVING"):
        monkeypatch.setattr(f"engine.studies.training.study.{name}", 0)
    whole, ended = in_folder(tmp_path / "whole")
    assert ended
    path, ended = in_folder(tmp_path / "parts", stop_after=points)
    assert not ended
    for _ in range(20):
        path, ended = in_folder(tmp_path / "parts", path, stop_after=points + 12)
        if ended:
            break
    assert ended
    assert outcome(path) == outcome(whole)
