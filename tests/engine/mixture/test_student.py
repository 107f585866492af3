"""Mixtures of t distributions: scipy's density, the Gaussian limit, degrees of freedom, outliers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.studies.mixture.em.em import Control, expectation_maximisation
from engine.studies.mixture.model.agreement import adjusted_rand_index
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.search.fit import Options, fit, prepare
from engine.studies.mixture.search.starts import Starts
from engine.studies.mixture.search.student import fit_t, solve_dof, student_em, sweep_t

from .conftest import blobs

PLAIN = Options(starts=8, prior="off", escapes="off")


def begin(x: np.ndarray, g: int, family: str, dof: float) -> tuple:
    task = prepare(x, g, family, PLAIN)
    params = Starts(task.scaled, task.rows, family, g, task.guard, 0).parameters([0, 1])
    return task, replace(params, dof=np.full(params.weights.shape, dof))


def test_density_agrees_with_scipy(overlapping: tuple) -> None:
    from scipy.stats import multivariate_t

    x, _ = overlapping
    rng = np.random.default_rng(0)
    root = rng.standard_normal((2, 3, 5))
    m = Mixture(np.array([0.3, 0.7]), x[:2], root @ root.swapaxes(1, 2), "VVV", np.array([3.0, 12.0]))
    parts = [
        w * multivariate_t(mu, s, nu).pdf(x)
        for w, mu, s, nu in zip(m.weights, m.means, m.covariances, m.dof, strict=True)
    ]
    np.testing.assert_allclose(m.log_density(x), np.log(np.sum(parts, axis=0)), atol=1e-10)


@pytest.mark.parametrize("family", ["VVV", "VVI"])
def test_sweep_agrees_with_the_mixture(family: str, overlapping: tuple) -> None:
    x, _ = overlapping
    task, params = begin(x, 3, family, 5.0)
    moments, n, spread = sweep_t(task.rows, params)
    for chain in (0, 1):
        m = task.frame.mixture(params, chain, family)
        z = m.responsibilities(x)
        assert task.original(moments.log_likelihood)[chain] == pytest.approx(m.log_density(x).sum(), abs=1e-7)
        np.testing.assert_allclose(n[chain], z.sum(axis=0), atol=1e-9)
        inverse = np.linalg.inv(m.covariances)
        away = x[:, None] - m.means
        u = 8.0 / (5.0 + np.einsum("nki,kij,nkj->nk", away, inverse, away))
        np.testing.assert_allclose(moments.n[chain], (z * u).sum(axis=0), atol=1e-8)
        np.testing.assert_allclose(spread[chain], (z * (np.log(u) - u)).sum(axis=0), atol=1e-8)


@pytest.mark.parametrize("family", ["VVV", "EEE", "VEV", "VVI", "EII"])
@pytest.mark.parametrize("freedom", ["each", "common", "fixed"])
def test_likelihood_never_falls(family: str, freedom: str, overlapping: tuple) -> None:
    x, _ = overlapping
    task, params = begin(x[:200], 3, family, 10.0)
    trace: list[float] = []
    student_em(
        task.rows,
        params.take(np.array([0])),
        family,
        task.guard,
        Control(0.0, 40),
        freedom,
        observe=lambda seen: trace.append(float(seen.objective[0])),
    )
    assert np.all(np.diff(trace) >= -1e-7)


def test_large_dof_is_the_gaussian_fit(overlapping: tuple) -> None:
    x, _ = overlapping
    task, params = begin(x, 3, "VVV", 1e7)
    a = student_em(task.rows, params, "VVV", task.guard, Control(0.0, 15), "fixed")
    b = expectation_maximisation(task.rows, replace(params, dof=None), "VVV", task.guard, Control(0.0, 15))
    np.testing.assert_allclose(a.params.means, b.params.means, atol=1e-4)
    np.testing.assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-5)


def test_degrees_of_freedom_are_recovered() -> None:
    rng = np.random.default_rng(0)
    t = rng.standard_normal((4000, 2)) / np.sqrt(rng.chisquare(4, 4000) / 4)[:, None]
    found = fit_t(t, 1, "VVV", Options(prior="off", tolerance=1e-9, max_iterations=2000))
    assert found.mixture.dof[0] == pytest.approx(4, abs=0.6)
    np.testing.assert_allclose(found.mixture.covariances[0], np.eye(2), atol=0.12)
    assert found.degrees == 6
    from scipy.stats import multivariate_t

    assert found.log_likelihood >= multivariate_t(np.zeros(2), np.eye(2), 4).logpdf(t).sum()


def test_root_of_the_dof_equation() -> None:
    from scipy.special import digamma

    old, n, spread = np.array([[5.0]]), np.array([[100.0]]), np.array([[-135.0]])
    nu = solve_dof(spread, n, old, 3)[0, 0]
    level = 1 + spread / n + digamma(4.0) - np.log(4.0)
    assert 2 < nu < 200
    assert np.log(nu / 2) - digamma(nu / 2) + level[0, 0] == pytest.approx(0, abs=1e-8)
    # Gaussian rows have no finite root: the bound answers.
    assert solve_dof(np.array([[-80.0]]), n, old, 3)[0, 0] == pytest.approx(200)


def test_outliers_do_not_spoil_the_clusters() -> None:
    x, y = blobs(200, np.array([[0.0, 0], [9, 0]]), seed=4, spread=0.8)
    noise = np.random.default_rng(1).uniform(-40, 40, (16, 2))
    dirty = np.concatenate([x, noise])
    robust = fit_t(dirty, 2, "EEE", replace(PLAIN, tolerance=1e-7))
    plain = fit(dirty, 2, "EEE", PLAIN)
    score = [adjusted_rand_index(y, f.mixture.labels(dirty)[:200]) for f in (robust, plain)]
    assert score[0] > 0.9 and score[0] >= score[1]
    assert robust.mixture.dof.min() < 10
    assert robust.log_likelihood > plain.log_likelihood
    sample, _ = robust.mixture.sample(50, np.random.default_rng(0))
    assert sample.shape == (50, 2)
