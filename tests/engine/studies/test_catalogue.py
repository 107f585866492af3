"""What every study must offer, whichever it is."""

import pytest

from engine.studies import catalogue
from engine.studies.contract import PRESETS, Cost

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
    for target, (stage, artifact) in cls.links.items():
        consumer, _, field = target.partition(".")
        full = cls.presets()["standard"]
        assert consumer in type(full).model_fields
        assert stage in type(full).model_fields
        assert field
        assert artifact


def test_every_measure_says_what_it_is():
    for measure in catalogue.measures().values():
        assert measure.title, measure.id
        assert measure.definition.endswith("."), measure.id
        assert measure.source, measure.id
        assert measure.better in ("", "lower", "higher"), measure.id
