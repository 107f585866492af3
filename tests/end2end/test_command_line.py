"""The command line as people and scripts use it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile

import pytest

from engine.artifacts import versions
from tests.end2end.conftest import TRAIN
from tests.end2end.program import command, engine, environment, reader, run_ids


def test_a_task_runs_to_its_end(finished):
    root, done = finished
    assert done.code == 0, done.err
    result = done.result
    assert result["state"] == "finished"
    assert result["folder"] == str(root / result["run"])
    assert result["measures"]["train_accuracy"] > 70
    assert {"train_loss", "test_loss", "parameters"} <= set(result["measures"])
    assert done.out.count("\n") == 1  # scripts read stdout; people read stderr
    assert "Train: finished" in done.err.splitlines()
    assert re.search(r"^Train: \d+ %", done.err, re.MULTILINE)
    assert "\r" not in done.err and "\x1b" not in done.err


def test_a_pipeline_runs_all_its_stages(root):
    settings = ["--set", "surface.resolution=9", "--set", "hessian.steps=5"]
    done = engine("run", "landscape", "--preset", "smoke", *settings, "--runs-dir", root)
    assert done.code == 0, done.err
    assert list(done.result["stages"]) == ["train", "surface", "hessian"]
    assert run_ids(root) == sorted(done.result["stages"].values())
    assert {"train_loss", "plane_loss_centre", "lambda_max[matrix=hessian]"} <= set(done.result["measures"])
    plane = reader(root, done.result["stages"]["surface"]).artifact("plane")
    assert plane.picture("train_loss")[2].shape == (9, 9)
    assert [line for line in done.err.splitlines() if line.endswith(": finished")] == [
        "Train: finished", "Loss plane: finished", "Hessian spectrum: finished"
    ]  # fmt: skip


def test_a_task_takes_the_artifact_of_another_run(finished, tmp_path):
    root, done = finished
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    line = engine(
        "run", "landscape.line", "--preset", "smoke", "--set", f"model={done.result['run']}/model", "--runs-dir", copy
    )
    assert line.code == 0, line.err
    shown = json.loads(engine("show", done.result["run"], "--runs-dir", copy).out)
    assert shown["used_by"] == [line.result["run"]]
    refused = engine("delete", done.result["run"], "--runs-dir", copy)
    assert refused.code == 1 and "is used by 1 runs" in refused.err
    assert engine("delete", line.result["run"], "--runs-dir", copy).code == 0
    assert engine("delete", done.result["run"], "--runs-dir", copy).code == 0
    assert run_ids(copy) == []


def test_a_run_that_fails_says_why(root):
    done = engine(*TRAIN, "--device", "teapot", "--runs-dir", root)
    assert done.code == 1
    assert done.result["state"] == "failed"
    assert "Train: failed. This computer has no usable device teapot. Choose another device" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "usage:"),
        (("walk",), "invalid choice: 'walk'"),
        (("run",), "TASK|PIPELINE"),
        (("run", "landscapes"), "There is no task or pipeline called landscapes."),
        (("run", "landscape", "--preset", "fast"), "It has: smoke, quick, standard, paper."),
        (("run", "landscape", "--set", "surface.resolution=4"), "The setting surface.resolution is not usable."),
        (("run", "landscape", "--set", "nonsense"), "It has no '='."),
        (("run", "landscape", "--config", "/nowhere.json"), "The config file /nowhere.json cannot be used."),
    ],
)
def test_usage(arguments, words, root):
    done = engine(*arguments, THEODOLITE_RUNS_DIR=str(root))
    assert (done.code, done.out) == (2, "")
    assert words in done.err and "Traceback" not in done.err
    assert not root.exists()


@pytest.mark.parametrize("word", ["stop", "cancel", "resume", "show", "delete"])
def test_a_run_that_is_not_there(word, root):
    done = engine(word, "nothing", "--runs-dir", root)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"There is no run nothing in {root}. It may have been deleted, or lies in another runs folder.\n"


def test_looking(finished, tmp_path):
    root, done = finished
    id = done.result["run"]
    (line,) = engine("list", "--runs-dir", root).out.splitlines()
    assert line.split(maxsplit=3) == [id, "finished", "training.train", "First 一"]
    assert engine("list", THEODOLITE_RUNS_DIR=str(root)).out.splitlines() == [line]
    shown = json.loads(engine("show", id, "--runs-dir", root).out)
    assert (shown["name"], shown["state"], shown["error"]) == ("First 一", "finished", None)
    assert shown["measures"] == done.result["measures"]
    assert set(shown["artifacts"]) == {"model", "trajectory"}
    assert shown["config"]["epochs"] == 3
    known = engine("tasks").out
    assert re.search(r"^landscape  .*\[smoke, quick, standard, paper\]$", known, re.MULTILINE)
    assert "training.train" in known
    settings = engine("tasks", "training.train").out
    assert re.search(r"^optimiser\.learning_rate \(default 0\.\d+\): ", settings, re.MULTILINE)


def test_export_and_import(finished, tmp_path):
    root, done = finished
    id, file = done.result["run"], tmp_path / "一 run.zip"
    assert engine("export", id, file, "--runs-dir", root).code == 0
    names = zipfile.ZipFile(file).namelist()
    assert f"{id}/config.json" in names and f"{id}/events.jsonl" in names
    there = engine("import", file, "--runs-dir", tmp_path / "other")
    assert (there.code, there.out) == (0, f"{id}\n")
    for name in ("model", "trajectory"):
        ref = reader(root, id).artifacts[name].model_copy(update={"run": id})
        assert versions.settle(tmp_path / "other", ref).sha256 == versions.settle(root, ref).sha256
    again = engine("import", file, "--runs-dir", tmp_path / "other")
    assert again.code == 1 and f"The run {id} is already here." in again.err
    (tmp_path / "no.zip").write_text("no zip")
    bad = engine("import", tmp_path / "no.zip", "--runs-dir", tmp_path / "other")
    assert bad.code == 1 and "It is no zip file" in bad.err and "Traceback" not in bad.err


def test_reindex_after_the_index_was_lost(finished, tmp_path):
    root, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    before = engine("list", "--runs-dir", copy).out
    for file in copy.glob("runs.sqlite*"):
        file.unlink()
    assert engine("reindex", "--runs-dir", copy).out == "1 runs indexed\n"
    assert engine("list", "--runs-dir", copy).out == before


def test_a_folder_of_look_alikes_shadows_nothing(tmp_path):
    """A user's own engine.py, app.py and data/ lie in the folder from which the program is started."""
    here = tmp_path / "here"
    (here / "data").mkdir(parents=True)
    for name in ("engine.py", "app.py", "torch.py", "data/__init__.py"):
        (here / name).write_text("raise SystemExit('the wrong module was imported')")
    done = engine(*TRAIN, "--runs-dir", "my runs", cwd=here)
    assert done.code == 0, done.err
    assert done.result["folder"] == str(here / "my runs" / done.result["run"])


