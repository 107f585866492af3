"""Settings of the update rule."""

from __future__ import annotations

from typing import Literal

from engine.studies.contract import Spec, field


class Optimiser(Spec):
    """The update rule and its schedule."""

    method: Literal["sgd", "adam"] = field(
        "sgd",
        "Optimiser",
        "Stochastic gradient descent, or Adam (Kingma and Ba 2015).",
        labels={"sgd": "SGD", "adam": "Adam"},
    )
    learning_rate: float = field(
        0.05,
        "Learning rate",
        "Step size at the start.",
        symbol="η",
        gt=0,
        le=100,
        log=True,
        axis=True,
    )
    momentum: float = field(
        0.9,
        "Momentum",
        "Share of the last velocity that is kept (SGD) or decay of the mean gradient (Adam's first beta).",
        symbol="μ",
        ge=0,
        lt=1,
        axis=True,
    )
    second_moment: float = field(
        0.999,
        "Second moment decay",
        "Adam's second beta.",
        symbol="β₂",
        ge=0,
        lt=1,
        advanced=True,
    )
    weight_decay: float = field(
        5e-4,
        "Weight decay",
        "This times the weights is added to the gradient (L2 regularisation).",
        symbol="λ",
        ge=0,
        le=10,
        log=True,
        axis=True,
    )
    schedule: Literal["constant", "step", "cosine"] = field(
        "step",
        "Schedule",
        "How the learning rate falls over the run.",
        labels={
            "constant": "Constant",
            "step": "A tenth after 75 % of the steps",
            "cosine": "Half a cosine down to zero",
        },
    )
