"""What others do, written from their published algorithms, to be timed beside ours in the same process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class PowerIterationWay:
    """PyHessian (Yao et al. 2020): lists of parameters, one batch whose graph is kept; its defaults."""

    def __init__(self, module: nn.Module, x: Tensor, y: Tensor, seed: int) -> None:
        self.params = [p for p in module.parameters() if p.requires_grad]
        self.gradients = torch.autograd.grad(F.cross_entropy(module(x), y), self.params, create_graph=True)
        self.random = torch.Generator().manual_seed(seed)
        self.products = 0

    def times(self, v: list[Tensor]) -> list[Tensor]:
        self.products += 1
        return list(torch.autograd.grad(self.gradients, self.params, v, retain_graph=True))

    def eigenvalue(self, tolerance: float = 1e-3, most: int = 100) -> float:
        v = normalised([torch.randn(p.shape, generator=self.random) for p in self.params])
        value = None
        for _ in range(most):
            hv = self.times(v)
            now = float(inner(hv, v))
            v = normalised(hv)
            if value is not None and abs(value - now) / (abs(value) + 1e-6) < tolerance:
                return now
            value = now
        return float(value or 0.0)

    def trace(self, tolerance: float = 1e-3, most: int = 100) -> float:
        """Stops where one more sample changes the mean little, which says nothing about its error."""
        samples: list[float] = []
        mean = 0.0
        for _ in range(most):
            v = self.signs()
            samples.append(float(inner(self.times(v), v)))
            if abs(np.mean(samples) - mean) / (abs(mean) + 1e-6) < tolerance:
                return float(np.mean(samples))
            mean = float(np.mean(samples))
        return mean

    def trace_within(self, share: float) -> float:
        """The same estimator, run until its 95 % interval is within this share of the mean."""
        samples: list[float] = []
        while True:
            v = self.signs()
            samples.append(float(inner(self.times(v), v)))
            if len(samples) >= 10 and 1.96 * np.std(samples) / len(samples) ** 0.5 <= share * abs(np.mean(samples)):
                return float(np.mean(samples))

    def density(self, steps: int = 100, vectors: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        for _ in range(vectors):
            v = normalised(self.signs())
            basis, alphas, betas = [v], [], []
            w = [torch.zeros_like(p) for p in self.params]
            for step in range(steps):
                if step:
                    beta = float(inner(w, w)) ** 0.5
                    betas.append(beta)
                    v = normalised(orthogonal(w, basis))
                    basis.append(v)
                hv = self.times(v)
                alpha = float(inner(hv, v))
                alphas.append(alpha)
                w = [h - alpha * a for h, a in zip(hv, v, strict=True)]
                if step:
                    w = [a - betas[-1] * b for a, b in zip(w, basis[-2], strict=True)]
            matrix = np.diag(alphas) + np.diag(betas, 1) + np.diag(betas, -1)
            values, vectors_ = np.linalg.eigh(matrix)
            found.append((values, vectors_[0] ** 2))
        return found

    def signs(self) -> list[Tensor]:
        return [torch.randint(0, 2, p.shape, generator=self.random).float() * 2 - 1 for p in self.params]


def broaden_by_loops(nodes: np.ndarray, weights: np.ndarray, bins: int = 10_000) -> np.ndarray:
    """PyHessian's density_generate: a loop over the grid."""
    low, high = nodes.min() - 0.01, nodes.max() + 0.01
    variance = 1e-5 * max(1, high - low)
    curve = np.zeros(bins)
    for i, place in enumerate(np.linspace(low, high, bins)):
        curve[i] = np.sum(weights * np.exp(-((place - nodes) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance))
    return curve / (curve.sum() * (high - low) / bins)


def inner(one: list[Tensor], other: list[Tensor]) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(one, other, strict=True)]).sum()


def normalised(vector: list[Tensor]) -> list[Tensor]:
    norm = float(inner(vector, vector)) ** 0.5 + 1e-6
    return [a / norm for a in vector]


def orthogonal(vector: list[Tensor], others: list[list[Tensor]]) -> list[Tensor]:
    for other in others:
        share = float(inner(vector, other))
        vector = [a - share * b for a, b in zip(vector, other, strict=True)]
    return vector


class CurveLinear(nn.Module):
    """A linear layer that holds its weights at both ends and at the bend (Garipov et al. 2018's way)."""

    def __init__(self, ends: tuple[nn.Linear, nn.Linear]) -> None:
        super().__init__()
        for name in ("weight", "bias"):
            first, second = (getattr(end, name).detach().clone() for end in ends)
            for i, value in enumerate((first, (first + second) / 2, second)):
                self.register_parameter(f"{name}_{i}", nn.Parameter(value, requires_grad=i == 1))

    def point(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        weight = sum(shares[i] * getattr(self, f"weight_{i}") for i in range(3))
        bias = sum(shares[i] * getattr(self, f"bias_{i}") for i in range(3))
        return weight, bias

    def forward(self, x: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        weight, bias = self.point(shares)
        return F.linear(x, weight, bias), weight.pow(2).sum() + bias.pow(2).sum()


class CurveNet(nn.Module):
    """An MLP of curve layers, evaluated at t or at a random t."""

    def __init__(self, first: nn.Sequential, second: nn.Sequential) -> None:
        super().__init__()
        pairs = zip(first, second, strict=True)
        self.layers = nn.ModuleList(CurveLinear(pair) for pair in pairs if isinstance(pair[0], nn.Linear))

    def shares(self, t: float) -> Tensor:
        return torch.tensor([(1 - t) ** 2, 2 * t * (1 - t), t**2])

    def forward(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        shares, norm = self.shares(t), torch.zeros(())
        for i, layer in enumerate(self.layers):
            x, part = layer(x, shares)
            norm = norm + part
            if i + 1 < len(self.layers):
                x = x.relu()
        return x, norm


def train_curve_by_modules(
    first: nn.Sequential,
    second: nn.Sequential,
    x: Tensor,
    y: Tensor,
    steps: int,
    rate: Callable[[float], float],
    seed: int,
) -> CurveNet:
    """dnn-mode-connectivity's loop: DataLoader batches, torch's SGD, one random t a batch."""
    torch.manual_seed(seed)
    net = CurveNet(first, second)
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.01, momentum=0.9)
    loader = DataLoader(TensorDataset(x, y), batch_size=128, shuffle=True)
    done = 0
    while done < steps:
        for batch, target in loader:
            for group in optimiser.param_groups:
                group["lr"] = rate(done / steps)
            output, norm = net(batch, float(torch.rand(())))
            loss = F.cross_entropy(output, target) + 0.5 * 5e-4 * norm
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            if done == steps:
                break
    return net
