"""Copy as Python: a script that anybody may run, and that says every setting."""

from pathlib import Path

import pytest

from app.shell.snippet import script
from engine.data.config import FileData
from engine.models.config import UserModel
from engine.runs.library import Runs, default_root
from engine.studies import catalogue


def config_of(code):
    known = {}
    exec(compile(code.split("runs = Runs")[0], "snippet", "exec"), known)
    return known["config"]


@pytest.mark.parametrize("name", ["landscape", "mixture"])
@pytest.mark.parametrize("preset", ["smoke", "quick", "standard", "paper"])
def test_every_preset_comes_back(name, preset):
    config = catalogue.pipelines()[name].presets()[preset]
    assert config_of(script(config, default_root())) == config


def test_odd_paths_come_back():
    odd = "/a 'b' \"c\" '''d''' \\e\\n 数据/"
    config = catalogue.pipelines()["landscape"].presets()["smoke"]
    update = {"model": UserModel(path=odd + "m.py", sha256="0" * 64), "data": FileData(path=odd + "t.csv")}
    config = config.model_copy(update={"train": config.train.model_copy(update=update)})
    assert config_of(script(config, Path(odd))) == config


def test_the_whole_script_puts_its_runs_where_the_window_has_them(tmp_path, monkeypatch, capsys):
    config = catalogue.pipelines()["landscape"].presets()["smoke"]
    started = []
    monkeypatch.setattr(Runs, "dispatch", lambda self: started.append(self.root))
    known = {}
    exec(compile(script(config, tmp_path / "my runs"), "snippet", "exec"), known)
    known["runs"].close()
    runs = Runs(tmp_path / "my runs")
    assert {item.task for item in runs.list()} == {"training.train", "landscape.surface"}
    assert started == [runs.root]
    assert all(item.id in capsys.readouterr().out for item in runs.list()[:1])
    runs.close()


def test_the_usual_folder_need_not_be_said():
    assert "Path" not in script(catalogue.pipelines()["landscape"](), default_root())
