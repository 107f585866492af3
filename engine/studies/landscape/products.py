"""Hessian and Gauss-Newton products of a network's mean loss, exact, without ever forming the matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from engine.models.finite import require_finite
from engine.studies.landscape.vectors import (
    Batch,
    Layout,
    Loss,
    Outputs,
    Params,
    require_examples,
    widest,
)

Criterion = Callable[[Tensor, Tensor], Tensor]  # (outputs, targets) -> mean loss
Apply = Callable[[Tensor], Tensor]  # (k, P) -> (k, P)

GRAPH_BYTES = 1 << 29
SMALL_WORK = 2_000_000  # examples x parameters below which several vectors at once win on a CPU (measured)


@contextmanager
def second_order() -> Iterator[None]:
    """Gradients on, and attention by plain matrix products: the fused kernels have no second derivative."""
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        yield


class CurvatureOperator(ABC):
    """A symmetric matrix of size P x P known by its products; a call takes (P,) or (k, P) and returns the same shape.

    The matrix is the mean over all examples. With one batch its graph is built once and serves every product; with
    several, each call rebuilds one graph after the other, so memory stays that of one batch: then ask for many
    vectors a call.

    Attributes:
        layout: of the P trainable parameters. size: P. examples: how many. products: matrix-vector products so far.
        together: vectors a backward pass. tick: called before each pass over a batch, for whoever wants to stop.
    """

    def __init__(
        self,
        params: Params,
        batches: Sequence[Batch],
        fixed: Params | None,
        together: int | None,
        accumulate: torch.dtype | None,
    ) -> None:
        require_finite(params)
        self.fixed: dict[str, Tensor] = {name: tensor.detach() for name, tensor in (fixed or {}).items()}
        self.params = {name: tensor.detach() for name, tensor in params.items()}
        self.layout = Layout.of(self.params)
        self.point = self.layout.flatten(self.params)
        self.size = self.layout.size
        self.batches = list(batches)
        self.examples = require_examples(self.batches)
        self.accumulate = accumulate or widest(self.point.device)
        self.products = 0
        self.tick: Callable[[], None] = lambda: None
        self.together = self._default_together() if together is None else together
        self._kept: Apply | None = None

    @property
    def device(self) -> torch.device:
        """Where the vectors live."""
        return self.point.device

    @property
    def dtype(self) -> torch.dtype:
        """The vectors' number type."""
        return self.point.dtype

    def __call__(self, vectors: Tensor) -> Tensor:
        """The product with one vector (P,) or with each row of (k, P)."""
        rows = vectors.reshape(-1, self.size).to(self.point)
        self.products += len(rows)
        return self._all(rows).reshape(vectors.shape)

    def diagonal_block(self, names: Sequence[str]) -> CurvatureOperator:
        """The operator of these parameters alone, all others held fixed: one diagonal block of the matrix."""
        chosen = {name: self.params[name] for name in names}
        others = {name: tensor for name, tensor in self.params.items() if name not in chosen}
        return self._with(chosen, {**self.fixed, **others})

    def _all(self, rows: Tensor) -> Tensor:
        if len(self.batches) == 1:
            self._kept = self._kept or self._prepare(self.batches[0])
            return self._rows(self._kept, rows)
        total = torch.zeros_like(rows, dtype=self.accumulate)
        for batch in self.batches:
            total += self._rows(self._prepare(batch), rows) * (len(batch[0]) / self.examples)
        return total.to(rows.dtype)

    def _rows(self, apply: Apply, rows: Tensor) -> Tensor:
        found = []
        for group in rows.split(self.together):
            self.tick()
            with second_order():
                found.append(apply(group))
        return torch.cat(found)

    def _default_together(self) -> int:
        """Vectors a backward pass: several on a GPU and where overhead rules, one where arithmetic rules."""
        largest = max((len(x) for x, _ in self.batches), default=1)
        return 8 if self.point.is_cuda or largest * self.size < SMALL_WORK else 1

    @abstractmethod
    def _prepare(self, batch: Batch) -> Apply:
        """The products of one batch's matrix, its graph built."""

    @abstractmethod
    def _with(self, params: Params, fixed: Params) -> CurvatureOperator:
        """The same operator for other trainable parameters."""


