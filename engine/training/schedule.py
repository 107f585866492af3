"""Learning rate by step."""

from __future__ import annotations

import math

from engine.training.config import Optimiser

DECAY_AT = 0.75
DECAY = 0.1


def learning_rate(optimiser: Optimiser, step: int, total: int) -> float:
    """Learning rate of step 0, 1, ... of ``total``; the cosine is that of Loshchilov and Hutter 2017, SGDR."""
    if optimiser.schedule == "step" and step >= DECAY_AT * total:
        return optimiser.learning_rate * DECAY
    if optimiser.schedule == "cosine":
        return optimiser.learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / total))
    return optimiser.learning_rate
