"""One config out of preset, file and --set."""

import json

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
    [(["surface.resolution=8"], "odd"), (["surface.radius=-1"], "greater than 0"), (["surface.nonsense=1"], "surface.nonsense"),
     (["surface.resolution"], "'='"), (["train.data.name=cifar"], "digits")],
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
    file.write_text(json.dumps({"schema_version": 1, "task": "landscape.surface", "config": config.model_dump(mode="json")}))
    assert build("landscape.surface", None, file, []) == config
    with pytest.raises(BadConfigFile, match=r"not for training\.train"):
        build("training.train", None, file, [])


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe"])
def test_a_bad_config_file_is_said(tmp_path, content):
    file = tmp_path / "odd.json"
    file.write_bytes(content)
    with pytest.raises(BadConfigFile, match=r"odd\.json"):
        build("landscape", None, file, [])
