"""Finds a network's permutation symmetries by watching one forward pass, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from engine import seeding
from engine.errors import EngineError
from engine.studies.landscape.permutations import Axis, Group, Label, Segment, Symmetry, Units
from engine.studies.landscape.vectors import Outputs, Params

Labels = list[Label]


class NotPermutable(EngineError):
    """Raised where no symmetry of a network is known."""

    what = "The units of this network cannot be matched."
    why = "{reason}"
    remedy = "Compare the models without alignment."


def find_symmetry(outputs: Outputs, params: Params, x: Tensor, *, fixed: Params | None = None) -> Symmetry:
    """The groups of interchangeable units: hidden neurons, channels, and what residual sums tie together.

    A forward pass of a few examples is watched. Each axis of each weight starts as an unknown order of units; matrix
    products, convolutions, normalisations, sums and reshapes tie these orders to each other, anything unknown pins
    what it touches. What is found is then proved on the examples with random permutations.

    Args:
        outputs: called with ``{**fixed, **params}`` and x. x: (n, ...) a few inputs. fixed: buffers.

    Raises:
        NotPermutable: nothing can move, or what was found changes the outputs.
    """
    x = x[:4]
    tensors = {**(fixed or {}), **{name: tensor.detach() for name, tensor in params.items()}}
    watch = _Watch(tensors)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        with watch:
            result = outputs(tensors, x)
        watch.pin(result)
        symmetry = watch.symmetry(tensors)
        if not symmetry.groups:
            raise NotPermutable(reason="It has no hidden units whose order is free, as far as is known.")
        moved = symmetry.apply(tensors, symmetry.random(seeding.generator(0, "symmetry")))
        again = outputs(moved, x)
    if not torch.allclose(again, result, rtol=1e-3, atol=1e-4 * float(result.abs().max())):
        raise NotPermutable(reason="Its outputs change when units that seem interchangeable change places.")
    return symmetry


class _Watch(TorchDispatchMode):
    """Labels the axes of every tensor that a forward pass makes."""

    def __init__(self, tensors: Params) -> None:
        super().__init__()
        self.labels: dict[int, Labels] = {}
        self.alive: list[Tensor] = []  # keeps ids unique
        self.used: set[int] = set()
        for tensor in tensors.values():
            if tensor.is_floating_point():
                self.set(tensor, [Label.fresh(size) for size in tensor.shape])

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here; saying so would load torch's compiler (1 s, and files in the temporary folder)."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = [arg for arg in _flat((*args, *(kwargs or {}).values())) if isinstance(arg, Tensor)]
        self.used.update(map(id, inputs))
        first = result[0] if isinstance(result, tuple | list) else result
        if not isinstance(first, Tensor):
            return result
        rule = RULES.get(func.overloadpacket)
        labels = rule(self, first, args, kwargs or {}) if rule else None
        if labels is None:
            for tensor in inputs:
                self.pin(tensor)
            labels = [Label() for _ in first.shape]
        self.set(first, labels)
        return result

    def of(self, tensor: Tensor) -> Labels:
        return self.labels.get(id(tensor)) or [Label() for _ in tensor.shape]

    def set(self, tensor: Tensor, labels: Labels) -> None:
        self.labels[id(tensor)] = labels
        self.alive.append(tensor)

    def pin(self, tensor: Tensor) -> None:
        for label in self.of(tensor):
            label.pin()

    def symmetry(self, tensors: Params) -> Symmetry:
        found: dict[int, tuple[Units, list[Axis]]] = {}
        for name, tensor in tensors.items():
            if id(tensor) not in self.used:
                self.pin(tensor)
            for axis, label in enumerate(self.of(tensor)):
                start = 0
                for part in label.resolved():
                    if part.units is not None:
                        _, axes = found.setdefault(id(part.units), (part.units, []))
                        axes.append(Axis(name, axis, start, part.repeat))
                    start += part.length
        free = [(units, axes) for units, axes in found.values() if not units.pinned and units.size > 1]
        return Symmetry(tuple(Group(units.size, tuple(axes)) for units, axes in free))


def _flat(values: Sequence[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, tuple | list) else (value,))]


Rule = Callable[[_Watch, Tensor, Sequence[Any], dict[str, Any]], Labels | None]


def _same(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    """Elementwise with one tensor, or a softmax: axes keep their meaning."""
    return watch.of(args[0])


def _together(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    """Elementwise with two tensors, broadcast."""
    labels: list[Label | None] = [None] * out.ndim
    for tensor in (arg for arg in args[:2] if isinstance(arg, Tensor)):
        for back, label in enumerate(reversed(watch.of(tensor))):
            place = out.ndim - 1 - back
            if tensor.shape[-1 - back] == 1 and out.shape[place] != 1:
                label.pin()
                continue
            labels[place] = label if (present := labels[place]) is None else _joined(present, label)
    return [label or Label() for label in labels]


def _joined(one: Label, other: Label) -> Label:
    """Two axes that meet entry by entry, as one."""
    one.tie(other)
    if one.blank and other.blank:
        one.pin()
        other.pin()
        return Label()
    return other if one.blank else one


def _matmul(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    """(..., i, j) (..., j, k): the j move together."""
    left, right = watch.of(args[0]), watch.of(args[1])
    left[-1].tie(right[-2])
    for one, other in zip(left[:-2], right[:-2], strict=True):
        one.tie(other)
    return [*left[:-1], right[-1]]


def _addmm(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    labels = _matmul(watch, out, args[1:], kwargs)
    assert labels is not None
    watch.of(args[0])[-1].tie(labels[-1])
    for label in watch.of(args[0])[:-1]:
        label.pin()
    return labels


def _convolution(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    x, weight, bias, transposed, groups = args[0], args[1], args[2], args[6], args[8]
    if transposed or (groups > 1 and not groups == weight.shape[0] == x.shape[1]):
        return None
    ends, filters = watch.of(x), watch.of(weight)
    for label in (*ends[2:], *filters[2:]):
        label.pin()
    if groups == 1:
        ends[1].tie(filters[1])
    else:
        ends[1].tie(filters[0])
    if bias is not None:
        watch.of(bias)[0].tie(filters[0])
    return [ends[0], filters[0], *(Label() for _ in out.shape[2:])]


def _batch_norm(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    labels = watch.of(args[0])
    for part in args[1:5]:
        if isinstance(part, Tensor):
            labels[1].tie(watch.of(part)[0])
    return labels


def _layer_norm(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    labels = watch.of(args[0])
    for part in args[2:4]:
        if isinstance(part, Tensor):
            for label, own in zip(labels[-part.ndim :], watch.of(part), strict=True):
                label.tie(own)
    return labels


def _group_norm(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    channels, groups = args[4], args[6]
    return _batch_norm(watch, out, args[:3], kwargs) if groups in (1, channels) else None


def _pool(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    """Windows over positions; example and channel axes keep their meaning."""
    labels = watch.of(args[0])
    for label in labels[2:]:
        label.pin()
    return [*labels[:2], *(Label() for _ in out.shape[2:])] if out.ndim > 2 else None


def _view(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    """Axes that merge: the first keeps its units, each with the others' positions; an axis that divides is pinned."""
    old, new, labels = list(args[0].shape), list(out.shape), watch.of(args[0])
    found: Labels = []
    i = j = 0
    while i < len(old) or j < len(new):
        first, after = i, j
        left, right = (old[i] if i < len(old) else 1), (new[j] if j < len(new) else 1)
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left, i = left * old[i], i + 1
            else:
                right, j = right * new[j], j + 1
        found += _merged(labels[first:i], old[first:i], new[after:j])
    return found[: len(new)]


