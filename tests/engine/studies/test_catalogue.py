"""What every study must offer, whichever it is."""

import pytest

from engine.studies import catalogue
from engine.studies.contract import PRESETS, Cost, TaskConfig

TASKS = sorted(catalogue.configs())
PIPELINES = sorted(catalogue.pipelines())


def test_studies_are_found():
    assert {"training.train", "landscape.surface", "landscape.line"} <= set(TASKS)


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
    cls = catalogue.pipelines().get(name) or catalogue.config_class(name)
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
