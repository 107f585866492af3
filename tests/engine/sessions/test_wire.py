"""Messages survive packing, torn ends and any nesting."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sessions import errors, wire
from engine.sessions.shared import ArrayFiles

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys = st.sampled_from(["$array", "$mapping", "a"]) | st.text()
trees = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)


@settings(max_examples=100, deadline=None)
@given(trees)
def test_any_json_tree_comes_back(tree):
    assert wire.unpack(wire.pack(tree, []), []) == tree


def test_arrays_are_numbered_where_they_stand():
    first, second = np.arange(3), np.eye(2)
    arrays = []
    packed = wire.pack({"a": [first, {"b": second}], "n": np.int64(4)}, arrays)
    assert packed == {"a": [{"$array": 0}, {"b": {"$array": 1}}], "n": 4}
    assert arrays[0] is first and arrays[1] is second
    back = wire.unpack(packed, arrays)
    assert back["a"][0] is first and back["a"][1]["b"] is second


@pytest.mark.parametrize("value", [{1, 2}, {("a",): 1}, 1j, np.array([{}]), np.zeros(2, [("x", "f4")])])
def test_other_values_are_refused(value):
    with pytest.raises(errors.NotTransferable):
        wire.pack([value], [])


def test_messages_end_at_a_torn_frame(tmp_path):
    sink = io.BytesIO()
    sender = wire.Channel(io.BytesIO(), sink, ArrayFiles([tmp_path]))
    sender.send({"kind": "a", "x": np.arange(5)})
    sender.send({"kind": "b"})
    whole = sink.getvalue()
    received = list(wire.Channel(io.BytesIO(whole), io.BytesIO(), ArrayFiles([tmp_path])).messages())
    np.testing.assert_array_equal(received[0]["x"], np.arange(5))
    assert received[1] == {"kind": "b"} and not list(tmp_path.iterdir())
    frame = whole[-8 - len(b'[{"kind":"b"},null]') :]
    for cut in range(len(frame)):
        torn = wire.Channel(io.BytesIO(frame[:cut]), io.BytesIO(), ArrayFiles([tmp_path]))
        assert list(torn.messages()) == []


def test_errors_cross_without_the_module_that_defined_them():
    class Odd(errors.EngineError):
        what = "{thing} is odd."
        remedy = "Make it even."

    back = errors.from_wire(errors.to_wire(Odd(thing=[3]), "s", "m", "trace"))
    assert (type(back).__name__, str(back), back.details) == ("Odd", "[3] is odd. Make it even.", "trace")
    assert isinstance(back, errors.CallFailed) and not isinstance(back, Odd)
