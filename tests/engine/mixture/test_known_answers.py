"""Invariants and second computations of whole fits: what anyone can hold against them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.studies.mixture.em.em import Control, Iteration, expectation_maximisation
from engine.studies.mixture.em.variants import classification_em
from engine.studies.mixture.model.agreement import adjusted_rand_index
from engine.studies.mixture.model.covariance import maximise_covariances
from engine.studies.mixture.model.families import FAMILIES
from engine.studies.mixture.search.fit import Options, Task, fit, prepare, starts_of

EXACT = Options(starts=6, prior="off", escapes="off", tolerance=1e-9, max_iterations=3000)
SCALE = np.array([1e-9, 1e7, 1.0])


@cache
def rows() -> np.ndarray:
    """Three overlapping clusters, 240 rows of 3 columns."""
    rng = np.random.default_rng(1)
    parts = [((0, 0, 0), (1, 2, 0.5), 90), ((4, 1, 0), (1, 0.8, 0.7), 80), ((0, 5, 2), (2, 0.4, 1), 70)]
    return np.concatenate([rng.normal(mean, np.sqrt(variance), (count, 3)) for mean, variance, count in parts])


def awkward(seed: int, gaps: bool) -> np.ndarray:
    """A small random table, sometimes rounded, sometimes with gaps."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(20, 60)), int(rng.integers(1, 4))
    x = rng.standard_normal((n, d)) * rng.uniform(0.1, 20, d) + rng.integers(0, 3, (n, 1)) * rng.uniform(0, 6, d)
    if seed % 2:
        x = np.round(x, 1)
    if gaps:
        x[5:][rng.random((n - 5, d)) < 0.1] = np.nan
    return x[~np.isnan(x).all(axis=1)]


def begun(x: np.ndarray, family: str, prior: str) -> tuple[Task, object]:
    """A table made ready, and four starts that are members of the family."""
    task = prepare(x, 3, family, Options(prior=prior))
    begin = starts_of(task, Options()).parameters([0, 1, 2, 3])
    first = Control(max_iterations=1, reseed=False)
    return task, expectation_maximisation(task.rows, begin, task.family, task.guard, first).params


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    family=st.sampled_from(FAMILIES),
    prior=st.sampled_from(["off", "pooled", "conjugate"]),
    gaps=st.booleans(),
)
def test_em_never_goes_down(seed: int, family: str, prior: str, gaps: bool) -> None:
    """But for the least where components lie at the floor, which is kept after the M-step."""
    x = awkward(seed, gaps)
    task, begin = begun(x, family, prior)
    last = np.full(4, -np.inf)

    def see(seen: Iteration) -> None:
        floor = np.linalg.eigvalsh(seen.params.full_covariances()).min(axis=(1, 2)) <= 2e-6
        slack = np.where(floor, 0.02 * len(x), 1e-7 * len(x))
        assert np.all(seen.objective >= last[seen.chains] - slack)
        last[seen.chains] = seen.objective

    control = Control(tolerance=1e-9, max_iterations=40, reseed=False)
    expectation_maximisation(task.rows, begin, family, task.guard, control, observe=see)
    assert np.isfinite(last).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_cem_never_lowers_the_classification_likelihood(family: str) -> None:
    """sum_i max_k log(pi_k f_k(x_i)) (Celeux & Govaert 1992)."""
    task, begin = begun(rows(), family, "off")
    last = np.full(4, -np.inf)

    def see(seen: Iteration) -> None:
        for position, chain in enumerate(seen.chains):
            value = task.frame.mixture(seen.params, position, family).log_joint(rows()).max(axis=1).sum()
            assert value >= last[chain] - 1e-6
            last[chain] = value

    classification_em(task.rows, begin, family, task.guard, Control(reseed=False, max_iterations=40), observe=see)


