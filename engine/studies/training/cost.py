"""Expected seconds and bytes of a training, from rates measured on one core of a 2020s server processor."""

from __future__ import annotations

import itertools
from math import ceil, prod

from engine.data.config import BuiltinData
from engine.models.config import Cnn, Mlp, ModelConfig, Resnet, Transformer, UserModel
from engine.studies.contract import Cost
from engine.studies.training.config import TrainConfig
from engine.training.batches import epochs_for, steps_per_epoch

SIZES: dict[str, tuple[int, tuple[int, ...], int]] = {  # examples (0: as many as asked for), shape, outputs
    "digits": (1797, (1, 8, 8), 10),
    "mnist1d": (0, (1, 40), 10),
    "moons": (0, (1, 2), 2),
    "iris": (150, (1, 4), 3),
    "wine": (178, (1, 13), 3),
    "breast_cancer": (569, (1, 30), 2),
    "diabetes": (442, (1, 10), 1),
}
RATE = 1.5e10  # multiplications and additions a second
START = 3.0  # seconds until torch is imported and the data are read
STEP = 2.5e-4  # seconds of a step besides its layers
LAYER = {"mlp": 6e-5, "cnn": 4e-4, "resnet": 5e-4, "transformer": 1.8e-3}  # seconds of a layer, however small
BASE_BYTES = 320 * 2**20  # Python and torch


def estimate(config: TrainConfig) -> Cost:
    """Good to about a factor of two on a free core; unknown for users' data and networks."""
    if not isinstance(config.data, BuiltinData) or isinstance(config.model, UserModel):
        return Cost()
    examples, shape, outputs = SIZES[config.data.name]
    examples = examples or config.data.samples
    train = max(1, round(examples * (1 - config.data.test_fraction) * config.data.subset))
    layers, work, parameters = network_size(config.model, shape, outputs)
    epochs = epochs_for(config.epochs, train, config.batch_size, config.min_updates)
    step = STEP + layers * LAYER[config.model.builder] + 3 * work * min(config.batch_size, train) / RATE
    steps = epochs * steps_per_epoch(train, config.batch_size)
    evaluations = (min(config.evaluations, epochs) + 1) * (
        work * examples / RATE + layers * LAYER[config.model.builder]
    )
    records = 8 * steps * (4 + 2 * layers) * 2
    snapshots = 4 * parameters * min(config.snapshots, steps + 1)
    batch = 8 * config.batch_size * work // max(1, parameters // max(1, layers))
    memory = BASE_BYTES + 3 * 4 * examples * prod(shape) + records + 2 * snapshots + 40 * parameters + batch
    return Cost(seconds=START + steps * step + evaluations, bytes=int(memory))


def network_size(model: ModelConfig, shape: tuple[int, ...], outputs: int) -> tuple[int, int, int]:
    """Layers, multiplications for one example, and weights (without biases) of a built-in network."""
    channels, *size = shape
    if isinstance(model, Mlp):
        widths = [prod(shape), *model.widths, outputs]
        work = sum(a * b for a, b in itertools.pairwise(widths))
        return len(widths) - 1, work, work
    if isinstance(model, Cnn):
        return _cnn(model, channels, size, outputs)
    if isinstance(model, Resnet):
        return _resnet(model, channels, size, outputs)
    assert isinstance(model, Transformer)
    tokens = prod(ceil(s / model.patch) for s in size)
    per_layer = 12 * model.dim**2
    patch = channels * model.patch ** len(size) * model.dim
    weights = model.depth * per_layer + patch + model.dim * outputs
    return model.depth + 1, tokens * (model.depth * (per_layer + 2 * tokens * model.dim) + patch), weights


def _cnn(model: Cnn, channels: int, size: list[int], outputs: int) -> tuple[int, int, int]:
    work = weights = 0
    for width in model.channels:
        own = model.kernel ** len(size) * channels * width
        work, weights, channels = work + own * prod(size), weights + own, width
        size = [s // 2 for s in size] if min(size) >= 4 else size
    dense = channels * prod(size) * model.hidden + model.hidden * outputs
    return len(model.channels) + 2, work + dense, weights + dense


def _resnet(model: Resnet, channels: int, size: list[int], outputs: int) -> tuple[int, int, int]:
    kernel = 3 ** len(size)
    work = weights = 0
    for stage in range(3):
        width = model.width * 2**stage
        own = kernel * width * width * 2 * model.blocks
        work, weights = work + own * prod(max(1, s >> stage) for s in size), weights + own
    first = kernel * channels * model.width
    return 6 * model.blocks + 2, work + first * prod(size), weights + first + 4 * model.width * outputs
