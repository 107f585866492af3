"""A 51 x 51 plane on all digits against plain loops: CPU time of one thread, in the same process, at equal accuracy.

Each ratio is the median of paired runs. All ways visit random points of the same plane, the slow ones fewer; seconds
for the whole plane are extrapolated from these points where it says so.
"""

import time

import numpy as np
import pytest
import torch
from torch import nn

from engine.studies.landscape.directions import random_plane
from engine.studies.landscape.lattice import axis, coordinates, stages
from engine.studies.landscape.surface import LossSurface
from engine.studies.landscape.vectors import Layout
from engine.studies.landscape.weights import read_weights, trainable
from tests.benchmarks.digits import digits, mlp, trained
from tests.benchmarks.plane_peers import Loop

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]
PAIRS = 7
LATTICE = coordinates(np.concatenate([stage.points for stage in stages(51)]), axis(51, 1.0))


def cnn(early: bool) -> nn.Sequential:
    """Two 3 x 3 convolutions, pooled after the first (early) or the second one, and a hidden layer: 9802 weights."""
    torch.manual_seed(0)
    pool: list[nn.Module] = [nn.MaxPool2d(2)]
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), *(pool if early else []),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), *([] if early else pool),
        nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


NETWORKS = {
    "mlp 64-64-64-10": (lambda: mlp(64, 0), 8970, 8.0, 1.3),
    "cnn, early pool": (lambda: cnn(True), 9802, 3.0, 1.1),
    "cnn, late pool": (lambda: cnn(False), 9802, 3.0, 1.1),
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def prepare(make):
    x, y = digits(1797)
    module = trained(make(), x, y)
    directions = random_plane(Layout.of(trainable(module)), read_weights(module), 0)
    return LossSurface(module, directions, {"train": (x, y)}), Loop(module, directions, x, y)


def seconds_a_point(function, points):
    start = time.process_time()
    function(points)
    return (time.process_time() - start) / len(points)


@pytest.mark.parametrize("name", NETWORKS)
def test_plane_against_plain_loops(name):
    make, size, least_loader, least_full = NETWORKS[name]
    surface, loop = prepare(make)
    assert len(surface.plane.origin) == size
    order = np.random.default_rng(0).permutation(LATTICE)
    many, some, few = (order[:512], order[:48], order[:12]) if "mlp" in name else (order[:64], order[:24], order[:8])
    exact, found = loop.full_batch(some), surface.values(some)
    error = float(np.abs(found.loss["train"] / exact[:, 0] - 1).max())
    assert error <= 1e-5
    assert np.array_equal(found.accuracy["train"], exact[:, 1])
    for function, points in ((loop.data_loader, few[:2]), (loop.full_batch, few), (surface.values, some)):
        function(points)
    ways = (loop.data_loader, few), (loop.full_batch, some), (surface.values, many)
    rows = np.array([[seconds_a_point(function, points) for function, points in ways] for _ in range(PAIRS)])
    loader, full = np.median(rows[:, :2] / rows[:, 2:], axis=0)
    whole = np.median(rows, axis=0) * len(LATTICE)
    print(
        f"\n{name} ({size} weights), way '{surface.way}', largest relative error {error:.1e}; 51 x 51 extrapolated:"
        f" DataLoader {whole[0]:.1f} s, full batch {whole[1]:.2f} s, here {whole[2]:.2f} s;"
        f" ratios {loader:.1f} (goal {least_loader}) and {full:.2f} (goal {least_full})"
    )
    assert loader >= least_loader
    assert full >= least_full


def test_whole_plane_first_picture_and_cursor():
    """Wall-clock seconds of the complete plane of the perceptron, nothing extrapolated."""
    start = time.perf_counter()
    surface, _ = prepare(NETWORKS["mlp 64-64-64-10"][0])
    ready = time.perf_counter()
    first = surface.values(LATTICE[:49])
    painted = time.perf_counter()
    for _ in surface.blocks(LATTICE[49:]):
        pass
    done = time.perf_counter()
    moves = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    cursor = []
    for move in moves:
        began = time.perf_counter()
        surface.at(move, "train")
        cursor.append(time.perf_counter() - began)
    print(
        f"\nloading data, training and set-up {ready - start:.2f} s; first 7 x 7 {painted - ready:.3f} s (goal 0.3);"
        f" all 51 x 51 {done - ready:.2f} s wall (goal 3); cursor median {1e3 * np.median(cursor):.1f} ms,"
        f" slowest {1e3 * max(cursor):.1f} ms (goal 60)"
    )
    assert np.isfinite(first.loss["train"]).all()
    assert painted - ready <= 0.3
    assert done - ready <= 3.0
    assert np.median(cursor) <= 0.060
