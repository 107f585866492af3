"""How far two trained networks are apart: in their weights, and in what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.studies.landscape.vectors import wide

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FunctionDistances:
    """Distances between every two of k classifiers on the same inputs, as (k, k) matrices with zero diagonals.

    Attributes:
        disagreement: share of inputs with different answers. total_variation: mean over inputs of half the sum of
            absolute differences of probabilities, in [0, 1]. divergence: mean Kullback-Leibler divergence of row to
            column, nats; not symmetric.
    """

    disagreement: Array
    total_variation: Array
    divergence: Array


def function_distances(logits: Sequence[Tensor]) -> FunctionDistances:
    """Distances between classifiers from their logits (n, C) each; NaN where one of the two is not finite.

    Source: Fort, Hu and Lakshminarayanan 2019, Deep Ensembles: A Loss Landscape Perspective, section 4 (disagreement).
    """
    scores = torch.stack([wide(part.detach()) for part in logits])
    logs = scores.log_softmax(2)
    p, answers = logs.exp(), scores.argmax(2)
    k = len(scores)
    apart, variation, divergence = (np.zeros((k, k)) for _ in range(3))
    for i in range(k):
        apart[i] = (answers[i] != answers).double().mean(1).cpu().numpy()
        variation[i] = 0.5 * (p[i] - p).abs().sum(2).mean(1).cpu().numpy()
        terms = torch.where(p[i] > 0, p[i] * (logs[i] - logs), torch.zeros_like(logs))
        divergence[i] = terms.sum(2).mean(1).clamp_min(0).cpu().numpy()
    broken = ~torch.isfinite(scores).flatten(1).all(1).cpu().numpy()
    for matrix in (apart, variation, divergence):
        matrix[broken] = np.nan
        matrix[:, broken] = np.nan
    return FunctionDistances(apart, variation, divergence)


def weight_distances(vectors: Sequence[Tensor]) -> Array:
    """(k, k) Euclidean distances ||theta - theta'||_2 between flat weight vectors (P,), in double precision.

    With batch or layer normalisation the scale of weights has no meaning, and so neither has this distance.
    """
    k = len(vectors)
    result = np.zeros((k, k))
    for i in range(k):
        for j in range(i):
            result[i, j] = result[j, i] = float((wide(vectors[i]) - wide(vectors[j])).norm())
    return result


def off_diagonal_mean(matrix: Array) -> float:
    """Mean over ordered pairs of different runs, NaN entries left out; reduces a run x run matrix to a number."""
    pairs = matrix[~np.eye(len(matrix), dtype=bool)]
    known = pairs[np.isfinite(pairs)]
    return float(known.mean()) if len(known) else float("nan")
