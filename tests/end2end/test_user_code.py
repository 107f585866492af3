"""A user's own model file, good and bad, through the real command line; nothing runs without consent."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile

import pytest

from engine.models.consent import consented, revoke
from engine.models.freeze import survey
from tests.end2end.program import Background, engine, only_run, reader, until, until_state

TRAIN = ("run", "training.train", "--preset", "smoke", "--runs-dir")
GOOD = """
import torch
from torch import nn
from parts.layers import hidden


def build():
    return nn.Sequential(hidden(3), nn.Linear(16, 1))


def data():
    x = torch.randn(200, 3)
    return x, x.sum(dim=1)


def loss(outputs, targets):
    return (outputs.squeeze(1) - targets).abs().mean()
"""
NET = "import torch\ndef build():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"


def settings(model, **more):
    values = {"model.builder": "user", "model.path": model, **more}
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture
def write(tmp_path):
    """``write(text)`` makes a model file; each test's has a hash of its own."""

    def make(text, name="model.py"):
        file = tmp_path / name
        file.write_text(f"# {tmp_path}\n{text}")
        return file

    return make


def fails(root, file, *words, **more):
    """Run it and look at what is said on stderr; the log has the traceback, the terminal has not."""
    done = engine(*TRAIN, root, *settings(file, **more))
    assert (done.code, done.result["state"]) == (1, "failed")
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    return done


def test_build_data_and_loss_of_the_file_are_used(write, root, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "layers.py").write_text(
        "from torch import nn\ndef hidden(n): return nn.Sequential(nn.Linear(n, 16), nn.Tanh())"
    )
    file = write(GOOD)
    hash = survey(file).sha256
    done = engine(*TRAIN, root, *settings("model.py", **{"data.source": "model", "epochs": 20}), cwd=tmp_path)
    assert done.code == 0, done.err
    assert "The code of model.py, parts/layers.py runs with your rights" in done.err and hash in done.err
    assert consented(hash)
    run = reader(root, done.result["run"])
    assert run.config["model"]["sha256"] == hash and run.config["model"]["path"] == str(file)
    assert done.result["measures"]["parameters"] == 4 * 16 + 17
    assert done.result["measures"]["train_loss"] < 0.6  # the mean absolute error of guessing is 1.4
    assert "train_accuracy" not in done.result["measures"]
    assert (run.folder / "source" / "parts" / "layers.py").is_file()
    file.unlink()  # the copy in the run is what counts from now on
    sharp = engine("run", "landscape.line", "--preset", "smoke", "--set", f"model={run.id}/model", "--runs-dir", root)
    assert sharp.code == 0, sharp.err


def test_an_error_in_the_file_names_its_line(write, root):
    file = write("def build():\n    width = {}['width']\n    return width")
    fails(root, file, "build() of the model file failed: KeyError: 'width'.", "model.py, line 3: width = {}['width']")
    (run,) = [path for path in root.iterdir() if path.name[:1].isdigit()]
    assert "Mend that line" in str(reader(root, run.name).error)


def test_a_file_that_makes_no_network(write, root):
    fails(root, write("def build():\n    return [1, 2]"), "build() returned list, not a torch.nn.Module.")


def test_no_python_is_said_before_any_run(write, root):
    done = engine(*TRAIN, root, *settings(write("def build(:")))
    assert done.code == 1 and done.err.startswith("model.py is not valid Python. Line 2: ")
    assert not root.exists()


def test_one_that_hangs_can_be_cancelled(write, root, tmp_path):
    file = write("import time\ndef build():\n    print('in', flush=True)\n    while True: time.sleep(1)")
    with Background(tmp_path, "engine", *TRAIN, root, *settings(file)) as program:
        run = only_run(root)
        until(lambda: "in" in run.log().split())
        assert engine("cancel", run.id, "--runs-dir", root).code == 0
        assert program.wait().code == 130
    assert until_state(run, "stopped").reason == "cancelled"
    assert not run.started.process.alive()


def test_one_that_prints_50_megabytes_fills_no_disk(write, root):
    shout = "import torch\ndef build():\n    for _ in range(500): print('x' * 100_000)\n    print('the end')\n"
    file = write(shout + "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n")
    done = engine(*TRAIN, root, *settings(file))
    assert done.code == 0, done.err
    run = reader(root, done.result["run"])
    until(lambda: "the end" in run.log())  # what was printed may reach the file a moment after the last event
    assert (run.folder / "log.txt").stat().st_size < 12_000_000
    assert len(done.err) < 5000 and len(done.out) < 5000


def test_weights_of_another_network(write, root, tmp_path):
    import torch

    torch.save({"1.weight": torch.zeros(10, 32), "1.bias": torch.zeros(10)}, tmp_path / "other.pt")
    fails(
        root, write(NET), "do not fit the network", "1.weight (10, 32) instead of (10, 64)",
        **{"model.weights": tmp_path / "other.pt"},
    )  # fmt: skip


class Touch:
    """What a pickle may do while it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        import pathlib

        return pathlib.Path.touch, (pathlib.Path(self.path),)


@pytest.mark.parametrize("form", ["pickle", "zip"])
def test_a_pickle_that_runs_code_is_refused_and_does_not(form, write, root, tmp_path):
    mark, file = tmp_path / "executed", tmp_path / "weights.pt"
    evil = pickle.dumps({"1.weight": Touch(mark)}, protocol=2)
    if form == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("weights/data.pkl", evil)
            archive.writestr("weights/version", "3")
    else:
        file.write_bytes(evil)
    pickle.loads(evil)
    assert mark.exists()  # that is what it does where it is let
    mark.unlink()
    fails(root, write(NET), "weights.pt is refused. Reading it would execute code", **{"model.weights": file})
    assert not mark.exists()


def test_code_that_nobody_agreed_to_is_refused(write, root, tmp_path):
    mark = tmp_path / "executed"
    file = write(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n{NET}")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model": {"builder": "user", "path": str(file)}, "epochs": 1}))
    done = engine(*TRAIN[:2], "--config", config, "--runs-dir", root)
    assert done.code == 1
    assert f"The code of {file} is not run without your consent." in done.err
    assert f"--set model.path={file}" in done.err
    assert not mark.exists() and not root.exists()


def test_an_imported_run_brings_no_consent_with_it(write, root, tmp_path):
    mark = tmp_path / "executed"
    file = write(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\ndef build(): raise SystemExit(3)")
    done = fails(root, file, "SystemExit")
    assert mark.exists()
    id = done.result["run"]
    assert engine("export", id, tmp_path / "run.zip", "--runs-dir", root).code == 0
    mark.unlink()
    file.unlink()
    revoke(survey(root / id / "source" / "model.py").sha256)  # as on another computer
    assert engine("import", tmp_path / "run.zip", "--runs-dir", tmp_path / "there").code == 0
    again = engine("resume", id, "--runs-dir", tmp_path / "there")
    assert again.code == 1 and "is not run without your consent" in again.err
    assert not mark.exists()


def test_the_users_own_torch_py_is_no_torch(tmp_path, root):
    """Beside the model file lies what looks like a library."""
    for name in ("numpy.py", "torch.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    (tmp_path / "net.py").write_text(f"# {tmp_path}\n{NET}")
    done = engine(*TRAIN, root, *settings("net.py"), cwd=tmp_path)
    assert done.code == 0, done.err


if sys.platform == "win32":
    pytest.skip("paths in settings are written as on POSIX", allow_module_level=True)
