"""Lets these tests import the packaging scripts as the bootstrap does, and gives them programs that only take notes."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "packaging"))

FakeProgram = Callable[..., Path]


@pytest.fixture
def fake_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProgram:
    """``fake_program(name, code)``: the only programs on the PATH; each notes its arguments in NAME.log."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, code: int = 0) -> Path:
        log = folder / f"{name}.log"
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "$@" >> "{log}"\nexit {code}\n')
        program.chmod(0o755)
        return log

    return make
