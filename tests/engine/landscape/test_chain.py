"""The fast way agrees with the module, for whatever chain it accepts."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from engine.models.builtin import build
from engine.models.config import Cnn, Mlp
from engine.studies.landscape import chain
from engine.studies.landscape.directions import random_plane
from engine.studies.landscape.surface import LossSurface
from engine.studies.landscape.vectors import Layout
from engine.studies.landscape.weights import read_weights, trainable
from tests.engine.landscape.functional import clouds, mlp

POINTS = np.array([[0.0, 0.0], [0.3, -0.2], [1.0, 1.0], [-1.5, 0.7], [0.01, 0.0], [2.0, -2.0], [0.5, 0.5]])


def settled(network: nn.Module) -> nn.Module:
    """Batch normalisation with statistics and weights that are not those of a fresh start."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2.0)
            if module.affine:
                nn.init.normal_(module.weight, 1.0, 0.2)
                nn.init.normal_(module.bias, 0.0, 0.2)
    return network


def surfaces(network: nn.Module, x: torch.Tensor, y: torch.Tensor, count: int = 2) -> tuple[LossSurface, LossSurface]:
    weights = read_weights(network)
    directions = random_plane(Layout.of(trainable(network)), weights, 0, vectors=True, count=count)
    fast, plain = (LossSurface(network, directions, {"train": (x, y)}, way=way) for way in ("auto", "module"))
    assert (fast.way, plain.way) == ("chain", "module")
    return fast, plain


def check(network: nn.Module, shape: tuple[int, ...], examples: int = 40, points: np.ndarray = POINTS) -> None:
    dtype = next(network.parameters()).dtype
    stream = torch.Generator().manual_seed(0)
    x = torch.randn(examples, *shape, dtype=dtype, generator=stream)
    y = torch.randint(0, 3, (examples,), generator=stream)
    fast, plain = (s.values(points) for s in surfaces(network, x, y, points.shape[1]))
    rtol = 1e-5 if dtype == torch.float32 else 1e-12
    np.testing.assert_allclose(fast.loss["train"], plain.loss["train"], rtol=rtol)
    assert np.array_equal(fast.accuracy["train"], plain.accuracy["train"])
    assert np.ptp(fast.loss["train"]) > 1e-3, "the surface is flat: nothing was moved"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("shape", [(1, 8, 8), (12,)])
def test_the_built_in_networks(shape, batch_norm, activation, dtype):
    torch.manual_seed(0)
    options = {"activation": activation, "batch_norm": batch_norm}
    for config in (Mlp(widths=(7, 5), **options), Cnn(channels=(4, 6), hidden=5, **options)):
        check(settled(build(config, shape, 3, 0)).to(dtype), shape)


ACTIVATIONS = [
    nn.ReLU(inplace=True), nn.Sigmoid(), nn.SiLU(), nn.ELU(0.5), nn.SELU(), nn.CELU(0.7), nn.LeakyReLU(0.3),
    nn.Softplus(2.0, 5.0), nn.Softsign(), nn.Hardtanh(-0.5, 0.7), nn.ReLU6(), nn.Mish(), nn.Hardswish(),
    nn.Hardsigmoid(), nn.LogSigmoid(), nn.Tanhshrink(), nn.Softshrink(0.2), nn.Hardshrink(0.2), nn.GELU("tanh"),
    nn.Identity(), nn.Dropout(),
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: type(a).__name__)
def test_every_activation_in_columns_and_images(activation):
    torch.manual_seed(0)
    check(nn.Sequential(nn.Linear(6, 5), activation, nn.Linear(5, 3)), (6,))
    check(nn.Sequential(nn.Conv2d(1, 2, 3), activation, nn.Flatten(), nn.Linear(8, 3)), (1, 4, 4))


