"""Settings of ``training.train``: network, data, optimiser, length, and what is kept of the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from engine.data.config import BuiltinData, DataConfig
from engine.models.config import Cnn, Mlp, ModelConfig, Resnet
from engine.studies.contract import TaskConfig, field
from engine.training.config import Optimiser


class TrainConfig(TaskConfig):
    """Train one network once, from one seed."""

    task: ClassVar[str] = "training.train"
    title: ClassVar[str] = "Train"
    summary: ClassVar[str] = (
        "Train a network on a dataset; every step's length is recorded, and versions of the network are kept."
    )
    outputs: ClassVar[Mapping[str, str]] = {"model": "model", "trajectory": "trajectory"}

    model: ModelConfig = field(Mlp, "Network", "Which network is trained.")
    data: DataConfig = field(BuiltinData, "Data", "What it is trained and tested on.")
    optimiser: Optimiser = field(Optimiser, "Optimiser", "The update rule.")
    batch_size: int = field(
        64,
        "Batch size",
        "Examples a step. Smaller batches make hotter, noisier steps.",
        symbol="b",
        ge=1,
        le=1_000_000,
        log=True,
        axis=True,
    )
    epochs: int = field(
        60,
        "Epochs",
        "Passes over the training examples; 0 keeps the network as it is (import).",
        ge=0,
        le=1_000_000,
        axis=True,
    )
    min_updates: int = field(
        0,
        "At least this many steps",
        "Adds epochs until so many steps are made, so that large batches converge as well.",
        ge=0,
        le=100_000_000,
        advanced=True,
    )
    replacement: bool = field(
        False,
        "Draw with replacement",
        "Each batch is drawn afresh from all examples, so that steps are independent draws.",
        advanced=True,
    )
    evaluations: int = field(
        60,
        "Evaluations",
        "On how many epochs, evenly spread, loss and accuracy are measured on all examples.",
        ge=1,
        le=100_000,
        advanced=True,
    )
    versions: int = field(
        4,
        "Versions kept",
        "How many networks are published on the way, besides the first and the last.",
        ge=0,
        le=200,
        advanced=True,
    )
    snapshots: int = field(
        120,
        "Snapshots",
        "How many thinned weight vectors the trajectory keeps for pictures; fewer where memory asks.",
        ge=2,
        le=2000,
        advanced=True,
    )

    @classmethod
    def presets(cls) -> Mapping[str, TrainConfig]:
        """``paper`` follows the training of Yang et al. 2021 (landscape taxonomy) on the largest built-in data."""
        tiny = cls(
            model=Mlp(widths=(8,)), data=BuiltinData(subset=0.2), epochs=3, batch_size=32, snapshots=10, versions=1
        )
        standard = cls(model=Cnn(channels=(16, 32)), data=BuiltinData(name="mnist1d"), epochs=80, batch_size=64)
        paper = cls(model=Resnet(width=16, blocks=2), data=BuiltinData(name="mnist1d"), epochs=100, batch_size=128)
        return {"smoke": tiny, "quick": cls(), "standard": standard, "paper": paper}
