"""Checks that torch's second derivatives of a network are right, before anything is computed with them."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.autograd import grad

from engine.models.errors import NoSecondDerivatives, WrongDerivatives
from engine.models.load import Batch, LoadedModel
from engine.seeding import derive

EXAMPLES = 8
DIRECTIONS = 2
STEPS = (1e-4, 1e-5, 1e-6)  # relative to the length of the parameters; the best of them counts
TOLERANCE = 1e-3  # correct products agree to about 1e-7; kinks of ReLU between the two points cost up to 1e-4
NEGLIGIBLE = 1e-9
NEARBY = 0.05

Params = dict[str, Tensor]


def require_order(loaded: LoadedModel, order: int = 2, batch: Batch | None = None) -> None:
    """Compare Hessian products with central differences of gradients, in float64, along random directions.

    Args:
        order: 1 asks for nothing, 2 for right Hessian products. batch: examples; by default the first of training.

    Raises:
        NoSecondDerivatives: torch cannot differentiate twice. WrongDerivatives: the products are wrong; says where.
    """
    if order < 2:
        return
    if loaded.artifact.differentiable_order < order:
        raise NoSecondDerivatives(reason="the model itself says so")
    x, y = batch if batch is not None else loaded.batch(limit=EXAMPLES)
    x, y = _double(x[:EXAMPLES]), _double(y[:EXAMPLES])
    model = copy.copy(loaded)
    model.module = copy.deepcopy(loaded.module).to(x.device).double()
    model.buffers = {name: _double(b) for name, b in loaded.buffers.items()}
    random = torch.Generator().manual_seed(derive(0, "second derivatives"))
    params = {name: _nearby(_double(p), random) for name, p in loaded.params.items()}
    for _ in range(DIRECTIONS):
        direction = {
            n: torch.randn(p.shape, generator=random, dtype=torch.float64).to(p.device) for n, p in params.items()
        }
        direction = {name: d * params[name].norm().clamp_min(1e-3) / d.norm() for name, d in direction.items()}
        _compare(_product(model, params, direction, (x, y)), _differences(model, params, direction, (x, y)))


def _double(value: Tensor) -> Tensor:
    value = value.cpu() if value.device.type == "mps" else value  # Apple's GPUs have no float64
    return value.double() if value.is_floating_point() else value


def _nearby(p: Tensor, random: torch.Generator) -> Tensor:
    """A point beside ``p``: where biases are exactly zero, ReLUs of dead inputs sit on their kinks."""
    scale = NEARBY * (p.square().mean().sqrt() + 0.1)
    return p + scale * torch.randn(p.shape, generator=random, dtype=torch.float64).to(p.device)


def _gradient(
    model: LoadedModel, params: Mapping[str, Tensor], batch: Batch, keep: bool = False
) -> tuple[Params, Params]:
    """Leaves at ``params`` and the loss's gradients there."""
    leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
    grads = grad(model.loss(leaves, batch), list(leaves.values()), create_graph=keep, allow_unused=True)
    named = zip(leaves.items(), grads, strict=True)
    return leaves, {name: torch.zeros_like(leaf) if g is None else g for (name, leaf), g in named}


def _product(model: LoadedModel, params: Params, direction: Params, batch: Batch) -> Params:
    """Hessian times direction by differentiating twice, reverse over reverse (Pearlmutter 1994)."""
    try:
        leaves, gradients = _gradient(model, params, batch, keep=True)
        slope = torch.stack([(g * direction[name]).sum() for name, g in gradients.items()]).sum()
        if not slope.requires_grad:  # a gradient that depends on no parameter, as in a linear loss
            return {name: torch.zeros_like(p) for name, p in params.items()}
        second = grad(slope, list(leaves.values()), allow_unused=True)
    except (RuntimeError, NotImplementedError) as error:
        raise NoSecondDerivatives(reason=str(error).strip().splitlines()[0].rstrip(".")) from error
    return {name: torch.zeros_like(p) if g is None else g for (name, p), g in zip(leaves.items(), second, strict=True)}


def _differences(model: LoadedModel, params: Params, direction: Params, batch: Batch) -> list[Params]:
    """Central differences of the gradient along ``direction``, one for each step size."""
    found = []
    for h in STEPS:
        ends = [
            _gradient(model, {n: p + sign * h * direction[n] for n, p in params.items()}, batch)[1] for sign in (1, -1)
        ]
        found.append({name: (ends[0][name] - ends[1][name]) / (2 * h) for name in params})
    return found


def _compare(product: Params, differences: list[Params]) -> None:
    def error(other: Params) -> float:
        return _norm({name: product[name] - other[name] for name in product})

    best = min(differences, key=error)
    size = max(_norm(product), _norm(best))
    if size > NEGLIGIBLE and not error(best) <= TOLERANCE * size:
        worst = sorted(product, key=lambda name: -float((product[name] - best[name]).norm()))
        raise WrongDerivatives(error=f"{error(best) / size:.2g}", layers=", ".join(worst[:3]))


def _norm(values: Params) -> float:
    return float(torch.stack([v.square().sum() for v in values.values()]).sum().sqrt())
