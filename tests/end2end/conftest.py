"""Starts the real program and the real command line as children, as a user's shell would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 110

Start = Callable[..., subprocess.CompletedProcess[str]]
Begin = Callable[..., subprocess.Popen[str]]


def environment() -> dict[str, str]:
    """That of this test, with the checkout importable from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """``start("engine", "list")``: run ``python -P -m engine list`` in an empty folder until it ends."""

    def run(package: str, *words: str | Path, code: int = 0, **extra: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", package, *map(str, words)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            cwd=tmp_path,
            env={**environment(), **extra},
        )
        assert done.returncode == code, (
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
        return done

    return run


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """``begin("engine", "run", ...)``: the same without waiting; ended with the test if it still runs."""
    children: list[subprocess.Popen[str]] = []

    def run(package: str, *words: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", package, *map(str, words)]
        with (tmp_path / "begun.txt").open("w") as output:
            children.append(subprocess.Popen(command, stdout=output, stderr=output, cwd=tmp_path, env=environment()))
        return children[-1]

    yield run
    for child in children:
        child.kill()
        child.wait()
