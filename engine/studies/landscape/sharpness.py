"""Sharpness of a minimum: how much the loss rises nearby, in four definitions of near."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine import seeding
from engine.models.finite import require_finite
from engine.studies.landscape.directions import random_direction
from engine.studies.landscape.products import second_order
from engine.studies.landscape.spectrum import Interval, mean_interval
from engine.studies.landscape.vectors import Batch, Layout, Loss, Params, mean_loss, require_examples

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sharpness:
    """One number and where it comes from.

    Attributes:
        value: see the function. interval: 95 %, None from a single sample. samples: (k,) by seed, batch or direction.
        loss: at the weights themselves, nats.
    """

    value: float
    interval: Interval | None
    samples: Array
    loss: float


class _Surface:
    """Loss and gradient at flat weight vectors, over one set of batches."""

    def __init__(
        self,
        loss: Loss,
        params: Params,
        batches: Sequence[Batch],
        fixed: Params | None,
        tick: Callable[[], None] | None,
    ) -> None:
        require_finite(params)
        require_examples(batches)
        self.loss, self.batches, self.fixed = loss, batches, fixed or {}
        self.tick = tick or (lambda: None)
        self.layout = Layout.of(params)
        self.centre = self.layout.flatten(params)

    def value(self, point: Tensor, batches: Sequence[Batch] | None = None) -> float:
        self.tick()
        return mean_loss(self.loss, {**self.fixed, **self.layout.unflatten(point)}, batches or self.batches)

    def slope(self, point: Tensor, batches: Sequence[Batch] | None = None) -> tuple[float, Tensor]:
        """Loss and gradient (P,)."""
        chosen = batches or self.batches
        count = sum(len(x) for x, _ in chosen)
        total, gradient = 0.0, torch.zeros_like(point)
        for batch in chosen:
            self.tick()
            with second_order():
                leaf = point.clone().requires_grad_()
                value = self.loss({**self.fixed, **self.layout.unflatten(leaf)}, batch) * (len(batch[0]) / count)
                (part,) = torch.autograd.grad(value, leaf, allow_unused=True, materialize_grads=True)
            total += float(value.detach())
            gradient += part
        return total, gradient


def epsilon_sharpness(
    loss: Loss,
    params: Params,
    batches: Sequence[Batch],
    *,
    epsilon: float = 1e-3,
    starts: int = 3,
    steps: int = 20,
    seed: int = 0,
    fixed: Params | None = None,
    tick: Callable[[], None] | None = None,
) -> Sharpness:
    """100 (max L(w + y) - L(w)) / (1 + L(w)) over the box |y_i| <= epsilon (|w_i| + 1), in percent.

    The maximum is sought by projected sign ascent with a falling step from seeded random corners (the first start goes
    by the gradient at w), so each sample, and their largest, the value, is a lower bound; the interval spans the
    samples. Not invariant to rescaling units (Dinh et al. 2017).

    Source: Keskar et al. 2017, On Large-Batch Training for Deep Learning, metric 2.1 with A the identity.
    """
    surface = _Surface(loss, params, batches, fixed, tick)
    centre, box = surface.centre, epsilon * (surface.centre.abs() + 1)
    base, slope = surface.slope(centre)
    found = []
    for start in range(max(1, starts)):
        corner = _signs(centre, seed, start) if start else slope.sign()
        best, here = base, centre + box * corner * (1 if start == 0 else 0.5)
        for step in range(steps):
            value, slope_here = surface.slope(here)
            best = max(best, value)
            move = box * slope_here.sign() * (1 - step / steps)
            here = torch.maximum(torch.minimum(here + move, centre + box), centre - box)
        found.append(100 * (max(best, surface.value(here)) - base) / (1 + base))
    samples = np.array(found)
    spread = (float(samples.min()), float(samples.max())) if len(samples) > 1 else None
    return Sharpness(float(samples.max()), spread, samples, base)


def m_sharpness(
    loss: Loss,
    params: Params,
    batches: Sequence[Batch],
    *,
    rho: float = 0.05,
    adaptive: bool = False,
    steps: int = 1,
    fixed: Params | None = None,
    tick: Callable[[], None] | None = None,
) -> Sharpness:
    """Mean over batches of max L_B(w + d) - L_B(w), the ascent going along the batch's own gradient; nats.

    The ball is ||d||_2 <= rho, or, adaptive, ||d / |w| ||_2 <= rho elementwise, which rescaling the units of a ReLU
    network leaves alone. With one step the maximum is that of the linearised loss, as in SAM itself; more steps climb
    further inside the ball. The value depends on the batch size m, which belongs next to it.

    Args:
        batches: of m examples each. steps: ascent steps. rho: radius.

    Source: Foret et al. 2021, Sharpness-Aware Minimization, equation 2 and section 4.1; Kwon et al. 2021, ASAM,
    equation 5 with T_w = diag(|w|).
    """
    surface = _Surface(loss, params, batches, fixed, tick)
    centre = surface.centre
    scale = centre.abs() if adaptive else torch.ones_like(centre)
    samples, losses, sizes = [], [], []
    for batch in batches:
        base, slope = surface.slope(centre, [batch])
        offset = _climb(slope, scale, rho)
        best = surface.value(centre + scale * offset, [batch])
        for _ in range(1, steps):
            _, slope = surface.slope(centre + scale * offset, [batch])
            offset = offset + _climb(slope, scale, rho / 2)
            offset = offset * min(1.0, rho / max(float(offset.norm()), 1e-300))
            best = max(best, surface.value(centre + scale * offset, [batch]))
        samples.append(best - base)
        losses.append(base)
        sizes.append(len(batch[0]))
    values = np.array(samples)
    return Sharpness(float(values.mean()), mean_interval(values), values, float(np.average(losses, weights=sizes)))


def _climb(slope: Tensor, scale: Tensor, rho: float) -> Tensor:
    """The step of length rho, in units of ``scale``, that raises the linearised loss most; zero where it is flat."""
    direction = scale * slope
    return direction * (rho / direction.norm().clamp_min(torch.finfo(slope.dtype).tiny))


def ball_sharpness(
    loss: Loss,
    params: Params,
    batches: Sequence[Batch],
    *,
    radius: float = 0.1,
    directions: int = 20,
    repeats: int = 4,
    seed: int = 0,
    fixed: Params | None = None,
    tick: Callable[[], None] | None = None,
) -> tuple[Sharpness, Sharpness]:
    """Mean and maximum of L(w + radius d) - L(w) over seeded filter-normalised directions d; nats.

    The mean's interval is over all directions. The maximum is that of ``directions`` draws, averaged over ``repeats``
    groups of draws (it grows with the number of draws, which belongs next to it). Rescaling whole layers of a ReLU
    network leaves both alone.

    Returns:
        (mean, maximum).

    Source: Li et al. 2018, Visualizing the Loss Landscape of Neural Nets, section 4, for the directions.
    """
    surface = _Surface(loss, params, batches, fixed, tick)
    base = surface.value(surface.centre)
    rises = []
    for index in range(directions * repeats):
        direction = random_direction(surface.layout, surface.centre, seed, index)
        rises.append(surface.value(surface.centre + radius * direction) - base)
    samples = np.array(rises)
    tops = samples.reshape(repeats, directions).max(1)
    return (
        Sharpness(float(samples.mean()), mean_interval(samples), samples, base),
        Sharpness(float(tops.mean()), mean_interval(tops), tops, base),
    )


def _signs(like: Tensor, seed: int, start: int) -> Tensor:
    bits = seeding.generator(seed, "corner", start).integers(0, 2, like.numel(), dtype=np.int8)
    return torch.as_tensor(bits * 2 - 1).to(like)
