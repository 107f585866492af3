"""Expected seconds and bytes of a training, from rates measured on one core."""

from __future__ import annotations

from engine.studies.contract import Cost
from engine.studies.training.config import TrainConfig


def estimate(config: TrainConfig) -> Cost:
    return Cost()
