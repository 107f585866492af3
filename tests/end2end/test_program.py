"""The real program: it opens, visits its tabs, runs their smallest examples, and knows when it can't."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.CompletedProcess[str]"]


def test_self_test_does_everything_and_takes_pictures(start: Start, tmp_path: Path) -> None:
    shots = tmp_path / "shots"
    done = start("app", "--self-test", "--screenshots", shots, "--runs-dir", tmp_path / "runs", "--size", "1280x800")
    steps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(steps) >= 4 and all(step["ok"] for step in steps)
    assert "Traceback" not in done.stderr and "CRITICAL" not in done.stderr
    pictures = sorted(shots.glob("*.png"))
    assert len(pictures) >= 2
    for picture in pictures:
        head = picture.read_bytes()[:24]
        assert struct.unpack(">II", head[16:24]) == (1280, 800)
    runs = [path for path in (tmp_path / "runs").iterdir() if (path / "config.json").exists()]
    assert runs, "the smallest examples left no run folder"


def test_program_without_display_says_so(start: Start) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux can be without a display")
    done = start("app", code=2, DISPLAY="", WAYLAND_DISPLAY="", QT_QPA_PLATFORM="")
    assert "no display" in done.stderr and "theodolite-engine run landscape" in done.stderr


def test_modules_in_the_current_folder_shadow_nothing(start: Start, tmp_path: Path) -> None:
    for name in ("engine", "app", "data", "numpy", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    assert start("engine", "--version").stdout.startswith("theodolite-engine ")
    done = start("engine", "run", "training.train", "--preset", "smoke", "--runs-dir", tmp_path / "runs")
    assert json.loads(done.stdout.splitlines()[-1])["state"] == "finished"


def test_help_of_both_programs(start: Start) -> None:
    assert "--self-test" in start("app", "--help").stdout
    assert "reindex" in start("engine", "--help").stdout


def test_light_commands_import_nothing_heavy(start: Start) -> None:
    imported = {
        line.rpartition("|")[2].strip()
        for line in start("engine", "tasks", PYTHONPROFILEIMPORTTIME="1").stderr.splitlines()
    }
    assert "engine.studies.catalogue" in imported
    assert not {"torch", "scipy", "sklearn", "polars", "open3d"} & imported
