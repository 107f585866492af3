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
from engine.studies.landscape.vectors import wide

Array = NDArray[np.float64]
CONSTANT = "constant: the representation is the same for all inputs"
INFINITE = "not finite: the representation holds NaN or infinity"
ROUNDING = 1e-5  # share of the biased term below which an unbiased one is lost in single precision's rounding
FEW = "too few inputs: the unbiased estimator needs four or more"
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
    instead, a stripe of rows at a time.

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
    """One side's representations, centred and scaled in double precision and kept in their own.

    Attributes:
        parts: (n, d_i) each, mean 0 and Frobenius norm 1. reasons: index -> why this one is undefined.
    """

    def __init__(self, representations: Sequence[Tensor], debiased: bool) -> None:
        self.n = len(representations[0])
        self.reasons: dict[int, str] = {}
        self.parts: list[Tensor] = []
        for index, values in enumerate(representations):
            if len(values) != self.n:
                raise DifferentInputs(first=self.n, second=len(values))
            flat = wide(values.detach().reshape(self.n, -1))
            scale = flat.abs().max() if flat.numel() else flat.new_zeros(())
            centred = flat - flat.mean(0)
            norm = centred.norm()
            if not bool(torch.isfinite(norm)):
                self.reasons[index], centred = INFINITE, torch.zeros_like(flat)
            elif not bool(norm > 1e-6 * scale * np.sqrt(max(1, flat.numel()))):
                self.reasons[index] = CONSTANT
            elif debiased and self.n < 4:
                self.reasons[index] = FEW
            scaled = centred / norm if index not in self.reasons else torch.zeros_like(centred)
            self.parts.append(scaled.to(torch.promote_types(values.dtype, torch.float32)))
        self.widths = [part.shape[1] for part in self.parts]

    def margins(self) -> tuple[Tensor, Tensor]:
        """(k, n) diagonals of the kernels, and (k, n) row sums of the kernels without their diagonals."""
        diagonals = torch.stack([part.double().pow(2).sum(1) for part in self.parts])
        sums = torch.stack([part.double() @ part.double().sum(0) for part in self.parts])
        return diagonals, sums - diagonals


def _hsic(ones: _Side, others: _Side, debiased: bool) -> list[Array]:
    """HSIC of each pair (a, b), of each with itself (a,), (b,), and the biased terms these two come from."""
    cross, own, other = _inner(ones, others)
    scales = own, other
    if debiased and ones.n >= 4:
        n, (d1, r1), (d2, r2) = ones.n, ones.margins(), others.margins()
        cross = _unbiased(n, cross, d1 @ d2.T, torch.outer(r1.sum(1), r2.sum(1)), r1 @ r2.T)
        own = _unbiased(n, own, d1.pow(2).sum(1), r1.sum(1).pow(2), r1.pow(2).sum(1))
        other = _unbiased(n, other, d2.pow(2).sum(1), r2.sum(1).pow(2), r2.pow(2).sum(1))
    return [terms.cpu().numpy().copy() for terms in (cross, own, other, *scales)]


def _unbiased(n: int, inner: Tensor, diagonals: Tensor, sums: Tensor, rows: Tensor) -> Tensor:
    """Song et al. 2012, equation 5, from <K, L>, <diag K, diag L>, (1'K~1)(1'L~1) and 1'K~L~1, times n (n - 3)."""
    return inner - diagonals + sums / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)


def _inner(ones: _Side, others: _Side) -> tuple[Tensor, Tensor, Tensor]:
    """<X X', Y Y'> = ||Y'X||^2 for each pair (a, b), and for each with itself (a,), (b,), the cheaper way."""
    n, wide, tall = ones.n, sum(ones.widths), sum(others.widths)
    kernels = n * n * (wide + (0 if others is ones else tall)) + n * n * len(ones.widths) * len(others.widths)
    return _by_features(ones, others) if n * wide * tall <= kernels else _by_kernels(ones, others)


def _by_features(ones: _Side, others: _Side) -> tuple[Tensor, Tensor, Tensor]:
    right = torch.cat(others.parts, 1)
    ends = np.cumsum([0, *others.widths])
    rows = []
    for part in ones.parts:
        squares = (part.to(right.dtype).T @ right).double().pow(2).sum(0)
        rows.append(torch.stack([squares[start:end].sum() for start, end in pairwise(ends)]))
    cross = torch.stack(rows)
    if others is ones:
        return cross, torch.diagonal(cross), torch.diagonal(cross)
    own, other = (torch.stack([(x.T @ x).double().pow(2).sum() for x in side.parts]) for side in (ones, others))
    return cross, own, other


def _by_kernels(ones: _Side, others: _Side) -> tuple[Tensor, Tensor, Tensor]:
    cross, own, other = (ones.parts[0].new_zeros(size, dtype=torch.float64) for size in _sizes(ones, others))
    stripe = max(1, int(4e6 / (ones.n * max(len(ones.parts), len(others.parts)))))
    for start in range(0, ones.n, stripe):
        left = _stripes(ones, start, stripe)
        right = left if others is ones else _stripes(others, start, stripe)
        cross += left @ right.T
        own += left.pow(2).sum(1)
        other += right.pow(2).sum(1)
    return cross, own, other


def _sizes(ones: _Side, others: _Side) -> tuple[tuple[int, ...], ...]:
    a, b = len(ones.parts), len(others.parts)
    return (a, b), (a,), (b,)


def _stripes(side: _Side, start: int, size: int) -> Tensor:
    """(k, size * n) rows ``start`` and on of every kernel, in double precision."""
    return torch.stack([(part[start : start + size] @ part.T).reshape(-1).double() for part in side.parts])
