"""The built-in networks: fully connected, LeNet-style, residual, Transformer encoder."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.config import Cnn, Mlp, Resnet, Transformer
from engine.seeding import derive

Shape = tuple[int, ...]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def build(config: Mlp | Cnn | Resnet | Transformer, shape: Shape, outputs: int, seed: int) -> nn.Module:
    """A freshly initialised network; equal seeds give equal weights.

    Args:
        config: which. shape: of one example, (features,), (channels, length) or (channels, height, width).
        outputs: number of classes, or of numbers to predict. seed: the run's seed.
    """
    makers: dict[str, Callable[[], nn.Module]] = {
        "mlp": lambda: mlp(config, shape, outputs),  # type: ignore[arg-type]
        "cnn": lambda: LeNet(config, shape, outputs),  # type: ignore[arg-type]
        "resnet": lambda: ResNet(config, shape, outputs),  # type: ignore[arg-type]
        "transformer": lambda: Encoder(config, shape, outputs),  # type: ignore[arg-type]
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights"))
        return makers[config.builder]()


def mlp(config: Mlp, shape: Shape, outputs: int) -> nn.Sequential:
    """Flatten, then linear layers with the activation in between."""
    net = nn.Sequential()
    net.add_module("flatten", nn.Flatten())
    size = prod(shape)
    for i, width in enumerate(config.widths, 1):
        net.add_module(f"hidden{i}", nn.Linear(size, width))
        if config.batch_norm:
            net.add_module(f"norm{i}", nn.BatchNorm1d(width))
        net.add_module(f"act{i}", ACTIVATIONS[config.activation]())
        size = width
    net.add_module("output", nn.Linear(size, outputs))
    return net


def as_picture(x: Tensor, dims: int) -> Tensor:
    """(N, features) becomes (N, 1, features), so that a row of a table is a series of one channel."""
    return x if x.dim() == dims + 2 else x.unsqueeze(1)


def picture_shape(shape: Shape) -> Shape:
    """(channels, size...) of what a convolution sees."""
    return (1, *shape) if len(shape) == 1 else shape


class LeNet(nn.Module):
    """Convolutions, each halved by max pooling while 4 or larger, then one hidden layer (after LeCun et al. 1998)."""

    def __init__(self, config: Cnn, shape: Shape, outputs: int) -> None:
        super().__init__()
        channels, *size = picture_shape(shape)
        self.dims = len(size)
        conv, norm, pool = _layers(self.dims)
        features = nn.Sequential()
        for i, width in enumerate(config.channels, 1):
            features.add_module(f"conv{i}", conv(channels, width, config.kernel, padding=config.kernel // 2))
            if config.batch_norm:
                features.add_module(f"norm{i}", norm(width))
            features.add_module(f"act{i}", ACTIVATIONS[config.activation]())
            if min(size) >= 4:
                features.add_module(f"pool{i}", pool(2))
                size = [s // 2 for s in size]
            channels = width
        self.features = features
        self.hidden = nn.Linear(channels * prod(size), config.hidden)
        self.act = ACTIVATIONS[config.activation]()
        self.output = nn.Linear(config.hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, outputs)."""
        x = self.features(as_picture(x, self.dims))
        return self.output(self.act(self.hidden(x.flatten(1))))


class Block(nn.Module):
    """Two 3-wide convolutions and an identity shortcut, zero-padded where it widens (He et al. 2016, option A)."""

    def __init__(self, channels: int, width: int, stride: int, dims: int, batch_norm: bool) -> None:
        super().__init__()
        conv, norm, _ = _layers(dims)
        self.stride, self.dims, self.extra = stride, dims, width - channels
        self.conv1 = conv(channels, width, 3, stride=stride, padding=1, bias=not batch_norm)
        self.norm1 = norm(width) if batch_norm else nn.Identity()
        self.conv2 = conv(width, width, 3, padding=1, bias=not batch_norm)
        self.norm2 = norm(width) if batch_norm else nn.Identity()
        if not batch_norm:  # else the variance doubles in each block (Zhang, Dauphin and Ma 2019, Fixup)
            for parameter in self.conv2.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, size...) -> (N, width, size / stride...)."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.stride > 1:
            x = x[(slice(None), slice(None), *[slice(None, None, self.stride)] * self.dims)]
        if self.extra:
            x = F.pad(x, [0, 0] * self.dims + [0, self.extra])
        return F.relu(x + y)


class ResNet(nn.Module):
    """6n+2 layers in three stages for small images (He et al. 2016, section 4.2); also on series and rows."""

    def __init__(self, config: Resnet, shape: Shape, outputs: int) -> None:
        super().__init__()
        channels, *size = picture_shape(shape)
        self.dims = len(size)
        conv, norm, _ = _layers(self.dims)
        self.conv = conv(channels, config.width, 3, padding=1, bias=not config.batch_norm)
        self.norm = norm(config.width) if config.batch_norm else nn.Identity()
        self.stages = nn.Sequential()
        channels = config.width
        for stage in range(3):
            width = config.width * 2**stage
            for block in range(config.blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                self.stages.add_module(
                    f"{stage + 1}_{block + 1}", Block(channels, width, stride, self.dims, config.batch_norm)
                )
                channels = width
        self.output = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, outputs)."""
        x = F.relu(self.norm(self.conv(as_picture(x, self.dims))))
        return self.output(self.stages(x).flatten(2).mean(2))


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and a two-layer network, each with a shortcut."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, 4 * dim)
        self.contract = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(N, tokens, dim) -> the same."""
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        x = x + self.project(mixed.transpose(1, 2).flatten(2))
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))


class Encoder(nn.Module):
    """Patches as tokens, learned positions, encoder layers, mean over the tokens (after Dosovitskiy et al. 2021)."""

    def __init__(self, config: Transformer, shape: Shape, outputs: int) -> None:
        super().__init__()
        channels, *size = picture_shape(shape)
        self.dims, self.patch = len(size), config.patch
        self.border = [-s % config.patch for s in size]
        tokens = prod((s + b) // config.patch for s, b in zip(size, self.border, strict=True))
        self.embed = nn.Linear(channels * config.patch**self.dims, config.dim)
        self.position = nn.Parameter(0.02 * torch.randn(tokens, config.dim))
        self.layers = nn.Sequential(*(EncoderLayer(config.dim, config.heads) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(config.dim)
        self.output = nn.Linear(config.dim, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, outputs)."""
        x = self.layers(self.embed(self.tokens(x)) + self.position)
        return self.output(self.norm(x).mean(1))

    def tokens(self, x: Tensor) -> Tensor:
        """Cut into patches, zero-padded at the far border: (N, ...) -> (N, tokens, channels * patch ** dims)."""
        x = F.pad(as_picture(x, self.dims), [side for b in reversed(self.border) for side in (0, b)])
        if self.dims == 1:
            return x.unfold(2, self.patch, self.patch).permute(0, 2, 1, 3).flatten(2)
        cut = x.unfold(2, self.patch, self.patch).unfold(3, self.patch, self.patch)
        return cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


def _layers(dims: int) -> tuple[Callable[..., nn.Module], Callable[[int], nn.Module], Callable[[int], nn.Module]]:
    """Convolution, normalisation and pooling for series (1) or images (2)."""
    if dims == 1:
        return nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d
    return nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d
