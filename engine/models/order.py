"""Proof that a network's second derivatives are right, before anything is built on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from engine import seeding
from engine.models.errors import NoSecondDerivatives, NotDeterministic, WrongDerivatives
from engine.models.finite import require_finite
from engine.models.load import Batch, LoadedModel

EXAMPLES = 8
STEPS = (1e-7, 1e-9, 1e-5, 1e-10)  # in double precision; the first that fits will do
COARSE_STEPS = (1e-2, 3e-3, 1e-3)  # in single precision
COARSE_TOLERANCE = 0.05
JITTER = 1e-3  # of the weights' size, their root mean square
LEAST_SIZE = 0.1
SHOWN = 3

Named = dict[str, Tensor]
Params = Mapping[str, Tensor]
Loss = Callable[[Params, Batch], Tensor]


def require_order(loaded: LoadedModel, order: int = 2, batch: Batch | None = None) -> None:
    """See that a model can be differentiated as often as a measurement needs.

    Args:
        order: 1 asks for nothing, 2 for right Hessian products. batch: examples; by default the first of training.

    Raises:
        NoSecondDerivatives: torch cannot differentiate twice. WrongDerivatives: the products are wrong; says where.
        NotDeterministic: its loss is random. NotFinite: its weights or its loss are.
    """
    if order < 2:
        return
    if loaded.artifact.differentiable_order < order:
        raise NoSecondDerivatives(reason="The model itself says so.")
    examples = batch if batch is not None else loaded.batch(limit=EXAMPLES)
    check_second_derivatives(loaded.loss, loaded.params, examples, fixed=loaded.buffers)


def check_second_derivatives(
    loss: Loss,
    params: Params,
    batch: Batch,
    *,
    fixed: Params | None = None,
    directions: int = 2,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> float:
    """Compare H v with central differences of the gradient along seeded random directions, in double precision.

    At most EXAMPLES examples are used and the point is moved by a thousandth of the weights' size first, so that steps
    down to 1e-10 cross no kink of a ReLU: crossed kinks bend the gradient where no second derivative tells of it. Where
    the network insists on single precision the check runs in that, with coarser steps and at least 5 % tolerance.

    Args:
        loss: mean loss of a batch at parameters; called with ``{**fixed, **params}``.
        params: the trainable tensors. batch: at least one example, as (inputs, targets).
        fixed: other named tensors handed to the loss: frozen weights, buffers.

    Returns:
        The largest relative deviation found.

    Raises:
        NotFinite, NotDeterministic, NoSecondDerivatives, WrongDerivatives.
    """
    require_finite(params)
    place = _Place.near(loss, params, (batch[0][:EXAMPLES], batch[1][:EXAMPLES]), fixed or {}, seed)
    steps, limit = (STEPS, tolerance) if place.double else (COARSE_STEPS, max(tolerance, COARSE_TOLERANCE))
    worst = 0.0
    for index in range(directions):
        drawn = {name: _draw(p, seed, "direction", index, name) for name, p in place.params.items()}
        length = _norm(drawn)
        direction = {name: d / length for name, d in drawn.items()}
        product = place.product(direction)
        best = np.inf
        for step in steps:
            error, layers = _deviation(place, direction, product, step)
            best = min(best, error)
            if best < limit / 10:
                break
        if not best <= limit:
            raise WrongDerivatives(percent=f"{100 * best:.2g}", layers=", ".join(layers))
        worst = max(worst, best)
    return worst


class _Place:
    """The loss near a point of weight space, in double precision where the network can.

    Attributes:
        params: name -> tensor, the point. double: whether in double precision.
    """

    def __init__(self, loss: Loss, params: Named, fixed: Params, batch: Batch, double: bool) -> None:
        self.loss, self.params, self.fixed, self.batch, self.double = loss, params, fixed, batch, double

    @classmethod
    def near(cls, loss: Loss, params: Params, batch: Batch, fixed: Params, seed: int) -> _Place:
        """Beside ``params``; NotDeterministic unless two calls there agree."""

        def widened(params: Params, batch: Batch) -> Tensor:
            with _Widened():
                return loss(params, batch)

        # Were all weights zero, every ReLU would sit on its kink: hence the least size.
        size = max(LEAST_SIZE, _norm(params) / sum(p.numel() for p in params.values()) ** 0.5)
        wide = {name: _double(p) for name, p in params.items()}
        moved = {name: p + JITTER * size * _draw(p, seed, "jitter", name) for name, p in wide.items()}
        others = {name: _double(value) for name, value in fixed.items()}
        place = cls(widened, moved, others, (_double(batch[0]), _double(batch[1])), double=True)
        try:
            values = [place.value() for _ in range(2)]
        except (RuntimeError, TypeError):  # the network insists on single precision
            narrow = {name: p.to(params[name]) for name, p in moved.items()}
            place = cls(loss, narrow, fixed, batch, double=False)
            values = [place.value() for _ in range(2)]
        if abs(values[0] - values[1]) > (1e-9 if place.double else 1e-4) * max(1.0, abs(values[0])):
            raise NotDeterministic(first=f"{values[0]:.9g}", second=f"{values[1]:.9g}")
        return place

    @torch.no_grad()
    def value(self) -> float:
        """The loss; NotFinite where it is none."""
        with sdpa_kernel(SDPBackend.MATH):
            value = self.loss({**self.fixed, **self.params}, self.batch)
        require_finite({"The loss": value})
        return float(value)

    def gradient(self, shift: Params | None = None, graph: bool = False) -> tuple[Named, Named]:
        """Leaves at the point moved by ``shift``, and the gradient there."""
        moved = {name: p if shift is None else p + shift[name] for name, p in self.params.items()}
        leaves = {name: p.detach().requires_grad_() for name, p in moved.items()}
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
            value = self.loss({**self.fixed, **leaves}, self.batch)
            found = torch.autograd.grad(value, list(leaves.values()), create_graph=graph, materialize_grads=True)
        return leaves, dict(zip(leaves, found, strict=True))

    def product(self, direction: Named) -> Named:
        """Hessian times direction by differentiating twice, reverse over reverse (Pearlmutter 1994)."""
        try:
            leaves, gradient = self.gradient(graph=True)
            slope = torch.stack([(g * direction[name]).sum() for name, g in gradient.items()]).sum()
            if not slope.requires_grad:  # a gradient that depends on no parameter, as in a linear loss
                return {name: torch.zeros_like(p) for name, p in leaves.items()}
            found = torch.autograd.grad(slope, list(leaves.values()), materialize_grads=True)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise NoSecondDerivatives(reason=str(error).strip().splitlines()[0].rstrip(".") + ".") from error
        return dict(zip(leaves, found, strict=True))


class _Widened(TorchFunctionMode):
    """Turns lower into double precision wherever torch is called: also a network's own buffers and constants."""

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        writes = name.startswith("__i") or name in ("__setitem__", "__get__", "__set__")
        kept = 1 if writes or (name.endswith("_") and not name.endswith("__")) else 0  # a copy would take the writing
        wider = {key: _wider(value) for key, value in (kwargs or {}).items()}
        return func(*args[:kept], *map(_wider, args[kept:]), **wider)


