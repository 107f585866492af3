"""Bezier curve between two digits networks: CPU time to the same barrier, against a module per curve layer."""

import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.studies.landscape.barrier import classification_score, evaluate_curve, mode_connectivity
from engine.studies.landscape.curve import Curve, CurveSettings, train_curve
from engine.studies.landscape.vectors import Layout
from tests.benchmarks.curvature_peers import train_curve_by_modules
from tests.benchmarks.digits import digits, mlp, trained

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]
STEPS = 1500
TIMES = np.linspace(0, 1, 61)


def their_rate(done):
    return 0.01 * (1 - 0.99 * min(max((done - 0.5) / 0.4, 0.0), 1.0))


def ours(first, second, x, y, seed):
    ends = [{name: p.detach() for name, p in module.named_parameters()} for module in (first, second)]
    outputs = lambda p, x: torch.func.functional_call(first, dict(p), (x,))  # noqa: E731
    loss = lambda p, batch: F.cross_entropy(outputs(p, batch[0]), batch[1])  # noqa: E731
    start = time.process_time()
    settings = CurveSettings(steps=STEPS, max_steps=STEPS)
    *_, result = train_curve(loss, ends[0], Curve.between(*ends), (x, y), settings, seed=seed)
    seconds = time.process_time() - start
    layout = Layout.of(ends[0])
    points = list(evaluate_curve(result.curve, layout, classification_score(outputs), {"train": [(x, y)]}, TIMES))
    losses = [point.loss["train"] for point in points]
    return seconds, -mode_connectivity(TIMES, losses)[0], max(losses)


def theirs(first, second, x, y, seed):
    start = time.process_time()
    net = train_curve_by_modules(first, second, x, y, STEPS, their_rate, seed)
    seconds = time.process_time() - start
    with torch.no_grad():
        losses = [float(F.cross_entropy(net(x, float(t))[0], y)) for t in TIMES]
    return seconds, -mode_connectivity(TIMES, losses)[0], max(losses)


def test_twice_as_fast_to_the_same_barrier():
    torch.set_num_threads(1)
    x, y = digits()
    stream = torch.Generator().manual_seed(0)
    noisy = torch.rand(len(y), generator=stream) < 0.1  # a tenth of the labels is wrong, so that barriers are high
    y = torch.where(noisy, torch.randint(10, y.shape, generator=stream), y)
    first, second = (trained(mlp(16, seed), x, y, steps=1500, seed=seed) for seed in (0, 1))
    rows = {"ours": [], "theirs": []}
    ours(first, second, x, y, 99)
    for seed in range(5):
        rows["ours"].append(ours(first, second, x, y, seed))
        rows["theirs"].append(theirs(first, second, x, y, seed))
    mine, peer = (np.array(row) for row in rows.values())
    for name, row in (("ours", mine), ("theirs", peer)):
        barrier = f"barrier {row[:, 1].mean():.4f} +- {row[:, 1].std():.4f} nats"
        print(f"{name}: {np.median(row[:, 0]):.2f} s for {STEPS} steps, {barrier}")
    ratio = float(np.median(peer[:, 0] / mine[:, 0]))
    print(f"ratio {ratio:.1f}")
    assert mine[:, 1].mean() <= 1.02 * peer[:, 1].mean()
    assert ratio >= 2
