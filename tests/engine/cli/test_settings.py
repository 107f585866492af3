"""One config out of preset, file and --set."""

import json
import os

import pytest

from engine.cli.settings import BadConfigFile, BadSetting, UnknownPreset, build, parse
from engine.studies.catalogue import UnknownTask


def test_preset_is_the_start():
    config = build("landscape", "smoke", None, [])
    assert config.surface.resolution == 7
    assert config.train.epochs == 3


def test_settings_reach_nested_fields_and_keep_the_rest():
    config = build("landscape", "quick", None, ["train.optimiser.learning_rate=0.2", "surface.resolution=25"])
    assert config.train.optimiser.learning_rate == 0.2
    assert config.train.optimiser.momentum == 0.9
    assert config.surface.resolution == 25


def test_changed_kind_drops_the_fields_of_the_old_kind():
    config = build("training.train", "quick", None, ["model.builder=cnn", "model.channels=4,8"])
    assert (config.model.builder, config.model.channels) == ("cnn", (4, 8))


def test_a_stage_is_switched_on_and_off():
    config = build("landscape", "quick", None, ["line=on", "surface=off", "line.resolution=11"])
    assert config.surface is None
    assert config.line.resolution == 11
    assert list(config.stages()) == ["train", "line"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("1e-3", 1e-3), ("on", True), ("none", None), ("64,32", [64, 32]), ("[1]", [1]), ("a b.csv", "a b.csv")],
)
def test_values_are_read_as_written(text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (["surface.resolution=8"], "odd"),
        (["surface.radius=-1"], "greater than 0"),
        (["surface.nonsense=1"], "surface.nonsense"),
        (["surface.resolution"], "'='"),
        (["train.data.name=cifar"], "digits"),
    ],
)
def test_a_bad_setting_names_itself_and_its_reason(settings, word):
    with pytest.raises(BadSetting, match=word):
        build("landscape", "quick", None, settings)


def test_unknown_words_list_the_known():
    with pytest.raises(UnknownTask, match=r"landscape\.surface"):
        build("landscape.surfaces", None, None, [])
    with pytest.raises(UnknownPreset, match="standard"):
        build("landscape", "fast", None, [])


def test_a_run_folders_config_is_a_config_file(tmp_path):
    config = build("landscape.surface", "quick", None, ["resolution=13"])
    file = tmp_path / "config.json"
    stored = {"schema_version": 1, "task": "landscape.surface", "config": config.model_dump(mode="json")}
    file.write_text(json.dumps(stored))
    assert build("landscape.surface", None, file, []) == config
    with pytest.raises(BadConfigFile, match=r"not for training\.train"):
        build("training.train", None, file, [])


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe"])
def test_a_bad_config_file_is_said(tmp_path, content):
    file = tmp_path / "odd.json"
    file.write_bytes(content)
    with pytest.raises(BadConfigFile, match=r"odd\.json"):
        build("landscape", None, file, [])


def test_a_stage_that_is_switched_on_has_the_same_preset():
    config = build("landscape", "smoke", None, ["hessian=on", "connect.points=31", "line=off"])
    assert config.hessian == type(config.hessian).presets()["smoke"]
    assert config.connect == type(config.connect).presets()["smoke"].model_copy(update={"points": 31})
    assert config.line is None


@pytest.mark.parametrize("name", ["12", "a,b 1.csv", "on", "none", '"quoted".csv', "数据.csv", "[1]"])
def test_any_text_may_be_a_file_name_and_is_absolute(name):
    config = build("training.train", "smoke", None, ["data.source=file", f"data.path={name}"])
    expected = json.loads(name) if name == '"quoted"' else name
    assert config.data.path == os.path.abspath(expected)


def test_home_is_known():
    config = build("training.train", "smoke", None, ["model.weights=~/w.safetensors"])
    assert config.model.weights == os.path.join(os.environ["HOME"], "w.safetensors")
    assert build("training.train", "smoke", None, []).model.weights == ""


def test_one_number_may_be_a_list():
    assert build("training.train", "smoke", None, ["model.widths=12"]).model.widths == (12,)


def test_references_are_given_as_they_are_shown():
    given = build("landscape.similarity", "smoke", None, ["models=a1/model,b2/model.0003"]).models
    assert [str(ref) for ref in given] == ["a1/model", "b2/model.0003"]
    assert {ref.kind for ref in given} == {"model"}


@pytest.mark.parametrize("text", ["a1", "a1/", "/model", "a1/model.x"])
def test_a_reference_that_is_none_is_said(text):
    with pytest.raises(BadSetting, match=r"The setting model is not usable\. A reference is written RUN/NAME"):
        build("landscape.surface", "smoke", None, [f"model={text}"])


def test_the_place_of_an_error_is_what_was_typed():
    with pytest.raises(BadSetting, match=r"setting train\.model\.widths\.1 is"):
        build("landscape", "smoke", None, ["train.model.widths=8,x"])
    with pytest.raises(BadSetting, match=r"setting data\.path is"):
        build("training.train", "smoke", None, ["data.source=file"])
