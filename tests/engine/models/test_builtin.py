"""The built-in networks: shapes, sizes, seeds, and the parts that are easily wrong."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from engine.models.builtin import Block, build
from engine.models.config import Cnn, Mlp, Resnet, Transformer
from engine.models.inspect import layers

SHAPES = [(7,), (1, 40), (3, 17), (1, 8, 8), (3, 9, 11)]
CONFIGS = [
    Mlp(widths=(5, 4), activation="tanh"),
    Mlp(widths=(), batch_norm=True),
    Mlp(widths=(6,), batch_norm=True, activation="gelu"),
    Cnn(channels=(3, 5), kernel=3, hidden=6),
    Cnn(channels=(2, 2, 2, 2, 2), batch_norm=True),
    Resnet(width=2, blocks=1),
    Resnet(width=2, blocks=2, batch_norm=False),
    Transformer(dim=8, depth=1, heads=2, patch=4),
    Transformer(dim=6, depth=2, heads=3, patch=1),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.builder}{CONFIGS.index(c)}")
def test_every_network_takes_every_shape_and_all_parameters_learn(config, shape):
    net = build(config, shape, 3, seed=0)
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(1))
    out = net(x)
    assert out.shape == (4, 3)
    out.square().sum().backward()
    dead = [name for name, p in net.named_parameters() if p.grad is None]
    assert not dead


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.builder}{CONFIGS.index(c)}")
def test_equal_seeds_give_equal_weights_and_leave_the_global_stream_alone(config):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = build(config, (1, 8, 8), 3, seed=7).state_dict()
    assert torch.equal(torch.rand(3), expected)
    two, other = (build(config, (1, 8, 8), 3, seed=s).state_dict() for s in (7, 8))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_published_sizes():
    def size(net):
        return sum(p.numel() for p in net.parameters())

    assert size(build(Resnet(width=16, blocks=3), (3, 32, 32), 10, 0)) == 269_722  # ResNet-20: 0.27 M in He et al.
    assert size(build(Mlp(widths=(64,)), (1, 8, 8), 10, 0)) == 64 * 64 + 64 + 640 + 10
    lenet = build(Cnn(channels=(6, 16), kernel=5, hidden=120), (1, 28, 28), 10, 0)
    assert size(lenet) == 6 * 26 + 16 * 151 + (16 * 49 + 1) * 120 + 1210


def test_mlp_equals_its_formula():
    net = build(Mlp(widths=(5,), activation="tanh"), (2, 3), 4, 0)
    x = torch.randn(6, 2, 3)
    by_hand = torch.tanh(x.flatten(1) @ net.hidden1.weight.T + net.hidden1.bias) @ net.output.weight.T + net.output.bias
    torch.testing.assert_close(net(x), by_hand)


@pytest.mark.parametrize("dims", [1, 2])
def test_a_block_whose_second_convolution_is_zero_is_its_shortcut(dims):
    block = Block(3, 6, 2, dims, batch_norm=False)
    x = torch.rand(2, 3, *[8] * dims)
    out = block(x)
    assert out.shape == (2, 6, *[4] * dims)
    kept = x[:, :, ::2] if dims == 1 else x[:, :, ::2, ::2]
    torch.testing.assert_close(out[:, :3], kept)
    assert (out[:, 3:] == 0).all()


def test_patches_are_the_squares_of_the_image():
    net = build(Transformer(dim=4, heads=1, patch=2), (2, 4, 6), 3, 0)
    x = torch.arange(2 * 4 * 6.0).reshape(1, 2, 4, 6)
    tokens = net.tokens(x)
    assert tokens.shape == (1, 6, 8)
    torch.testing.assert_close(tokens[0, 1], x[0, :, 0:2, 2:4].flatten())  # second square of the first row
    torch.testing.assert_close(tokens[0, 3], x[0, :, 2:4, 0:2].flatten())  # first square of the second row


def test_patches_of_series_and_padding():
    net = build(Transformer(dim=4, heads=1, patch=3), (2, 7), 3, 0)
    tokens = net.tokens(torch.ones(1, 2, 7))
    assert tokens.shape == (1, 3, 6)
    assert tokens[0, 2].tolist() == [1, 0, 0, 1, 0, 0]


def test_attention_equals_its_formula():
    net = build(Transformer(dim=6, depth=1, heads=2, patch=1), (5,), 3, 0)
    layer = net.layers[0]
    x = torch.randn(2, 5, 6)
    q, k, v = layer.qkv(layer.norm1(x)).chunk(3, dim=-1)
    heads = []
    for h in range(2):
        part = slice(3 * h, 3 * h + 3)
        weights = torch.softmax(q[..., part] @ k[..., part].transpose(1, 2) / 3**0.5, dim=-1)
        heads.append(weights @ v[..., part])
    y = x + layer.project(torch.cat(heads, dim=-1))
    y = y + layer.contract(nn.functional.gelu(layer.expand(layer.norm2(y))))
    torch.testing.assert_close(layer(x), y, atol=1e-6, rtol=1e-5)


def test_configs_refuse_what_no_network_can_be():
    with pytest.raises(ValidationError, match=r"kernel must be odd"):
        Cnn(kernel=4)
    with pytest.raises(ValidationError, match=r"not a multiple of the 4 heads"):
        Transformer(dim=10, heads=4)
    with pytest.raises(ValidationError):
        Mlp(widths=(0,))


def test_layer_table():
    net = build(Cnn(channels=(2,), hidden=5), (1, 8, 8), 3, 0)
    net.hidden.requires_grad_(False)
    table = {layer.name: layer for layer in layers(net, torch.zeros(1, 1, 8, 8))}
    assert list(table) == ["features.conv1", "features.act1", "features.pool1", "hidden", "act", "output"]
    assert table["features.conv1"].output == (2, 8, 8) and table["features.conv1"].parameters == 2 * 9 + 2
    assert table["features.pool1"].output == (2, 4, 4) and table["features.pool1"].type == "MaxPool2d"
    assert table["hidden"].parameters == 0 and table["hidden"].shapes == {"weight": (5, 32), "bias": (5,)}
    assert net.training and not any(m._forward_hooks for m in net.modules())


def test_layer_table_of_recurrent_and_unused_layers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))
            self.rnn = nn.GRU(3, 4, batch_first=True)
            self.unused = nn.Linear(2, 2)

        def forward(self, x):
            return self.rnn(x)[0][:, -1] * self.scale

    table = {layer.name: layer for layer in layers(Net().eval(), torch.zeros(1, 5, 3))}
    assert table["rnn"].output == (5, 4) and table["rnn"].parameters == 36 + 48 + 12 + 12
    assert table["unused"].output is None and table["network"].parameters == 1 and table["network"].output == (4,)