def _wider(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.double() if value.is_floating_point() and value.dtype != torch.float64 else value
    return type(value)(map(_wider, value)) if type(value) in (list, tuple) else value


def _double(tensor: Tensor) -> Tensor:
    tensor = tensor.cpu() if tensor.device.type == "mps" else tensor  # Apple's GPUs have no double precision
    return tensor.double() if tensor.is_floating_point() else tensor


def _draw(like: Tensor, seed: int, *names: str | int) -> Tensor:
    """Standard normal numbers of the shape, type and device of a tensor."""
    return torch.as_tensor(seeding.generator(seed, *names).standard_normal(tuple(like.shape))).to(like)


def _norm(values: Params) -> float:
    return float(torch.stack([v.double().square().sum() for v in values.values()]).sum().sqrt())


def _deviation(place: _Place, direction: Named, product: Named, step: float) -> tuple[float, list[str]]:
    """|finite difference - product| relative to the larger of them, and the tensors that miss most.

    What is below a millionth of the gradient is taken for rounding.
    """
    shifts = [{name: sign * step * d for name, d in direction.items()} for sign in (1, -1)]
    ends = [place.gradient(shift)[1] for shift in shifts]
    difference = {name: (ends[0][name] - ends[1][name]) / (2 * step) for name in product}
    missed = {name: float((difference[name] - p).norm()) for name, p in product.items()}
    scale = max(_norm(difference), _norm(product), 1e-6 * _norm(ends[0]), 1e-12)
    return float(np.linalg.norm(list(missed.values()))) / scale, sorted(missed, key=lambda n: -missed[n])[:SHOWN]
