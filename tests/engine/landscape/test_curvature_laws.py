"""Laws that curvature, curves, similarity and sharpness must obey together, on the networks that the program builds."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine.models.builtin import build
from engine.models.config import Cnn, Mlp, Resnet, Transformer
from engine.models.order import check_second_derivatives
from engine.studies.landscape.barrier import classification_score, evaluate_curve
from engine.studies.landscape.batchnorm import refit_batchnorm
from engine.studies.landscape.curve import Curve, CurveSettings, train_curve
from engine.studies.landscape.lanczos import eigenpairs
from engine.studies.landscape.modes import batch_statistics
from engine.studies.landscape.products import GaussNewtonOperator, HessianOperator, batch_size_for
from engine.studies.landscape.sharpness import ball_sharpness, epsilon_sharpness, m_sharpness
from engine.studies.landscape.spectrum import estimate_spectrum, leading_run, probe
from engine.studies.landscape.vectors import Layout, split_batches
from tests.engine.landscape.functional import Functional, clouds, dense_hessian, fit, mlp
from tests.engine.landscape.test_lanczos import last
from tests.engine.landscape.test_products import dense

BUILT = {
    "mlp": (Mlp(widths=(6,)), (8,)),
    "mlp with batch normalisation": (Mlp(widths=(6,), batch_norm=True), (8,)),
    "cnn": (Cnn(channels=(2, 3), hidden=5), (1, 6, 6)),
    "resnet": (Resnet(width=2, blocks=1), (1, 6, 6)),
    "transformer": (Transformer(dim=8, depth=1, heads=2, patch=3), (1, 6, 6)),
}


@pytest.fixture(params=BUILT)
def built(request):
    config, shape = BUILT[request.param]
    torch.manual_seed(0)
    return Functional(build(config, shape, 3, 0).eval()), (torch.randn(12, *shape), torch.arange(12) % 3)


# ------------------------------------------------------------------------------------------------------ every network
def test_products_are_symmetric_and_proven(built):
    net, data = built
    assert check_second_derivatives(net.loss, net.params, data) < 1e-4
    operator = HessianOperator(net.loss, net.params, [data], fixed=net.buffers)
    one, other = torch.randn(2, operator.size, generator=torch.Generator().manual_seed(1))
    assert float(one @ operator(other)) == pytest.approx(float(other @ operator(one)), rel=1e-3, abs=1e-3)


def test_batches_and_several_vectors_at_once_change_nothing(built):
    net, data = built
    vectors = torch.randn(3, Layout.of(net.params).size, generator=torch.Generator().manual_seed(1))
    for make in (
        lambda batches, together: HessianOperator(net.loss, net.params, batches, fixed=net.buffers, together=together),
        lambda batches, together: GaussNewtonOperator(
            net.outputs, net.params, batches, fixed=net.buffers, together=together
        ),
    ):
        whole, parts = make([data], 1)(vectors), make(split_batches(*data, 5), 3)(vectors)
        assert torch.allclose(whole, parts, atol=1e-5 * float(whole.abs().max()))


def test_top_eigenvalue_by_two_ways(built):
    net, data = built
    operator = HessianOperator(net.loss, net.params, [data], fixed=net.buffers)
    lead = last(leading_run(operator, largest=1, smallest=0))
    assert last(eigenpairs(operator, 1, seed=7)).values[0] == pytest.approx(lead.values[0], rel=1e-4)


def test_batch_sizes_fit_every_network(built):
    net, data = built
    few, many = (
        batch_size_for(net.loss, net.params, data, fixed=net.buffers, budget=budget) for budget in (1 << 20, 1 << 24)
    )
    assert 1 <= few < many


def test_a_curve_between_two_starts_can_be_trained(built):
    net, data = built
    torch.manual_seed(5)
    ends = net.params, {name: p + 0.3 * torch.randn_like(p) for name, p in net.params.items()}
    settings = CurveSettings(steps=20, max_steps=20, batch_size=6, block=10)
    module = net.module if net.buffers else None
    found = last(train_curve(net.loss, net.params, Curve.between(*ends), data, settings, module=module))
    refit = (lambda weights: refit_batchnorm(net.module, weights, data[0], 1 << 10)) if net.buffers else None
    points = list(
        evaluate_curve(
            found.curve, Layout.of(net.params), classification_score(net.outputs), {"train": [data]}, [0, 0.5, 1],
            refit=refit,
        )
    )  # fmt: skip
    assert all(np.isfinite(point.loss["train"]) and 0 <= point.error["train"] <= 100 for point in points)
    assert found.converged is False  # twenty steps prove nothing


def test_sharpness_of_every_network(built):
    net, data = built
    batches = split_batches(*data, 6)
    plain = m_sharpness(net.loss, net.params, batches, fixed=net.buffers)
    box = epsilon_sharpness(net.loss, net.params, batches, fixed=net.buffers, steps=3, starts=1)
    mean, most = ball_sharpness(net.loss, net.params, batches, directions=2, repeats=2, fixed=net.buffers)
    assert plain.value > 0 and box.value > 0 and most.value >= mean.value
    assert plain.loss == pytest.approx(box.loss, rel=1e-5) == pytest.approx(mean.loss, rel=1e-5)


# --------------------------------------------------------------------------------------------------------------- laws
def test_scaling_the_loss_scales_every_eigenvalue():
    net, data = fit(Functional(mlp(5, 6, 3)), clouds(), 50), clouds()
    one = last(eigenpairs(HessianOperator(net.loss, net.params, [data]), 3))
    five = last(eigenpairs(HessianOperator(lambda p, b: 5 * net.loss(p, b), net.params, [data]), 3))
    assert np.allclose(five.values, 5 * one.values, rtol=1e-4)


def test_trace_of_a_relu_network_is_that_of_gauss_newton():
    """The rest of the Hessian has a zero diagonal: outputs are linear in each single weight of a ReLU network."""
    net, data = fit(Functional(mlp(5, 6, 4, 3, act=nn.ReLU)), clouds(), 50), clouds()
    full = dense(HessianOperator(net.loss, net.params, [data]))
    curved = dense(GaussNewtonOperator(net.outputs, net.params, [data]))
    assert not torch.allclose(full, curved, atol=1e-3)
    assert torch.allclose(full.diagonal(), curved.diagonal(), atol=1e-5)


def test_without_residuals_hessian_and_gauss_newton_agree():
    """Where the targets are the network's own answers, squared error has no second term."""
    net, (x, _) = Functional(mlp(5, 4, 2), F.mse_loss), clouds(20)
    with torch.no_grad():
        data = x, net.outputs(net.params, x)
    full = dense(HessianOperator(net.loss, net.params, [data]))
    assert torch.allclose(
        full, dense(GaussNewtonOperator(net.outputs, net.params, [data], criterion=F.mse_loss)), atol=1e-5
    )


