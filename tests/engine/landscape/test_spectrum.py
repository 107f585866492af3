import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.studies.landscape.products import GaussNewtonOperator, HessianOperator
from engine.studies.landscape.spectrum import (
    Probe,
    Spectrum,
    broaden,
    density_grid,
    estimate_spectrum,
    leading_run,
    probe,
)
from tests.engine.landscape.functional import Functional, clouds, dense_hessian, fit, mlp
from tests.engine.landscape.test_lanczos import last, operator_with
from tests.engine.landscape.test_products import softmax_regression

BULK = np.concatenate([np.linspace(-0.3, 0.5, 396), [4.0, 5.0, 7.0, 9.0]])


def measured(operator, **settings):
    return last(estimate_spectrum(operator, **settings))


def test_all_of_a_known_spectrum_in_few_products():
    operator = operator_with(BULK)
    found = measured(operator, density_probes=4, density_steps=15)
    assert found.lead.values[0] == pytest.approx(9, rel=1e-6)
    assert found.lead.values[-1] == pytest.approx(-0.3, rel=1e-3)
    value, interval = found.trace()
    assert value == pytest.approx(BULK.sum(), rel=0.02)
    assert interval[0] < value < interval[1] and interval[1] - interval[0] <= 0.04 * value
    assert found.products == operator.products < 200


def test_trace_intervals_cover_as_often_as_they_say():
    operator, inside = operator_with(BULK), 0
    lead = last(leading_run(operator, least=15, most=15))
    for seed in range(60):
        low, high = Spectrum(lead, probe(operator, lead, range(8), steps=1, seed=seed)).trace()[1]
        inside += low <= BULK.sum() <= high
    assert 51 <= inside <= 60  # 95 % of 60 is 57; fewer than 51 has probability 0.3 %


def test_probes_are_unbiased_for_each_layer():
    data = clouds()
    net = fit(Functional(mlp(5, 6, 3)), data, 100)
    exact = dense_hessian(net, data).diagonal()
    operator = HessianOperator(net.loss, net.params, [data])
    lead = last(leading_run(operator, least=8, most=8))
    layers = operator.layout.layers()
    found = Spectrum(lead, probe(operator, lead, range(200), steps=1), tuple(layers)).layer_traces()
    for name, parts in layers.items():
        value, (low, high) = found[name]
        true = float(sum(exact[part].sum() for part in parts))
        assert abs(value - true) < (high - low)  # twice the half-width
    assert sum(value for value, _ in found.values()) == pytest.approx(float(exact.sum()), rel=0.02)


def test_density_is_that_of_the_eigenvalues():
    found = measured(operator_with(BULK), density_probes=8, density_steps=25)
    grid, sigma = np.linspace(-1, 10, 800), 0.1
    mean, low, high = found.density(grid, sigma)
    exact = broaden(BULK, np.full(400, 1 / 400), grid, sigma)
    assert np.trapezoid(np.abs(mean - exact), grid) < 0.1
    assert np.trapezoid(mean, grid) == pytest.approx(1, abs=1e-3)
    assert (low <= mean).all() and (mean <= high).all()
    peak = np.abs(grid - 9).argmin()
    assert mean[peak] == pytest.approx(exact[peak], rel=1e-3)  # known eigenvalues have their exact weight


def test_density_of_isolated_and_multiple_values_is_exact():
    net, data, expected = softmax_regression()
    found = measured(HessianOperator(net.loss, net.params, [data]))
    exact = np.linalg.eigvalsh(expected.numpy())
    assert found.lead.values[0] == pytest.approx(exact[-1])
    grid = np.linspace(-0.2, exact[-1] + 0.2, 300)
    mean, _, _ = found.density(grid, 0.05)
    assert np.trapezoid(np.abs(mean - broaden(exact, np.full(24, 1 / 24), grid, 0.05)), grid) < 0.4
    assert found.trace()[0] == pytest.approx(exact.sum(), rel=0.02)


def test_negative_mass_and_fraction():
    found = measured(operator_with(BULK), density_probes=8, density_steps=25)
    mass, (low, high) = found.negative_mass()
    assert low <= -BULK[BULK < 0].sum() / np.abs(BULK).sum() <= high
    assert mass == pytest.approx(-BULK[BULK < 0].sum() / np.abs(BULK).sum(), abs=0.03)
    share, (low, high) = found.negative_fraction()
    assert low <= (BULK < 0).mean() <= high and share == pytest.approx((BULK < 0).mean(), abs=0.05)


def test_gauss_newton_has_no_negative_mass():
    net, data = Functional(mlp(5, 6, 3)), clouds()
    found = measured(GaussNewtonOperator(net.outputs, net.params, [data]))
    assert found.negative_mass()[0] < 1e-5
    assert found.negative_fraction()[0] == 0


