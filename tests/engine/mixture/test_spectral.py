"""The spectral step, resampled EM and bagging."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.bootstrap.bagged import bagged_em
from engine.studies.mixture.bootstrap.boot_fit import boot_fit
from engine.studies.mixture.bootstrap.bootem import BootEM, boot_em
from engine.studies.mixture.bootstrap.bootspectral import weighted_projection
from engine.studies.mixture.bootstrap.chains import Averages, ChainRules, ChainStep, settled
from engine.studies.mixture.bootstrap.spectral import (
    Spectrum,
    bootstrap_allowed,
    choose_q,
    cumulative_variance,
    elbow,
    gavish_donoho,
    largest_q,
    parallel_analysis,
    permuted_values,
    project,
    smallest_cosine,
    spectrum,
)
from engine.studies.mixture.em.em import Control
from engine.studies.mixture.model.agreement import adjusted_rand_index
from engine.studies.mixture.model.coordinates import to_frame
from engine.studies.mixture.model.errors import ThinComponentsError
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.search.escape import resample
from engine.studies.mixture.search.fit import Options, fit, prepare

from .conftest import blobs

QUICK = ChainRules(burn=8, window=8, most=60)


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray]:
    """Three clusters in a plane of 30 dimensions with unit noise."""
    means = np.zeros((3, 30))
    means[0, 0], means[1, 1], means[2, :2] = 8, 8, -6
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    # Turned, so that every column carries some of both axes: standardising and permuting columns then keep the plane.
    turn = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    return (means[labels] + rng.standard_normal((400, 30))) @ turn, labels


def test_spectrum_agrees_with_the_singular_values() -> None:
    rng = np.random.default_rng(0)
    for shape in ((60, 8), (8, 60)):
        x = rng.standard_normal(shape)
        found = spectrum(x)
        values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / shape[0]
        np.testing.assert_allclose(found.values, values, atol=1e-10)
        assert found.total == pytest.approx(((x - x.mean(axis=0)) ** 2).sum() / shape[0])
        axes = found.axes[:, :5]
        np.testing.assert_allclose(axes.T @ axes, np.eye(5), atol=1e-10)


def test_density_on_all_columns_is_that_of_the_lifted_mixture(planted: tuple) -> None:
    x, _ = planted
    for q in (1, 3, 30):
        projection = project(spectrum(x), q)
        t = projection.scores(x)
        rng = np.random.default_rng(q)
        inner = Mixture(np.array([0.4, 0.6]), t[rng.choice(len(t), 2)], np.tile(np.cov(t.T).reshape(q, q), (2, 1, 1)))
        direct = projection.lift(inner).log_density(x)
        np.testing.assert_allclose(inner.log_density(t) + projection.tail(x), direct, atol=1e-8)


def test_one_component_has_the_likelihood_of_probabilistic_pca(planted: tuple) -> None:
    from sklearn.decomposition import PCA

    x, _ = planted
    n = len(x)
    projection = project(spectrum(x), 4)
    t = projection.scores(x)
    inner = Mixture(np.ones(1), np.zeros((1, 4)), (t.T @ t / n)[None])
    # scikit-learn divides by n - 1.
    peer = PCA(4, svd_solver="full").fit(np.sqrt((n - 1) / n) * (x - x.mean(axis=0)))
    scaled = Mixture(np.ones(1), np.zeros((1, 30)), peer.get_covariance()[None])
    mine = (inner.log_density(t) + projection.tail(x)).sum()
    assert mine == pytest.approx(scaled.log_density(x - x.mean(axis=0)).sum(), abs=1e-6)


def test_rules_find_the_planted_plane(planted: tuple) -> None:
    x, _ = planted
    found = spectrum(x)
    assert parallel_analysis(found, permuted_values(x, 0)) == 2
    assert gavish_donoho(found) == 2
    assert 1 <= elbow(found) <= 2
    assert cumulative_variance(found, found.values[:3].sum() / found.total) == 3
    assert choose_q(x, found, 3) == 2
    assert choose_q(x, found, 3, "variance", share=0.99) <= largest_q(400, 3)


def test_elbow_of_two_flat_groups() -> None:
    values = np.array([10.0, 9.9, 10.1, 1.0, 0.9, 1.1, 1.0])
    assert elbow(Spectrum(np.zeros(7), values, np.eye(7), 100, 7, values.sum())) == 3


def test_q_is_limited_by_rows() -> None:
    q = largest_q(1000, 3)
    assert 3 * (q + 1) * (q + 2) / 2 <= 0.632 * 1000 / 2 < 3 * (q + 2) * (q + 3) / 2
    assert largest_q(5, 4) == 1
    assert bootstrap_allowed(np.array([100.0, 40.0]), 4)
    assert not bootstrap_allowed(np.array([100.0, 39.0]), 4)


def test_orthogonal_iteration_finds_the_weighted_axes(planted: tuple) -> None:
    x, _ = planted
    weights = resample(len(x), np.random.default_rng(3))
    exact = spectrum(np.repeat(x, weights.astype(int), axis=0))
    found = weighted_projection(x, weights, project(spectrum(x), 2).axes)
    assert smallest_cosine(found.axes, exact.axes[:, :2]) > 1 - 1e-6
    np.testing.assert_allclose(found.mean, exact.mean)
    assert found.residual == pytest.approx((exact.total - exact.values[:2].sum()) / 28, rel=1e-4)


def test_smallest_cosine_of_known_planes() -> None:
    a = np.eye(4)[:, :2]
    angle = 0.3
    b = np.column_stack([np.eye(4)[:, 0], np.cos(angle) * np.eye(4)[:, 1] + np.sin(angle) * np.eye(4)[:, 2]])
    assert smallest_cosine(a, b) == pytest.approx(np.cos(angle))


@pytest.mark.parametrize("method", ["spectral_bootem", "bootspectral"])
def test_both_methods_find_planted_clusters(method: str, planted: tuple) -> None:
    x, labels = planted
    seen: list[ChainStep] = []
    found = boot_fit(x, 3, method=method, chains=3, rules=QUICK, polish=True, observe=seen.append)
    assert adjusted_rand_index(labels, found.labels()) > 0.97
    assert adjusted_rand_index(labels, found.polished.labels(found.scores)) > 0.97
    np.testing.assert_allclose(found.memberships.sum(axis=1), 1)
    assert found.chains.settled and len(seen) == len(found.chains.log_likelihood)
    assert found.chains.out_of_bag[-8:].mean() < found.chains.log_likelihood[-8:].mean()
    moved = found.chains.cosine.min()
    assert moved == 1 if method == "spectral_bootem" else 0.9 < moved < 1
    full = found.on_all_columns()
    assert full.log_density(x).mean() == pytest.approx(found.chains.log_likelihood[-1, found.chains.best], abs=0.3)


def test_chains_do_not_depend_on_their_company(planted: tuple) -> None:
    x, _ = planted
    task = prepare(x[:, :2], 3, "VVV", Options(prior="off"))
    one = to_frame(task.frame, fit(x[:, :2], 3, options=Options(starts=3)).mixture, False, task.guard)
    both = boot_em(task.rows, one.take(np.array([0, 0])), "VVV", task.guard, 1, ChainRules(5, 5, 20), names=[4, 9])
    alone = boot_em(task.rows, one, "VVV", task.guard, 1, ChainRules(5, 5, 20), names=[9])
    steps = len(alone.log_likelihood)
    np.testing.assert_allclose(both.log_likelihood[:steps, 1], alone.log_likelihood[:, 0], atol=1e-10)


def test_thin_components_are_refused_or_lower_q() -> None:
    x, _ = blobs(90, np.eye(6)[:3] * 20, seed=2)
    assert boot_fit(x, 3, rules=QUICK, chains=2, rule="variance", share=1.0).q < 5
    with pytest.raises(ThinComponentsError, match="bagged EM"):
        boot_fit(x, 3, q=5, rules=QUICK, chains=2)


def test_more_columns_than_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 3000))
    x[:40] += 0.4
    found = boot_fit(x, 2, chains=2, rules=QUICK, options=Options(scaling="none"))
    assert adjusted_rand_index(np.repeat([0, 1], 40), found.labels()) > 0.9


def test_out_of_bag_averages_by_hand() -> None:
    average = Averages(1, 2, 3)
    rows = slice(0, 3)
    average.add(rows, np.array([[[1.0, 0.5, 0.2]], [[0.0, 0.5, 0.8]]]), np.array([[1.0, 0, 0]]))
    average.add(rows, np.array([[[0.6, 0.7, 0.4]], [[0.4, 0.3, 0.6]]]), np.array([[1.0, 1, 0]]))
    z, there = average.memberships(np.ones((1, 2), bool))
    np.testing.assert_allclose(z[0], [[0.8, 0.2], [0.7, 0.3], [0.3, 0.7]])
    assert there.tolist() == [[True, True]]
    z, there = average.memberships(np.array([[True, False]]))
    np.testing.assert_allclose(z[0], [[1, 0], [1, 0], [1, 0]])
    assert there.tolist() == [[True, False]]


def test_a_component_that_owns_no_row_is_gone() -> None:
    average = Averages(1, 3, 4)
    z = np.array([[1.0, 1, 0, 0], [0, 0, 0.9, 1], [0, 0, 0.1, 0]])
    average.add(slice(0, 4), z[:, None], np.ones((1, 4)))
    found, there = average.memberships(np.ones((1, 3), bool))
    assert there.tolist() == [[True, True, False]]
    np.testing.assert_allclose(found[0], [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]])


def test_of_chains_alike_in_likelihood_the_most_agreed_one_is_taken() -> None:
    x = np.arange(30.0)[:, None]
    task = prepare(x, 2, "VVV", Options(prior="off"))
    start = task.rows  # any rows: only the choice is looked at
    one = to_frame(task.frame, Mixture(np.full(2, 0.5), x[[3, 20]], np.full((2, 1, 1), 40.0)), False, task.guard)
    run = BootEM(start, one.take(np.zeros(4, int)), "VVV", task.guard, 0)
    near, far = np.eye(2)[np.repeat([0, 1], 15)], np.eye(2)[np.tile([0, 1], 15)]
    z = np.array([far, near, near, near])
    noise = np.random.default_rng(0).normal(0, 0.1, (20, 4))
    whole = np.ones(4, bool)
    assert run._agreed(noise + np.array([0.03, 0, 0, -5]), whole, z) in (1, 2)
    assert run._agreed(noise + np.array([3.0, 0, 0, 0]), whole, z) == 0
    assert run._agreed(noise + np.array([3.0, 0, 0, 0]), whole & (np.arange(4) > 0), z) in (1, 2, 3)


def test_stop_rule_needs_two_level_windows() -> None:
    rng = np.random.default_rng(0)
    rules = ChainRules(5, 10, 100)
    level = list(rng.normal(0, 0.01, (25, 2)))
    rising = [np.full(2, 0.1 * t) for t in range(25)]
    assert settled(level, rules)
    assert not settled(level[:24], rules)
    assert not settled(rising, rules)


def test_resample_counts_sum_to_n() -> None:
    counts = resample(500, np.random.default_rng(1))
    assert counts.sum() == 500
    assert np.mean(counts == 0) == pytest.approx(np.exp(-1), abs=0.06)


def bag(x: np.ndarray, g: int, family: str = "VVV", replicates: int = 30, **options: object) -> tuple:
    choice = Options(starts=5, escapes="off", **options)
    found = fit(x, g, family, choice)
    task = prepare(x, g, family, choice)
    start = found.params.take(np.array([found.best]))
    return found, bagged_em(task.rows, start, family, task.guard, Control(), 3, replicates)


def test_bootstrap_error_of_a_mean_is_sigma_over_root_n() -> None:
    x = np.random.default_rng(0).standard_normal((400, 2)) * [1.0, 3.0]
    _, found = bag(x, 1, replicates=200, prior="off", scaling="none")
    # In fit coordinates the data are white.
    np.testing.assert_allclose(found.means.std(axis=0, ddof=1)[0], 1 / np.sqrt(400), rtol=0.2)
    np.testing.assert_allclose(found.jaccard, 1)
    assert found.training - found.out_of_bag == pytest.approx(found.gap())


def test_gap_grows_with_overfitting(wine: tuple) -> None:
    x = wine[0]
    _, simple = bag(x[:, :3], 2, prior="off")
    _, complex_ = bag(x, 3, prior="off")
    assert 0 < simple.gap() < 0.5 < complex_.gap()


def test_bagging_matches_components_and_averages_out_of_bag(iris: tuple) -> None:
    x, y = iris
    found, bagged = bag(x, 3)
    assert bagged.labels.shape == (30, 150)
    assert adjusted_rand_index(bagged.memberships.argmax(axis=1), y) > 0.8
    assert np.median(bagged.jaccard, axis=0).min() > 0.6
    spread = np.abs(bagged.weights - np.sort(found.mixture.weights)[::-1].mean()).max()
    assert spread < 0.3
    assert np.isfinite(bagged.row_likelihood).mean() > 0.99
