"""Disks that are full or may not be written, through the real programs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.end2end.conftest import TRAIN
from tests.end2end.program import engine, reader, run


def may_mount():
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not may_mount(), reason="only root on Linux may mount a small disk")


@pytest.fixture
def disk(tmp_path):
    """A disk of 3 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", path], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def remount(path, how):
    subprocess.run(["mount", "-o", f"remount,{how}", path], check=True)


def test_a_disk_that_fills_up_while_a_run_works(disk):
    wide = ("--set", "model.widths=400,400", "--set", "epochs=6", "--set", "versions=5", "--set", "evaluations=1")
    done = engine(*TRAIN, *wide, "--runs-dir", disk / "runs")
    assert (done.code, done.result["state"]) == (1, "failed"), done.err
    assert "The disk with the runs is full." in done.err and "Free some space" in done.err
    assert "Traceback" not in done.err
    found = reader(disk / "runs", done.result["run"])
    assert "model" in found.artifacts and found.artifact("model").weights  # what was announced is whole
    remount(disk, "size=200m")
    again = engine("resume", found.id, "--runs-dir", disk / "runs")
    assert (again.code, again.result["state"]) == (0, "finished"), again.err


def test_no_room_for_a_run(disk):
    (disk / "runs").mkdir()
    engine("list", "--runs-dir", disk / "runs")
    filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError):
        while os.write(filler, bytes(4096)):
            pass
    os.close(filler)
    done = engine(*TRAIN, "--runs-dir", disk / "runs")
    assert done.code == 1 and "The disk with the runs is full." in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("used", [False, True])
def test_a_folder_that_may_not_be_written(used, disk):
    if used:
        assert engine("list", "--runs-dir", disk / "runs").code == 0
    remount(disk, "ro")
    for words in (TRAIN, ("list",)):
        done = engine(*words, "--runs-dir", disk / "runs")
        assert done.code == 1 and done.out == ""
        assert "The run could not write" in done.err or "could not" in done.err
        assert "read-only" in done.err and "Choose another folder" in done.err
        assert "Traceback" not in done.err


def test_the_window_says_so_too(disk):
    remount(disk, "ro")
    done = run("app", "--self-test", "--runs-dir", disk / "runs", DISPLAY="", QT_QPA_PLATFORM="offscreen")
    assert done.code != 0
    assert "read-only" in done.err and "Traceback" not in done.err