def _merged(labels: Labels, old: Sequence[int], new: Sequence[int]) -> Labels:
    """The labels of the axes ``new`` that hold the same entries as the axes ``old``."""
    wide = [(label, k) for k, (label, size) in enumerate(zip(labels, old, strict=True)) if size > 1]
    target = [k for k, size in enumerate(new) if size > 1]
    result = [Label() for _ in new]
    if len(target) == 1 and wide:
        label, place = wide[0]
        for other, _ in wide[1:]:
            other.pin()
        inner = int(np.prod(old[place + 1 :]))
        result[target[0]] = label.repeated(inner) if label.segments else label
    else:
        for label in labels:
            label.pin()
    return result


def _permute(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    labels = watch.of(args[0])
    return [labels[axis] for axis in args[1]]


def _transpose(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    labels = list(watch.of(args[0]))
    one, other = args[1:3] if len(args) == 3 else (0, -1)
    if labels:
        labels[one], labels[other] = labels[other], labels[one]
    return labels


def _slice(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    labels = list(watch.of(args[0]))
    axis = args[1] if len(args) > 1 else 0
    if out.shape[axis] != args[0].shape[axis]:
        labels[axis].pin()
        labels[axis] = Label()
    return labels


def _select(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    """One position of an axis; the other axes keep their meaning."""
    labels = list(watch.of(args[0]))
    labels.pop(args[1]).pin()
    return labels


def _constant(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    """One number everywhere: alike in any order."""
    return [Label([Segment(None, 1, size)]) for size in out.shape]


def _pad(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    labels, borders = list(watch.of(args[0])), args[1]
    for back in range(len(borders) // 2):
        before, behind = borders[2 * back : 2 * back + 2]
        axis = out.ndim - 1 - back
        if (before or behind) and labels[axis].segments:
            blanks = [[Segment(None, 1, size)] if size > 0 else [] for size in (before, behind)]
            if min(before, behind) < 0:
                return None
            labels[axis] = Label([*blanks[0], *labels[axis].resolved(), *blanks[1]])
    return labels


def _concatenate(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    axis = (args[1] if len(args) > 1 else 0) % out.ndim
    parts = [watch.of(tensor) for tensor in args[0]]
    labels = list(parts[0])
    for part in parts[1:]:
        for place in range(out.ndim):
            if place != axis and (labels[place].segments or part[place].segments):
                labels[place].tie(part[place])
    if any(part[axis].segments for part in parts):
        known = [
            part[axis].resolved() or [Segment(Units(tensor.shape[axis], pinned=True))]
            for part, tensor in zip(parts, args[0], strict=True)
        ]
        labels[axis] = Label([segment for segments in known for segment in segments])
    return labels


def _reduce(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    """Mean or sum over axes: their order does not matter; the others keep their meaning."""
    labels, ndim = watch.of(args[0]), args[0].ndim
    chosen = args[1] if len(args) > 1 and args[1] is not None else range(ndim)
    axes = {axis % ndim for axis in (chosen if isinstance(chosen, Sequence | range) else (chosen,))}
    if out.ndim == ndim:
        return [Label() if axis in axes else label for axis, label in enumerate(labels)]
    return [label for axis, label in enumerate(labels) if axis not in axes]


def _unsqueeze(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    labels = list(watch.of(args[0]))
    labels.insert(args[1] % out.ndim, Label())
    return labels


def _squeeze(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    x = args[0]
    chosen = args[1] if len(args) > 1 else range(x.ndim)
    axes = {axis % x.ndim for axis in (chosen if isinstance(chosen, Sequence | range) else (chosen,))}
    return [label for axis, label in enumerate(watch.of(x)) if axis not in axes or x.shape[axis] != 1]


def _expand(watch: _Watch, out: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Labels | None:
    labels = [*(Label() for _ in range(out.ndim - args[0].ndim)), *watch.of(args[0])]
    sizes = [1] * (out.ndim - args[0].ndim) + list(args[0].shape)
    return [label if size == new else Label() for label, size, new in zip(labels, sizes, out.shape, strict=True)]


_NAMES: dict[Rule, str] = {
    _same: "relu relu_ gelu tanh tanh_ sigmoid sigmoid_ silu silu_ elu elu_ leaky_relu leaky_relu_ hardtanh hardtanh_"
    " hardswish hardsigmoid softplus mish exp neg abs sqrt rsqrt pow square clone detach alias _to_copy _softmax",
    _together: "add add_ sub mul mul_ div maximum minimum",
    _matmul: "mm bmm",
    _addmm: "addmm",
    _convolution: "convolution",
    _batch_norm: "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm",
    _layer_norm: "native_layer_norm",
    _group_norm: "native_group_norm",
    _pool: "max_pool2d_with_indices avg_pool2d avg_pool1d _adaptive_avg_pool2d adaptive_max_pool2d max_pool1d"
    " max_pool3d_with_indices avg_pool3d",
    _view: "view _unsafe_view reshape",
    _permute: "permute",
    _transpose: "t transpose",
    _slice: "slice",
    _select: "select",
    _constant: "zeros ones full zeros_like ones_like full_like new_zeros new_ones new_full",
    _pad: "constant_pad_nd",
    _concatenate: "cat",
    _reduce: "mean sum",
    _unsqueeze: "unsqueeze",
    _squeeze: "squeeze",
    _expand: "expand",
}
RULES: dict[Any, Rule] = {
    getattr(torch.ops.aten, name): rule for rule, names in _NAMES.items() for name in names.split()
}
