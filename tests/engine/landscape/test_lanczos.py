import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.studies.landscape.lanczos import Krylov, eigenpairs, rademacher
from engine.studies.landscape.products import HessianOperator
from tests.engine.landscape.functional import Functional, clouds, dense_hessian, fit, mlp, quadratic, with_spectrum
from tests.engine.landscape.test_products import softmax_regression


def operator_with(values, dtype=torch.float64):
    loss, params, batches = quadratic(with_spectrum(values).to(dtype))
    return HessianOperator(loss, params, batches)


def last(results):
    *_, final = results
    return final


def test_krylov_basis_is_orthonormal_and_its_projection_is_right():
    operator = operator_with(torch.linspace(-1, 3, 30))
    krylov = Krylov(operator, rademacher(30, 0, like=operator.point), 30)
    for _ in range(20):
        krylov.step()
    basis = krylov.basis
    assert torch.allclose(basis @ basis.T, torch.eye(20).double(), atol=1e-12)
    assert np.allclose(krylov.projected, (basis @ operator(basis).T).numpy(), atol=1e-12)


def test_residuals_are_those_of_the_vectors_also_after_a_restart():
    operator = operator_with(torch.linspace(-1, 3, 60) ** 3)
    krylov = Krylov(operator, rademacher(60, 0, like=operator.point), 20)
    for round in range(3):
        while not krylov.exhausted:
            krylov.step()
        values, coordinates, residuals = krylov.ritz()
        vectors = krylov.vectors(coordinates)
        real = (operator(vectors) - torch.as_tensor(values)[:, None] * vectors).norm(dim=1)
        assert np.allclose(real, residuals, atol=1e-10), round
        krylov.restart(np.arange(10, 20))


def test_both_ends_of_a_known_spectrum():
    values = np.concatenate([np.linspace(-1, 1, 90), [5, 7, 9, -4, -6]])
    found = last(eigenpairs(operator_with(values), 3, 2, tolerance=1e-8))
    assert found.complete and found.converged.all()
    assert np.allclose(found.values, [9, 7, 5, -4, -6], atol=1e-7)
    assert (found.residuals <= 9e-8).all()


def test_every_copy_of_a_multiple_eigenvalue_is_found():
    values = [4.0] * 3 + [2.0] * 2 + [0.0] * 20 + [-3.0] * 4
    operator = operator_with(values)
    found = last(eigenpairs(operator, 5, 4))
    assert np.allclose(found.values, [4, 4, 4, 2, 2, -3, -3, -3, -3], atol=1e-9)
    assert torch.allclose(found.vectors @ found.vectors.T, torch.eye(9).double(), atol=1e-10)
    residual = operator(found.vectors) - torch.as_tensor(found.values)[:, None] * found.vectors
    assert float(residual.norm()) < 1e-8


def test_copies_are_found_in_single_precision_among_others():
    values = torch.cat([torch.linspace(-0.5, 1, 100), torch.tensor([3.0, 3.0, 3.0, 2.0])])
    found = last(eigenpairs(operator_with(values, torch.float32), 4, seed=3))
    assert np.allclose(found.values, [3, 3, 3, 2], atol=1e-4)


def test_softmax_regression_at_zero_has_its_multiplicities():
    net, data, expected = softmax_regression()
    found = last(eigenpairs(HessianOperator(net.loss, net.params, [data]), 6))
    exact = np.linalg.eigvalsh(expected.numpy())[::-1]
    assert np.allclose(exact[:3], exact[0])  # C - 1 = 3 copies of each eigenvalue of X'X / (n C)
    assert np.allclose(found.values, exact[:6], rtol=1e-4)


def test_restarts_reach_the_same_values_with_a_small_basis():
    values = np.linspace(0, 1, 300) ** 2
    found = last(eigenpairs(operator_with(values), 2, basis=14, tolerance=1e-6))
    assert found.complete
    assert np.allclose(found.values, values[-1:-3:-1], atol=1e-6)


