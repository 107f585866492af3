"""Proof that a network's second derivatives are right, before anything is built on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from engine import seeding
from engine.errors import EngineError
from engine.studies.landscape.products import HessianOperator
from engine.studies.landscape.vectors import Batch, Layout, Loss, Params, require_examples, require_finite, wide

EXAMPLES = 8


class NoSecondDerivative(EngineError):
    """Raised where autograd cannot differentiate the loss twice."""

    what = "The model cannot be differentiated twice."
    why = "Torch says: {reason}"
    remedy = "Replace the operation by plain torch operations, or give its autograd.Function a differentiable backward."


class WrongSecondDerivative(EngineError):
    """Raised where Hessian products disagree with finite differences of the gradient."""

    what = "The model's second derivatives are wrong: they miss finite differences of its gradient by {percent:.2g} %."
    why = "A hand-written backward pass is usually not differentiable itself, so Hessian products leave its share out."
    remedy = "Write that operation with plain torch operations, or use a measure that needs first derivatives only."


class NotDeterministic(EngineError):
    """Raised where the same weights and data give two different losses."""

    what = "The loss differs from call to call at the same weights and data ({first:.9g}, then {second:.9g})."
    why = "Something random, such as dropout outside torch's own layers, is active while measuring."
    remedy = "Switch it off in evaluation mode."


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

    Returns:
        The largest relative deviation found.

    Raises:
        NotFinite, NotDeterministic, NoSecondDerivative, WrongSecondDerivative.
    """
    require_examples([batch])
    require_finite(params)
    operator, double = _operator(loss, params, batch, fixed or {}, seed)
    layout, steps = operator.layout, (1e-7, 1e-9, 1e-5, 1e-10) if double else (1e-2, 3e-3, 1e-3)
    worst, limit = 0.0, tolerance if double else max(tolerance, 0.05)
    for index in range(directions):
        draw = seeding.generator(seed, "direction", index).standard_normal(layout.size)
        direction = torch.as_tensor(draw / np.linalg.norm(draw)).to(operator.point)
        product = _twice(operator, direction)
        best = np.inf
        for step in steps:  # the first that fits will do
            best = min(best, _deviation(operator, direction, product, step))
            if best < limit / 10:
                break
        worst = max(worst, best)
    if not worst <= limit:
        raise WrongSecondDerivative(percent=100 * worst)
    return worst


def _operator(loss: Loss, params: Params, batch: Batch, fixed: Params, seed: int) -> tuple[HessianOperator, bool]:
    """The operator near the point, in double precision if the network can (second value)."""
    layout, batch = Layout.of(params), (batch[0][:EXAMPLES], batch[1][:EXAMPLES])
    point = wide(layout.flatten(params))
    noise = torch.as_tensor(seeding.generator(seed, "jitter").standard_normal(layout.size)).to(point.device)
    moved = layout.unflatten(point + 1e-3 * point.pow(2).mean().sqrt() * noise)

    def widened(params: Params, batch: Batch) -> Tensor:
        with _Widened():
            return loss(params, batch)

    try:
        weights, others = moved, {name: _double(value) for name, value in fixed.items()}
        data = _double(batch[0]), _double(batch[1])
        values = [_value(widened, {**others, **weights}, data) for _ in range(2)]
        chosen: Loss = widened
        double = True
    except (RuntimeError, TypeError):  # the network insists on single precision
        weights = {name: value.to(params[name]) for name, value in moved.items()}
        others, data, chosen, double = dict(fixed), batch, loss, False
        values = [_value(loss, {**others, **weights}, data) for _ in range(2)]
    if abs(values[0] - values[1]) > (1e-9 if double else 1e-4) * max(1.0, abs(values[0])):
        raise NotDeterministic(first=values[0], second=values[1])
    return HessianOperator(chosen, weights, [data], fixed=others), double


class _Widened(TorchFunctionMode):
    """Turns single into double precision wherever torch is called: also a network's own buffers and constants."""

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        writes = name.startswith("__i") or name in ("__setitem__", "__get__", "__set__")
        kept = 1 if writes or (name.endswith("_") and not name.endswith("__")) else 0  # a copy would take the writing
        wider = {key: _wider(value) for key, value in (kwargs or {}).items()}
        return func(*args[:kept], *map(_wider, args[kept:]), **wider)


def _wider(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.double() if value.dtype == torch.float32 else value
    return type(value)(map(_wider, value)) if type(value) in (list, tuple) else value


def _double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


@torch.no_grad()
def _value(loss: Loss, params: Params, batch: Batch) -> float:
    return float(loss(params, batch))


def _twice(operator: HessianOperator, direction: Tensor) -> Tensor:
    try:
        return operator(direction)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise NoSecondDerivative(reason=str(error).strip().splitlines()[0]) from error


def _deviation(operator: HessianOperator, direction: Tensor, product: Tensor, step: float) -> float:
    """|finite difference - product| relative to the larger of them, and to a millionth of the gradient."""
    ends = []
    for sign in (1, -1):
        shifted = operator.layout.unflatten(operator.point + sign * step * direction)
        ends.append(HessianOperator(operator.loss, shifted, operator.batches, fixed=operator.fixed).gradient())
    difference = (ends[0] - ends[1]) / (2 * step)
    scale = max(float(difference.norm()), float(product.norm()), 1e-6 * float(ends[0].norm()), 1e-12)
    return float((difference - product).norm()) / scale
