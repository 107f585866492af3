"""What the ``data()`` of a user's model file returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.data.dataset import Array, Raw
from engine.data.errors import BadOwnData

NAMES = ("x_train", "y_train", "x_test", "y_test")


def read_own(own: Callable[[], Any]) -> Raw:
    """Examples and targets as arrays. Whole numbers stay whole (token ids); one whole target an example is a class.

    Raises:
        BadOwnData: not one of the forms that are understood. Whatever ``own`` raises.
    """
    returned = own()
    if isinstance(returned, Mapping):
        keys = NAMES if "x_train" in returned else ("x", "y")
        if not all(key in returned for key in keys):
            raise BadOwnData(got=f"a dict with {', '.join(map(str, returned)) or 'nothing'}")
        returned = [returned[key] for key in keys]
    if not isinstance(returned, tuple | list) or len(returned) not in (2, 4):
        raise BadOwnData(got=_describe(returned))
    arrays = [_array(value) for value in returned]
    x, y, *test = arrays
    tokens = x.dtype.kind in "iu"
    examples = [a.astype(np.int64 if tokens else np.float32) for a in arrays[::2]]
    classes: tuple[str, ...] = ()
    targets = [_target(a) for a in arrays[1::2]]
    if y.ndim == 1 and y.dtype.kind in "iub":
        if min(int(t.min(initial=0)) for t in targets) < 0:
            raise BadOwnData(got="negative classes")
        classes = tuple(str(i) for i in range(max(int(t.max(initial=0)) for t in targets) + 1))
    held = (examples[1], targets[1]) if test else None
    return Raw(examples[0], targets[0], classes, "data() of the model file", test=held, tokens=tokens)


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError:
        raise BadOwnData(got="a ragged list") from None
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise BadOwnData(got=f"{_describe(value)} instead of numbers")
    return array


def _target(array: Array) -> Array:
    return array.astype(np.int64 if array.dtype.kind in "iub" else np.float32)


def _describe(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"{len(value)} values"
    return type(value).__name__