class HessianOperator(CurvatureOperator):
    """H v by reverse-over-reverse differentiation (Pearlmutter 1994, Fast Exact Multiplication by the Hessian).

    Args:
        loss: mean loss of a batch at parameters; called with ``{**fixed, **params}``.
        params: the trainable tensors. batches: the data, as (inputs, targets).
        fixed: other named tensors handed to the loss: frozen weights, buffers.
        together: vectors a backward pass, chosen by size when None. accumulate: number type of the sum over batches,
            double precision when None.
    """

    def __init__(
        self,
        loss: Loss,
        params: Params,
        batches: Sequence[Batch],
        *,
        fixed: Params | None = None,
        together: int | None = None,
        accumulate: torch.dtype | None = None,
    ) -> None:
        super().__init__(params, batches, fixed, together, accumulate)
        self.loss = loss

    def gradient(self) -> Tensor:
        """(P,) the gradient of the mean loss over all batches."""
        total = torch.zeros(self.size, dtype=self.accumulate, device=self.device)
        for batch in self.batches:
            leaf, value = self._forward(batch)
            (part,) = torch.autograd.grad(value, leaf, allow_unused=True, materialize_grads=True)
            total += part * (len(batch[0]) / self.examples)
        return total.to(self.dtype)

    def _forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        with second_order():
            leaf = self.point.clone().requires_grad_()
            value = self.loss({**self.fixed, **self.layout.unflatten(leaf)}, batch)
        require_finite({"The loss": value.detach()})
        return leaf, value

    def _prepare(self, batch: Batch) -> Apply:
        leaf, value = self._forward(batch)
        with second_order():
            (gradient,) = torch.autograd.grad(value, leaf, create_graph=True, materialize_grads=True)
        return _transposed_product(gradient, leaf)

    def _with(self, params: Params, fixed: Params) -> HessianOperator:
        return HessianOperator(self.loss, params, self.batches, fixed=fixed, accumulate=self.accumulate)


class GaussNewtonOperator(CurvatureOperator):
    """G v = J' (d2 l / d f2) J v, mean over examples; positive semidefinite for losses convex in the outputs.

    Args:
        outputs: (n, ...) network outputs, called with ``{**fixed, **params}`` and the inputs.
        criterion: mean loss of outputs and targets. Softmax cross-entropy (``torch.nn.functional.cross_entropy``) uses
            its output Hessian diag(p) - p p' in closed form; any other is differentiated twice.

    Source: Schraudolph 2002, Fast Curvature Matrix-Vector Products, equation 6.
    """

    def __init__(
        self,
        outputs: Outputs,
        params: Params,
        batches: Sequence[Batch],
        *,
        criterion: Criterion = F.cross_entropy,
        fixed: Params | None = None,
        together: int | None = None,
        accumulate: torch.dtype | None = None,
    ) -> None:
        super().__init__(params, batches, fixed, together, accumulate)
        self.outputs = outputs
        self.criterion = criterion

    def _prepare(self, batch: Batch) -> Apply:
        x, y = batch
        with second_order():
            leaf = self.point.clone().requires_grad_()
            outputs = self.outputs({**self.fixed, **self.layout.unflatten(leaf)}, x)
            require_finite({"The network's output": outputs.detach()})
            dummy = torch.zeros_like(outputs, requires_grad=True)
            (pulled,) = torch.autograd.grad(outputs, leaf, dummy, create_graph=True, materialize_grads=True)
        pushforward = _transposed_product(pulled, dummy)  # J v: J' u is linear in u, so its derivative along v is J v
        pullback = _transposed_product(outputs, leaf)
        middle = self._output_hessian(outputs.detach(), y)
        return lambda rows: pullback(middle(pushforward(rows)))

    def _output_hessian(self, outputs: Tensor, y: Tensor) -> Apply:
        if self.criterion is F.cross_entropy and outputs.ndim == 2 and not y.is_floating_point():
            p = outputs.softmax(1)
            return lambda rows: (p * rows - p * (p * rows).sum(-1, keepdim=True)) / len(p)
        with second_order():
            leaf = outputs.clone().requires_grad_()
            (slope,) = torch.autograd.grad(self.criterion(leaf, y), leaf, create_graph=True)
        return _transposed_product(slope, leaf)

    def _with(self, params: Params, fixed: Params) -> GaussNewtonOperator:
        return GaussNewtonOperator(
            self.outputs, params, self.batches, criterion=self.criterion, fixed=fixed, accumulate=self.accumulate
        )


def _transposed_product(result: Tensor, leaf: Tensor) -> Apply:
    """rows (k, *result.shape) -> rows (k, *leaf.shape), each multiplied by (d result / d leaf)'."""
    if not result.requires_grad:  # linear: nothing depends on the leaf any more
        return lambda rows: rows.new_zeros(len(rows), *leaf.shape)

    def apply(rows: Tensor) -> Tensor:
        many = len(rows) > 1
        (product,) = torch.autograd.grad(
            result,
            leaf,
            rows if many else rows[0],
            retain_graph=True,
            is_grads_batched=many,
            allow_unused=True,
            materialize_grads=True,
        )
        return product if many else product[None]

    return apply


def batch_size_for(
    loss: Loss, params: Params, batch: Batch, *, fixed: Params | None = None, budget: int = GRAPH_BYTES
) -> int:
    """How many examples' double-backward graph fits into ``budget`` bytes, measured on a few examples; at least 1.

    Half of the budget is left for what a product needs besides the graph.
    """
    x, y = batch
    few = min(8, require_examples([batch]))
    seen: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    layout = Layout.of(params)
    with second_order(), torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        leaf = layout.flatten(params).requires_grad_()
        weights: Mapping[str, Tensor] = {**(fixed or {}), **layout.unflatten(leaf)}
        value = loss(weights, (x[:few], y[:few]))
        (gradient,) = torch.autograd.grad(value, leaf, create_graph=True, materialize_grads=True)
    seen.pop(leaf.untyped_storage().data_ptr(), None)
    del gradient
    return max(1, int(budget / 2 // max(1, sum(seen.values()) / few)))
