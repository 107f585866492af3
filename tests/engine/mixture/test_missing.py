"""Missing values: brute-force conditional formulas, complete data, likelihood, memberships."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.em.em import Control, expectation_maximisation
from engine.studies.mixture.em.missing import IncompleteRows, nan_mean_and_covariance, patterns
from engine.studies.mixture.em.sweep import MemoryRows, sweep
from engine.studies.mixture.model.agreement import adjusted_rand_index
from engine.studies.mixture.model.coordinates import to_frame
from engine.studies.mixture.model.errors import InfiniteValueError
from engine.studies.mixture.model.families import DIAGONAL
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.fit import Options, fit, prepare

PLAIN = Options(starts=6, racing=None, prior="off", escapes="off")


def with_gaps(x: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = np.where(rng.random(x.shape) < share, np.nan, x)
    out[np.isnan(out).all(axis=1), 0] = 0.0
    return out


def brute_force(m: Mixture, x: np.ndarray) -> tuple:
    """Expected sums row by row from the textbook's conditional mean and covariance."""
    g, d = m.means.shape
    n, first, second, total = np.zeros(g), np.zeros((g, d)), np.zeros((g, d, d)), 0.0
    for row in x:
        o, u = ~np.isnan(row), np.isnan(row)
        joint = np.empty(g)
        filled, spread = np.empty((g, d)), np.zeros((g, d, d))
        for k in range(g):
            s = m.covariances[k]
            away = row[o] - m.means[k, o]
            inverse = np.linalg.inv(s[np.ix_(o, o)])
            joint[k] = np.log(m.weights[k]) - 0.5 * (
                o.sum() * np.log(2 * np.pi) + away @ inverse @ away + np.linalg.slogdet(s[np.ix_(o, o)])[1]
            )
            filled[k, o] = row[o]
            filled[k, u] = m.means[k, u] + s[np.ix_(u, o)] @ inverse @ away
            spread[k][np.ix_(u, u)] = s[np.ix_(u, u)] - s[np.ix_(u, o)] @ inverse @ s[np.ix_(o, u)]
        density = np.logaddexp.reduce(joint)
        z = np.exp(joint - density)
        total += density
        n += z
        first += z[:, None] * filled
        second += z[:, None, None] * (filled[:, :, None] * filled[:, None, :] + spread)
    return total, n, first, second


def test_sums_are_those_of_the_conditional_formulas(overlapping: tuple) -> None:
    x = with_gaps(overlapping[0][:60], 0.3)
    rng = np.random.default_rng(1)
    root = rng.standard_normal((2, 3, 6))
    m = Mixture(np.array([0.3, 0.7]), rng.standard_normal((2, 3)), root @ root.swapaxes(1, 2) / 3)
    identity = prepare(np.eye(3) + 0.0 * overlapping[0][:3], 1, "VVI", Options(scaling="none")).frame
    frame = type(identity)(np.zeros(3), np.eye(3), np.eye(3), 0.0)
    found = sweep(IncompleteRows(x), to_frame(frame, m, False, Guard(1e-9 * np.eye(3))))
    total, n, first, second = brute_force(m, x)
    assert found.log_likelihood[0] == pytest.approx(total, abs=1e-9)
    np.testing.assert_allclose(found.n[0], n, atol=1e-9)
    np.testing.assert_allclose(found.first[0], first, atol=1e-9)
    np.testing.assert_allclose(found.second[0], second, atol=1e-9)
    assert m.log_density(x).sum() == pytest.approx(total, abs=1e-9)


def test_complete_rows_give_the_usual_sums(overlapping: tuple) -> None:
    x = overlapping[0]
    task = prepare(x, 3, "VVV", PLAIN)
    params = fit(x, 3, options=PLAIN).params
    a, b = sweep(MemoryRows(task.rows.x), params), sweep(IncompleteRows(task.rows.x), params)
    np.testing.assert_allclose(a.log_likelihood, b.log_likelihood)
    np.testing.assert_allclose(a.second, b.second, atol=1e-8)


@pytest.mark.parametrize("family", ["VVV", "EEE", "VVI", "VEV"])
def test_marginal_likelihood_never_falls(family: str, overlapping: tuple) -> None:
    x = with_gaps(overlapping[0][:200], 0.2)
    task = prepare(x, 2, family, PLAIN)
    begin = Mixture(np.full(2, 0.5), overlapping[0][:2], np.tile(np.eye(3) * 3, (2, 1, 1)), family)
    start = to_frame(task.frame, begin, family in DIAGONAL, task.guard)
    trace: list[float] = []
    out = expectation_maximisation(
        task.rows,
        start,
        family,
        task.guard,
        Control(0.0, 40, reseed=False),
        observe=lambda seen: trace.append(float(seen.objective[0])),
    )
    assert np.all(np.diff(trace) >= -1e-8)
    m = task.frame.mixture(out.params, 0, family)
    assert m.log_density(x).sum() == pytest.approx(task.original(out.log_likelihood)[0], abs=1e-7)


def test_one_component_estimates_are_not_biased_by_gaps() -> None:
    """Missing at random given a seen column: dropping rows shifts the mean, the marginal likelihood does not."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal(4000)
    b = 0.9 * a + 0.3 * rng.standard_normal(4000)
    x = np.column_stack([a, np.where(a > 0, np.nan, b)])
    found = fit(x, 1, "VVV", Options(prior="off", tolerance=1e-9, max_iterations=3000)).mixture
    assert abs(found.means[0, 1]) < 0.05 < abs(np.nanmean(x[:, 1]))
    assert found.covariances[0, 1, 1] == pytest.approx(0.9, abs=0.12)


def test_clusters_survive_gaps(iris: tuple) -> None:
    x, y = iris
    gaps = with_gaps(x, 0.15)
    found = fit(gaps, 3, "VVV", PLAIN)
    labels = found.mixture.labels(gaps)
    assert adjusted_rand_index(y, labels) > 0.7
    assert found.mixture.log_density(gaps).sum() == pytest.approx(found.log_likelihood, abs=1e-6)
    racing = fit(gaps, 3, "EEE", Options(starts=12))
    assert racing.log_likelihood >= fit(gaps, 3, "EEE", PLAIN).log_likelihood - 2.0


def test_infinite_values_are_refused_even_beside_gaps() -> None:
    x = np.array([[1.0, np.nan], [2, 3], [np.inf, 4], [5, 6]])
    with pytest.raises(InfiniteValueError, match="Column 1"):
        fit(x, 1, "EII")


def test_patterns_partition_the_rows() -> None:
    x = with_gaps(np.random.default_rng(0).standard_normal((50, 3)), 0.4)
    seen = []
    for mask, rows in patterns(x):
        assert np.all(~np.isnan(x[rows]) == mask)
        seen += rows.tolist()
    assert sorted(seen) == list(range(50))


def test_moments_of_known_values() -> None:
    x = np.array([[1.0, np.nan], [3.0, 4.0], [np.nan, 8.0]])
    mean, covariance = nan_mean_and_covariance(x)
    np.testing.assert_allclose(mean, [2, 6])
    np.testing.assert_allclose(covariance, np.diag([1, 4]))
    weighted, _ = nan_mean_and_covariance(x, np.array([3.0, 1.0, 1.0]))
    assert weighted[0] == 1.5
