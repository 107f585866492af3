"""The real command line: run, follow, interrupt, resume, cancel, show, export, delete; and runs that outlive it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

Start = Callable[..., "subprocess.CompletedProcess[str]"]
Begin = Callable[..., "subprocess.Popen[str]"]

LONG = ("run", "training.train", "--preset", "smoke", "--set", "epochs=500", "--set", "evaluations=3")


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(done.stdout.splitlines()[-1]))


def running(runs: Path, limit: float = 60) -> str:
    """Wait until a run has begun to make progress; its id."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        for events in runs.glob("*/events.jsonl"):
            if '"progress"' in events.read_text():
                return events.parent.name
        time.sleep(0.05)
    raise AssertionError("no run made progress")


def workers(run: Path) -> list[psutil.Process]:
    """Processes whose command line names this run."""
    return [one for one in psutil.process_iter(["cmdline"]) if str(run) in " ".join(one.info["cmdline"] or ())]


def test_pipeline_runs_and_its_traces_can_be_read(start: Start, tmp_path: Path) -> None:
    where = ("--runs-dir", tmp_path / "my runs é")
    first = result(start("engine", "run", "landscape", "--preset", "smoke", *where))
    assert first["state"] == "finished" and 0 < first["measures"]["train_loss"] < 3
    again = result(start("engine", "run", "landscape", "--preset", "smoke", *where))
    assert again["measures"] == first["measures"]  # a run is repeatable to the last bit

    shown = json.loads(start("engine", "show", first["run"], *where).stdout)
    assert shown["config"] and shown["artifacts"] and shown["folder"] == first["folder"]
    listed = start("engine", "list", *where).stdout.splitlines()
    assert len(listed) == len({*first["stages"].values(), *again["stages"].values()})

    start("engine", "export", first["run"], tmp_path / "run.zip", *where)
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        assert any(name.endswith("config.json") for name in archive.namelist())
    cited = first["stages"]["train"]
    refused = start("engine", "delete", cited, *where, code=1)
    assert cited in refused.stderr or "used" in refused.stderr
    start("engine", "delete", first["run"], *where)
    assert first["run"] not in start("engine", "list", *where).stdout
    assert f"{len(listed) - 1} runs indexed" in start("engine", "reindex", *where).stdout


def test_interrupted_run_is_resumed_to_the_same_numbers(start: Start, begin: Begin, tmp_path: Path) -> None:
    where = ("--runs-dir", tmp_path / "runs")
    child = begin("engine", *LONG, *where)
    run = running(tmp_path / "runs")
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130
    assert json.loads(start("engine", "show", run, *where).stdout)["state"] == "stopped"
    resumed = result(start("engine", "resume", run, *where))
    straight = result(start("engine", *LONG, "--runs-dir", tmp_path / "other"))
    assert resumed["run"] == run and resumed["state"] == straight["state"] == "finished"
    assert resumed["measures"] == straight["measures"]


def test_run_outlives_the_command_line_and_is_cancelled_by_another(start: Start, begin: Begin, tmp_path: Path) -> None:
    where = ("--runs-dir", tmp_path / "runs")
    child = begin("engine", "run", "training.train", "--preset", "smoke", "--set", "epochs=50000", *where)
    run = running(tmp_path / "runs")
    child.kill()
    child.wait(10)
    folder = tmp_path / "runs" / run
    time.sleep(0.5)
    assert workers(folder), "the run died with the command line that started it"
    start("engine", "cancel", run, *where)
    end = time.monotonic() + 5
    while workers(folder) and time.monotonic() < end:
        time.sleep(0.05)
    assert not workers(folder)
    assert json.loads(start("engine", "show", run, *where).stdout)["state"] in ("failed", "stopped", "cancelled")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "nonsense"), "nonsense"),
        (("run", "training.train", "--set", "no.such=1"), "no"),
        (("run", "training.train", "--set", "epochs=-1"), "epochs"),
        (("run", "training.train", "--preset", "huge"), "huge"),
        (("show", "nothing"), "no run nothing"),
        (("run", "training.train", "--config", "missing.json"), "missing.json"),
    ],
)
def test_mistakes_are_sentences(start: Start, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    code = 1 if words[0] == "show" else 2
    done = start("engine", *words, "--runs-dir", tmp_path / "runs", code=code)
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "runs").glob("*/config.json"))
