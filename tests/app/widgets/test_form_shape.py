from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from app.widgets.form.shape import Limits, fields, limits, shape, tag, title
from engine.artifacts.refs import ArtifactRef, OfKind
from engine.studies.contract import Spec, field
from tests.app.widgets.configs import Cnn, Everything, Hessian, Mlp

FIELDS = {spec.name: spec for spec in fields(Everything)}


@pytest.mark.parametrize(
    ("name", "sort"),
    [
        ("seed", "int"), ("model", "ref"), ("models", "refs"), ("net", "union"), ("directions", "choice"),
        ("grid", "int"), ("radius", "float"), ("span", "numbers"), ("sharp", "bool"), ("hessian", "group"),
        ("name", "str"), ("tags", "words"), ("which", "several"), ("file", "path"), ("limit", "float"),
        ("bits", "choice"), ("flag", "bool"), ("extra", "json"), ("solver", "group"),
    ],
)  # fmt: skip
def test_sorts(name: str, sort: str) -> None:
    assert FIELDS[name].shape.sort == sort


def test_what_a_field_says_of_itself() -> None:
    radius = FIELDS["radius"]
    assert (radius.title, radius.help, radius.symbol, radius.log) == ("Radius", "Reach.", "r", True)
    assert FIELDS["limit"].unit == "s" and FIELDS["limit"].advanced
    assert FIELDS["directions"].labels == {"filter": "Filter-normalised"}
    assert FIELDS["models"].default == []


def test_limits() -> None:
    assert FIELDS["grid"].shape.limits == Limits(5, 201)
    assert FIELDS["radius"].shape.limits == Limits(0, None, low_open=True)
    assert FIELDS["limit"].shape.limits == Limits(0, None, low_open=True)
    assert limits([]) == Limits()

    class Odd(BaseModel):
        a: Annotated[int, Field(gt=1, lt=9)] = 2
        b: int | None = Field(None, ge=3)

    found = {spec.name: spec.shape.limits for spec in fields(Odd)}
    assert found == {"a": Limits(1, 9, True, True), "b": Limits(3)}


def test_optional() -> None:
    wanted = {"model", "hessian", "spare", "file", "limit", "bits", "flag"}
    assert {name for name, spec in FIELDS.items() if spec.shape.optional} == wanted


def test_details() -> None:
    assert FIELDS["model"].shape.artifact == FIELDS["models"].shape.artifact == "model"
    assert FIELDS["models"].shape.listed and not FIELDS["tags"].shape.listed
    assert FIELDS["span"].shape.length == 2 and not FIELDS["span"].shape.whole
    assert FIELDS["net"].shape.models == (Mlp, Cnn) and FIELDS["net"].shape.key == "kind"
    assert FIELDS["bits"].shape.choices == (16, 32)
    assert FIELDS["hessian"].shape.models == (Hessian,)


def test_unions_without_a_named_key() -> None:
    class Loose(Spec):
        net: Mlp | Cnn = field(Mlp(), "Network", "Found by their common Literal.")
        number: int | float = field(1, "Number", "Any.")
        odd: int | str = field(1, "Odd", "No editor of its own.")

    found = {spec.name: spec.shape for spec in fields(Loose)}
    assert (found["net"].sort, found["net"].key) == ("union", "kind")
    assert found["number"].sort == "float"
    assert found["odd"].sort == "json"


@pytest.mark.parametrize(
    ("annotation", "sort"),
    [
        (list[int], "numbers"), (tuple[float, ...], "numbers"), (tuple[int, str], "json"), (list[str], "words"),
        (list[Literal["a"]], "several"), (dict[str, int], "json"), (Any, "json"), (list, "json"), (Path, "path"),
        (ArtifactRef, "ref"), (Annotated[ArtifactRef, OfKind("mesh")], "ref"), (list[Hessian], "json"),
    ],
)  # fmt: skip
def test_annotations(annotation: Any, sort: str) -> None:
    assert shape(annotation).sort == sort


def test_tags_and_titles() -> None:
    assert tag(Cnn, "kind") == "cnn"
    assert tag(Cnn, "") == "Cnn"
    assert title(Mlp) == "Perceptron"
    assert title(Cnn) == "Cnn"
