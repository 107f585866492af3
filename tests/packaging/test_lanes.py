"""The lanes of ``test``: what they count, what they choose, and what they run in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from steps import commands, lanes
from steps.lanes import Lane, Outcome
from steps.screen import virtual_screen

PYTHON = Path(sys.executable)
GOOD_AND_BAD = """
import os, pytest
def test_good(): assert os.environ["OMP_NUM_THREADS"] == "1"
def test_bad(): assert False
@pytest.fixture
def broken(): raise RuntimeError
def test_error(broken): pass
def test_skipped(): pytest.skip("so")
@pytest.mark.xfail
def test_expected(): assert False
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one folder of tests."""
    (tmp_path / "tests" / "one").mkdir(parents=True)
    (tmp_path / "tests" / "one" / "test_it.py").write_text("def test_it(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(root: Path, monkeypatch: pytest.MonkeyPatch, *some: Lane, arguments: tuple[str, ...] = ()) -> int:
    monkeypatch.setattr(lanes, "LANES", some)
    return lanes.test(root, PYTHON, only=None, arguments=arguments)


def test_summary_ends_with_the_plain_total(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (root / "tests" / "one" / "test_it.py").write_text(GOOD_AND_BAD)
    words = Lane("words", commands=[["-c", "pass"], ["-c", "raise SystemExit(3)"]])
    assert run(root, monkeypatch, words, Lane("one", folders=["tests/one"])) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == "2 passed, 3 failed, 2 skipped"
    assert lines[-4].startswith("words ") and "1 passed, 1 failed, 0 skipped" in lines[-4]
    assert lines[-3].startswith("one ") and "1 passed, 2 failed, 2 skipped" in lines[-3]


def test_all_good_is_success(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(root, monkeypatch, Lane("one", folders=["tests/one"])) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"


def test_lane_without_tests_fails(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "tests" / "one" / "test_it.py").unlink()
    assert run(root, monkeypatch, Lane("one", folders=["tests/one"])) == 1


def test_missing_folder_fails(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(root, monkeypatch, Lane("one", folders=["tests/nowhere"])) == 1


def test_dead_pytest_fails(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    (root / "tests" / "one" / "test_it.py").write_text("import os\ndef test_it(): os._exit(0)\n")
    assert run(root, monkeypatch, Lane("one", folders=["tests/one"])) == 1
    assert "left no report" in capfd.readouterr().out


def test_hanging_lane_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LIMIT", 0.2)
    assert run(root, monkeypatch, Lane("hangs", commands=[["-c", "import time; time.sleep(60)"]])) == 1


def test_switch_skips_a_lane(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("THEODOLITE_SKIP_BUNDLE", "1")
    slow = Lane("slow", commands=[["-c", "raise SystemExit(1)"]], unless="THEODOLITE_SKIP_BUNDLE")
    assert run(root, monkeypatch, slow, Lane("one", folders=["tests/one"])) == 0
    said = capfd.readouterr().out
    assert "THEODOLITE_SKIP_BUNDLE is set" in said
    assert said.splitlines()[-1] == "1 passed, 0 failed, 1 skipped"


def test_silent_registry_skips_but_its_own_failure_fails(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Lane("one", folders=["tests/one"])
    say = "import sys; sys.exit('Failed to establish a new connection: NewConnectionError')"
    assert run(root, monkeypatch, Lane("asks", commands=[["-c", say]], online=True), one) == 0
    assert run(root, monkeypatch, Lane("asks", commands=[["-c", say]]), one) == 1
    assert run(root, monkeypatch, Lane("asks", commands=[["-c", "import sys; sys.exit('a')"]], online=True), one) == 1


def test_arguments_choose_tests(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(root / "tests" / "one", root / "tests" / "two")
    some = [
        Lane("words", commands=[["-c", "0/0"]]),
        Lane("one", folders=["tests/one"]),
        Lane("two", folders=["tests/two"]),
    ]
    assert run(root, monkeypatch, *some, arguments=("tests/two/test_it.py::test_it", "-q")) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"
    assert run(root, monkeypatch, *some, arguments=("-k", "test_it")) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "2 passed, 0 failed, 0 skipped"
    assert run(root, monkeypatch, *some, arguments=("-k", "nothing_of_this_name")) == 1
    assert "no test was run" in capfd.readouterr().out


def test_surroundings_are_the_lanes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":77")
    monkeypatch.setenv("THEODOLITE_RUNS", "/mine")
    with lanes._surroundings(Lane("one", folders=["x"], environment={"EXTRA": "1"})) as inside:
        assert inside["QT_QPA_PLATFORM"] == "offscreen" and inside["EXTRA"] == "1"
        assert inside["HOME"] != os.environ["HOME"] and inside["XDG_DATA_HOME"].startswith(inside["TMPDIR"])
        assert not {"DISPLAY", "THEODOLITE_RUNS"} & inside.keys()
    assert not Path(inside["TMPDIR"]).exists()


def test_sums() -> None:
    assert sum([Outcome(1, 2, 3, 0.5), Outcome(10, 20, 30, 1)], Outcome()) == Outcome(11, 22, 33, 1.5)


def test_every_lane_is_real() -> None:
    root = commands.ROOT
    for lane in lanes.LANES:
        assert lane.commands or lane.folders
        for words in lane.commands:
            assert words[0] in ("-m", "-c") or (root / words[0]).is_file()
        for folder in lane.folders:
            assert any((root / folder).rglob("test_*.py")), folder


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed")
def test_two_screens_live_side_by_side_and_end() -> None:
    with virtual_screen() as one, virtual_screen("640x480x24") as two:
        assert one != two
        sockets = [Path("/tmp/.X11-unix") / f"X{display[1:]}" for display in (one, two)]
        assert all(socket.exists() for socket in sockets)
    assert not any(socket.exists() for socket in sockets)


def test_screen_that_cannot_start_is_an_error(fake_program: object) -> None:
    fake_program("Xvfb", code=1)  # type: ignore[operator]
    with pytest.raises(RuntimeError, match="before it had a display"), virtual_screen():
        pass


# --------------------------------------------------------------------------------------------------------- commands
@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """What would be installed and started, in place of doing it."""
    seen: dict[str, object] = {}

    def ensure(root: Path, *, gpu: str | None, groups: tuple[str, ...]) -> Path:
        seen.update(gpu=gpu, groups=groups)
        return PYTHON

    monkeypatch.setattr(commands.install, "ensure", ensure)
    monkeypatch.setattr(commands, "_become", lambda command: seen.update(command=command) or 0)
    monkeypatch.setattr(commands.lanes, "test", lambda root, python, **chosen: seen.update(chosen) or 0)
    monkeypatch.setattr(commands.machine, "require_program", lambda name, package: None)
    monkeypatch.setenv("DISPLAY", ":0")
    yield seen


def test_run_passes_files_on(carried: dict[str, object]) -> None:
    assert commands.start(["run", "--", "a b.py", "--size", "9x9"]) == 0
    assert carried["command"] == [str(PYTHON), "-P", "-m", "app", "a b.py", "--size", "9x9"]
    assert carried["groups"] == ("torch", "core", "bare") and carried["gpu"] is None


def test_test_passes_pytest_arguments_on(carried: dict[str, object]) -> None:
    assert commands.start(["--gpu", "cuda", "test", "--lane", "engine", "-k", "x or y", "tests/engine"]) == 0
    assert carried["arguments"] == ["-k", "x or y", "tests/engine"] and carried["only"] == ["engine"]
    assert carried["groups"] == ("torch", "core", "bare", "test", "dev") and carried["gpu"] == "cuda"


def test_setup_names_the_place(carried: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.start(["setup"]) == 0
    assert capsys.readouterr().out == f"Ready: {PYTHON.parent}\n"
    with pytest.raises(SystemExit):
        commands.start(["setup", "--nonsense"])


def test_interruption_and_refusal_are_sentences(
    carried: dict[str, object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.install, "ensure", interrupted)
    assert commands.start(["setup"]) == 130
    assert "goes on from here" in capsys.readouterr().err


def test_ci_runs_what_the_readme_says() -> None:
    script = (commands.ROOT / ".ci" / "run").read_text()
    lines = [line for line in script.splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert lines == ["exec python3 packaging/bootstrap.py test"]
    assert "python3 packaging/bootstrap.py test" in (commands.ROOT / "README.md").read_text()
    assert subprocess.run(["bash", "-n", str(commands.ROOT / ".ci" / "run")], check=False).returncode == 0
