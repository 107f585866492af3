"""What people read: every setting is explained, every choice has words, every error is sentences."""

import string
import subprocess
import sys
import typing

import pytest

import engine.data.errors
import engine.models.errors
import engine.training.flat
from engine.data.config import BuiltinData, FileData, ModelFileData
from engine.errors import EngineError
from engine.models.config import Cnn, Mlp, Resnet, StudyModel, Transformer, UserModel
from engine.models.kinds import DATA, MODELS
from engine.studies.training.config import TrainConfig
from engine.training.config import Optimiser

SPECS = [
    BuiltinData,
    FileData,
    ModelFileData,
    Mlp,
    Cnn,
    Resnet,
    Transformer,
    UserModel,
    StudyModel,
    Optimiser,
    TrainConfig,
]
TAGS = ("source", "builder")


def errors(module):
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, EngineError)]
    return [cls for cls in found if cls.__module__ == module.__name__ and cls.what != EngineError.what]


ERRORS = [cls for module in (engine.data.errors, engine.models.errors, engine.training.flat) for cls in errors(module)]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_setting_is_explained(spec):
    for name, info in spec.model_fields.items():
        if name in TAGS:
            continue
        assert info.title and info.title[0].isupper(), name
        assert info.description and info.description.endswith("."), name


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_choice_has_words(spec):
    for name, info in spec.model_fields.items():
        choices = typing.get_args(info.annotation) if typing.get_origin(info.annotation) is typing.Literal else ()
        if name not in TAGS and choices:
            assert set(info.json_schema_extra["labels"]) == set(choices), name


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_variants_are_told_apart_by_their_tag(spec):
    tag = next((tag for tag in TAGS if tag in spec.model_fields), None)
    if tag is None:
        return
    needed = (
        {"path": "x"}
        if "path" in spec.model_fields
        else {"factory": "engine.studies.a:b"}
        if spec is StudyModel
        else {}
    )
    value = {tag: spec.model_fields[tag].default, **needed}
    assert type((DATA if tag == "source" else MODELS).validate_python(value)) is spec


def test_errors_were_found():
    assert len(ERRORS) > 50 and len({cls.__name__ for cls in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_made_of_sentences_and_survives_a_process_border(error):
    import pickle

    parts = [part for part in (error.what, error.why, error.remedy) if part]
    assert error.what and error.remedy, "says neither what happened nor what to do"
    names = {name for part in parts for _, name, _, _ in string.Formatter().parse(part) if name}
    made = error(**dict.fromkeys(names, "thing"))
    assert "{" not in str(made)
    for part in parts:
        assert part.format(**made.params)[-1] in ".)" or part.endswith("}"), part
    assert str(pickle.loads(pickle.dumps(made))) == str(made)


def test_what_the_window_imports_is_light():
    modules = ["data.config", "models.config", "models.kinds", "models.consent", "models.freeze", "models.session"]
    modules += ["studies.training.config", "studies.training.measures", "studies.training.cost", "training.batches"]
    code = "import sys\n" + "\n".join(f"import engine.{name}" for name in modules)
    heavy = ("torch", "scipy", "sklearn", "polars", "PIL", "safetensors", "open3d")
    code += f"\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