def test_a_network_agrees_with_dense_eigenvalues():
    data = clouds()
    net = fit(Functional(mlp(5, 6, 3)), data, 100)
    exact = np.linalg.eigvalsh(dense_hessian(net, data).numpy())
    found = last(eigenpairs(HessianOperator(net.loss, net.params, [data]), 3, 2))
    assert np.allclose(found.values, [*exact[-1:-4:-1], exact[1], exact[0]], atol=1e-4 * exact[-1])


def test_a_network_over_batches_agrees_too():
    data = clouds()
    net = fit(Functional(mlp(5, 6, 3)), data, 100)
    exact = np.linalg.eigvalsh(dense_hessian(net, data).numpy())
    operator = HessianOperator(net.loss, net.params, [(data[0][:40], data[1][:40]), (data[0][40:], data[1][40:])])
    assert last(eigenpairs(operator)).values[0] == pytest.approx(exact[-1], rel=1e-5)


def test_results_come_early_and_get_better():
    operator = operator_with(np.linspace(0, 1, 200) ** 3)
    results = list(eigenpairs(operator, 1, every=5))
    assert len(results) > 2 and not results[0].complete
    tops = [result.values[0] for result in results]
    assert tops == sorted(tops)
    assert results[-1].products == operator.products


def test_products_are_limited_and_what_is_missing_is_said():
    operator = operator_with(np.linspace(0, 1, 200))
    found = last(eigenpairs(operator, 3, tolerance=1e-10, max_products=12))
    assert operator.products <= 12
    assert not found.complete and not found.converged.all()


@pytest.mark.parametrize("values", [[2.0], [0.0, 0.0, 0.0], [1.0, -1.0]])
def test_tiny_operators_are_solved_whole(values):
    found = last(eigenpairs(operator_with(values), 1, 1))
    assert found.complete
    expected = [max(values), min(values)] if len(values) > 1 else values
    assert np.allclose(found.values, expected, atol=1e-12)


def test_more_pairs_than_there_are():
    found = last(eigenpairs(operator_with([3.0, 2.0, 1.0]), 5, 5))
    assert np.allclose(found.values, [3, 2, 1])


def test_equal_seeds_give_equal_results():
    one, other = (last(eigenpairs(operator_with(np.linspace(0, 1, 50)), 2, seed=4)) for _ in range(2))
    assert np.array_equal(one.values, other.values) and torch.equal(one.vectors, other.vectors)


@given(
    st.lists(st.tuples(st.integers(-8, 8), st.integers(1, 4)), min_size=1, max_size=6, unique_by=lambda pair: pair[0]),
    st.integers(1, 5),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_any_small_spectrum_with_copies(pairs, largest, smallest):
    values = np.sort([float(value) for value, count in pairs for _ in range(count)])[::-1]
    found = last(eigenpairs(operator_with(values.copy()), largest, smallest))
    high = min(largest, len(values))
    low = min(smallest, len(values) - high)
    assert found.complete
    assert np.allclose(found.values, [*values[:high], *values[len(values) - low :]], atol=1e-6)


def test_eigenvectors_agree_with_dense_ones():
    matrix = with_spectrum(torch.tensor([9.0, 5.0, 4.0, 1.0, 0.5, -2.0]))
    loss, params, batches = quadratic(matrix)
    found = last(eigenpairs(HessianOperator(loss, params, batches), 2, 1))
    _, exact = torch.linalg.eigh(matrix)
    for vector, column in zip(found.vectors, (5, 4, 0), strict=True):
        assert abs(float(vector @ exact[:, column])) == pytest.approx(1, abs=1e-9)


def test_signs_are_seeded_and_balanced():
    like = torch.zeros(1, dtype=torch.float64)
    one, again, other = (rademacher(2000, seed, "a", like=like) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert one.dtype == torch.float64 and one.abs().eq(1).all() and abs(float(one.mean())) < 0.1
