"""Split, subset, label noise, standardisation, identity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.config import BuiltinData, DataOptions
from engine.data.dataset import Raw, content_hash, prepare
from engine.data.errors import (
    LengthMismatch,
    NoiseNeedsClasses,
    NotFinite,
    OneClass,
    ShapeMismatch,
    TooFewRows,
)
from engine.data.load import load

PLAIN = DataOptions(standardise="none")


def numbered(count=200, labels=4, **changes):
    """Examples whose only feature is their own number, so that each can be followed through every step."""
    x = np.arange(count, dtype=np.float32)[:, None]
    parts = {
        "x": x,
        "y": np.arange(count) % labels,
        "classes": tuple("abcdefgh"[:labels]),
        "name": "numbered",
    } | changes
    return Raw(**parts)


def followed(data):
    return data.x_train[:, 0].astype(int), data.x_test[:, 0].astype(int)


@settings(max_examples=30, deadline=None)
@given(st.integers(10, 300), st.integers(2, 5), st.floats(0.1, 0.9), st.integers(0, 10))
def test_split_parts_all_examples_class_by_class(count, classes, fraction, seed):
    try:
        data = prepare(
            numbered(count, classes), PLAIN.model_copy(update={"test_fraction": fraction, "split_seed": seed})
        )
    except (TooFewRows, OneClass):  # tiny draws only
        assert count < 60
        return
    train, test = followed(data)
    assert sorted([*train, *test]) == list(range(count))
    for label in range(classes):
        size = (np.arange(count) % classes == label).sum()
        assert (test % classes == label).sum() == round(fraction * size)
    np.testing.assert_array_equal(data.y_train, train % classes)


def test_another_split_seed_holds_out_others():
    tests = [set(followed(prepare(numbered(), PLAIN.model_copy(update={"split_seed": s})))[1].tolist()) for s in (0, 1)]
    assert tests[0] != tests[1]


def test_smaller_subsets_lie_in_larger_ones_and_the_test_part_stays():
    whole, half, tenth = (prepare(numbered(), PLAIN.model_copy(update={"subset": s})) for s in (1.0, 0.5, 0.1))
    assert [len(d.x_train) for d in (whole, half, tenth)] == [160, 80, 16]
    assert set(followed(tenth)[0]) < set(followed(half)[0]) < set(followed(whole)[0])
    np.testing.assert_array_equal(whole.x_test, tenth.x_test)


def test_label_noise_is_exact_nested_wrong_and_leaves_the_test_part():
    clean = prepare(numbered(), PLAIN)
    wrong = {}
    for noise in (0.1, 0.4, 1.0):
        data = prepare(numbered(), PLAIN.model_copy(update={"label_noise": noise}))
        wrong[noise] = set(np.flatnonzero(data.y_train != clean.y_train).tolist())
        assert len(wrong[noise]) == round(noise * 160)
        np.testing.assert_array_equal(data.y_test, clean.y_test)
    assert wrong[0.1] < wrong[0.4] < wrong[1.0]


def test_wrong_labels_are_uniform_over_the_other_classes():
    data = prepare(numbered(20_000, 5), PLAIN.model_copy(update={"label_noise": 0.5}))
    true = followed(data)[0] % 5
    moved = np.bincount((data.y_train - true) % 5, minlength=5) / len(true)
    assert moved[0] == pytest.approx(0.5, abs=1e-3)
    assert moved[1:] == pytest.approx(0.125, abs=0.012)


def test_noise_on_numbers_is_refused():
    raw = numbered(y=np.linspace(0, 1, 200, dtype=np.float32), classes=())
    with pytest.raises(NoiseNeedsClasses, match=r"Label noise needs classes"):
        prepare(raw, DataOptions(label_noise=0.1))


def test_columns_are_standardised_by_the_training_part():
    data = load(BuiltinData(name="wine"))
    assert data.x_train.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert data.x_train.std(axis=0) == pytest.approx(1, abs=1e-5)
    assert np.abs(data.x_test.mean(axis=0)).max() > 1e-3  # the test part is not looked at


def test_images_are_standardised_by_channel():
    rng = np.random.default_rng(0)
    x = rng.normal([[[[5.0]], [[-3.0]]]], [[[[2.0]], [[9.0]]]], (100, 2, 6, 6)).astype(np.float32)
    data = prepare(numbered(100, x=x), DataOptions())
    assert data.x_train.mean(axis=(0, 2, 3)) == pytest.approx([0, 0], abs=1e-5)
    assert data.x_train.std(axis=(0, 2, 3)) == pytest.approx([1, 1], abs=1e-5)
    by_column = prepare(numbered(100, x=x), DataOptions(standardise="column"))
    assert by_column.x_train.std(axis=0) == pytest.approx(1, abs=1e-5)


def test_channel_standardisation_of_a_table_takes_all_columns_together():
    raw = load(BuiltinData(name="iris", standardise="none"))
    data = load(BuiltinData(name="iris", standardise="channel"))
    whole = (raw.x_train - raw.x_train.mean()) / raw.x_train.std()
    np.testing.assert_allclose(data.x_train, whole, atol=1e-5)


def test_a_constant_column_stays_finite():
    x = np.column_stack([np.arange(50.0), np.full(50, 7.0)]).astype(np.float32)
    data = prepare(numbered(50, 2, x=x), DataOptions())
    assert np.isfinite(data.x_train).all() and (data.x_train[:, 1] == 0).all()


def test_a_number_to_predict_is_standardised_and_said():
    data = load(BuiltinData(name="diabetes"))
    assert data.y_train.mean() == pytest.approx(0, abs=1e-5) and data.y_train.std() == pytest.approx(1, abs=1e-5)
    (template, values), *_ = data.notes
    assert "standardised" in template.format(**values)
    plain = load(BuiltinData(name="diabetes", standardise="none"))
    assert plain.y_train.min() >= 25 and plain.notes == ()


def test_own_test_part_is_kept():
    raw = numbered(40, 2, test=(np.array([[1000.0]], dtype=np.float32), np.array([1])))
    data = prepare(raw, PLAIN)
    assert len(data.x_train) == 40 and data.x_test.tolist() == [[1000.0]] and data.y_test.tolist() == [1]


def test_arrays_are_read_only():
    data = load(BuiltinData(name="iris"))
    with pytest.raises(ValueError, match=r"read-only"):
        data.x_train[0] = 1
    assert data.shape == (4,)


def test_identity_tells_contents_apart():
    one, two = load(BuiltinData(name="iris")), load(BuiltinData(name="iris"))
    assert one.identity == two.identity
    changed = load(BuiltinData(name="iris", label_noise=0.01))
    assert changed.identity.content != one.identity.content
    assert one.identity.to_json()["name"] == "iris"


def test_content_hash_counts_type_and_shape():
    values = np.arange(6, dtype=np.int64)
    hashes = {
        content_hash(a) for a in (values, values.reshape(2, 3), values.astype(np.int32), values.astype(np.float32))
    }
    assert len(hashes) == 4
    assert content_hash(values.astype(">i8")) == content_hash(values.astype("<i8"))


@pytest.mark.parametrize(
    ("raw", "error", "words"),
    [
        (numbered(y=np.zeros(200, dtype=np.int64)), OneClass, "one class, a"),
        (numbered(y=np.zeros(199, dtype=np.int64)), LengthMismatch, "200 examples but 199 targets"),
        (numbered(2, 2), TooFewRows, "2 examples are too few.*2 for training and 0 for testing"),
        (numbered(test=(np.zeros((3, 2), np.float32), np.zeros(3, int))), ShapeMismatch, "differ in shape"),
        (numbered(test=(np.zeros((3, 1), np.float32), np.zeros(4, int))), LengthMismatch, "3 examples but 4 targets"),
    ],
)
def test_what_cannot_be_used_is_said(raw, error, words):
    with pytest.raises(error, match=words):
        prepare(raw, DataOptions())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_name_the_column(bad):
    x = np.ones((50, 3), dtype=np.float32)
    x[[4, 9], 1] = bad
    with pytest.raises(NotFinite, match=r"2 of 50 examples have NaN or infinite values, first in height"):
        prepare(numbered(50, 2, x=x, features=("weight", "height", "age")), DataOptions())
    with pytest.raises(NotFinite, match=r"value 2"):
        prepare(numbered(50, 2, x=x), DataOptions())


def test_nan_in_the_target_is_found():
    y = np.ones(50, dtype=np.float32)
    y[3] = np.nan
    with pytest.raises(NotFinite, match=r"1 of 50.*the target"):
        prepare(numbered(50, y=y, classes=()), DataOptions())
