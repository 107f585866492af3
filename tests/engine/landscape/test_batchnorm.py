"""Batch normalisation's statistics, re-estimated."""

import pytest
import torch
from torch import nn

from engine.studies.landscape import batchnorm
from engine.studies.landscape.batchnorm import refit_statistics
from engine.studies.landscape.weights import borrowed


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.9), nn.Linear(6, 3), nn.BatchNorm1d(3)
    ).double()


def data(examples: int = 50) -> torch.Tensor:
    return 3 + 2 * torch.randn(examples, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_statistics_are_those_of_the_population_layer_by_layer():
    net, x = network(), data()
    with borrowed(net):
        refit_statistics(net, x, 48)
        first = net[0](x)
        torch.testing.assert_close(net[1].running_mean, first.mean(0))
        torch.testing.assert_close(net[1].running_var, first.var(0))
        normed = (first - first.mean(0)) / (first.var(0, correction=0) + 1e-5).sqrt()
        second = net[4](torch.relu(normed))
        torch.testing.assert_close(net[5].running_mean, second.mean(0))
        torch.testing.assert_close(net[5].running_var, second.var(0))


@torch.no_grad()
def test_old_statistics_do_not_matter():
    net, x = network(), data()
    with borrowed(net):
        net[1].running_mean.fill_(float("nan"))
        net[5].running_var.fill_(float("inf"))
        refit_statistics(net, x, 48)
        assert all(bool(torch.isfinite(b).all()) for b in net.buffers())


@torch.no_grad()
def test_images_are_pooled_over_positions():
    net = nn.Sequential(nn.BatchNorm2d(2)).double()
    x = torch.randn(5, 2, 3, 4, dtype=torch.float64)
    refit_statistics(net, x, 1)
    flat = x.transpose(0, 1).flatten(1)
    torch.testing.assert_close(net[0].running_mean, flat.mean(1))
    torch.testing.assert_close(net[0].running_var, flat.var(1))


@torch.no_grad()
def test_blocks_give_the_same_first_layer(monkeypatch):
    net, x = network(), data(101)
    with borrowed(net):
        refit_statistics(net, x, 48)
        whole = {name: value.clone() for name, value in net.named_buffers()}
        monkeypatch.setattr(batchnorm, "EXACT", 1)
        calls = []
        refit_statistics(net, x, 48, tick=lambda: calls.append(1))
        assert len(calls) == 3
        torch.testing.assert_close(net[1].running_mean, whole["1.running_mean"], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(net[1].running_var, whole["1.running_var"], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(net[5].running_var, whole["5.running_var"], rtol=0.3, atol=0)


@torch.no_grad()
def test_a_shared_layer_sees_both_of_its_inputs():
    norm = nn.BatchNorm1d(2).double()

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = norm

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x) + self.norm(10 * x)

    x = torch.randn(20, 2, dtype=torch.float64)
    refit_statistics(Twice(), x, 1)
    both = torch.cat([x, 10 * x])
    torch.testing.assert_close(norm.running_mean, both.mean(0))
    torch.testing.assert_close(norm.running_var, both.var(0))


@torch.no_grad()
def test_modes_momentum_and_hooks_are_put_back_when_it_fails():
    net = network().eval()
    net[1].momentum = 0.37
    with pytest.raises(RuntimeError):
        refit_statistics(net, torch.zeros(5, 99, dtype=torch.float64), 1)
    assert net[1].momentum == 0.37
    assert not any(m.training for m in net.modules())
    assert not net[1]._forward_hooks
