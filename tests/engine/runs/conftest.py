"""A runs folder of its own for each test, with the tiny study in sight of every process."""

import os
import time
from pathlib import Path

import pytest

import engine.studies
from engine.artifacts import kinds
from engine.runs.library import Runs
from engine.studies import catalogue

STUDIES = Path(__file__).parent / "studies"
TORCH = """
from types import SimpleNamespace as Names

backends = Names(cuda=Names(matmul=Names(allow_tf32=False)), cudnn=Names(allow_tf32=True))


def set_num_threads(count):
    print("threads", count)
"""


@pytest.fixture(autouse=True)
def fake_study(monkeypatch):
    """The study ``fake`` is found by this process and by workers."""
    monkeypatch.setenv("THEODOLITE_STUDIES", str(STUDIES))
    monkeypatch.setattr(engine.studies, "__path__", [*engine.studies.__path__, str(STUDIES)])
    for cached in (catalogue.configs, catalogue.pipelines, catalogue.measures, kinds.kinds):
        cached.cache_clear()
    yield
    for cached in (catalogue.configs, catalogue.pipelines, catalogue.measures, kinds.kinds):
        cached.cache_clear()


@pytest.fixture
def fake():
    """The configs of the tiny study."""
    from engine.studies.fake import config

    return config


@pytest.fixture
def no_torch(tmp_path, monkeypatch):
    """A spare that need not import torch: what matters is the waiting."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "torch.py").write_text(TORCH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    return tmp_path / "hook"


@pytest.fixture
def runs(tmp_path):
    """A runs folder; what still runs at the end is cancelled."""
    library = Runs(tmp_path / "runs")
    yield library
    for item in library.list():
        if not item.read_only:
            library.cancel(item.id)
    library.close()


@pytest.fixture
def until():
    """``until(runs, id, *states)`` waits for one of the states and returns the reader."""

    def wait(library, id, *states, timeout=30.0, condition=lambda reader: True):
        reader, end = library.reader(id), time.monotonic() + timeout
        while not (reader.state in states and condition(reader)):
            assert time.monotonic() < end, f"{id} is {reader.state}, log: {reader.log()} error: {reader.error}"
            time.sleep(0.02)
            reader.poll()
        return reader

    return wait


@pytest.fixture
def environment():
    """The environment for a child that uses the engine from this checkout."""
    root = Path(__file__).parents[3]
    return {**os.environ, "PYTHONPATH": str(root), "THEODOLITE_STUDIES": str(STUDIES)}
