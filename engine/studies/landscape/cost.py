"""Expected seconds and bytes of looking at a landscape, from rates measured on one core of a 2020s server processor."""

from __future__ import annotations

from engine.data.config import BuiltinData
from engine.models.config import Resnet, Transformer, UserModel
from engine.studies.contract import Cost, TaskConfig
from engine.studies.training.config import TrainConfig
from engine.studies.training.cost import BASE_BYTES, LAYER, RATE, SIZES, START, network_size
from engine.studies.training.cost import estimate as training_cost

FORWARD = 0.15  # of a layer's time in training that a pass without gradients takes
OVER = {Resnet: 2.0, Transformer: 2.0}  # how much slower than small dense layers these use the processor


def estimate(points: int, examples: int, test: bool, refit: bool, made_by: TaskConfig | None) -> Cost:
    """Good to about a factor of two on a free core; unknown for users' networks and data.

    Args:
        points: evaluations of the whole data. examples: limit for each split, 0 for none. made_by: config of the run
            that trains the model, None when unknown.
    """
    if (
        not isinstance(made_by, TrainConfig)
        or not isinstance(made_by.data, BuiltinData)
        or isinstance(made_by.model, UserModel)
    ):
        return Cost()
    total, shape, outputs = SIZES[made_by.data.name]
    total = total or made_by.data.samples
    held = made_by.data.test_fraction
    counts = [total * (1 - held) * made_by.data.subset] + ([total * held] if test else [])
    used = sum(min(count, examples or count) for count in counts)
    layers, work, parameters = network_size(made_by.model, shape, outputs)
    slow = OVER.get(type(made_by.model), 1.0) * (2.0 if refit else 1.0)
    point = used * work / RATE * slow + layers * FORWARD * LAYER[made_by.model.builder]
    return Cost(
        seconds=START + points * point, bytes=BASE_BYTES + int(64 * parameters + 8 * used * work / max(1, layers))
    )


def training_steps(steps: int, batch_size: int, made_by: TaskConfig | None) -> float | None:
    """Seconds of so many optimiser steps on the network that ``made_by`` trains; None when unknown."""
    if steps == 0:
        return 0.0
    if not isinstance(made_by, TrainConfig):
        return None
    one = training_cost(made_by.model_copy(update={"epochs": 1, "batch_size": batch_size, "evaluations": 1}))
    none = training_cost(made_by.model_copy(update={"epochs": 0, "batch_size": batch_size, "evaluations": 1}))
    if one.seconds is None or none.seconds is None or not isinstance(made_by.data, BuiltinData):
        return None
    total = SIZES[made_by.data.name][0] or made_by.data.samples
    epoch = max(1.0, total * (1 - made_by.data.test_fraction) * made_by.data.subset / batch_size)
    return steps * (one.seconds - none.seconds) / epoch