POOLS = [
    nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2), nn.AvgPool2d((2, 1), 1), nn.AdaptiveAvgPool2d(2),
    nn.AdaptiveMaxPool2d(2), nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(2, dilation=2),
]  # fmt: skip


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_every_pool(pool):
    torch.manual_seed(0)
    size = pool(torch.zeros(1, 2, 6, 6)).numel()
    check(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), pool, nn.ReLU(), nn.Flatten(), nn.Linear(size, 3)), (1, 6, 6))


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool1d(2), nn.MaxPool1d(3, 2, 1), nn.AvgPool1d(2), nn.AdaptiveAvgPool1d(2), nn.AdaptiveMaxPool1d(2)],
    ids=str,
)
def test_series(pool):
    torch.manual_seed(0)
    size = pool(torch.zeros(1, 3, 5)).numel()
    layers = nn.Conv1d(2, 3, 5, stride=2, padding=2, dilation=1), nn.BatchNorm1d(3), pool, nn.Flatten()
    check(settled(nn.Sequential(*layers, nn.Linear(size, 3))), (2, 9))


def test_strides_groups_and_dilation():
    torch.manual_seed(0)
    first = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False)
    second = nn.Conv2d(4, 4, 3, groups=2, dilation=2, padding=2)
    check(nn.Sequential(first, nn.ReLU(), second, nn.Flatten(), nn.Linear(64, 3)), (2, 8, 8))


@pytest.mark.parametrize(
    ("layer", "blocked"),
    [(nn.MaxPool2d(2), True), (nn.MaxPool2d(2, dilation=2), False), (nn.GELU("tanh"), False)],
    ids=str,
)
def test_what_onednn_does_not_know_runs_without_it(layer, blocked):
    torch.manual_seed(0)
    size = layer(torch.zeros(1, 2, 6, 6)).numel()
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), layer, nn.Flatten(), nn.Linear(size, 3))
    fast, _ = surfaces(net, torch.randn(20, 1, 6, 6), torch.randint(0, 3, (20,)))
    assert fast.forward.blocked is (blocked and torch.backends.mkldnn.is_available())


@pytest.mark.parametrize(
    ("activation", "pool", "swapped"),
    [
        (nn.ReLU(), nn.MaxPool2d(2), True),
        (nn.Tanh(), nn.MaxPool2d(3, 2, 1), True),
        (nn.Sigmoid(), nn.MaxPool2d(2), True),
        (nn.GELU(), nn.MaxPool2d(2), False),
        (nn.ReLU(), nn.AvgPool2d(2), False),
    ],
    ids=str,
)
def test_rising_activations_wait_for_max_pooling(activation, pool, swapped):
    torch.manual_seed(0)
    size = pool(torch.zeros(1, 2, 6, 6)).numel()
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), activation, pool, nn.Flatten(), nn.Linear(size, 3))
    fast, plain = surfaces(net, torch.randn(20, 1, 6, 6), torch.randint(0, 3, (20,)))
    kinds = [type(link).__name__ for link in fast.forward.images]
    assert kinds[1:3] == (["Pool", "Pointwise"] if swapped else ["Pointwise", "Pool"])
    np.testing.assert_allclose(fast.values(POINTS).loss["train"], plain.values(POINTS).loss["train"], rtol=1e-5)


def test_normalisation_without_weights():
    torch.manual_seed(0)
    images = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=False), nn.Flatten(), nn.Linear(8, 3))
    check(settled(images), (1, 4, 4))
    check(settled(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, affine=False), nn.Linear(5, 3))), (4,))


def test_inputs_that_are_normalised_first():
    torch.manual_seed(0)
    check(settled(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))), (4,))


def test_frozen_layers_are_applied_once():
    torch.manual_seed(0)
    images = nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    net = nn.Sequential(*images, nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 3))
    net[0].requires_grad_(False)
    check(net, (1, 6, 6))
    x, y = torch.randn(20, 1, 6, 6), torch.randint(0, 3, (20,))
    fast, _ = surfaces(net, x, y)
    assert len(fast.forward.fixed) == 4
    assert not fast.forward.images


def test_inputs_are_not_written_to():
    net = nn.Sequential(nn.ReLU(inplace=False), nn.Linear(4, 3))
    x = torch.randn(20, 4)
    before = x.clone()
    fast, plain = surfaces(net, x, torch.randint(0, 3, (20,)))
    np.testing.assert_allclose(fast.values(POINTS).loss["train"], plain.values(POINTS).loss["train"], rtol=1e-5)
    assert torch.equal(x, before)


def test_partly_frozen_first_layer():
    net = mlp(4, 5, 3)
    net[0].weight.requires_grad_(False)
    check(net, (4,))
    net[0].weight.requires_grad_(True)
    net[0].bias.requires_grad_(False)
    check(net, (4,))


