"""What every study must offer, whichever it is."""

import json
import subprocess
import sys

import pytest

from engine.studies import catalogue
from engine.studies.contract import PRESETS, Cost, TaskConfig

TASKS = sorted(catalogue.configs())
PIPELINES = sorted(catalogue.pipelines())


def test_studies_are_found():
    assert {"training.train", "landscape.surface", "landscape.line"} <= set(TASKS)


LOADED = """
import json, sys
from engine.studies import catalogue
found = getattr(catalogue, sys.argv[1])(sys.argv[2])
print(json.dumps([name for name in sys.modules if name.startswith("engine.studies.") and name.endswith(".config")]))
"""


@pytest.mark.parametrize(
    ("function", "name"),
    [("config_class", "mixture.fit"), ("named", "mixture"), ("named", "mixture.fit"), ("pipeline_class", "mixture")],
)
def test_who_asks_by_name_loads_no_other_study(function, name):
    done = subprocess.run([sys.executable, "-c", LOADED, function, name], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["engine.studies.mixture.config"]


@pytest.mark.parametrize("name", [*TASKS, *PIPELINES])
def test_asked_by_name_or_from_the_list_it_is_the_same(name):
    listed = {**catalogue.configs(), **catalogue.pipelines()}
    assert catalogue.named(name) is listed[name]


@pytest.mark.parametrize("name", ["", ".", "mixture.", "mixture.no_such", "no_such.fit", "../x", "nothing", "__init__"])
def test_an_unknown_name_is_answered_with_the_known_ones(name):
    for function in (catalogue.config_class, catalogue.pipeline_class, catalogue.named, catalogue.task):
        with pytest.raises(catalogue.UnknownTask, match=r"Known are: .*landscape, landscape\.connect"):
            function(name)


def test_a_task_of_another_study_s_first_word_is_found_by_scanning(monkeypatch):
    odd = type("Odd", (TaskConfig,), {"task": "landscape.odd", "__annotations__": {}, "__module__": __name__})
    monkeypatch.setattr(catalogue, "configs", lambda: {"landscape.odd": odd})
    assert catalogue.config_class("landscape.odd") is odd is catalogue.named("landscape.odd")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_its_face(name):
    config = catalogue.config_class(name)
    assert name.count(".") == 1
    assert config.title
    assert config.summary.endswith(".")
    assert set(config.presets()) == set(PRESETS)
    for preset in config.presets().values():
        assert config.model_validate_json(preset.model_dump_json()) == preset


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_a_working_side_with_an_estimate(name):
    task = catalogue.task(name)
    for preset in task.Config.presets().values():
        cost = task.estimate(preset)
        assert isinstance(cost, Cost)
        assert cost.seconds is None or cost.seconds > 0


@pytest.mark.parametrize("name", [*TASKS, *PIPELINES])
def test_every_field_is_explained(name):
    cls = catalogue.named(name)
    for field, info in cls.model_fields.items():
        assert info.title, field
        assert info.description, field
        assert info.description.endswith("."), field


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_links_existing_fields(name):
    cls = catalogue.pipeline_class(name)
    assert set(cls.presets()) == set(PRESETS)
    full = cls(**everything(cls))
    stages = full.stages()
    for target, sources in full.links().items():
        consumer, _, field = target.partition(".")
        assert field in type(stages[consumer]).model_fields
        for stage, artifact in sources if isinstance(sources, list) else [sources]:
            kind = stages[stage].outputs[artifact]
            assert list(stages).index(stage) < list(stages).index(consumer)
            assert kind in str(type(stages[consumer]).model_fields[field].annotation) + str(
                type(stages[consumer]).model_fields[field].metadata
            )


def everything(cls):
    """A preset-sized config with every stage switched on."""
    tasks = {}
    for name, info in cls.model_fields.items():
        for part in [info.annotation, *getattr(info.annotation, "__args__", ())]:
            if isinstance(part, type) and issubclass(part, TaskConfig):
                tasks[name] = part.presets()["smoke"]
    return tasks


def test_every_measure_says_what_it_is():
    for measure in catalogue.measures().values():
        assert measure.title, measure.id
        assert measure.definition.endswith("."), measure.id
        assert measure.source, measure.id
        assert measure.better in ("", "lower", "higher"), measure.id
