"""Second derivatives: right for all built-in networks, refused where they are wrong or missing."""

import pytest
import torch
from torch import nn
from torch.autograd import gradgradcheck
from torch.nn import functional as F

from engine.data.config import BuiltinData
from engine.models.config import Cnn, Mlp, Resnet, Transformer
from engine.models.errors import NoSecondDerivatives, WrongDerivatives
from engine.models.load import LoadedModel, load
from engine.models.order import require_order
from tests.engine.models.test_load import artifact

BUILT_IN = [
    Mlp(widths=(6,)),
    Mlp(widths=(5, 4), activation="gelu", batch_norm=True),
    Mlp(widths=()),
    Cnn(channels=(3,), hidden=5),
    Resnet(width=2, blocks=1),
    Resnet(width=2, blocks=1, batch_norm=False),
    Transformer(dim=4, depth=1, heads=2, patch=2),
]


@pytest.mark.parametrize("model", BUILT_IN, ids=lambda m: f"{m.builder}{BUILT_IN.index(m)}")
@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_built_in_networks_pass(model, data):
    require_order(load(artifact(model, BuiltinData(name=data))))


@pytest.mark.parametrize("model", [Mlp(widths=(3,), activation="tanh"), Transformer(dim=2, depth=1, heads=1, patch=2)])
def test_gradgradcheck_of_the_loss(model):
    loaded = load(artifact(model))
    loaded.module.double()
    x, y = loaded.batch(limit=3)
    names = list(loaded.params)
    leaves = [p.double().requires_grad_() for p in loaded.params.values()]
    assert gradgradcheck(lambda *ps: loaded.loss(dict(zip(names, ps, strict=True)), (x.double(), y)), leaves)


class SloppySquare(torch.autograd.Function):
    """x^2 with a right first and a wrong second derivative: the backward pass saves a detached copy."""

    @staticmethod
    def forward(ctx, x):
        ctx.copy = x.detach()
        return x**2

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.copy * g


class OnceOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g


def with_function(function):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, x):
            return self.second(function(self.first(x)))

    return LoadedModel(artifact(Mlp()), Net(), F.cross_entropy, "cpu", None)


def test_a_hand_written_backward_pass_that_is_wrong_is_refused():
    require_order(with_function(lambda x: x**2))
    with pytest.raises(WrongDerivatives, match=r"Second derivatives of this network are wrong.*first\.weight"):
        require_order(with_function(SloppySquare.apply))
    require_order(with_function(SloppySquare.apply), order=1)


def test_what_is_differentiable_once_is_refused():
    with pytest.raises(WrongDerivatives):  # torch cuts the graph there and says nothing
        require_order(with_function(OnceOnly.apply))


def test_what_torch_cannot_differentiate_twice_is_refused():
    with pytest.raises(NoSecondDerivatives, match=r"cannot be differentiated twice.*not implemented"):
        require_order(with_function(lambda x: torch.cdist(x, torch.ones(5, 5, dtype=x.dtype), p=3)))


def test_a_model_that_declares_order_1_is_refused():
    with pytest.raises(NoSecondDerivatives, match=r"The model itself says so"):
        require_order(load(artifact(Mlp(), differentiable_order=1)))


def test_attention_of_torch_itself_passes():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, dropout=0.0)
            self.out = nn.Linear(4, 3)

        def forward(self, x):
            return self.out(self.layer(x[:, None, :] + torch.arange(3.0, dtype=x.dtype)[None, :, None]).mean(1))

    load(artifact(Mlp()))  # turns torch's fused path off
    require_order(LoadedModel(artifact(Mlp()), Net(), F.cross_entropy, "cpu", None))


def test_a_loss_linear_in_the_parameters_has_zero_curvature_and_passes():
    loaded = LoadedModel(artifact(Mlp()), nn.Linear(4, 3), lambda outputs, y: outputs.mean(), "cpu", None)
    require_order(loaded)


def test_the_check_leaves_the_model_as_it_was():
    loaded = load(artifact(Mlp(batch_norm=True)))
    before = {name: p.clone() for name, p in loaded.params.items()}
    require_order(loaded)
    assert loaded.dtype == torch.float32 and loaded.module.hidden1.weight.dtype == torch.float32
    assert all(torch.equal(p, before[name]) for name, p in loaded.params.items())
