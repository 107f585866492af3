"""What the end-to-end tests share: a runs folder of their own, and one finished training to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runs.library import Runs
from tests.end2end.program import Done, engine

TRAIN = ("run", "training.train", "--preset", "smoke")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A runs folder; what still goes on at the end is killed."""
    path = tmp_path / "runs"
    yield path
    if path.is_dir():
        runs = Runs(path)
        for item in runs.list():
            runs.cancel(item.id)
        runs.close()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A runs folder with one finished run called "First 一", and what the command line said of it. Only to read."""
    root = tmp_path_factory.mktemp("finished") / "runs"
    return root, engine(*TRAIN, "--name", "First 一", "--runs-dir", root)