@pytest.mark.parametrize("family", ["VEE", "VEI", "VEV", "VVE"])
def test_a_component_without_extent_decides_nothing_for_the_others(family: str) -> None:
    """Its scatter is rounding errors, of either sign."""
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((1, 3, 3, 12))
    w = roots @ roots.swapaxes(-1, -2)
    noise = 1e-16 * rng.standard_normal((3, 3))
    w[0, 2] = noise + noise.T
    if family == "VEI":
        w = np.diagonal(w, axis1=-2, axis2=-1)
    n, volume = np.array([[12.0, 12.0, 3.0]]), np.array([[1.0, 1.0, 1e-6]])
    axes = np.eye(3)[None] if family == "VVE" else None
    others = maximise_covariances(family, n[:, :2], w[:, :2], volume[:, :2], axes)[0]
    found = maximise_covariances(family, n, w, volume, axes)[0]
    np.testing.assert_allclose(found[:, :2], others, rtol=0.02, atol=0.02)


def test_units_shift_the_likelihood_of_free_covariances_by_their_determinant() -> None:
    x = rows()
    turn = np.random.default_rng(2).standard_normal((3, 3))
    plain = fit(x, 3, "VVV", EXACT)
    for moved, log_volume in (
        (x @ turn.T + [1e3, -5, 2], np.linalg.slogdet(turn)[1]),
        (x * SCALE + [1e-6, 1e9, 0], np.log(SCALE).sum()),
    ):
        found = fit(moved, 3, "VVV", EXACT)
        assert found.log_likelihood == pytest.approx(plain.log_likelihood - len(x) * log_volume, abs=1e-3)
        assert adjusted_rand_index(found.mixture.labels(moved), plain.mixture.labels(x)) == 1


@pytest.mark.parametrize("family", ["EII", "VEI", "VVE", "VEV", "VVV"])
def test_the_order_of_rows_and_columns_is_of_no_matter(family: str) -> None:
    x, rng = rows(), np.random.default_rng(3)
    value = fit(x, 3, family, EXACT).log_likelihood
    assert fit(x[rng.permutation(len(x))], 3, family, EXACT).log_likelihood == pytest.approx(value, abs=2e-3)
    assert fit(x[:, [2, 0, 1]], 3, family, EXACT).log_likelihood == pytest.approx(value, abs=2e-3)


def test_monotone_gaps_have_the_closed_form_of_the_regression() -> None:
    """One Gaussian whose third column is missing in the last rows (Little & Rubin 2002, section 7.2)."""
    rng = np.random.default_rng(4)
    whole = rng.multivariate_normal([1, 2, 3], [[2, 0.8, 0.3], [0.8, 1, 0.2], [0.3, 0.2, 1.5]], 200)
    x = whole.copy()
    x[140:, 2] = np.nan
    found = fit(x, 1, "VVV", replace(EXACT, tolerance=1e-13, max_iterations=20_000)).mixture
    mean, covariance = whole[:, :2].mean(axis=0), np.cov(whole[:, :2].T, bias=True)
    design = np.column_stack([np.ones(140), whole[:140, :2]])
    slope = np.linalg.lstsq(design, whole[:140, 2], rcond=None)[0]
    left = (whole[:140, 2] - design @ slope).var()
    np.testing.assert_allclose(found.means[0], [*mean, slope[0] + slope[1:] @ mean], rtol=1e-5)
    np.testing.assert_allclose(found.covariances[0, :2, :2], covariance, rtol=1e-4)
    cross = covariance @ slope[1:]
    np.testing.assert_allclose(found.covariances[0, 2], [*cross, left + slope[1:] @ cross], rtol=1e-4)


def test_rows_without_any_value_change_nothing() -> None:
    x = rows().copy()
    x[[3, 50, 51]] = np.nan
    assert fit(x, 3, "VVV", EXACT).log_likelihood == pytest.approx(
        fit(np.delete(x, [3, 50, 51], axis=0), 3, "VVV", EXACT).log_likelihood, abs=1e-3
    )


def test_few_rows_are_searched_further_with_one_covariance_for_all(wine: tuple) -> None:
    """Fifty starts alone end tens of nats below what resampling finds from there."""
    x = wine[0][::6]
    starts, searched = (fit(x, 5, "EEE", Options(escapes=escapes)) for escapes in ("off", "auto"))
    assert searched.log_likelihood > starts.log_likelihood + 10
    assert not searched.spurious[searched.best]
