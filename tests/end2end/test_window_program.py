"""The real window: it tests itself, survives being killed, and shares a runs folder with others."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end2end.program import environment, reader, run, run_ids, until, until_state
from tests.end2end.test_interrupt import SLOW

OFFSCREEN = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays and signals are those of Linux")


# Itself --------------------------------------------------------------------------------------------------------------
def check_self_test(done, shots):
    assert done.code == 0, done.out + done.err
    steps = [json.loads(line) for line in done.out.splitlines()]
    assert all(step["ok"] for step in steps)
    names = {step["name"] for step in steps}
    assert {"window", "landscape: open", "landscape: smoke", "landscape: page plane"} <= names
    assert steps[0]["seconds_to_first_paint"] < steps[0]["seconds_to_first_tab"]
    assert "Traceback" not in done.err and "CRITICAL" not in done.err
    pictures = list(shots.glob("*.png"))
    assert len(pictures) >= 5
    for picture in pictures:
        assert struct.unpack(">II", picture.read_bytes()[16:24]) == (1280, 800)


@pytest.mark.parametrize("where", ["offscreen", "server"])
def test_the_program_tests_itself(where, tmp_path, root):
    if where == "server" and not os.environ.get("DISPLAY"):
        pytest.skip("there is no display; the lane starts one")
    shots = tmp_path / "shots"
    words = ("--self-test", "--screenshots", shots, "--runs-dir", root, "--size", "1280x800")
    check_self_test(run("app", *words, limit=110, **({} if where == "server" else OFFSCREEN)), shots)
    assert {"training.train", "landscape.surface"} <= {reader(root, id).task for id in run_ids(root)}


def test_without_a_display_it_says_so():
    done = run("app", **OFFSCREEN)
    assert (done.code, done.out) == (2, "")
    assert "no display" in done.err and done.err.endswith("theodolite-engine run landscape\n")


def test_help():
    assert "--self-test" in run("app", "--help", **OFFSCREEN).out


# Driven from here ----------------------------------------------------------------------------------------------------
class Window:
    """The program in a process of its own; calling it evaluates an expression there."""

    def __init__(self, *words: object) -> None:
        command = [sys.executable, "-P", Path(__file__).with_name("driver.py"), *words]
        self.process = subprocess.Popen(
            [str(word) for word in command], env=environment(**OFFSCREEN, QT_QPA_PLATFORM="offscreen"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip

    def __call__(self, expression: str) -> Any:
        print(expression, file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def states(self) -> dict[str, str]:
        """Run id -> state, as the list at the bottom shows them."""
        return dict(self("[(row.id, row.state) for row in window.services.runs.rows]"))

    def close(self) -> int:
        """Close the window as its cross does, once it knows that nothing runs; the exit code."""
        until(lambda: not self("window.services.runs.running"))
        self("window.close()")
        return self.process.wait(30)

    def end(self) -> None:
        """Kill it and let go of its pipes."""
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()


@pytest.fixture
def windows(root: Path) -> Iterator[Any]:
    """``windows()`` opens one on the runs folder; at the end they are killed, and must leave no process behind."""
    opened: list[Window] = []

    def open_(*words: object) -> Window:
        opened.append(Window("--runs-dir", root, *words))
        return opened[-1]

    yield open_
    for window in opened:
        window.end()
    until(lambda: not sessions(), lambda: f"left behind: {sessions()}", limit=20)


def sessions() -> list[str]:
    """Resident processes that were started for these tests, whoever is their parent now."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            words = process.info["cmdline"] or []
            if {"--session", "--spare"} & set(words) and process.environ().get("HOME") == os.environ["HOME"]:
                found.append(f"{process.pid} {' '.join(words)}")
    return found


@pytest.fixture
def start(tmp_path: Path) -> str:
    """An expression that starts a training of a few seconds in the window."""
    file = tmp_path / "slow.py"
    file.write_text(f"# {tmp_path}\n{SLOW}")
    from engine.models import consent, freeze
    from engine.models.config import UserModel
    from engine.studies.training.config import TrainConfig

    sha256 = freeze.survey(file).sha256
    consent.grant(sha256, str(file))
    config = TrainConfig.presets()["smoke"].model_copy(
        update={"model": UserModel(path=str(file), sha256=sha256), "epochs": 130, "evaluations": 3}
    )
    module = "__import__('engine.studies.training.config', fromlist=['TrainConfig'])"
    return (
        f"window.services.runs.start({module}.TrainConfig.model_validate_json({config.model_dump_json()!r}),"
        " lambda stages: None)"
    )


def going(window, root):
    """The run that the window has started, once it makes progress."""
    id = until(lambda: run_ids(root))[0]
    run = until_state(reader(root, id), "running")
    until(lambda: run.poll() is not None and run.progress is not None)
    until(lambda: window.states().get(id) == "running")
    return run


def test_a_run_goes_on_when_the_window_is_killed(windows, start, root):
    first = windows()
    first(start)
    run = going(first, root)
    first.end()
    second = windows()
    assert until(second.states) == {run.id: "running"}
    until_state(run, "finished")
    until(lambda: second.states() == {run.id: "finished"})
    assert second.close() == 0


def test_killed_with_its_worker_the_run_is_lost_and_resumes(windows, start, root):
    first = windows()
    first(start)
    run = going(first, root)
    until((run.folder / "checkpoints").is_dir)
    first.end()
    worker = psutil.Process(run.started.process.pid)
    worker.kill()
    second = windows()
    until(lambda: second.states() == {run.id: "lost"})
    assert second("[row.reason for row in window.services.runs.rows]") == ["killed"]
    second("window.dock.table.view.selectAll()")
    second("window.dock._buttons['resume'].click()")
    until_state(run, "finished")
    steps = run.series("minibatch_loss")[:, 0]
    assert (steps[1:] == steps[:-1] + 1).all() and len(steps) == run.measure("updates").value
    assert second.close() == 0


def test_two_windows_on_one_folder(windows, start, root):
    one, two = windows(), windows()
    one(start)
    run = going(one, root)
    until(lambda: two.states() == {run.id: "running"})
    two(f"window.services.runs.stop({run.id!r})")
    until(lambda: one.states() == two.states() == {run.id: "stopped"})
    one(f"window.services.runs.resume({run.id!r})")
    until_state(run, "finished")
    two(f"window.services.runs.delete({run.id!r})")
    until(lambda: one.states() == two.states() == {})
    assert one.close() == two.close() == 0


def test_the_next_run_begins_in_the_warm_worker(windows, start, root):
    window = windows()
    spare = until(lambda: window("window.services.runs.library.executor._spare and "
                                 "window.services.runs.library.executor._spare.pid"))  # fmt: skip
    window(start)
    window(start)
    first, second = until(lambda: len(run_ids(root)) == 2 and run_ids(root))
    until_state(reader(root, first), "finished")
    until_state(reader(root, second), "running", "finished")
    pids = [reader(root, id).started.process.pid for id in (first, second)]
    assert spare in pids and len(set(pids)) == 2
    launchers = {json.loads((root / id / "launch.json").read_text())["launcher"]["pid"] for id in (first, second)}
    assert launchers == {window.process.pid}  # it, and not the first worker, has started the second
    assert window("len(window.reporter.history)") == 0
