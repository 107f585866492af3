"""Curves between two solutions, and training their bends until the loss along them falls no further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from math import comb, cos, pi
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine import seeding
from engine.errors import EngineError
from engine.models.finite import require_finite
from engine.studies.landscape.modes import batch_statistics, batchnorm_layers
from engine.studies.landscape.vectors import (
    Batch,
    Layout,
    Loss,
    Params,
    mean_loss,
    split_batches,
    widest,
)

Array = NDArray[np.float64]
Form = Literal["bezier", "chain"]
Schedule = Literal["linear", "cosine"]

LEAST_PROOF = 250  # steps of a further round; in fewer even a curve far from its best hardly moves
EVALUATION_BATCH = 2048  # examples a forward pass without a graph
MEASURED = 8192  # examples at most on which a round's progress is measured; evaluation proper takes all


class DifferentNetworks(EngineError):
    """Raised where the two ends do not have the same parameters."""

    what = "The two models cannot be connected: they have different parameters ({name})."
    why = "A curve in weight space needs two networks of the same architecture."
    remedy = "Choose two runs of the same network that differ in their seed or their training only."


class CurveDiverged(EngineError):
    """Raised where the loss on the curve becomes NaN or infinite while training its bends."""

    what = "The curve's loss is no longer finite after {step} steps."
    why = "The learning rate {learning_rate:g} is too large for this network."
    remedy = "Lower the curve's learning rate."


@dataclass(frozen=True)
class Curve:
    """A curve through weight space from its first to its last point.

    With two points it is the straight line; a Bezier curve's inner points pull it, a polygonal chain passes them.

    Attributes:
        form: "bezier" or "chain". points: (b + 2, P) the first end, b bends, the second end.

    Source: Garipov et al. 2018, Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs, equations 3 and 4.
    """

    form: Form
    points: Tensor

    @classmethod
    def between(cls, first: Params, second: Params, *, form: Form = "bezier", bends: int = 1) -> Curve:
        """The curve whose bends lie evenly on the straight line."""
        wrong = next((name for name in {**first, **second} if _shape(first, name) != _shape(second, name)), None)
        if wrong is not None:
            raise DifferentNetworks(name=wrong)
        require_finite(first)
        require_finite(second)
        layout = Layout.of(first)
        ends = layout.flatten(first), layout.flatten(second)
        share = torch.linspace(0, 1, bends + 2, dtype=ends[0].dtype, device=ends[0].device)[:, None]
        points = torch.lerp(ends[0][None], ends[1][None], share)
        points[0], points[-1] = ends
        return cls(form, points)

    def coefficients(self, t: float) -> list[float]:
        """The weight of each point at t in [0, 1]; they sum to 1."""
        order = len(self.points) - 1
        if self.form == "bezier":
            return [comb(order, i) * t**i * (1 - t) ** (order - i) for i in range(order + 1)]
        return [max(0.0, 1 - abs(order * t - i)) for i in range(order + 1)]

    def at(self, t: float) -> Tensor:
        """(P,) the point at t."""
        return torch.as_tensor(self.coefficients(t)).to(self.points) @ self.points


def _shape(params: Params, name: str) -> torch.Size | None:
    return params[name].shape if name in params else None


@dataclass(frozen=True)
class CurveSettings:
    """How bends are trained; the defaults are those of Yang et al. 2021, made longer until nothing changes.

    Attributes:
        steps: updates of the first round. max_steps: of all rounds; further rounds of a third of ``steps`` follow
            (250 at least).
        tolerance: converged once such a round lowers neither mean nor maximum of the loss on the curve by more than
            this share (and 0.001 nats). batch_size, learning_rate, momentum: of SGD.
        weight_decay: L2 on the point of the curve, half of it times the squared norm is added to the loss.
        schedule: "linear": constant for half, falling to 1 % at 90 %; or half a "cosine". block: steps between results.
    """

    steps: int = 1500
    max_steps: int = 6000
    tolerance: float = 0.02
    batch_size: int = 128
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Schedule = "linear"
    block: int = 100


@dataclass(frozen=True)
class CurveTraining:
    """Where training stands.

    Attributes:
        curve: with its bends so far. velocity: (b, P). step: updates done. round: from 0. round_start: its first step.
        losses: mean batch loss of each block so far. means, maxima: of the training loss on the curve, (11 values of
            t), before training and after each round. converged: None while training; then whether another round
            would change nothing.
    """

    curve: Curve
    velocity: Tensor
    step: int = 0
    round: int = 0
    round_start: int = 0
    losses: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    maxima: tuple[float, ...] = ()
    converged: bool | None = None

    def state(self) -> dict[str, Any]:
        """Numbers and numpy arrays for a checkpoint."""
        return {
            "points": self.curve.points.cpu().numpy(), "velocity": self.velocity.cpu().numpy(), "step": self.step,
            "round": self.round, "round_start": self.round_start, "losses": np.array(self.losses),
            "means": np.array(self.means), "maxima": np.array(self.maxima), "converged": self.converged,
        }  # fmt: skip

    @classmethod
    def restored(cls, state: Mapping[str, Any], form: Form, like: Tensor) -> CurveTraining:
        """What `state` was taken of; tensors get the number type and device of ``like``."""
        step, number, start = (int(state[name]) for name in ("step", "round", "round_start"))
        losses, means, maxima = (tuple(np.array(state[name]).tolist()) for name in ("losses", "means", "maxima"))
        curve = Curve(form, torch.as_tensor(np.array(state["points"])).to(like))
        velocity = torch.as_tensor(np.array(state["velocity"])).to(like)
        return cls(curve, velocity, step, number, start, losses, means, maxima, state["converged"])


def train_curve(
    loss: Loss,
    params: Params,
    curve: Curve,
    data: Batch,
    settings: CurveSettings | None = None,
    *,
    fixed: Params | None = None,
    module: nn.Module | None = None,
    seed: int = 0,
    resume: CurveTraining | None = None,
) -> Iterator[CurveTraining]:
    """Minimise the mean loss over t ~ U(0, 1) on the curve by SGD on its bends; the ends stay.

    Each batch sees the curve at one t; within an epoch the t are stratified, each still uniform. Batches and t follow
    from (seed, epoch), so a training resumed from any result goes on exactly.

    Args:
        loss: mean loss of a batch, called with ``{**fixed, **weights}``. params: of either end, for names and shapes.
        data: all training inputs (n, ...) and targets (n,), on the device of the curve.
        module: the network behind ``loss``; where it has batch normalisation, batches use their own statistics.

    Yields:
        After each block of steps and each round; the last one says whether it converged.

    Raises:
        CurveDiverged.
    """
    settings = settings or CurveSettings()
    trainer = _Trainer(loss, Layout.of(params), data, settings, fixed or {}, module, seed)
    with trainer.mode():
        now = resume or CurveTraining(curve, torch.zeros_like(curve.points[1:-1]))
        if not now.means:
            now = trainer.measured(now)
        while now.converged is None:
            length = min(trainer.full_round(now.round), max(1, settings.max_steps - now.round_start))
            while now.step < now.round_start + length:
                now = trainer.advance(now, length)
                if now.step < now.round_start + length:
                    yield now
            now = trainer.close_round(now)
            yield now


class _Trainer:
    """SGD on the bends with everything in flat buffers: one leaf per tensor, all of them views of one point."""

    def __init__(
        self,
        loss: Loss,
        layout: Layout,
        data: Batch,
        settings: CurveSettings,
        fixed: Params,
        module: nn.Module | None,
        seed: int,
    ) -> None:
        self.loss, self.layout, self.data, self.settings = loss, layout, data, settings
        self.module, self.seed = module, seed
        own = {} if module is None else dict(module.named_buffers())
        layers = [] if module is None else list(batchnorm_layers(module))
        scratch = {name: value.clone() for name, value in own.items() if name.rpartition(".")[0] in layers}
        self.fixed = {**fixed, **scratch}

    def mode(self) -> AbstractContextManager[None]:
        return nullcontext() if self.module is None else batch_statistics(self.module)

    def full_round(self, number: int) -> int:
        """Steps of a round that is long enough to prove something."""
        return self.settings.steps if number == 0 else max(self.settings.steps // 3, LEAST_PROOF)

    def advance(self, now: CurveTraining, length: int) -> CurveTraining:
        """Steps up to the end of the block or of the round."""
        settings, (x, y) = self.settings, self.data
        points, velocity = now.curve.points.clone(), now.velocity.clone()
        curve = Curve(now.curve.form, points)
        point, slope = torch.empty_like(points[0]), torch.zeros_like(points[0])
        leaves = {name: view.detach().requires_grad_() for name, view in self.layout.unflatten(point).items()}
        for leaf, view in zip(leaves.values(), self.layout.unflatten(slope).values(), strict=True):
            leaf.grad = view
        weights = {**self.fixed, **leaves}
        end = min(now.step + settings.block - now.step % settings.block, now.round_start + length)
        total = torch.zeros((), dtype=widest(point.device), device=point.device)
        for step in range(now.step, end):
            t, chosen = self._draw(step)
            share = torch.as_tensor(curve.coefficients(t)).to(points)
            torch.mv(points.T, share, out=point)
            slope.zero_()
            value = self.loss(weights, (x[chosen], y[chosen]))
            value.backward()
            total += value.detach()
            slope.add_(point, alpha=settings.weight_decay)
            velocity.mul_(settings.momentum).add_(share[1:-1, None] * slope)
            points[1:-1].sub_(velocity, alpha=self._rate((step - now.round_start) / length))
        mean = float(total) / (end - now.step)
        if not np.isfinite(mean) or not bool(torch.isfinite(points).all()):
            raise CurveDiverged(step=end, learning_rate=settings.learning_rate)
        return replace(now, curve=curve, velocity=velocity, step=end, losses=(*now.losses, mean))

    def close_round(self, now: CurveTraining) -> CurveTraining:
        """Measure the curve; decide whether another round could still lower it."""
        still = torch.zeros_like(now.velocity)
        proof = now.round > 0 and now.step - now.round_start >= self.full_round(now.round)
        now = replace(self.measured(now), round=now.round + 1, round_start=now.step, velocity=still)
        if proof and self._settled(now.means) and self._settled(now.maxima):
            return replace(now, converged=True)
        return replace(now, converged=False) if now.step >= self.settings.max_steps else now

    def measured(self, now: CurveTraining) -> CurveTraining:
        """Add mean and maximum along the curve of the loss on the first MEASURED examples."""
        x, y = self.data
        batches = split_batches(x[:MEASURED], y[:MEASURED], EVALUATION_BATCH)
        values = []
        for t in np.linspace(0, 1, 11):
            weights = self.layout.unflatten(now.curve.at(float(t)))
            values.append(mean_loss(self.loss, {**self.fixed, **weights}, batches))
        return replace(now, means=(*now.means, float(np.mean(values))), maxima=(*now.maxima, float(np.max(values))))

    def _settled(self, history: tuple[float, ...]) -> bool:
        return history[-2] - history[-1] <= self.settings.tolerance * history[-2] + 1e-3

    def _rate(self, done: float) -> float:
        """The learning rate after this share of the round."""
        if self.settings.schedule == "cosine":
            return self.settings.learning_rate * 0.5 * (1 + cos(pi * done))
        fall = min(max((done - 0.5) / 0.4, 0.0), 1.0)
        return self.settings.learning_rate * (1 - 0.99 * fall)

    def _draw(self, step: int) -> tuple[float, Tensor]:
        """t and the examples of this step."""
        n, size = len(self.data[0]), self.settings.batch_size
        per_epoch = -(-n // size)
        epoch, index = divmod(step, per_epoch)
        if getattr(self, "_epoch", None) != epoch:
            stream = seeding.generator(self.seed, "curve", epoch)
            self._order = torch.as_tensor(stream.permutation(n)).to(self.data[0].device)
            self._times = (stream.permutation(per_epoch) + stream.random(per_epoch)) / per_epoch
            self._epoch = epoch
        return float(self._times[index]), self._order[index * size : (index + 1) * size]