def test_tied_layers_move_together():
    net = mlp(4, 4, 4, 3)
    net[2].weight = net[0].weight
    check(net, (4,))


def test_without_biases():
    torch.manual_seed(0)
    check(nn.Sequential(nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 3, bias=False)), (4,))


@pytest.mark.parametrize("count", [1, 3])
def test_other_numbers_of_directions(count):
    points = np.random.default_rng(0).normal(size=(5, count))
    check(mlp(4, 6, 3), (4,), points=points)


def test_more_points_than_share_a_call():
    check(mlp(4, 6, 3), (4,), points=np.random.default_rng(0).normal(size=(150, 2)))


def test_many_examples_in_blocks(monkeypatch):
    monkeypatch.setattr("engine.studies.landscape.forward.CACHE", chain.ONE_POINT * 6 * 4 * 40)
    x, y = clouds(203, 4)
    fast, plain = surfaces(mlp(4, 6, 3), x, y)
    sizes = {piece.examples.stop - piece.examples.start for piece in fast.forward.sweep(torch.zeros(1, 2), x)}
    assert sizes == {33, 34}
    np.testing.assert_allclose(fast.values(POINTS).loss["train"], plain.values(POINTS).loss["train"], rtol=1e-5)


def test_weights_of_large_networks_are_made_for_few_points_at_a_time(monkeypatch):
    monkeypatch.setattr(chain, "WEIGHTS", 4 * 100)
    x, y = clouds(30, 4)
    fast, plain = surfaces(mlp(4, 6, 3), x, y)
    pieces = [piece.points for piece in fast.forward.sweep(torch.zeros(7, 2), x)]
    assert max(p.stop - p.start for p in pieces) == 1
    np.testing.assert_allclose(fast.values(POINTS).loss["train"], plain.values(POINTS).loss["train"], rtol=1e-5)


def test_a_chain_that_disagrees_with_its_module_is_not_used():
    class Sly(nn.Module):
        """Does for many examples what it does not do for few."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = self.layer(x)
            return scores if len(x) <= 3 else scores.sin()

    x, y = clouds(50, 4)
    assert LossSurface(Sly(), torch.ones(1, 15), {"train": (x, y)}).way == "module"


def test_whole_numbers_as_inputs_go_through_the_module():
    net = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 3))
    x = torch.randint(0, 5, (20, 2))
    surface = LossSurface(net, torch.ones(1, 36), {"train": (x, torch.randint(0, 3, (20,)))})
    assert surface.way == "module"
    assert np.isfinite(surface.values([[0.1]]).loss["train"]).all()


def test_short_floats_go_through_the_module():
    net = mlp(4, 6, 3).bfloat16()
    x, y = clouds(50, 4)
    surface = LossSurface(net, torch.ones(1, 51), {"train": (x.bfloat16(), y)})
    assert surface.way == "module"
    with torch.no_grad():
        expected = nn.functional.cross_entropy(net(x.bfloat16()).float(), y)
    assert surface.values([[0.0]]).loss["train"][0] == pytest.approx(float(expected), rel=1e-2)


def test_a_chain_of_images_only_goes_through_the_module():
    net = nn.Sequential(nn.Conv2d(1, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x, y = torch.randn(20, 1, 4, 4), torch.randint(0, 3, (20,))
    assert LossSurface(net, torch.ones(1, 15), {"train": (x, y)}).way == "module"


@pytest.mark.parametrize("factor", [1e-20, 1e30])
def test_extreme_weights_agree_too(factor):
    net = mlp(4, 6, 3, act=nn.ReLU)
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(factor)
    x, y = clouds(50, 4)
    fast, plain = (s.values(POINTS) for s in surfaces(net, x, y))
    np.testing.assert_allclose(fast.loss["train"], plain.loss["train"], rtol=1e-5)
    if factor > 1:
        assert fast.nonfinite()["train"] > 0


def test_the_network_itself_is_never_touched():
    net = mlp(4, 6, 3)
    untouched = copy.deepcopy(net.state_dict())
    x, y = clouds(50, 4)
    fast, _ = surfaces(net, x, y)
    with torch.no_grad():
        pieces = fast.forward.sweep(torch.ones(3, 2), x)
        next(pieces)
        assert all(torch.equal(value, untouched[name]) for name, value in net.state_dict().items())
        pieces.close()
