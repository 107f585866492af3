"""The state of the Landscape tab, without a window, on real finished runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.tabs.landscape.model import GROUPS, NUMBERS, LandscapeModel, preset
from engine.data.config import FileData
from engine.errors import EngineError
from engine.models.config import UserModel
from engine.runs import failures
from engine.runs.events import EventLog
from engine.runs.library import Runs
from engine.runs.reader import RunReader
from engine.studies.landscape.config import LandscapeConfig


class Broken(EngineError):
    """Raised by nobody."""

    what = "It is {how}."


@pytest.fixture(scope="module")
def readers(finished):
    root, stages = finished
    found = {stage: RunReader(root / id) for stage, id in stages.items()}
    for reader in found.values():
        reader.poll()
    return found


@pytest.fixture
def model(readers):
    found = LandscapeModel()
    found.show({stage: reader.id for stage, reader in readers.items()})
    for stage, reader in readers.items():
        found.read(stage, reader)
    yield found
    found.show({})  # lets go of the files that it has mapped


def test_no_qt_is_needed():
    root = Path(__file__).parents[3]
    code = (
        "import sys, app.tabs.landscape.model; sys.exit(any(m.startswith(('PySide6', 'torch')) for m in sys.modules))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"]
        ).returncode
        == 0
    )


def test_before_any_run_there_is_nothing():
    model = LandscapeModel()
    assert model.config == LandscapeConfig.presets()["quick"] == preset("quick")
    assert (model.state, model.numbers, model.picture(), model.slices(), model.fields()) == ("", [], None, {}, [])
    assert (model.caption(), model.subject(), model.cursor_spec(), model.warnings, model.trouble) == (
        "",
        [],
        None,
        [],
        None,
    )


def test_reading_says_what_is_new(readers):
    model = LandscapeModel()
    model.show({stage: reader.id for stage, reader in readers.items()})
    news = {stage: model.read(stage, reader) for stage, reader in readers.items()}
    assert news["train"] == {"numbers", "curves"}
    assert news["train2"] == {"numbers"}  # the curves are those of the first network
    assert news["surface"] == {"numbers", "plane"}
    assert news["connect"] == {"numbers", "curve"} and news["hessian"] == {"numbers", "spectrum"}
    assert all(model.read(stage, reader) == {"numbers"} for stage, reader in readers.items())
    assert model.state == "finished" and model.trouble is None


def test_showing_others_forgets(model):
    model.cursor = (0.5, 0.5)
    model.show({"train": "other"})
    assert (model.plane, model.curve, model.spectrum, model.curves, model.cursor) == (None, None, None, {}, (0.0, 0.0))
    assert model.runs == {"train": "other"} and model.numbers == []


def test_the_picture_is_the_artifact(model, readers):
    alpha, beta, values = model.picture()
    plane = readers["surface"].artifact("plane")
    assert np.array_equal(values, plane.picture("train_loss")[2]) and values.shape == (len(beta), len(alpha)) == (7, 7)
    centre = readers["surface"].measure("plane_loss_centre", split="train")
    assert values[3, 3] == pytest.approx((centre or readers["surface"].measure("plane_loss_centre")).value)
    assert set(model.fields()) == {"train_loss", "test_loss", "train_accuracy", "test_accuracy"}
    model.field = "test_accuracy"
    assert np.nanmax(model.picture()[2]) > 50
    model.field = "no such field"
    assert model.picture() is None and model.slices() == {}


def test_slices_go_through_the_cursor(model):
    alpha, beta, values = model.picture()
    model.cursor = (float(alpha[5]) + 1e-3, float(beta[1]) - 1e-3)
    slices = model.slices()
    assert np.array_equal(slices["alpha"][1], values[1]) and np.array_equal(slices["beta"][1], values[:, 5])
    assert np.array_equal(slices["alpha"][0], alpha) and np.array_equal(slices["beta"][0], beta)


def test_numbers_come_in_one_order_and_in_groups(model, readers):
    ids = [number.measure.id for number in model.numbers]
    assert ids == sorted(ids, key=NUMBERS.index)
    assert {"train_loss", "plane_loss_centre", "lambda_max", "mc_error", "cka", "sam_sharpness"} <= set(ids)
    assert ids.count("train_accuracy") == 1  # not that of the second network
    (loss,) = (number for number in model.numbers if number.measure.id == "train_loss")
    assert loss.value == readers["train"].measure("train_loss").value
    groups = list(dict.fromkeys(number.group for number in model.numbers))
    assert groups == ["Training", *GROUPS.values()]
    accuracy = next(number for number in model.numbers if number.measure.id == "test_accuracy")
    assert accuracy.interval[0] < accuracy.value < accuracy.interval[1] and accuracy.n == 359


def test_curves_are_those_of_the_training(model, readers):
    assert set(model.curves) == {"train_loss", "test_loss"}
    steps, values = model.curves["train_loss"].T[:2]
    assert steps[0] == 0 and steps[-1] == readers["train"].measure("updates").value
    assert values[-1] == readers["train"].measure("train_loss").value


def test_the_cursors_session_gets_settled_references(model, readers, finished):
    spec = model.cursor_spec()
    assert spec["model"]["run"] == finished[1]["train"] and spec["model"]["version"] >= 1 and spec["model"]["sha256"]
    assert spec["directions"]["run"] == finished[1]["surface"] and spec["directions"]["kind"] == "directions"
    assert spec["examples"] == readers["surface"].config["examples"]


def test_network_and_data_in_words(model):
    assert len(model.subject()) == 2 and any("igits" in word for word in model.subject())
    model.config = preset("smoke")
    assert "digits" in model.run_name().lower()
    train = preset("smoke").train
    assert train is not None
    own = train.model_copy(update={"model": UserModel(path="/x/my net.py"), "data": FileData(path="/y/a b.csv")})
    model.config = preset("smoke").model_copy(update={"train": own})
    assert "my net.py" in model.run_name() and "a b.csv" in model.run_name()


def test_the_first_stage_that_is_not_done_speaks_for_all(finished, tmp_path):
    root = tmp_path / "runs"
    shutil.copytree(finished[0], root)
    runs = Runs(root)
    train = runs.create(preset("smoke").train)
    model = LandscapeModel()
    model.show({"train": train, "surface": finished[1]["surface"]})
    for stage, id in model.runs.items():
        model.read(stage, runs.reader(id))
    assert model.state == "queued" and model.trouble is None
    log = EventLog(root / train / "events.jsonl")
    log.append(failures.event(Broken(how="broken")), sync=True)
    log.close()
    reader = runs.reader(train)
    model.read("train", reader)
    assert model.state == "failed" and model.trouble is reader
    runs.close()
