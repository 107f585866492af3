"""Units of a network that may change places: which axes of which tensors move together, and moving them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.studies.landscape.vectors import Params

Permutation = NDArray[np.intp]


@dataclass(frozen=True)
class Axis:
    """Entries from ``start`` on of one axis of a tensor, ``repeat`` consecutive ones for each unit."""

    name: str
    axis: int
    start: int
    repeat: int


@dataclass(frozen=True)
class Group:
    """Units that can be put in any order, as long as all these axes follow."""

    size: int
    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class Symmetry:
    """All groups of a network."""

    groups: tuple[Group, ...]

    def identity(self) -> list[Permutation]:
        """Nothing moves."""
        return [np.arange(group.size) for group in self.groups]

    def random(self, stream: np.random.Generator) -> list[Permutation]:
        """Everything moves."""
        return [stream.permutation(group.size) for group in self.groups]

    def apply(self, tensors: Params, permutations: Sequence[Permutation]) -> dict[str, Tensor]:
        """New weights and buffers, in which unit i of each group is the old unit ``permutation[i]``."""
        moved = dict(tensors)
        for group, order in zip(self.groups, permutations, strict=True):
            move_group(moved, group, order)
        return moved


def move_group(tensors: dict[str, Tensor], group: Group, order: Permutation) -> None:
    """Replace the tensors that this group indexes by reordered copies."""
    for place in group.axes:
        if place.name in tensors:
            tensor = tensors[place.name]
            index = np.arange(tensor.shape[place.axis])
            own = (order[:, None] * place.repeat + np.arange(place.repeat)).reshape(-1)
            index[place.start : place.start + len(own)] = place.start + own
            tensors[place.name] = tensor.index_select(place.axis, torch.as_tensor(index, device=tensor.device))


@dataclass(eq=False)
class Units:
    """A set of units whose order is a variable until the trace ties it to others, splits it or pins it.

    Attributes:
        size: how many. pinned: they must stay in place. parts: what it has been found to consist of, or None.
    """

    size: int
    pinned: bool = False
    parts: list[Segment] | None = None


@dataclass(frozen=True)
class Segment:
    """``repeat`` consecutive entries for each of the units; units None: entries that are all alike, such as padding."""

    units: Units | None
    repeat: int = 1
    blank: int = 0

    @property
    def length(self) -> int:
        return self.blank if self.units is None else self.units.size * self.repeat


@dataclass
class Label:
    """What one axis of a tensor means: consecutive segments; an empty one is a plain position that never moves."""

    segments: list[Segment] = field(default_factory=list)

    @classmethod
    def fresh(cls, size: int) -> Label:
        """An axis about which nothing is known yet."""
        return cls([Segment(Units(size))])

    def resolved(self) -> list[Segment]:
        """The segments, in terms of units that are not known to be made of others."""
        return list(_resolve(self.segments))

    def repeated(self, times: int) -> Label:
        """Each entry becomes ``times`` entries."""
        if times == 1:
            return self
        return Label([Segment(part.units, part.repeat * times, part.blank * times) for part in self.resolved()])

    def pin(self) -> None:
        """Nothing along this axis may move."""
        for part in self.resolved():
            if part.units is not None:
                part.units.pinned = True

    def tie(self, other: Label) -> None:
        """Both axes must move together from now on; where their structures do not fit, neither moves."""
        if not self.segments or not other.segments:
            self.pin()
            other.pin()
            return
        mine, theirs = self.resolved(), other.resolved()
        while mine and theirs and _tie_heads(mine, theirs):
            mine, theirs = list(_resolve(mine)), list(_resolve(theirs))
        Label([*mine, *theirs]).pin()

    @property
    def blank(self) -> bool:
        """Whether part of the axis is padding."""
        return any(part.units is None for part in self.segments)


def _resolve(segments: Iterable[Segment]) -> Iterable[Segment]:
    for segment in segments:
        if segment.units is None or segment.units.parts is None:
            yield segment
        else:
            yield from Label(segment.units.parts).repeated(segment.repeat).resolved()


def _tie_heads(one: list[Segment], other: list[Segment]) -> bool:
    """Tie the first stretches of two resolved lists and remove them; False where they do not fit."""
    a, b = one[0], other[0]
    if a.units is None or b.units is None:
        return _skip_blank(one, other)
    if a.units is b.units:
        if a.repeat == b.repeat:
            del one[0], other[0]
        return a.repeat == b.repeat
    if a.repeat < b.repeat:
        return _tie_heads(other, one)
    times, uneven = divmod(a.repeat, b.repeat)
    count = min(a.units.size, b.units.size // times)
    if uneven or count == 0:
        return False
    first, second = _split(one, count).units, _split(other, count * times).units
    assert first is not None and second is not None
    second.parts = [Segment(first, times)]
    first.pinned |= second.pinned
    return True


def _skip_blank(one: list[Segment], other: list[Segment]) -> bool:
    """Blank entries look the same in any order: they put no tie on what lies opposite, only a border."""
    if one[0].units is not None:
        one, other = other, one
    length = min(one[0].length, other[0].length)
    rest = one[0].length - length
    one[:1] = [Segment(None, 1, rest)] if rest else []
    if other[0].units is None:
        rest = other[0].length - length
        other[:1] = [Segment(None, 1, rest)] if rest else []
        return True
    count, uneven = divmod(length, other[0].repeat)
    if count:
        _split(other, count)
    return not uneven


def _split(segments: list[Segment], count: int) -> Segment:
    """Take the first ``count`` units off the list's first segment; what is left becomes a set of its own."""
    head = segments[0]
    assert head.units is not None
    if count == head.units.size:
        return segments.pop(0)
    front, back = Units(count, head.units.pinned), Units(head.units.size - count, head.units.pinned)
    head.units.parts = [Segment(front), Segment(back)]
    segments[0] = Segment(back, head.repeat)
    return Segment(front, head.repeat)
