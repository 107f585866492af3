"""The worker's command line: from anywhere, by any interpreter, never the wrong ``engine``."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import engine
from engine.runs import command, folder, state

ROOT = Path(engine.__file__).parents[1]


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A current folder, also on PYTHONPATH, full of modules that must never be imported."""
    for name in ("engine.py", "app.py", "numpy.py", "torch.py", "data/__init__.py", "runs/__init__.py"):
        path = tmp_path / "trap" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise SystemExit('the wrong module was imported')")
    monkeypatch.chdir(tmp_path / "trap")
    return tmp_path / "trap"


def test_the_current_folder_shadows_nothing(runs, fake, until, trap):
    id = runs.create(fake.Act(what="paths"))
    runs.dispatch()
    reader = until(runs, id, *state.OVER)
    assert reader.state == "finished", reader.log()
    assert [str(warning) for warning in reader.warnings] == [f"engine is {engine.__file__}"]
    said = reader.log().splitlines()
    assert said[1] == str(runs.root / id)
    assert str(trap) not in said and "" not in said[2:]


def test_an_engine_on_the_python_path_is_not_taken(runs, fake, until, trap, monkeypatch):
    (trap / "numpy.py").unlink()
    (trap / "torch.py").unlink()
    monkeypatch.setenv("PYTHONPATH", str(trap))
    id = runs.create(fake.Act(what="paths"))
    runs.dispatch()
    reader = until(runs, id, *state.OVER)
    assert reader.state == "finished", reader.log()
    assert str(reader.warnings[0]) == f"engine is {engine.__file__}"


def test_another_interpreter_gets_engine_and_nothing_else_of_ours(runs, fake, until, tmp_path):
    """A virtual environment with packages of its own: only those are on its path, and ``engine`` still is ours."""
    venv.create(tmp_path / "other env", with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "other env")}))
    (packages / "given.pth").write_text(sysconfig.get_path("purelib") + "\n")  # stands for an install of numpy etc.
    python = tmp_path / "other env" / "bin" / "python"
    id = runs.create(fake.Act(what="paths"), interpreter=python)
    runs.dispatch()
    reader = until(runs, id, *state.OVER)
    assert reader.state == "finished", reader.log()
    assert reader.started.interpreter == str(python)
    said = reader.log().splitlines()
    assert said[0] == engine.__file__
    assert str(packages) in said and str(ROOT) not in said[2:]


def test_children_that_are_spawned_find_the_same_engine(tmp_path, trap):
    """multiprocessing's spawn imports the worker's main file under another name."""
    code = (
        "import multiprocessing, runpy, sys\n"
        "sys.modules.pop('engine', None)\n"
        f"runpy.run_path({str(ROOT / 'engine' / 'runs' / 'bootstrap.py')!r}, run_name='__mp_main__')\n"
        "import engine; print(engine.__file__)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == engine.__file__


def test_the_environment_keeps_threads_and_paths_in_hand(tmp_path):
    arguments, environment = command.command(tmp_path / "a run", None, threads=3)
    assert arguments[0] == sys.executable and arguments[1] == "-P" and arguments[-1] == str(tmp_path / "a run")
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "3"
    assert environment["GOMP_SPINCOUNT"] == "0" and environment["PYTHONSAFEPATH"] == "1"
    assert environment["HOME"] == os.environ["HOME"]


def test_a_relative_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.command(Path("x"), None, 1)[0][-1] == str(tmp_path / "x")


def test_a_frozen_program_is_its_own_worker(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert command.command(tmp_path, None, 1)[0] == [sys.executable, "--worker", str(tmp_path)]
    assert command.spare_command(1)[0] == [sys.executable, "--worker", "--spare"]
    assert command.command(tmp_path, "/other/python", 1)[0][:2] == ["/other/python", "-P"]


def test_a_worker_without_a_run_says_nothing(tmp_path):
    """A late doorbell for a folder that is gone or was done already is no error."""
    (tmp_path / folder.EVENTS).write_text("")
    arguments, environment = command.command(tmp_path, None, 1)
    done = subprocess.run(arguments, env=environment, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
