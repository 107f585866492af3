"""Batch normalisation's statistics, re-estimated."""

import pytest
import torch
from torch import nn

from engine.studies.landscape import batchnorm
from engine.studies.landscape.batchnorm import refit_batchnorm, refit_in_place
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
        refit_in_place(net, x, 48)
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
        refit_in_place(net, x, 48)
        assert all(bool(torch.isfinite(b).all()) for b in net.buffers())


@torch.no_grad()
def test_images_are_pooled_over_positions():
    net = nn.Sequential(nn.BatchNorm2d(2)).double()
    x = torch.randn(5, 2, 3, 4, dtype=torch.float64)
    refit_in_place(net, x, 1)
    flat = x.transpose(0, 1).flatten(1)
    torch.testing.assert_close(net[0].running_mean, flat.mean(1))
    torch.testing.assert_close(net[0].running_var, flat.var(1))


@torch.no_grad()
def test_blocks_give_the_same_first_layer(monkeypatch):
    net, x = network(), data(101)
    with borrowed(net):
        refit_in_place(net, x, 48)
        whole = {name: value.clone() for name, value in net.named_buffers()}
        monkeypatch.setattr(batchnorm, "EXACT", 1)
        calls = []
        refit_in_place(net, x, 48, tick=lambda: calls.append(1))
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
    refit_in_place(Twice(), x, 1)
    both = torch.cat([x, 10 * x])
    torch.testing.assert_close(norm.running_mean, both.mean(0))
    torch.testing.assert_close(norm.running_var, both.var(0))


@torch.no_grad()
def test_modes_momentum_and_hooks_are_put_back_when_it_fails():
    net = network().eval()
    net[1].momentum = 0.37
    with pytest.raises(RuntimeError):
        refit_in_place(net, torch.zeros(5, 99, dtype=torch.float64), 1)
    assert net[1].momentum == 0.37
    assert not any(m.training for m in net.modules())
    assert not net[1]._forward_hooks


def test_the_pure_form_changes_nothing_and_agrees_with_the_one_in_place():
    net, x = network(), data()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    weights = {name: 2 * p.detach() for name, p in net.named_parameters()}
    found = refit_batchnorm(net, weights, x, 48)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(m.training for m in net.modules()) and net[1].momentum == 0.1 and not net[1]._forward_hooks
    net.load_state_dict(weights, strict=False)
    refit_in_place(net, x, 48)
    assert set(found) == {"1.running_mean", "1.running_var", "5.running_mean", "5.running_var"}
    for name, value in found.items():
        torch.testing.assert_close(net.get_buffer(name), value)


def test_without_batch_normalisation_nothing_is_run():
    calls = []
    assert refit_batchnorm(nn.Linear(4, 3), {}, data(), 1, tick=lambda: calls.append(1)) == {}
    assert calls == []


def test_statistics_keep_the_number_type_of_the_network():
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
    found = refit_batchnorm(net, {}, data().float(), 48)
    assert {value.dtype for value in found.values()} == {torch.float32}
    seen = net[0](data().float()).detach().double()
    torch.testing.assert_close(found["1.running_var"].double(), seen.var(0), rtol=1e-5, atol=1e-6)
