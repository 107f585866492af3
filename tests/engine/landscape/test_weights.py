"""A network's weights lent out as one vector and given back unchanged."""

import pytest
import torch
from torch import nn

from engine.studies.landscape.weights import (
    MixedWeights,
    NoWeights,
    WrongLength,
    borrowed,
    check_vector,
    read_weights,
    trainable,
)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))


def test_reads_all_trainable_numbers_in_order():
    net = network()
    weights = read_weights(net)
    assert len(weights) == 12 + 4 + 4 + 4 + 8 + 2
    assert torch.equal(weights[:12], net[0].weight.detach().flatten())
    assert torch.equal(weights[-2:], net[3].bias.detach())
    assert not weights.requires_grad


def test_reading_is_a_copy():
    net = network()
    weights = read_weights(net)
    weights.zero_()
    assert net[0].weight.abs().sum() > 0


def test_frozen_parameters_are_left_out():
    net = network()
    net[0].requires_grad_(False)
    assert list(trainable(net)) == ["1.weight", "1.bias", "3.weight", "3.bias"]


def test_tied_parameters_occur_once():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert list(trainable(net)) == ["0.weight", "0.bias", "1.bias"]
    with borrowed(net) as flat:
        flat.fill_(2.0)
        assert net[0].weight is net[1].weight
        assert bool((net[1].weight == 2).all())


def test_a_network_without_weights_is_refused():
    with pytest.raises(NoWeights, match="requires a gradient"):
        trainable(nn.ReLU())


def test_mixed_types_are_refused_by_name():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    with pytest.raises(MixedWeights, match=r"torch\.float32 on cpu, torch\.float64 on cpu"):
        trainable(net)


def test_a_vector_of_another_network_is_refused():
    with pytest.raises(WrongLength, match="The snapshot has 5 numbers, the network 4"):
        check_vector(torch.zeros(5), torch.zeros(4), "snapshot")


def test_a_vector_takes_the_type_of_the_network():
    checked = check_vector(torch.ones(4, dtype=torch.float64, requires_grad=True), torch.zeros(4), "direction")
    assert checked.dtype == torch.float32
    assert not checked.requires_grad


def test_writing_the_vector_writes_the_weights():
    net, x = network(), torch.ones(2, 3)
    with torch.no_grad(), borrowed(net) as flat:
        before = net(x)
        flat.mul_(0.5)
        assert not torch.equal(net(x), before)
        flat.zero_()
        assert torch.equal(net(x), torch.zeros(2, 2))


@pytest.mark.parametrize("fails", [False, True])
def test_everything_comes_back_to_the_bit(fails):
    net = network()
    net[3].eval()
    net[1].running_var.fill_(0.1)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    storage = [p.data_ptr() for p in net.parameters()]
    flags = [m.training for m in net.modules()]
    try:
        with torch.no_grad(), borrowed(net) as flat:
            flat.normal_()
            net.train()
            net(torch.randn(8, 3))
            net[1].running_mean = torch.ones(4)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [p.data_ptr() for p in net.parameters()] == storage
    assert [m.training for m in net.modules()] == flags
    assert list(net.state_dict()) == list(before)


def test_a_borrowed_network_is_in_evaluation_mode():
    net = network().train()
    with borrowed(net):
        assert not any(m.training for m in net.modules())
    assert net.training


def test_weights_can_be_trained_afterwards():
    net = network()
    with borrowed(net) as flat:
        flat.zero_()
    net(torch.randn(8, 3)).sum().backward()
    assert net[0].weight.grad is not None
