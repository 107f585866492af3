"""A network seen as functions of its parameters, and small networks and data to try things on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.studies.landscape.vectors import Batch, Params


@dataclass
class Functional:
    """``outputs(params, x)`` and ``loss(params, batch)`` of a module, with its weights and buffers by name."""

    module: nn.Module
    criterion: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy

    def __post_init__(self) -> None:
        self.params = {name: p.detach().clone() for name, p in self.module.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in self.module.named_buffers()}

    def outputs(self, params: Params, x: Tensor) -> Tensor:
        return torch.func.functional_call(self.module, dict(params), (x,))

    def loss(self, params: Params, batch: Batch) -> Tensor:
        return self.criterion(self.outputs(params, batch[0]), batch[1])


def mlp(*widths: int, act: type[nn.Module] = nn.Tanh, seed: int = 0) -> nn.Sequential:
    """Linear layers with an activation between them."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for one, other in pairwise(widths):
        layers += [nn.Linear(one, other), act()]
    return nn.Sequential(*layers[:-1])


def clouds(n: int = 60, features: int = 5, classes: int = 3, seed: int = 0) -> Batch:
    """(n, features) Gaussian clouds about class centres, and their classes (n,)."""
    stream = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    centres = 1.5 * torch.randn(classes, features, generator=stream)
    return centres[y] + torch.randn(n, features, generator=stream), y


def fit(net: Functional, data: Batch, steps: int = 200, lr: float = 0.5) -> Functional:
    """Plain gradient descent on all data; the trained weights replace ``net.params``."""
    params = {name: p.clone().requires_grad_() for name, p in net.params.items()}
    for _ in range(steps):
        grads = torch.autograd.grad(net.loss(params, data), list(params.values()))
        with torch.no_grad():
            for p, grad in zip(params.values(), grads, strict=True):
                p -= lr * grad
    net.params = {name: p.detach() for name, p in params.items()}
    return net


def dense_hessian(net: Functional, batch: Batch) -> Tensor:
    """(P, P) in double precision by torch's own second derivatives, column by column."""
    names, shapes = list(net.params), [p.shape for p in net.params.values()]
    sizes = [shape.numel() for shape in shapes]

    def flat(vector: Tensor) -> Tensor:
        parts = {n: v.view(s) for n, v, s in zip(names, vector.split(sizes), shapes, strict=True)}
        return net.loss(parts, (_double(batch[0]), _double(batch[1])))

    point = torch.cat([p.reshape(-1) for p in net.params.values()]).double()
    return torch.autograd.functional.hessian(flat, point)


def quadratic(matrix: Tensor) -> tuple[Callable[[Params, Batch], Tensor], dict[str, Tensor], list[Batch]]:
    """loss = w' A w / 2, whose Hessian is A: the loss, parameters (w = 1) and one batch of one example."""
    params = {"w": torch.ones(len(matrix), dtype=matrix.dtype)}
    return lambda p, batch: 0.5 * p["w"] @ matrix @ p["w"], params, [(torch.zeros(1, 1), torch.zeros(1))]


def with_spectrum(values: list[float] | Tensor, seed: int = 0) -> Tensor:
    """A symmetric double matrix with these eigenvalues and random eigenvectors."""
    spectrum = torch.as_tensor(values, dtype=torch.float64)
    stream = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(len(spectrum), len(spectrum), generator=stream, dtype=torch.float64))
    return (q * spectrum) @ q.T


def _double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
