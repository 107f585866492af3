"""What becomes of a setup when a file is dropped on the Landscape tab."""

from pathlib import Path

import pytest

from app.tabs.landscape.model import preset
from app.tabs.landscape.own_code import confirmed, with_data, with_model
from engine.data.config import FileData, ModelFileData
from engine.models.config import UserModel


def test_a_table_becomes_the_data_and_nothing_else_changes():
    config = preset("quick")
    found = with_data(config, Path("/there/table.csv"))
    assert found.train.data == FileData(path="/there/table.csv")
    assert found.model_copy(update={"train": config.train}) == config
    assert found.train.model == config.train.model


@pytest.mark.parametrize("brings", [True, False])
def test_a_model_file_becomes_the_network_and_the_data_where_it_brings_some(tmp_path, brings):
    path = tmp_path / "own.py"
    path.write_text("def build():\n    return None\n" + "def data():\n    return None\n" * brings)
    config = preset("quick")
    found = with_model(config, path, "a" * 64)
    assert found.train.model == UserModel(path=str(path), sha256="a" * 64)
    assert found.train.data == (ModelFileData() if brings else config.train.data)


def test_a_file_switches_training_on():
    config = preset("quick").model_copy(update={"train": None})
    assert with_data(config, Path("table.csv")).train.epochs == preset("quick").train.epochs


def test_what_was_agreed_to_is_written_into_the_config(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def build():\n    return None\n")
    config = with_model(preset("quick"), path, "")
    assert confirmed(config, "b" * 64).train.model.sha256 == "b" * 64
    assert config.train.model.sha256 == ""