def test_odd_names_of_folders_and_files(tmp_path):
    odd = tmp_path / 'it\'s "mine" & 我的 数据; $HOME'
    odd.mkdir()
    rows = ["a,b,class"] + [f"{index % 7},{index % 5},{'yes' if index % 2 else 'no'}" for index in range(60)]
    (odd / "a, b (1) 表.csv").write_text("\n".join(rows), "utf-8")
    done = engine(
        *TRAIN, "--set", "data.source=file", "--set", "data.path=a, b (1) 表.csv", "--runs-dir", odd / "runs", cwd=odd
    )
    assert done.code == 0, done.err
    assert done.result["folder"].startswith(str(odd))
    config = reader(odd / "runs", done.result["run"]).config
    assert config["data"]["path"] == str(odd / "a, b (1) 表.csv")


def test_output_that_nobody_reads_is_no_error():
    """As in ``theodolite-engine tasks | head -0``."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command("engine", "tasks"), env=environment(), stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert done.stderr == b""


def test_looking_imports_nothing_heavy(finished):
    done = engine("list", "--runs-dir", finished[0], PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "engine.runs.library" in imported
    assert not {"torch", "scipy", "sklearn", "polars", "open3d", "PySide6"} & imported


def test_help_and_version():
    assert "reindex" in engine("--help").out and "--preset" in engine("run", "--help").out
    assert engine("--version").out.startswith("theodolite-engine ")
