"""Differences lead from one JSON value to any other, and are small where little changed."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.documents.patch import apply, diff, same

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab", max_size=2)
keys = st.sampled_from("abcd")
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner), max_leaves=20)


@settings(max_examples=200, deadline=None)
@given(values, values)
def test_a_difference_leads_there_and_back(old, new):
    before = copy.deepcopy(old)
    there = apply(old, diff(old, new))
    assert same(there, new)
    assert same(apply(there, diff(new, old)), old)
    assert same(old, before)  # nothing is changed in place


@settings(max_examples=100, deadline=None)
@given(values)
def test_the_same_has_no_difference(value):
    assert diff(value, copy.deepcopy(value)) == []


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0, False), ([1], [True]), ({"a": 1}, {"a": 1.0})])
def test_values_that_python_calls_equal_are_told_apart(old, new):
    assert not same(old, new) and same(apply(old, diff(old, new)), new)


def test_small_changes_have_small_differences():
    old = {"notes": [{"text": str(index), "weight": 1.0} for index in range(100)], "title": "x"}
    new = copy.deepcopy(old)
    new["notes"][40]["text"] = "changed"
    assert diff(old, new) == [["set", ["notes", 40, "text"], "changed"]]
    del new["notes"][10]
    new["notes"][39]["text"] = "40"
    assert diff(old, new) == [["splice", ["notes"], 10, 1, []]]
    appended = {**old, "notes": [*old["notes"], {"text": "new"}]}
    assert diff(old, appended) == [["splice", ["notes"], 100, 0, [{"text": "new"}]]]
    assert apply(old, diff(old, appended))["notes"][5] is old["notes"][5]  # shared, not copied


def test_steps_for_another_value_are_refused():
    for steps in ([["del", ["a"]]], [["set", ["a", "b"], 1]], [["splice", ["a"], 0, 1, []]]):
        with pytest.raises((KeyError, IndexError, TypeError, ValueError, AttributeError)):
            apply({}, steps)
