"""Rows kept on a device of torch: the passes of EM run there, the small algebra of the M-step stays on the host.

Same contract as passes in NumPy: features, memberships and products in the type asked for (float32 in rough climbs,
float64 in the last one), sums over blocks in float64. Only these sums and the coefficients travel between the devices.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from engine.studies.mixture.em.kernels import CholeskyKernel, DiagonalKernel, FeatureKernel, Kernel, LinearKernel
from engine.studies.mixture.em.sweep import MemoryRows, Respond, Visit, soft, sum_over_blocks
from engine.studies.mixture.model.parameters import Array

# Entries of a block's memberships and of its features.
MEMBERSHIPS, FEATURES = 1 << 24, 1 << 26
# Features of this many bytes are computed anew in every pass.
CACHED_FEATURES = 1 << 30
NO_DOUBLE = "Apple's GPU has no double precision: the mixture is fitted on the processor."
NO_MEMORY = "The device has too little memory for this table: the mixture is fitted on the processor."
NO_DEVICE = "The device cannot be used: the mixture is fitted on the processor."
Warn = Callable[[str], None]


def say(sentence: str) -> None:
    """What is done with warnings where nobody else takes them."""
    warnings.warn(sentence, RuntimeWarning, stacklevel=3)


def rows_on(device: str, x: Array, warn: Warn = say) -> MemoryRows:
    """Rows (n, d) on a device as torch names it; on the host, with a warning, where that device cannot serve."""
    place = torch.device(device)
    if place.type == "mps":
        warn(NO_DOUBLE)
        return MemoryRows(x)
    try:
        return DeviceRows(x, place, warn)
    except torch.OutOfMemoryError:
        warn(NO_MEMORY)
    except (RuntimeError, AssertionError):
        # torch says in this way that it was built without the device, or that the driver is too old.
        warn(NO_DEVICE)
    return MemoryRows(x)


class DeviceRows(MemoryRows):
    """Rows that are uploaded once.

    Starts, responses other than Bayes' rule and single looks at the rows are computed from the copy on the host.

    Args:
        x: (n, d) float64, finite. device: where passes run. warn: hears once when the device's memory is too small.
    """

    def __init__(self, x: Array, device: torch.device, warn: Warn = say) -> None:
        super().__init__(x)
        self.device: torch.device | None = device
        self._warn = warn
        self._uploaded: dict[torch.dtype, torch.Tensor] = {torch.float64: torch.as_tensor(self.x).to(device)}
        self._features: dict[tuple[type, torch.dtype], torch.Tensor] = {}
        self._weights: tuple[Array, torch.Tensor] | None = None

    def accumulate(
        self,
        kernel: Kernel,
        theta: Any,
        shape: tuple[int, int],
        weights: Array | None,
        dtype: Any,
        respond: Respond,
        visit: Visit | None,
    ) -> tuple[Array, Array]:
        """As ``sweep.sum_over_blocks``, on the device for as long as its memory lasts."""
        if self.device is not None and respond is soft:
            try:
                return self._pass(kernel, theta, shape, weights, dtype, visit)
            except torch.OutOfMemoryError:
                self.device = None
                self._uploaded, self._features, self._weights = {}, {}, None
                self._warn(NO_MEMORY)
        return sum_over_blocks(self, kernel, theta, shape, weights, dtype, respond, visit)

    def _pass(
        self,
        kernel: Kernel,
        theta: Any,
        shape: tuple[int, int],
        weights: Array | None,
        dtype: Any,
        visit: Visit | None,
    ) -> tuple[Array, Array]:
        r, g = shape
        double = torch.float64
        fine = double if np.dtype(dtype) == np.float64 else torch.float32
        parts = tuple(self._up(part) for part in (theta if isinstance(theta, tuple) else (theta,)))
        sums: torch.Tensor | None = None
        likelihood = torch.zeros(r, dtype=double, device=self.device)
        for block, phi in self._blocks(kernel, fine, r * g):
            z = evaluate(kernel, parts, phi).reshape(g, r, -1)
            density = torch.logsumexp(z, dim=0)
            z = z.sub_(density).exp_()
            if visit is not None:
                visit(block, z.cpu().numpy(), density.cpu().numpy())
            if weights is None:
                likelihood += density.sum(dim=1, dtype=double)
            else:
                w = self._weighted(weights)[..., block]
                likelihood += (density * w).sum(dim=1, dtype=double)
                z *= w.to(fine)
            part = gather(kernel, z.reshape(g * r, -1), phi).to(double)
            sums = part if sums is None else sums.add_(part)
        assert sums is not None
        return sums.cpu().numpy(), likelihood.cpu().numpy()

    def _blocks(self, kernel: Kernel, dtype: torch.dtype, entries: int) -> Iterator[tuple[slice, torch.Tensor]]:
        """(rows, features), as many rows at a time as the device's memory allows."""
        width = kernel.width(self.dimension)
        height = max(min(MEMBERSHIPS // entries, FEATURES // width), 256)
        key = (type(kernel), dtype)
        if key not in self._features and self.n * width * dtype.itemsize <= CACHED_FEATURES:
            self._features[key] = features(kernel, self._rows(dtype))
        kept = self._features.get(key)
        for start in range(0, self.n, height):
            rows = slice(start, min(start + height, self.n))
            yield rows, features(kernel, self._rows(dtype)[rows]) if kept is None else kept[rows]

    def _rows(self, dtype: torch.dtype) -> torch.Tensor:
        if dtype not in self._uploaded:
            self._uploaded[dtype] = self._uploaded[torch.float64].to(dtype)
        return self._uploaded[dtype]

    def _weighted(self, weights: Array) -> torch.Tensor:
        if self._weights is None or self._weights[0] is not weights:
            self._weights = (weights, self._up(weights))
        return self._weights[1]

    def _up(self, array: Any) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array)).to(self.device)


def features(kernel: Kernel, x: torch.Tensor) -> torch.Tensor:
    """``kernel.features`` on the device: (c, width)."""
    one = torch.ones((len(x), 1), dtype=x.dtype, device=x.device)
    if isinstance(kernel, FeatureKernel):
        i, j = torch.triu_indices(x.shape[1], x.shape[1], device=x.device)
        return torch.cat([x[:, i] * x[:, j], x, one], dim=1)
    if isinstance(kernel, DiagonalKernel):
        return torch.cat([x * x, x, one], dim=1)
    return torch.cat([x, one], dim=1) if isinstance(kernel, LinearKernel) else x


def evaluate(kernel: Kernel, theta: tuple[torch.Tensor, ...], phi: torch.Tensor) -> torch.Tensor:
    """``kernel.evaluate`` on the device: (G * R, c)."""
    if not isinstance(kernel, CholeskyKernel):
        return theta[0] @ phi.T
    maps, offsets, constants = theta
    residuals = (phi @ maps - offsets).view(len(phi), -1, phi.shape[1])
    return constants - 0.5 * residuals.square_().sum(dim=-1).T


def gather(kernel: Kernel, z: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    """``kernel.gather`` on the device: (G * R, width of the moments)."""
    if not isinstance(kernel, CholeskyKernel):
        return z @ phi
    second = torch.stack([(phi.T @ (phi * row[:, None])).flatten() for row in z])
    return torch.cat([second, z @ phi, z.sum(dim=1, keepdim=True)], dim=1)