def test_a_space_that_is_held_whole_is_exact():
    operator = operator_with([3.0, 1.0, -2.0])
    found = measured(operator)
    assert found.exact and found.probes == ()
    assert found.trace() == (pytest.approx(2), (pytest.approx(2), pytest.approx(2)))
    assert found.negative_mass()[0] == pytest.approx(2 / 6)
    assert operator.products == 3


def test_without_probes_the_trace_is_unknown():
    first = next(iter(estimate_spectrum(operator_with(BULK))))
    assert np.isnan(first.trace()[0]) and first.trace()[1] is None
    grid, sigma = density_grid(first)
    assert np.trapezoid(first.density(grid, sigma)[0], grid) == pytest.approx(1, abs=1e-3)


def test_results_sharpen_and_stop_at_the_tolerance():
    operator = operator_with(BULK)
    widths = [s.trace()[1] for s in estimate_spectrum(operator, trace_tolerance=0.03) if s.trace()[1]]
    assert len(widths) > 2
    low, high = widths[-1]
    assert (high - low) / 2 <= 0.03 * BULK.sum() * 1.02
    assert len(measured(operator_with(BULK), max_probes=3).probes) == 3


def test_a_resumed_measurement_equals_an_uninterrupted_one():
    whole = measured(operator_with(BULK), seed=5)
    early = next(s for s in estimate_spectrum(operator_with(BULK), seed=5) if len(s.probes) >= 3)
    saved = [Probe(**one.arrays()) for one in early.probes]
    assert len(saved) < len(whole.probes)
    again = measured(operator_with(BULK), seed=5, done=saved)
    assert again.trace() == whole.trace()
    assert all(np.array_equal(a.nodes, b.nodes) for a, b in zip(again.probes, whole.probes, strict=True))


def test_single_precision_over_batches():
    data = clouds()
    net = fit(Functional(mlp(5, 6, 3)), data, 100)
    exact = np.linalg.eigvalsh(dense_hessian(net, data).numpy())
    batches = [(data[0][:25], data[1][:25]), (data[0][25:], data[1][25:])]
    found = measured(HessianOperator(net.loss, net.params, batches), largest=2)
    assert np.allclose(found.lead.values[:2], exact[:-3:-1], rtol=1e-4)
    assert found.trace()[0] == pytest.approx(exact.sum(), rel=0.02)


def test_zero_curvature():
    found = measured(operator_with([0.0] * 5))
    assert found.trace()[0] == 0 and found.negative_mass()[0] == 0
    grid, sigma = density_grid(found)
    assert np.isfinite(found.density(grid, sigma)[0]).all()


@given(st.integers(0, 1000), st.integers(3, 30))
@settings(max_examples=20, deadline=None)
def test_any_spectrum_has_the_right_trace_and_mass(seed, size):
    values = np.random.default_rng(seed).normal(size=size) ** 3
    found = measured(operator_with(values.copy()), lead_steps=(size, size))
    assert found.trace()[0] == pytest.approx(values.sum(), abs=1e-8)
    assert found.negative_mass()[0] == pytest.approx(-values[values < 0].sum() / np.abs(values).sum(), abs=1e-8)


def test_probes_side_by_side_are_those_one_by_one():
    operator = operator_with(BULK)
    lead = last(leading_run(operator))
    together = probe(operator, lead, range(4), steps=6)
    alone = [probe(operator, lead, [index], steps=6)[0] for index in range(4)]
    for one, other in zip(together, alone, strict=True):
        assert one.index == other.index and one.trace == pytest.approx(other.trace)
        assert np.allclose(one.nodes, other.nodes) and np.allclose(one.weights, other.weights)
        assert one.weights.sum() == pytest.approx(1)


def test_the_lead_finds_what_was_asked_for_before_it_ends():
    found = last(leading_run(operator_with(BULK), largest=4, smallest=1, least=1))
    assert np.allclose(found.values[:4], [9, 7, 5, 4], atol=1e-6)
    assert found.known[:4].all() and found.known[-1]
    assert found.residuals[-1] <= 1e-4 * 9
    assert found.vectors.shape == (int(found.known.sum()), 400)


def test_a_lead_that_is_cut_short_says_what_it_does_not_know():
    found = last(leading_run(operator_with(np.linspace(0, 1, 300)), least=5, most=5))
    assert found.products == 5 and not found.known.any()
    exact = np.linspace(0, 1, 300)
    for value, bound in zip(found.values, found.residuals, strict=True):
        assert np.abs(exact - value).min() <= bound + 1e-12


def test_broadened_lines_keep_their_weight():
    grid = np.linspace(-5, 5, 2001)
    curve = broaden(np.array([-1.0, 2.0]), np.array([0.25, 0.75]), grid, 0.2)
    assert np.trapezoid(curve, grid) == pytest.approx(1)
    assert np.trapezoid(curve * (grid > 0.5), grid) == pytest.approx(0.75, abs=1e-6)
