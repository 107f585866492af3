import gc

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine.models.finite import NotFinite
from engine.studies.landscape.modes import batch_statistics, evaluation_mode
from engine.studies.landscape.products import GaussNewtonOperator, HessianOperator, batch_size_for
from engine.studies.landscape.vectors import NoExamples, split_batches
from tests.engine.landscape.functional import Functional, clouds, dense_hessian, fit, mlp, quadratic, with_spectrum


class Attention(nn.Module):
    """One self-attention layer on tokens of 4 numbers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.qkv = nn.Linear(4, 12)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        q, k, v = self.qkv(x.view(len(x), -1, 4)).unsqueeze(1).chunk(3, -1)
        return self.head(F.scaled_dot_product_attention(q, k, v).squeeze(1).mean(1))


def dense(operator):
    """(P, P) from products with the unit vectors."""
    return operator(torch.eye(operator.size, dtype=operator.dtype))


def test_quadratic_gives_its_matrix():
    matrix = with_spectrum([3, 1, -2, 0.5])
    loss, params, batches = quadratic(matrix)
    operator = HessianOperator(loss, params, batches)
    assert torch.allclose(dense(operator), matrix)
    assert torch.allclose(operator.gradient(), matrix.sum(1))
    assert operator.products == 4


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("size", [60, 16])
def test_network_agrees_with_torchs_dense_hessian(together, size):
    data = clouds(60)
    net = fit(Functional(mlp(5, 4, 3)), data, 50)
    operator = HessianOperator(net.loss, net.params, split_batches(*data, size), together=together)
    assert torch.allclose(dense(operator).double(), dense_hessian(net, data), atol=2e-6)


def test_a_vector_and_a_row_give_the_same():
    net = Functional(mlp(5, 4, 3))
    operator = HessianOperator(net.loss, net.params, [clouds()])
    v = torch.randn(operator.size)
    assert torch.allclose(operator(v), operator(v[None])[0], atol=1e-7)


def test_gradient_over_unequal_batches_is_that_of_all():
    net, data = Functional(mlp(5, 4, 3)), clouds(50)
    whole = HessianOperator(net.loss, net.params, [data]).gradient()
    parts = HessianOperator(net.loss, net.params, split_batches(*data, 16)).gradient()
    assert torch.allclose(whole, parts, atol=1e-7)


def softmax_regression(n=40, d=6, classes=4):
    torch.manual_seed(1)
    net = Functional(nn.Linear(d, classes, bias=False))
    net.params = {"weight": torch.zeros(classes, d, dtype=torch.float64)}
    x, y = clouds(n, d, classes)
    data = (x.double(), y)
    outer = torch.eye(classes).double() / classes - torch.full((classes, classes), 1 / classes**2).double()
    return net, data, torch.kron(outer, data[0].T @ data[0] / n)


def test_softmax_regression_at_zero_has_the_closed_form():
    net, data, expected = softmax_regression()
    assert torch.allclose(dense(HessianOperator(net.loss, net.params, [data])), expected, atol=1e-12)


def test_gauss_newton_of_a_linear_model_is_the_hessian():
    net, data, expected = softmax_regression()
    assert torch.allclose(dense(GaussNewtonOperator(net.outputs, net.params, [data])), expected, atol=1e-12)


def jacobian(net, x):
    """(n, C, P), a row of autograd at a time."""
    params = {name: p.clone().requires_grad_() for name, p in net.params.items()}
    outputs = net.outputs(params, x)
    rows = [torch.autograd.grad(one, list(params.values()), retain_graph=True) for one in outputs.flatten()]
    return torch.stack([torch.cat([g.flatten() for g in row]) for row in rows]).view(*outputs.shape, -1)


def reference_gauss_newton(net, data):
    x, _ = data
    flat = jacobian(net, x)
    p = net.outputs(net.params, x).softmax(1)
    middle = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    return torch.einsum("nap,nab,nbq->pq", flat, middle, flat) / len(x)


@pytest.mark.parametrize("criterion", [F.cross_entropy, lambda outputs, y: F.cross_entropy(outputs, y)])
@pytest.mark.parametrize("size", [30, 12])
def test_gauss_newton_of_a_network_is_j_h_j(criterion, size):
    net, data = Functional(mlp(5, 4, 3)), clouds(30)
    operator = GaussNewtonOperator(net.outputs, net.params, split_batches(*data, size), criterion=criterion)
    found = dense(operator)
    assert torch.allclose(found, reference_gauss_newton(net, data), atol=1e-6)
    assert torch.linalg.eigvalsh(found)[0] > -1e-6


def test_gauss_newton_of_squared_error_is_twice_the_mean_gram_of_the_jacobian():
    net = Functional(mlp(5, 4, 1), F.mse_loss)
    x = clouds(20)[0]
    flat = jacobian(net, x)[:, 0]
    operator = GaussNewtonOperator(net.outputs, net.params, [(x, torch.zeros(20, 1))], criterion=F.mse_loss)
    assert torch.allclose(dense(operator), 2 * flat.T @ flat / 20, atol=1e-5)


def test_diagonal_block_holds_the_rest_fixed():
    net, data = Functional(mlp(5, 4, 3)), clouds(30)
    operator = HessianOperator(net.loss, net.params, [data])
    part = operator.layout.slices["2.weight"]
    block = operator.diagonal_block(["2.weight"])
    assert torch.allclose(dense(block), dense(operator)[part, part], atol=1e-7)
    curved = GaussNewtonOperator(net.outputs, net.params, [data])
    assert torch.allclose(dense(curved.diagonal_block(["2.weight"])), dense(curved)[part, part], atol=1e-7)


def test_attention_has_second_derivatives():
    net, (x, y) = Functional(Attention()), clouds(12, 20)
    found = dense(HessianOperator(net.loss, net.params, [(x, y)]))
    assert torch.allclose(found.double(), dense_hessian_by_differences(net, (x, y)), atol=1e-5)


def dense_hessian_by_differences(net, batch, step=1e-6):
    x, y = batch[0].double(), batch[1]
    params = {name: p.double() for name, p in net.params.items()}
    operator = HessianOperator(net.loss, params, [(x, y)])
    columns = []
    for i in range(operator.size):
        ends = []
        for sign in (1, -1):
            point = operator.point.clone()
            point[i] += sign * step
            ends.append(HessianOperator(net.loss, operator.layout.unflatten(point), [(x, y)]).gradient())
        columns.append((ends[0] - ends[1]) / (2 * step))
    return torch.stack(columns)


def test_unused_and_linear_parameters_have_no_curvature():
    params = {"a": torch.ones(2), "b": torch.ones(3), "c": torch.ones(1)}

    def loss(p, batch):
        return p["a"].pow(2).sum() + p["b"].sum()

    found = dense(HessianOperator(loss, params, [clouds(1)]))
    assert torch.equal(found, torch.diag(torch.tensor([2.0, 2, 0, 0, 0, 0])))

    def straight(p, batch):
        return p["b"].sum()

    assert not dense(HessianOperator(straight, params, [clouds(1)])).any()


def test_one_example_is_enough():
    net, data = Functional(mlp(5, 4, 3)), clouds(1)
    assert torch.allclose(
        dense(HessianOperator(net.loss, net.params, [data])).double(), dense_hessian(net, data), atol=1e-6
    )


def test_nan_weights_and_nan_loss_are_refused():
    net = Functional(mlp(5, 4, 3))
    net.params["0.bias"][1] = float("nan")
    with pytest.raises(NotFinite, match=r"0\.bias"):
        HessianOperator(net.loss, net.params, [clouds()])
    net = Functional(mlp(5, 4, 3))
    x, y = clouds()
    operator = HessianOperator(net.loss, net.params, [(x / 0, y)])
    with pytest.raises(NotFinite, match="The loss"):
        operator(operator.point)


def test_no_data_is_refused():
    net = Functional(mlp(5, 4, 3))
    with pytest.raises(NoExamples):
        HessianOperator(net.loss, net.params, [])


@pytest.mark.parametrize("size", [60, 20])
def test_memory_is_flat_in_the_number_of_products(size):
    net, data = Functional(mlp(5, 4, 3)), clouds(60)
    operator = HessianOperator(net.loss, net.params, split_batches(*data, size))
    v, counts = operator(operator.point), []
    for _ in range(3):
        for _ in range(20):
            v = operator(v)
        gc.collect()
        counts.append(sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()))
    assert counts[0] == counts[1] == counts[2]


def test_tick_comes_before_every_batch():
    net, data = Functional(mlp(5, 4, 3)), clouds(60)
    operator = HessianOperator(net.loss, net.params, split_batches(*data, 20))
    ticks = []
    operator.tick = lambda: ticks.append(1)
    operator(operator.point)
    assert len(ticks) == 3


def test_batch_size_follows_the_budget():
    net, data = Functional(mlp(5, 8, 3)), clouds(60)
    small = batch_size_for(net.loss, net.params, data, budget=1 << 16)
    assert 1 <= small < batch_size_for(net.loss, net.params, data, budget=1 << 22)
    assert batch_size_for(net.loss, net.params, data, budget=0) == 1


class Normed(nn.Module):
    def __init__(self, **options):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6, **options), nn.Dropout(0.5), nn.Linear(6, 3))

    def forward(self, x):
        return self.body(x)


def test_evaluation_mode_tells_what_it_switched_and_restores_it():
    module = Normed()
    module.body[0].eval()
    with evaluation_mode(module) as notes:
        assert not any(part.training for part in module.modules())
    assert [note.params["layers"] for note in notes] == ["body.1", "body.2"]
    assert "running statistics" in notes[0].template and "Dropout" in notes[1].template
    assert module.body[1].training and not module.body[0].training
    module.eval()
    with evaluation_mode(module) as notes:
        assert notes == []
    with evaluation_mode(Normed(track_running_stats=False).eval()) as notes:
        assert "no running statistics" in notes[0].template


def test_products_with_batch_normalisation_and_dropout_are_exact_in_evaluation_mode():
    net, data = Functional(Normed()), clouds(30)
    with evaluation_mode(net.module):
        operator = HessianOperator(net.loss, net.params, split_batches(*data, 7), fixed=net.buffers)
        found = dense(operator)
    assert torch.allclose(found, found.T, atol=1e-6)
    assert torch.equal(net.module.body[1].running_mean, net.buffers["body.1.running_mean"])


def test_batch_statistics_leave_dropout_off():
    module = Normed().eval()
    with batch_statistics(module):
        assert module.body[1].training and not module.body[2].training
    assert not module.body[1].training
