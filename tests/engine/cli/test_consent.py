"""Typing the path of a model file is consent to that file; a config that brings one is not."""

import json

import pytest

from engine.cli.consent import NotNamed, settle
from engine.cli.settings import build
from engine.models import consent
from engine.models.errors import MissingModelFile
from engine.models.freeze import survey


@pytest.fixture
def model(tmp_path):
    (tmp_path / "parts.py").write_text("import torch")
    file = tmp_path / "my model.py"
    file.write_text(f"import parts\n# {tmp_path}\ndef build(): return parts.torch.nn.Linear(64, 10)")
    return file


def user(model, *more, name="training.train", prefix=""):
    return build(name, "smoke", None, [f"{prefix}model.builder=user", f"{prefix}model.path={model}", *more])


def test_the_typed_path_is_agreed_to_and_its_hash_is_kept(model):
    said = []
    config = settle(user(model), {"model.path"}, said.append)
    assert config.model.sha256 == survey(model).sha256
    assert consent.consented(config.model.sha256)
    assert len(said) == 1 and "my model.py, parts.py" in said[0] and config.model.sha256 in said[0]
    assert settle(user(model), set(), said.append) == config and len(said) == 1  # agreed to already


def test_a_stage_of_a_pipeline_is_found(model):
    config = settle(user(model, name="landscape", prefix="train."), {"train.model.path"}, lambda line: None)
    assert consent.consented(config.train.model.sha256)
    assert config.surface == build("landscape", "smoke", None, []).surface


def test_a_config_file_does_not_agree_by_itself(model, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(user(model).model_dump(mode="json")))
    config = build("training.train", None, file, ["epochs=1"])
    with pytest.raises(NotNamed, match=r"not run without your consent.*--set model\.path=.*my model\.py"):
        settle(config, {"epochs"}, pytest.fail)
    assert not consent.consented(survey(model).sha256)


def test_changed_code_is_agreed_to_anew(model):
    first = settle(user(model), {"model.path"}, lambda line: None)
    (model.parent / "parts.py").write_text("import torch, os")
    with pytest.raises(NotNamed):
        settle(first, set(), pytest.fail)


def test_what_has_no_code_is_left_as_it_is(tmp_path):
    config = build("landscape", "smoke", None, [])
    assert settle(config, set(), pytest.fail) == config
    with pytest.raises(MissingModelFile):
        settle(user(tmp_path / "none.py"), {"model.path"}, pytest.fail)
