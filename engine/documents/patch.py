"""Differences between JSON values: what undo keeps and the journal records in place of whole documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# ["set", path, value]   ["del", path]   ["splice", path, start, count, values]; a path is a list of keys and indices
Step = list[Any]


def diff(old: Any, new: Any, path: Sequence[str | int] = ()) -> list[Step]:
    """Steps that make ``new`` of ``old``; none when they are the same JSON."""
    if isinstance(old, dict) and isinstance(new, dict):
        steps: list[Step] = [["del", [*path, key]] for key in old if key not in new]
        for key, value in new.items():
            steps += diff(old[key], value, [*path, key]) if key in old else [["set", [*path, key], value]]
        return steps
    if isinstance(old, list) and isinstance(new, list):
        return _list_diff(old, new, path)
    return [] if same(old, new) else [["set", list(path), new]]


def _list_diff(old: list[Any], new: list[Any], path: Sequence[str | int]) -> list[Step]:
    shorter = min(len(old), len(new))
    start = next((index for index in range(shorter) if not same(old[index], new[index])), shorter)
    left = shorter - start
    end = next((index for index in range(left) if not same(old[-1 - index], new[-1 - index])), left)
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    if len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True), start)
        return [step for index, (a, b) in pairs for step in diff(a, b, [*path, index])]
    return [["splice", list(path), start, len(before), after]]


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same JSON; unlike ==, 1, 1.0 and true differ."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def apply(tree: Any, steps: Sequence[Step]) -> Any:
    """The value after the steps; the given one is not changed, parts that do not change are shared.

    Raises:
        KeyError, IndexError, TypeError, ValueError: the steps belong to another value.
    """
    for step in steps:
        tree = _applied(tree, step[1], step)
    return tree


def _applied(tree: Any, path: Sequence[str | int], step: Step) -> Any:
    kind = step[0]
    if not path and kind == "set":
        return step[2]
    copy = tree.copy()
    if not path and kind == "splice":
        _, _, start, count, values = step
        copy[start : start + count] = values
    elif len(path) == 1 and kind == "del":
        del copy[path[0]]
    elif len(path) == 1 and kind == "set" and isinstance(copy, dict):
        copy[path[0]] = step[2]
    else:
        copy[path[0]] = _applied(tree[path[0]], path[1:], step)
    return copy
