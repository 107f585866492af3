"""Stopping, cancelling, killing and resuming, between processes that know of each other only by the runs folder."""

from __future__ import annotations

import os
import signal
import sys

import psutil
import pytest

from engine.artifacts import versions
from engine.runs import folder
from tests.end2end.program import Background, engine, only_run, reader, until, until_state

ENDLESS = ("run", "training.train", "--preset", "smoke", "--set", "epochs=900000", "--runs-dir")

SLOW = """
import time
from torch import nn


class Slow(nn.Sequential):
    def forward(self, x):
        time.sleep(0.003)  # as long on any machine
        return super().forward(x)


def build():
    return Slow(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the signals are those of POSIX")


@pytest.fixture
def slow(tmp_path):
    """Settings of a network that takes as long on any machine."""
    (tmp_path / "slow.py").write_text(SLOW)
    return ("builder=user", f"path={tmp_path / 'slow.py'}")


@pytest.fixture
def long(slow):
    """A training of four seconds, a little more than the time between two checkpoints."""
    settings = (*(f"model.{word}" for word in slow), "epochs=130", "evaluations=3", "versions=0")
    return ("run", "training.train", "--preset", "smoke", *words(settings), "--runs-dir")


def words(settings):
    return [word for setting in settings for word in ("--set", setting)]


def makes_progress(root):
    run = only_run(root)
    until_state(run, "running")
    until(lambda: run.poll() is not None and run.progress is not None)
    return run


def gone(run):
    return not psutil.pid_exists(run.started.process.pid) or not run.started.process.alive()


def numbers(root, id):
    """All that a run says, less the times: measures, series, and the hashes of its artifacts."""
    run = reader(root, id)
    refs = {name: versions.settle(root, ref.model_copy(update={"run": id})) for name, ref in run.artifacts.items()}
    series = {opened.id: run.series(opened.id, **opened.dims).tobytes() for opened in run.series_opened}
    return (
        {(item.id, str(item.dims)): item.value for item in run.measures},
        series,
        {name: content(root / id / "artifacts", ref) for name, ref in refs.items()},
    )


def content(artifacts, ref):
    """The files of one version, less the clock times that some of them hold."""
    (path,) = artifacts.glob(f"{ref.name}.{ref.version:04d}*")
    files = sorted(file for file in path.rglob("*") if file.suffix in (".npy", ".safetensors")) if path.is_dir() else []
    return [(file.name, file.read_bytes()) for file in files]


def test_ctrl_c_stops_and_resume_gives_the_same_bits(long, tmp_path, root):
    with Background(tmp_path, "engine", *long, root) as program:
        run = makes_progress(root)
        until((run.folder / "checkpoints").is_dir)
        program.process.send_signal(signal.SIGINT)
        done = program.wait()
    assert done.code == 130, done.err
    assert "Stopping; press Ctrl+C again to cancel." in done.err
    assert done.result["state"] == "stopped" and done.result["run"] == run.id
    assert f"Train: stopped. 'theodolite-engine resume {run.id}' goes on with it." in done.err
    assert "Traceback" not in done.err
    run.poll()
    assert 0 < run.progress.done < run.progress.total
    again = engine("resume", run.id, "--runs-dir", root)
    assert again.code == 0, again.err
    other = engine(*long, tmp_path / "other")
    assert other.code == 0, other.err
    ours, theirs = numbers(root, run.id), numbers(tmp_path / "other", other.result["run"])
    assert ours == theirs
    assert sum(len(files) for files in ours[2].values()) > 2 and len(ours[1]) > 5


def test_a_second_ctrl_c_cancels(tmp_path, root):
    (tmp_path / "hangs.py").write_text("import time\ndef build():\n    print('in it', flush=True)\n    time.sleep(600)")
    settings = ("--set", "model.builder=user", "--set", f"model.path={tmp_path / 'hangs.py'}")
    with Background(tmp_path, "engine", *ENDLESS, root, *settings) as program:
        run = only_run(root)
        until(lambda: "in it" in run.log())
        program.process.send_signal(signal.SIGINT)
        until(lambda: "press Ctrl+C again" in program.err)
        program.process.send_signal(signal.SIGINT)
        done = program.wait()
    assert done.code == 130 and "Cancelling." in done.err and "Traceback" not in done.err
    until_state(run, "stopped")
    assert run.reason == "cancelled" and gone(run)


@pytest.mark.parametrize("word", ["stop", "cancel"])
def test_another_process_ends_it(word, tmp_path, root):
    with Background(tmp_path, "engine", *ENDLESS, root) as program:
        run = makes_progress(root)
        assert engine(word, run.id, "--runs-dir", root).code == 0
        done = program.wait()
    assert done.code == 130 and done.result["state"] == "stopped"
    until_state(run, "stopped")
    assert run.reason == ("cancelled" if word == "cancel" else "stopped")
    until(lambda: gone(run))
    assert engine(word, run.id, "--runs-dir", root).code == 0  # twice is no error


def test_a_run_outlives_the_command_line(long, tmp_path, root):
    with Background(tmp_path, "engine", *long, root) as program:
        run = makes_progress(root)
        program.process.kill()
        program.process.wait()
    until_state(run, "finished")
    assert run.measure("train_accuracy").value > 90


def test_a_pipeline_goes_on_when_the_command_line_is_killed(slow, tmp_path, root):
    """Its warm worker leaves with it; the workers start the next stages themselves."""
    settings = words([*(f"train.model.{word}" for word in slow), "train.epochs=60"])
    with Background(
        tmp_path, "engine", "run", "landscape", "--preset", "smoke", *settings, "--runs-dir", root
    ) as program:
        train = until(lambda: [id for id in stages(root) if stages(root)[id] == "training.train"])[0]
        run = until_state(reader(root, train), "running")
        until(lambda: run.poll() is not None and run.progress is not None)
        program.process.kill()
        program.process.wait()
    surface = until(lambda: [id for id, task in stages(root).items() if task == "landscape.surface"])[0]
    assert until_state(reader(root, surface), "finished", "failed", "lost").state == "finished"


def stages(root):
    return {path.name: folder.request(path).task for path in root.glob("*") if folder.is_run(path)}


def test_a_killed_worker_is_lost_and_resumes(long, tmp_path, root):
    with Background(tmp_path, "engine", *long, root) as program:
        run = makes_progress(root)
        os.kill(run.started.process.pid, signal.SIGKILL)
        done = program.wait()
    assert (done.code, done.result["state"]) == (1, "lost")
    assert "killed from outside" in done.err
    assert engine("resume", run.id, "--runs-dir", root).code == 0
    refused = engine("resume", run.id, "--runs-dir", root)
    assert refused.code == 1 and "cannot be resumed: it is finished" in refused.err