def test_duplicated_data_change_nothing():
    net, (x, y) = fit(Functional(mlp(5, 6, 3)), clouds(), 50), clouds()
    one = HessianOperator(net.loss, net.params, [(x, y)])
    two = HessianOperator(net.loss, net.params, [(torch.cat([x, x]), torch.cat([y, y]))])
    v = torch.randn(one.size)
    assert torch.allclose(one(v), two(v), atol=1e-6)


def test_curvature_falls_with_the_square_of_a_normalised_layers_scale():
    """Weights before batch normalisation have no scale: w -> a w divides their block of the Hessian by a^2."""
    torch.manual_seed(0)
    net = Functional(nn.Sequential(nn.Linear(5, 4, bias=False), nn.BatchNorm1d(4, eps=1e-12), nn.Linear(4, 3)))
    data, blocks = clouds(), []
    with batch_statistics(net.module):
        for scale in (1.0, 3.0):
            params = {**net.params, "0.weight": scale * net.params["0.weight"]}
            scratch = {name: buffer.clone() for name, buffer in net.buffers.items()}
            operator = HessianOperator(net.loss, params, [data], fixed=scratch)
            blocks.append(dense(operator.diagonal_block(["0.weight"])))
    assert torch.allclose(blocks[0] / 9, blocks[1], atol=1e-5 * float(blocks[0].abs().max()))


def test_dead_units_have_no_curvature():
    net = Functional(mlp(5, 6, 3, act=nn.ReLU))
    net.params["0.bias"][:] = -100.0
    operator = HessianOperator(net.loss, net.params, [clouds()])
    found = dense(operator)
    assert not found[operator.layout.slices["0.weight"]].any()
    alive = np.linalg.eigvalsh(found[-3:, -3:].numpy())  # the output biases are all that is left
    assert last(estimate_spectrum(operator)).lead.values[0] == pytest.approx(alive[-1], rel=1e-5)


def test_trace_samples_vanish_where_the_lead_holds_the_range():
    """A matrix of rank 4 is known after a few steps: nothing is left for the probes."""
    stream = torch.Generator().manual_seed(0)
    factor = torch.randn(4, 50, generator=stream, dtype=torch.float64)
    params = {"w": torch.ones(50, dtype=torch.float64)}
    operator = HessianOperator(lambda p, b: 0.5 * (factor @ p["w"]).pow(2).sum(), params, [clouds(1)])
    lead = last(leading_run(operator, least=10))
    for one in probe(operator, lead, range(3), steps=5):
        assert one.trace == pytest.approx(0, abs=1e-9)
    assert lead.trace == pytest.approx(float((factor**2).sum()))


def test_layer_traces_do_not_depend_on_other_layers_being_frozen():
    net, data = fit(Functional(mlp(5, 6, 3)), clouds(), 50), clouds()
    exact = dense_hessian(net, data).diagonal()
    operator = HessianOperator(net.loss, net.params, [data])
    block = operator.diagonal_block(["2.weight", "2.bias"])
    found = last(estimate_spectrum(block, trace_tolerance=0.01)).trace()[0]
    parts = [operator.layout.slices[name] for name in ("2.weight", "2.bias")]
    assert found == pytest.approx(float(sum(exact[part].sum() for part in parts)), rel=0.02)


@pytest.mark.parametrize("adaptive", [False, True])
def test_small_radii_measure_the_gradient(adaptive):
    """As rho falls, the rise along the gradient becomes rho times its (scaled) norm."""
    net, data = Functional(mlp(5, 6, 3)), clouds()
    params = {name: p.double() for name, p in net.params.items()}
    batch = (data[0].double(), data[1])
    operator = HessianOperator(net.loss, params, [batch])
    slope = operator.gradient() * (operator.point.abs() if adaptive else 1)
    found = m_sharpness(net.loss, params, [batch], rho=1e-6, adaptive=adaptive)
    assert found.value == pytest.approx(1e-6 * float(slope.norm()), rel=1e-4)


def test_at_a_minimum_sharpness_is_half_rho_squared_times_the_top_eigenvalue():
    """Many steps of ascent find the sharpest direction of a quadratic."""
    matrix = torch.diag(torch.tensor([5.0, 1.0, 0.2], dtype=torch.float64))
    params = {"w": torch.tensor([1e-3, 1e-3, 1e-3], dtype=torch.float64)}
    loss = lambda p, b: 0.5 * p["w"] @ matrix @ p["w"]  # noqa: E731
    found = m_sharpness(loss, params, [clouds(1)], rho=0.3, steps=40)
    assert found.value == pytest.approx(0.5 * 0.09 * 5, rel=0.02)
