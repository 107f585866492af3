"""Points one by one and many at once."""

import numpy as np
import pytest
import torch
from torch import nn

from engine.models.builtin import build
from engine.models.config import Resnet
from engine.studies.landscape.directions import random_plane
from engine.studies.landscape.forward import BatchedForward, ModuleForward, Slice, example_blocks
from engine.studies.landscape.vectors import Layout
from engine.studies.landscape.weights import read_weights, trainable
from tests.engine.landscape.functional import clouds, mlp

POINTS = torch.tensor([[0.0, 0.0], [0.5, -0.5], [1.0, 2.0], [-1.0, 0.1], [0.2, 0.3]])


def plane(network: nn.Module) -> Slice:
    weights = read_weights(network)
    return Slice(weights, random_plane(Layout.of(trainable(network)), weights, 0))


def assembled(forward, x: torch.Tensor, points: torch.Tensor = POINTS) -> torch.Tensor:
    """(P, N, C) from the pieces; each pair of point and example exactly once."""
    result, count = None, torch.zeros(len(points), len(x))
    with torch.no_grad():
        for piece in forward.sweep(points, x):
            result = torch.full((len(points), len(x), piece.outputs.shape[-1]), torch.nan) if result is None else result
            result[piece.points, piece.examples] = piece.outputs
            count[piece.points, piece.examples] += 1
    assert bool((count == 1).all())
    return result


def expected(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The same through ``functional_call``, which shares no code with the module in the slice."""
    where = plane(network)
    layout = Layout.of(trainable(network))
    rows = []
    for a, b in POINTS.tolist():
        vector = where.origin + a * where.directions[0] + b * where.directions[1]
        rows.append(torch.func.functional_call(network.eval(), layout.unflatten(vector), (x,)))
    return torch.stack(rows).detach()


def test_the_centre_is_the_origin_to_the_bit():
    where = plane(mlp(4, 5, 3))
    assert torch.equal(where.weights(torch.zeros(2, 2)), where.origin.expand(2, -1))


def test_weights_of_a_point_do_not_depend_on_its_company():
    where = plane(mlp(4, 50, 3))
    points = torch.randn(40, 2)
    together = where.weights(points)
    assert all(torch.equal(where.weights(points[i : i + 1])[0], together[i]) for i in range(40))


@pytest.mark.parametrize(("total", "each", "cache", "sizes"), [
    (100, 10, 10_000, [100]), (100, 10, 500, [50, 50]), (100, 10, 400, [33, 33, 34]), (100, 10, 1, [33, 33, 34]),
    (5, 1000, 1, [5]), (100, 0, 1, [100]),
])  # fmt: skip
def test_blocks_are_equal_and_fill_the_cache(total, each, cache, sizes):
    blocks = example_blocks(total, each, cache)
    assert sorted(b.stop - b.start for b in blocks) == sizes
    assert np.array_equal(np.concatenate([np.arange(total)[b] for b in blocks]), np.arange(total))


@pytest.mark.parametrize("each", [0, 1 << 20])
def test_the_module_one_point_at_a_time(each):
    net = mlp(4, 5, 3)
    x, _ = clouds(100, 4)
    torch.testing.assert_close(assembled(ModuleForward(net, plane(net), each), x), expected(net, x))


def test_channels_last_changes_nothing_but_rounding():
    net = build(Resnet(width=4, blocks=1), (1, 8, 8), 3, 0)
    x = torch.randn(9, 1, 8, 8)
    forward = ModuleForward(net, plane(net), 0, channels_last=True)
    torch.testing.assert_close(assembled(forward, x), expected(net, x), rtol=1e-4, atol=1e-5)


def test_the_network_is_back_as_soon_as_a_sweep_is_closed():
    net = mlp(4, 5, 3)
    before = read_weights(net)
    with torch.no_grad():
        pieces = ModuleForward(net, plane(net), 0).sweep(torch.ones(3, 2), clouds(10, 4)[0])
        next(pieces)
        assert not torch.equal(read_weights(net), before)
        pieces.close()
    assert torch.equal(read_weights(net), before)


def test_many_points_at_once():
    net = mlp(4, 5, 3)
    x, _ = clouds(100, 4)
    forward = BatchedForward(ModuleForward(net, plane(net), 100))
    torch.testing.assert_close(assembled(forward, x), expected(net, x))
    assert not forward.failed


def test_many_points_of_a_residual_network_at_once():
    net = build(Resnet(width=4, blocks=1), (1, 8, 8), 3, 0)
    x = torch.randn(9, 1, 8, 8)
    forward = BatchedForward(ModuleForward(net, plane(net), 100), most=2)
    torch.testing.assert_close(assembled(forward, x), expected(net, x), rtol=1e-4, atol=1e-5)
    assert not forward.failed


class Branching(nn.Module):
    """Does what vmap cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.layer(x)
        return scores if float(scores.detach().sum()) > 0 else -scores


def test_what_cannot_be_batched_goes_one_by_one():
    net = Branching()
    x, _ = clouds(50, 4)
    forward = BatchedForward(ModuleForward(net, plane(net), 100))
    torch.testing.assert_close(assembled(forward, x), expected(net, x))
    assert forward.failed


@pytest.mark.parametrize(("fits", "failed"), [(2, False), (1, True), (0, True)])
def test_less_memory_means_fewer_points_at_a_time(fits, failed, monkeypatch):
    net = mlp(4, 5, 3)
    x, _ = clouds(50, 4)
    forward = BatchedForward(ModuleForward(net, plane(net), 100))
    whole = forward._outputs
    tried = []

    def cramped(points, inputs):
        tried.append(len(points))
        if len(points) > fits:
            raise torch.OutOfMemoryError
        return whole(points, inputs)

    monkeypatch.setattr(forward, "_outputs", cramped)
    monkeypatch.setattr(forward, "most", 5)
    torch.testing.assert_close(assembled(forward, x), expected(net, x))
    assert forward.failed is failed
    assert tried[0] == 5
    assert max(tried[2:], default=0) <= max(1, fits)


def test_points_at_once_are_bounded_by_memory(monkeypatch):
    monkeypatch.setattr("engine.studies.landscape.forward.CACHE", 1000)
    net = mlp(4, 5, 3)
    forward = BatchedForward(ModuleForward(net, plane(net), 10))
    with torch.no_grad():
        sizes = [p.points.stop - p.points.start for p in forward.sweep(POINTS, torch.randn(50, 4))]
    assert sizes == [2, 2, 1]
