"""Two plain ways of evaluating a loss plane, written to be as fast as their idea allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Loop:
    """Visits points one after the other; weights are written parameter by parameter.

    Args:
        module: the network. directions: (2, n). x, y: all examples.
    """

    def __init__(self, module: nn.Module, directions: Tensor, x: Tensor, y: Tensor) -> None:
        self.module, self.x, self.y = module.eval(), x, y
        self.parameters = list(module.parameters())
        self.origin = [p.detach().clone() for p in self.parameters]
        sizes = [p.numel() for p in self.parameters]
        parts = [row.split(sizes) for row in directions]
        shapes = [p.shape for p in self.parameters]
        self.directions = [[part.view(shape) for part, shape in zip(row, shapes, strict=True)] for row in parts]

    @torch.inference_mode()
    def run(self, points: np.ndarray, evaluate: Callable[[], tuple[float, float]]) -> np.ndarray:
        """(M, 2) coordinates -> (M, 2) loss and accuracy; the weights are put back at the end."""
        found = []
        for a, b in points.tolist():
            for p, w, d, e in zip(self.parameters, self.origin, *self.directions, strict=True):
                p.copy_(w).add_(d, alpha=a).add_(e, alpha=b)
            found.append(evaluate())
        for p, w in zip(self.parameters, self.origin, strict=True):
            p.copy_(w)
        return np.array(found)

    def full_batch(self, points: np.ndarray) -> np.ndarray:
        """All examples in one call at each point."""

        def evaluate() -> tuple[float, float]:
            outputs = self.module(self.x)
            return float(F.cross_entropy(outputs, self.y)), float((outputs.argmax(1) == self.y).sum()) / len(self.y)

        return self.run(points, evaluate)

    def data_loader(self, points: np.ndarray) -> np.ndarray:
        """A DataLoader of batches of 128, iterated anew at each point, as published landscape code does."""
        loader = DataLoader(TensorDataset(self.x, self.y), batch_size=128)

        def evaluate() -> tuple[float, float]:
            total, right = 0.0, 0
            for inputs, targets in loader:
                outputs = self.module(inputs)
                total += float(F.cross_entropy(outputs, targets)) * len(targets)
                right += int((outputs.argmax(1) == targets).sum())
            return total / len(self.y), right / len(self.y)

        return self.run(points, evaluate)
