"""Linear centred kernel alignment (CKA) between representations: of layers, of runs, in one pass or in minibatches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import EngineError
from engine.studies.landscape.vectors import wide, widest

Array = NDArray[np.float64]
CONSTANT = "constant: the representation is the same for all inputs"
INFINITE = "not finite: the representation holds NaN or infinity"
ROUNDING = 1e-5  # share of the biased term below which an unbiased one is lost in single precision's rounding
FEW = "too few inputs: the unbiased estimator needs four or more"
TAME = 1e6  # sizes of values whose kernels stay well within single precision
STRIPES = 10  # of a kernel; fewer do more than half of it, more are slow
STRIPE_BYTES = 1 << 28
NOISE = "indistinguishable from noise: the unbiased self-similarity is not positive"


class DifferentInputs(EngineError):
    """Raised where representations were not taken on the same inputs."""

    what = "The representations cannot be compared: one has {first} inputs, another {second}."
    why = "CKA compares how two networks see the same inputs, one by one."
    remedy = "Take both representations on the same inputs, in the same order."


@dataclass(frozen=True)
class Similarity:
    """CKA between every first and every second representation.

    Attributes:
        values: (a, b) in [0, 1] for the biased estimator, a little below 0 is possible for the debiased; NaN where it
            is undefined. reasons_first, reasons_second: index -> why values with this representation are NaN.
    """

    values: Array
    reasons_first: dict[int, str] = field(default_factory=dict)
    reasons_second: dict[int, str] = field(default_factory=dict)


def cka(first: Sequence[Tensor], second: Sequence[Tensor] | None = None, *, debiased: bool = False) -> Similarity:
    """Linear CKA of each pair, ||Y'X||^2 / (||X'X|| ||Y'Y||) with centred columns, or its debiased form.

    Everything that pairs share is computed once: all representations of one side stand side by side in one matrix
    whose Gram matrix holds every cross term; where they are wider than there are inputs, the kernels X X' are compared
    instead, a stripe of rows at a time: products in the representations' own precision (single at least), sums in
    double.

    Args:
        first, second: representations (n, ...) of the same n inputs; other axes are flattened. ``second`` None: all
            pairs within ``first``.
        debiased: unbiased HSIC (Song et al. 2012, equation 5) in numerator and denominator: about 0 for independent
            representations, however wide; needs n >= 4.

    Raises:
        DifferentInputs.

    Source: Kornblith et al. 2019, Similarity of Neural Network Representations Revisited, equation 4.
    """
    accumulator = CkaAccumulator(debiased=debiased)
    accumulator.update(first, second)
    return accumulator.value()


class CkaAccumulator:
    """CKA over minibatches: HSIC terms are averaged over batches before the ratio is taken.

    With the debiased estimator the mean over batches is unbiased for the whole (Nguyen, Raghu and Kornblith 2021, Do
    Wide and Deep Networks Learn the Same Things?, section 3); with the biased one small batches raise the value.
    """

    def __init__(self, *, debiased: bool = True) -> None:
        self.debiased = debiased
        self.batches = 0
        self._sums: list[Array] = []
        self._reasons: tuple[dict[int, str], dict[int, str]] = ({}, {})

    def update(self, first: Sequence[Tensor], second: Sequence[Tensor] | None = None) -> None:
        """Add one batch; the representations keep their order from batch to batch."""
        ones = _Side(first, self.debiased)
        others = ones if second is None else _Side(second, self.debiased)
        if ones.n != others.n:
            raise DifferentInputs(first=ones.n, second=others.n)
        parts = _hsic(ones, others, self.debiased)
        self._sums = [total + part for total, part in zip(self._sums, parts, strict=True)] if self._sums else parts
        for mine, theirs in zip(self._reasons, (ones.reasons, others.reasons), strict=True):
            mine.update(theirs)
        self.batches += 1

    def value(self) -> Similarity:
        """CKA of all batches so far."""
        cross, own, other, scale, other_scale = self._sums
        reasons = tuple(dict(part) for part in self._reasons)
        for terms, scales, known in zip((own, other), (scale, other_scale), reasons, strict=True):
            lost = np.flatnonzero(~(terms > ROUNDING * scales))
            known.update({int(i): NOISE for i in lost if int(i) not in known})
        values = np.full(cross.shape, np.nan)
        rows = [i for i in range(len(own)) if i not in reasons[0]]
        columns = [j for j in range(len(other)) if j not in reasons[1]]
        place = np.ix_(rows, columns)
        values[place] = cross[place] / np.sqrt(np.outer(own[rows], other[columns]))
        return Similarity(values, *reasons)


class _Side:
    """One side's representations, centred in their own number type, single precision at least.

    Attributes:
        parts: (n, d_i) each, mean 0. norms: their Frobenius norms. reasons: index -> why this one is undefined.
    """

    def __init__(self, representations: Sequence[Tensor], debiased: bool) -> None:
        self.n = len(representations[0])
        self.reasons: dict[int, str] = {}
        self.parts: list[Tensor] = []
        self.norms: list[float] = []
        for index, values in enumerate(representations):
            if len(values) != self.n:
                raise DifferentInputs(first=self.n, second=len(values))
            flat, size = _tame(values.detach().reshape(self.n, -1))
            centred = _centre(flat)
            norm = float(torch.linalg.vector_norm(centred, dtype=widest(centred.device)))
            if not np.isfinite(size):
                self.reasons[index] = INFINITE
            elif not norm > 1e-6 * size * np.sqrt(max(1, flat.numel())):
                self.reasons[index] = CONSTANT
            elif debiased and self.n < 4:
                self.reasons[index] = FEW
            undefined = index in self.reasons
            self.parts.append(torch.zeros_like(centred) if undefined else centred)
            self.norms.append(1.0 if undefined else norm)
        self.widths = [part.shape[1] for part in self.parts]


def _tame(flat: Tensor) -> tuple[Tensor, float]:
    """The values, brought near 1 where squares would leave the range of single precision, and the largest of them."""
    flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
    if not flat.numel():
        return flat, 0.0
    low, high = (float(bound) for bound in flat.aminmax())
    size = max(-low, high)
    if not np.isfinite(size) or 1 / TAME <= size <= TAME or size == 0:
        return flat, size
    return flat / size, 1.0


def _centre(flat: Tensor) -> Tensor:
    """Columns without their means; the second time takes away what rounding of a large mean has left."""
    centred = flat - flat.mean(0)
    return centred.sub_(centred.mean(0))


@dataclass(frozen=True)
class _Terms:
    """What HSIC is made of, for each pair (a, b): of kernels K = X X' and L = Y Y' in double precision.

    Attributes:
        inner: <K, L>. diagonals: <diag K, diag L>. sums: (1'K~1)(1'L~1). rows: 1'K~L~1, where ~ is without diagonal.
    """

    inner: Tensor
    diagonals: Tensor
    sums: Tensor
    rows: Tensor

    def unbiased(self, n: int) -> Tensor:
        """Song et al. 2012, equation 5, times n (n - 3)."""
        return self.inner - self.diagonals + self.sums / ((n - 1) * (n - 2)) - 2 * self.rows / (n - 2)


def _hsic(ones: _Side, others: _Side, debiased: bool) -> list[Array]:
    """HSIC of each pair (a, b), of each with itself (a,), (b,), and the biased terms these two come from.

    Each representation counts as if its Frobenius norm were 1.
    """
    (cross, own, other), margins = _inner(ones, others)
    scales = own, other
    if debiased and ones.n >= 4:
        n, (d1, r1), (d2, r2) = ones.n, *margins
        cross = _Terms(cross, d1 @ d2.T, torch.outer(r1.sum(1), r2.sum(1)), r1 @ r2.T).unbiased(n)
        own = _Terms(own, d1.pow(2).sum(1), r1.sum(1).pow(2), r1.pow(2).sum(1)).unbiased(n)
        other = _Terms(other, d2.pow(2).sum(1), r2.sum(1).pow(2), r2.pow(2).sum(1)).unbiased(n)
    first, second = np.square(ones.norms), np.square(others.norms)
    units = np.outer(first, second), first**2, second**2, first**2, second**2
    found = (cross, own, other, *scales)
    return [terms.cpu().double().numpy() / unit for terms, unit in zip(found, units, strict=True)]


Products = tuple[Tensor, Tensor, Tensor]  # <K, L> of each pair (a, b), and <K, K> of each (a,), (b,)
Margins = tuple[Tensor, Tensor]  # (k, n) diagonals of the kernels, and sums of their rows without the diagonal


def _inner(ones: _Side, others: _Side) -> tuple[Products, tuple[Margins, Margins]]:
    """<X X', Y Y'> = ||Y'X||^2 and margins, by products of features or by kernels, whichever is cheaper."""
    n, wide, tall = ones.n, sum(ones.widths), sum(others.widths)
    kernels = n * n * (wide + (0 if others is ones else tall)) / 2 + n * n * len(ones.widths) * len(others.widths)
    if n * wide * tall > kernels:
        return _by_kernels(ones, others)
    first = _margins(ones)
    return _by_features(ones, others), (first, first if others is ones else _margins(others))


