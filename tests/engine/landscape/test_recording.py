"""Which networks are chains of known layers, and which are not."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from engine.models.builtin import build
from engine.models.config import Cnn, Mlp, Resnet, Transformer
from engine.studies.landscape.recording import (
    Affine,
    Convolution,
    Normalisation,
    Pointwise,
    Pool,
    Reshape,
    as_chain,
    record,
)


def chain_of(network: nn.Module, inputs: torch.Tensor):
    return as_chain(record(network.eval(), inputs))


class Function(nn.Module):
    """A network of one layer and whatever comes after."""

    def __init__(self, after) -> None:
        super().__init__()
        self.layer, self.after = nn.Linear(4, 6), after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.layer(x))


def test_a_multilayer_perceptron():
    links = chain_of(build(Mlp(widths=(5,), batch_norm=True), (1, 4, 4), 3, 0), torch.randn(2, 1, 4, 4))
    assert [type(link) for link in links] == [Reshape, Affine, Normalisation, Pointwise, Affine]
    assert links[0].shape == (16,)


def test_weights_are_told_by_identity():
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2, bias=False))
    first, second = chain_of(net, torch.randn(5, 4))
    assert first.weight is net[0].weight
    assert first.bias is net[0].bias
    assert second.bias is None


@pytest.mark.parametrize("shape", [(1, 8, 8), (20,)])
def test_the_built_in_convolutional_network(shape):
    links = chain_of(build(Cnn(channels=(3,), activation="gelu"), shape, 3, 0), torch.randn(2, *shape))
    kinds = [type(link) for link in links if not isinstance(link, Reshape)]
    assert kinds == [Convolution, Pointwise, Pool, Affine, Pointwise, Affine]


@pytest.mark.parametrize(
    "config", [Resnet(width=4, blocks=1), Transformer(dim=8, heads=2, depth=1, patch=2)], ids=["resnet", "transformer"]
)
def test_networks_with_shortcuts_are_no_chains(config):
    assert chain_of(build(config, (1, 8, 8), 3, 0), torch.randn(2, 1, 8, 8)) is None


@pytest.mark.parametrize(
    "after",
    [
        F.relu, torch.relu, lambda x: x.relu(), lambda x: x.relu_(), lambda x: x.tanh(),
        lambda x: F.silu(x, inplace=True), lambda x: F.dropout(F.elu(x, 0.5), training=False),
        lambda x: x.view(x.shape[0], 3, 2).flatten(1), lambda x: x.unsqueeze(1).squeeze(1),
        lambda x: x.reshape(len(x), -1),
    ],
)  # fmt: skip
def test_functions_that_a_chain_may_call(after):
    assert chain_of(Function(after), torch.randn(5, 4)) is not None


@pytest.mark.parametrize(
    "after",
    [
        lambda x: x + x, lambda x: x * 2.0, lambda x: torch.cat([x, x], 1), lambda x: x.softmax(1), torch.t,
        lambda x: F.dropout(x, training=True), lambda x: x.reshape(2 * len(x), -1), lambda x: (F.relu(x), x)[1],
        lambda x: x.split(3, 1)[0], lambda x: F.layer_norm(x, (6,)),
        lambda x: F.linear(x.unsqueeze(1), torch.ones(2, 6)),
        lambda x: F.batch_norm(x, None, None, training=True), lambda x: x.sort(1)[0],
    ],
)  # fmt: skip
def test_functions_that_break_a_chain(after):
    assert chain_of(Function(after), torch.randn(5, 4)) is None


def test_computed_weights_break_a_chain():
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.ReLU())
    assert chain_of(net, torch.randn(5, 4)) is None


def test_padding_by_name_breaks_a_chain():
    assert chain_of(nn.Sequential(nn.Conv2d(1, 2, 3, padding="same")), torch.randn(3, 1, 4, 4)) is None


def test_an_empty_network_is_an_empty_chain():
    assert chain_of(nn.Sequential(nn.Dropout()), torch.randn(5, 4)) == ()


def test_few_examples_are_repeated():
    recording = record(nn.Linear(4, 2), torch.randn(1, 4))
    assert recording.outputs.shape == (3, 2)


def test_recording_leaves_no_graph():
    net = nn.Linear(4, 2)
    assert not record(net, torch.randn(3, 4)).outputs.requires_grad


def test_the_largest_result_of_an_example():
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Flatten(), nn.Linear(8 * 36, 2)).double()
    assert record(net, torch.randn(4, 1, 6, 6, dtype=torch.float64)).bytes_per_example() == 8 * 8 * 36


@pytest.mark.parametrize(
    ("layers", "likes"),
    [
        ([nn.Conv2d(1, 16, 3), nn.Conv2d(16, 16, 3)], True),
        ([nn.Conv2d(1, 16, 3), nn.Conv2d(16, 8, 3)], False),
        ([nn.Conv2d(1, 4, 3), nn.MaxPool2d(2)], True),
        ([nn.Flatten(), nn.Linear(64, 2)], False),
    ],
)
def test_which_images_go_channels_last(layers, likes):
    assert record(nn.Sequential(*layers), torch.randn(3, 1, 8, 8)).likes_channels_last() is likes
