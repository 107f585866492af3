"""Second derivatives of any loss: hand-written backward passes, hidden constants, kinks, randomness."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from engine.models.builtin import build
from engine.models.config import Resnet
from engine.models.errors import NoSecondDerivatives, NotDeterministic, WrongDerivatives
from engine.models.finite import NotFinite
from engine.models.order import check_second_derivatives
from tests.engine.landscape.functional import Functional, clouds, mlp
from tests.engine.landscape.test_products import Attention, Normed


class Square(torch.autograd.Function):
    """x^2 with a right first and a right second derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad


class Detached(Square):
    """The first derivative is right, the second misses the share of x."""

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * grad


class Numpy(Square):
    """The backward pass leaves torch, so nothing of it can be differentiated."""

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return torch.from_numpy(2 * x.detach().numpy() * grad.detach().numpy())


class Once(Square):
    """Torch marks it, but prunes the mark away where the result is asked for selected tensors only."""

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad


class Activation(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function.apply(x)


def network(function):
    return Functional(nn.Sequential(mlp(5, 4), Activation(function), nn.Linear(4, 3)))


def test_right_derivatives_pass():
    net = network(Square)
    assert check_second_derivatives(net.loss, net.params, clouds()) < 1e-6


@pytest.mark.parametrize("function", [Detached, Numpy, Once])
def test_wrong_second_derivatives_are_refused(function):
    net = network(function)
    with pytest.raises(
        WrongDerivatives, match=r"miss finite differences of its gradient by .* %, most in 0\.0\.weight"
    ):
        check_second_derivatives(net.loss, net.params, clouds())


class Prototypes(nn.Module):
    """Scores by closeness in the 3-norm, whose gradient torch cannot differentiate again."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.places = nn.Parameter(torch.randn(3, 5))

    def forward(self, x):
        return -torch.cdist(x, self.places, p=3)


def test_missing_second_derivatives_are_refused():
    net = Functional(Prototypes())
    with pytest.raises(NoSecondDerivatives, match=r"cdist_backward' is not implemented"):
        check_second_derivatives(net.loss, net.params, clouds())


@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh, nn.GELU])
def test_activations_pass_also_with_zero_biases_and_blank_inputs(act):
    net = Functional(mlp(5, 8, 8, 3, act=act))
    for name in net.params:
        if name.endswith("bias"):
            net.params[name].zero_()
    x, y = clouds()
    x[:10] = 0
    assert check_second_derivatives(net.loss, net.params, (x, y)) < 1e-4


def test_a_network_of_zeros_passes():
    net = Functional(mlp(5, 8, 8, 3))
    zeros = {name: torch.zeros_like(p) for name, p in net.params.items()}
    assert check_second_derivatives(net.loss, zeros, clouds()) < 1e-4


def test_attention_and_batch_normalisation_pass():
    net = Functional(Attention())
    assert check_second_derivatives(net.loss, net.params, clouds(12, 20)) < 1e-6
    net = Functional(Normed().eval())
    assert check_second_derivatives(net.loss, net.params, clouds(), fixed=net.buffers) < 1e-6


def test_convolutions_pass():
    torch.manual_seed(0)
    net = Functional(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 3)))
    assert check_second_derivatives(net.loss, net.params, (torch.randn(9, 1, 8, 8), torch.arange(9) % 3)) < 1e-4


class Single(nn.Module):
    """Insists on single precision."""

    def __init__(self, function):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 4), Activation(function), nn.Linear(4, 3))
        self.shift = torch.full((5,), 0.1)

    def forward(self, x):
        if x.dtype != torch.float32:
            raise RuntimeError("expected scalar type Float")
        return self.body(x + self.shift)


def test_single_precision_is_checked_more_coarsely():
    torch.manual_seed(0)
    net = Functional(Single(Square))
    assert 1e-8 < check_second_derivatives(net.loss, net.params, clouds()) < 0.05
    net = Functional(Single(Detached))
    with pytest.raises(WrongDerivatives):
        check_second_derivatives(net.loss, net.params, clouds())


class OwnConstants(nn.Module):
    """Holds tensors in single precision that nobody outside knows of, and writes into one it made."""

    def __init__(self, function):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), Activation(function), nn.Linear(4, 3))
        self.shift = torch.full((5,), 0.1)

    def forward(self, x):
        padded = torch.zeros(len(x), 5)
        padded[:, :4] = (x + torch.stack([self.shift] * len(x)))[:, :4]
        return self.body(padded)


def test_hidden_constants_are_widened_and_left_alone():
    torch.manual_seed(0)
    net = Functional(OwnConstants(Square).eval())
    assert check_second_derivatives(net.loss, net.params, clouds()) < 1e-6
    assert net.module.shift.dtype == torch.float32
    with pytest.raises(WrongDerivatives):
        net = Functional(OwnConstants(Detached).eval())
        check_second_derivatives(net.loss, net.params, clouds())


def test_a_deep_network_passes_without_its_buffers_being_named():
    """Thousands of kinks lie near, and the statistics of batch normalisation are in single precision."""
    net = Functional(build(Resnet(width=4, blocks=2), (3, 12, 12), 3, 0).eval())
    x = torch.randn(16, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert check_second_derivatives(net.loss, net.params, (x, torch.arange(16) % 3)) < 1e-3


def test_a_random_loss_is_refused():
    net = Functional(nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.5), nn.Linear(8, 3)))
    with pytest.raises(NotDeterministic, match=r"differs from call to call .*\(\d\.\d+, then \d\.\d+\)"):
        check_second_derivatives(net.loss, net.params, clouds())


def test_linear_loss_one_example_and_nan():
    x, y = clouds(1)
    assert check_second_derivatives(lambda p, b: p["w"].sum(), {"w": torch.ones(3)}, (x, y)) == 0
    net = Functional(mlp(5, 4, 3))
    assert check_second_derivatives(net.loss, net.params, (x, y)) < 1e-6
    net.params["0.weight"][0, 0] = np.nan
    with pytest.raises(NotFinite):
        check_second_derivatives(net.loss, net.params, (x, y))


def test_half_precision_is_widened_too():
    net = Functional(nn.Linear(5, 3).bfloat16())
    x, y = clouds()
    assert check_second_derivatives(net.loss, net.params, (x.bfloat16(), y)) < 1e-6


def test_recurrent_networks_are_checked_in_double_precision():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.rnn, self.line = nn.GRU(1, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x):
            return self.line(self.rnn(x[:, :, None])[0][:, -1])

    net = Functional(Net())
    assert check_second_derivatives(net.loss, net.params, clouds()) < 1e-6


def test_an_infinite_loss_is_told_from_wrong_derivatives():
    net = Functional(mlp(5, 4, 3))
    x, y = clouds()
    with pytest.raises(NotFinite, match="The loss is not finite"):
        check_second_derivatives(net.loss, net.params, (x / 0, y))