def _margins(side: _Side) -> Margins:
    parts = [wide(part) for part in side.parts]
    diagonals = torch.stack([part.square().sum(1) for part in parts])
    return diagonals, torch.stack([part @ part.sum(0) for part in parts]) - diagonals


def _by_features(ones: _Side, others: _Side) -> Products:
    right = torch.cat(others.parts, 1)
    ends = np.cumsum([0, *others.widths])
    rows = []
    for part in ones.parts:
        squares = wide(part.to(right.dtype).T @ right).square().sum(0)
        rows.append(torch.stack([squares[start:end].sum() for start, end in pairwise(ends)]))
    cross = torch.stack(rows)
    if others is ones:
        return cross, torch.diagonal(cross), torch.diagonal(cross)
    own, other = (torch.stack([wide(x.T @ x).square().sum() for x in side.parts]) for side in (ones, others))
    return cross, own, other


def _by_kernels(ones: _Side, others: _Side) -> tuple[Products, tuple[Margins, Margins]]:
    """Half of each kernel, a stripe of rows at a time: what lies right of a stripe's square stands below it too."""
    n, sides = ones.n, (ones,) if others is ones else (ones, others)
    made = [_Kernels(side) for side in sides]
    first, second = made[0], made[-1]
    cross = torch.zeros(len(ones.parts), len(others.parts), dtype=torch.float64, device=first.device)
    most = STRIPE_BYTES // (8 * n * sum(len(side.parts) for side in sides))
    for start in range(0, n, step := max(1, min(most, -(-n // STRIPES)))):
        stripes = [kernels.stripe(start, step) for kernels in made]
        cross += stripes[0] @ stripes[-1].T
    return (cross, first.squares, second.squares), (first.margins(), second.margins())


class _Kernels:
    """One side's kernels X X', met stripe by stripe.

    Attributes:
        squares: (k,) <K, K> so far.
    """

    def __init__(self, side: _Side) -> None:
        self.parts, count = side.parts, len(side.parts)
        self.device = wide(side.parts[0][:1]).device
        self.squares, self._diagonals, self._sums = (
            torch.zeros(shape, dtype=torch.float64, device=self.device)
            for shape in ((count,), (count, side.n), (count, side.n))
        )

    def stripe(self, start: int, size: int) -> Tensor:
        """(k, m) of each kernel, rows ``start`` and on, from the diagonal to the right, so weighted that products of
        two stripes count both halves."""
        found = []
        for index, part in enumerate(self.parts):
            rows = wide(part[start : start + size] @ part[start:].T)
            height = len(rows)
            self._diagonals[index, start : start + height] = torch.diagonal(rows)
            self._sums[index, start : start + height] += rows.sum(1)
            self._sums[index, start + height :] += rows[:, height:].sum(0)
            rows[:, height:] *= 2**0.5
            found.append(rows.reshape(-1))
        stacked = torch.stack(found)
        self.squares += stacked.square().sum(1)
        return stacked

    def margins(self) -> Margins:
        """Once all stripes were met."""
        return self._diagonals, self._sums - self._diagonals
