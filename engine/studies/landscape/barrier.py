"""Loss and error along a curve between two solutions, and the one number that says whether they are connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from engine.studies.landscape.curve import Curve
from engine.studies.landscape.products import Criterion
from engine.studies.landscape.vectors import Batch, Layout, Outputs, Params, require_examples, wide

Array = NDArray[np.float64]
Score = Callable[[Params, Batch], tuple[Tensor, Tensor]]  # mean loss (nats) and share of wrong answers, in [0, 1]
Refit = Callable[[Params], Params]  # buffers to lay over these weights


@dataclass(frozen=True)
class PathPoint:
    """One point of the curve.

    Attributes:
        t: in [0, 1]. loss: split -> mean loss, nats. error: split -> wrong answers, percent.
    """

    t: float
    loss: Mapping[str, float]
    error: Mapping[str, float]


def classification_score(outputs: Outputs, criterion: Criterion = F.cross_entropy) -> Score:
    """Loss and error of a classifier from one forward pass."""

    def score(params: Params, batch: Batch) -> tuple[Tensor, Tensor]:
        logits = outputs(params, batch[0])
        return criterion(logits, batch[1]), (logits.argmax(1) != batch[1]).float().mean()

    return score


def evaluate_curve(
    curve: Curve,
    layout: Layout,
    score: Score,
    splits: Mapping[str, Sequence[Batch]],
    times: ArrayLike,
    *,
    fixed: Params | None = None,
    refit: Refit | None = None,
) -> Iterator[PathPoint]:
    """Loss and error at each t, in the order given.

    Args:
        splits: "train", "test" ... -> batches. times: values of t; 61 show what 5 miss.
        refit: re-estimates running statistics at given weights (`refit_batchnorm`), without which a network with
            batch normalisation shows a barrier that is not there.
    """
    for batches in splits.values():
        require_examples(batches)
    for t in np.asarray(times, dtype=float):
        with torch.no_grad():
            weights: Params = {**(fixed or {}), **layout.unflatten(curve.at(float(t)))}
            if refit is not None:
                weights = {**weights, **refit(weights)}
            found = {split: _mean_score(score, weights, batches) for split, batches in splits.items()}
        yield PathPoint(float(t), {s: v[0] for s, v in found.items()}, {s: 100 * v[1] for s, v in found.items()})


def _mean_score(score: Score, weights: Params, batches: Sequence[Batch]) -> tuple[float, float]:
    sums, count = np.zeros(2), 0
    for batch in batches:
        sums += np.array([float(part) for part in score(weights, batch)]) * len(batch[0])
        count += len(batch[0])
    return float(sums[0] / count), float(sums[1] / count)


def mode_connectivity(times: ArrayLike, values: ArrayLike) -> tuple[float, float]:
    """mc = (e(0) + e(1)) / 2 - e(t*), with t* where e deviates most from that mean; returns (mc, t*).

    Below 0 lies a barrier between the ends, above 0 the ends were not at the bottom, near 0 they are connected.

    Args:
        times: (n,) with 0 and 1 among them. values: (n,) training error in percent (mc_error, percentage points) or
            training loss (mc_loss, nats). NaN anywhere gives NaN.

    Source: Yang et al. 2021, Taxonomizing Local versus Global Structure in Neural Network Loss Landscapes, equation 4.
    """
    t, e = np.asarray(times, dtype=float), np.asarray(values, dtype=float)
    if not np.isfinite(e).all():
        return float("nan"), float("nan")
    deviation = (e[t == 0][0] + e[t == 1][0]) / 2 - e
    worst = int(np.abs(deviation).argmax())
    return float(deviation[worst]), float(t[worst])


@dataclass(frozen=True)
class CurvePlane:
    """The plane through both ends and a bend.

    Attributes:
        origin: (P,) the first end. axes: (2, P) orthonormal; the first points to the second end.
        corners: (b + 2, 2) coordinates of the curve's points. path: (n, 2) of the curve at the times asked for.
    """

    origin: Tensor
    axes: Tensor
    corners: Array
    path: Array


def curve_plane(curve: Curve, times: ArrayLike, bend: int = 0) -> CurvePlane:
    """The plane in which a curve with one bend lies; with several, the one through both ends and bend number ``bend``.

    A bend on the straight line spans no plane; the second axis is then zero.
    """
    points = wide(curve.points)
    origin = points[0]
    along = points[-1] - origin
    along = along / along.norm().clamp_min(1e-300)
    out = points[1 + bend] - origin
    for _ in range(2):
        out = out - (out @ along) * along
    length = out.norm()
    across = out / length if length > 1e-9 * (points[1 + bend] - origin).norm() else torch.zeros_like(out)
    axes = torch.stack([along, across])
    path = torch.stack([wide(curve.at(float(t))) for t in np.asarray(times, dtype=float)])
    corners, places = ((part - origin) @ axes.T for part in (points, path))
    return CurvePlane(curve.points[0].clone(), axes.to(curve.points), corners.cpu().numpy(), places.cpu().numpy())
