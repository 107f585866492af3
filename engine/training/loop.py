"""The training loop: batches, gradient, update, and what each step leaves on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.data.dataset import Array
from engine.seeding import derive
from engine.training.batches import batches, steps_per_epoch
from engine.training.config import Optimiser
from engine.training.flat import FlatParameters
from engine.training.record import EpochRecord, Snapshots
from engine.training.schedule import learning_rate

ADAM_EPSILON = 1e-8

LossFunction = Callable[[Tensor, Tensor], Tensor]


class Loop:
    """Trains a module in place, one epoch a call; equal arguments and state give equal bits on one machine's CPU.

    Attributes:
        step: steps made so far. total: steps planned. flat: the parameters as a vector. snapshots: thinned weights.
        record: of the epoch that runs or ran last, None before the first.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: LossFunction,
        x: Tensor,
        y: Tensor,
        optimiser: Optimiser,
        *,
        batch_size: int,
        epochs: int,
        seed: int,
        replacement: bool = False,
        snapshots: int = 0,
    ) -> None:
        """Args:
        module: on the device of x and y; its trainable parameters become views of one vector.
        loss: (outputs, targets) -> mean loss. x: (N, ...), y: (N, ...).
        epochs: planned, which sets the schedule and when snapshots are taken.
        """
        self.module, self.loss, self.x, self.y = module, loss, x, y
        self.optimiser, self.batch_size, self.seed, self.replacement = optimiser, batch_size, seed, replacement
        self.flat = FlatParameters(module)
        self.start = self.flat.vector.clone()
        self.first_moment = torch.zeros_like(self.start)
        self.second_moment = torch.zeros_like(self.start) if optimiser.method == "adam" else None
        self.step, self.total = 0, epochs * steps_per_epoch(len(x), batch_size)
        self.record: EpochRecord | None = None
        self.snapshots = Snapshots(snapshots, self.total, len(self.start))
        self.snapshots.offer(0, self.flat.vector)

    def epoch(self, index: int, tick: Callable[[int], None] = lambda step: None) -> EpochRecord:
        """One pass over the batches of epoch ``index``; ``tick(step)`` is called before each step and may raise.

        Returns:
            what each step left. If a loss or a weight was not finite, ``diverged`` is set, the record ends before that
            step, and the network is again what it was when the epoch began.
        """
        torch.manual_seed(derive(self.seed, "dropout", index))  # a network's own randomness, alike after a resume
        plan = batches(len(self.x), self.batch_size, self.seed, index, self.replacement)
        self.record = record = EpochRecord(self.step, len(plan), self.flat.layers, self.x.device)
        self.module.train()
        before = self.flat.vector.clone()
        backup = [value.clone() for value in self._values()]
        for i, chosen in enumerate(plan):
            tick(self.step)
            index_tensor = torch.from_numpy(chosen).to(self.x.device, non_blocking=True)
            self.flat.gradient.zero_()
            loss = self.loss(self.module(self.x[index_tensor]), self.y[index_tensor])
            loss.backward()
            rate = learning_rate(self.optimiser, self.step, self.total)
            before.copy_(self.flat.vector)
            self._update(rate)
            self.step += 1
            record.add(i, loss.detach(), rate, self.flat.squared_change(before), self.flat.squared_change(self.start))
            self.snapshots.offer(self.step, self.flat.vector)
            if record.diverged_at(i):
                break
        record.close()
        if record.diverged is not None:
            with torch.no_grad():
                for value, saved in zip(self._values(), backup, strict=True):
                    value.copy_(saved)
        return record

    def _values(self) -> list[Tensor]:
        return [self.flat.vector, *self.module.buffers()]

    @torch.no_grad()
    def _update(self, rate: float) -> None:
        """SGD with momentum (as torch has it: v = mu v + g, w -= eta v), or Adam (Kingma and Ba 2015, algorithm 1)."""
        w, g, o = self.flat.vector, self.flat.gradient, self.optimiser
        if o.weight_decay:
            g.add_(w, alpha=o.weight_decay)
        if self.second_moment is None:
            w.sub_(self.first_moment.mul_(o.momentum).add_(g) if o.momentum else g, alpha=rate)
            return
        t = self.step + 1
        self.first_moment.mul_(o.momentum).add_(g, alpha=1 - o.momentum)
        self.second_moment.mul_(o.second_moment).addcmul_(g, g, value=1 - o.second_moment)
        spread = (self.second_moment / (1 - o.second_moment**t)).sqrt_().add_(ADAM_EPSILON)
        w.addcdiv_(self.first_moment, spread, value=-rate / (1 - o.momentum**t))

    def state(self) -> dict[str, Any]:
        """Everything that ``restore`` needs, as numpy arrays and JSON values."""
        moments = {"first": _numpy(self.first_moment)}
        if self.second_moment is not None:
            moments["second"] = _numpy(self.second_moment)
        return {
            "step": self.step,
            "weights": _numpy(self.flat.vector),
            "start": _numpy(self.start),
            "moments": moments,
            "buffers": {name: _numpy(value) for name, value in self.module.named_buffers()},
            "snapshots": self.snapshots.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``, bit for bit."""
        self.step = int(state["step"])
        _set(self.flat.vector, state["weights"])
        _set(self.start, state["start"])
        _set(self.first_moment, state["moments"]["first"])
        if self.second_moment is not None:
            _set(self.second_moment, state["moments"]["second"])
        for name, value in self.module.named_buffers():
            _set(value, state["buffers"][name])
        self.snapshots.restore(state["snapshots"])


def _numpy(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy().copy()


def _set(tensor: Tensor, value: Any) -> None:
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(np.array(value)))
