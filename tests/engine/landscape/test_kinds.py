"""Artifacts of the landscape study: what is written is read again, today, by older and by newer programs."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from engine.studies.landscape.kinds import (
    KINDS,
    CurveReport,
    Directions,
    Line,
    Path2D,
    Plane,
    SimilarityReport,
    SpectrumReport,
)


def rows(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


PLANE = Plane(
    alpha=np.linspace(-1, 1, 5), beta=np.linspace(-1, 1, 3),
    fields={"train_loss": rows(3, 5), "test_accuracy": rows(3, 5)}, known=rows(3, 5) > 0, rows=np.array([0, 2]),
    columns=np.array([0, 2, 4]), settings={"seed": 3},
    path=Path2D(np.arange(4), rows(4, 2), rows(4), rows(4)), marks={"other": (0.5, -1.0)},
)  # fmt: skip
SPECTRUM = SpectrumReport(
    values=np.array([3.0, 1.0]), residuals=np.array([1e-6, 1e-5]), grid=rows(7), density=rows(7), low=rows(7),
    high=np.full(7, np.nan), layers=("first", "second"), layer_traces=rows(2), history=rows(0, 3), sigma=0.1,
    products=90, size=12, matrix="ggn", examples=40, copies=True,
)  # fmt: skip
CURVE = CurveReport(
    times=rows(5), train_loss=rows(5), train_error=rows(5), test_loss=rows(5), test_error=rows(5), linear_loss=rows(5),
    linear_error=rows(5), steps=rows(3), losses=rows(3), round_means=rows(2), corners=rows(3, 2), path=rows(9, 2),
    plane_x=rows(4), plane_y=rows(3), plane_loss=rows(3, 4), form="chain", converged=False, aligned=True,
)  # fmt: skip
SIMILARITY = SimilarityReport(
    networks=("a (seed 0)", "b (seed 1)"), cka=rows(2, 2), weight_distance=rows(2, 2), disagreement=rows(2, 2),
    layers_first=("1", "2"), layers_second=("1",), layer_cka=rows(2, 1), read="softmax", debiased=True, mixup=False,
    inputs=100,
)  # fmt: skip
VALUES = {
    "plane": [PLANE, replace(PLANE, path=None, marks={}, fields={})],
    "line": [Line(rows(4), {"train_loss": rows(4)}, {"radius": 1.0})],
    "directions": [Directions(rows(2, 9), {"seed": 0}, rows(9)), Directions(rows(1, 9), {})],
    "spectrum": [SPECTRUM],
    "curve": [CURVE],
    "similarity": [SIMILARITY],
}
CASES = [(kind, value) for kind in KINDS for value in VALUES[kind.name]]


def same(one, other):
    """Equal, arrays by their numbers."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return type(one) is type(other) and one == other


@pytest.mark.parametrize(("kind", "value"), CASES)
def test_what_is_written_is_read_again(kind, value, tmp_path):
    kind.write(value, tmp_path)
    assert same(kind.read(tmp_path), value)
    facts = kind.describe(value)
    assert facts and all(isinstance(fact, str | int | float) for fact in facts.values())


def test_arrays_are_mapped_and_cannot_be_written(tmp_path):
    KINDS[0].write(PLANE, tmp_path)
    alpha = KINDS[0].read(tmp_path).alpha
    assert isinstance(alpha, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        alpha[0] = 0


REPORTS = [(kind, value) for kind, value in CASES if kind.name in ("spectrum", "curve", "similarity")]


@pytest.mark.parametrize(("kind", "value"), REPORTS)
def test_a_newer_program_may_have_added_fields(kind, value, tmp_path):
    kind.write(value, tmp_path)
    facts = json.loads((tmp_path / "facts.json").read_text())
    (tmp_path / "facts.json").write_text(json.dumps(facts | {"of_tomorrow": [1, 2]}))
    np.save(tmp_path / "also_new.npy", rows(2))
    assert same(kind.read(tmp_path), value)


def test_an_older_spectrum_counted_equal_eigenvalues_once(tmp_path):
    kind = next(kind for kind in KINDS if kind.name == "spectrum")
    kind.write(SPECTRUM, tmp_path)
    facts = json.loads((tmp_path / "facts.json").read_text())
    del facts["copies"]
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    assert kind.read(tmp_path) and not kind.read(tmp_path).copies


def test_the_picture_of_a_plane_is_its_finest_complete_lattice():
    alpha, beta, field = PLANE.picture("train_loss")
    assert alpha.tolist() == [-1, 0, 1] and beta.tolist() == [-1, 1]
    assert np.array_equal(field, PLANE.fields["train_loss"][::2, ::2])
