"""The digits set and small networks trained on it, for benchmarks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

# the first optimiser loads torch's compiler, which leaves a folder behind: not within a test
torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)


def digits(n: int = 1000) -> tuple[Tensor, Tensor]:
    """(n, 64) inputs in [0, 1] and (n,) classes, shuffled once and for all."""
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:n]
    return torch.tensor(x / 16, dtype=torch.float32)[order], torch.tensor(y)[order]


def mlp(width: int, seed: int) -> nn.Sequential:
    """64 inputs, two hidden layers, 10 classes."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


def cnn(seed: int) -> nn.Sequential:
    """Two convolutions and a linear layer on the 8 x 8 pictures."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


def trained(module: nn.Sequential, x: Tensor, y: Tensor, *, steps: int = 300, seed: int = 0) -> nn.Sequential:
    """The module after plain SGD with momentum."""
    stream = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    for _ in range(steps):
        chosen = torch.randint(len(x), (64,), generator=stream)
        optimiser.zero_grad()
        F.cross_entropy(module(x[chosen]), y[chosen]).backward()
        optimiser.step()
    return module
