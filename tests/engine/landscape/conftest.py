"""Trained networks for the tests of tasks."""

import pytest

from engine.data.config import BuiltinData
from engine.models.config import Mlp
from engine.studies.training.config import TrainConfig
from engine.studies.training.study import Train
from tests.engine.fakes import FakeRun

IRIS = BuiltinData(name="iris")


def trained(folder, seed=0, **changes):
    """A finished training in memory."""
    values = {"model": Mlp(widths=(5,)), "data": IRIS, "epochs": 25, "batch_size": 16, "versions": 2, "snapshots": 12}
    config = TrainConfig(seed=seed, **{**values, **changes})
    run = FakeRun(folder, seed)
    Train().run(config, run)
    return run


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """Three networks, trained alike from three seeds."""
    return [trained(tmp_path_factory.mktemp("train"), seed) for seed in range(3)]


@pytest.fixture
def looking(networks, tmp_path):
    """A run that may read the networks: 0/model, 0/trajectory, 1/model, 2/model."""
    inputs = {f"{i}/{name}": run.last(name) for i, run in enumerate(networks) for name in ("model", "trajectory")}
    return FakeRun(tmp_path, 0, inputs)
