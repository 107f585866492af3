"""Resampled fits against bagging in the full space, and steadiness over seeds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from engine.studies.mixture.bootstrap.bagged import bagged_em
from engine.studies.mixture.bootstrap.boot_fit import boot_fit
from engine.studies.mixture.em.em import Control
from engine.studies.mixture.model.agreement import adjusted_rand_index
from engine.studies.mixture.search.fit import Options, fit, prepare

pytestmark = pytest.mark.benchmark


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def planted(p: int, n: int, g: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters in a random three-dimensional subspace of p columns with unit noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(g, size=n)
    centres = 5 * rng.standard_normal((g, 3)) @ np.linalg.qr(rng.standard_normal((p, 3)))[0].T
    return centres[labels] + rng.standard_normal((n, p)), labels


def bagging(x: np.ndarray, g: int, options: Options) -> np.ndarray:
    """Labels of bagged EM on all columns."""
    found = fit(x, g, "VVV", options)
    task = prepare(x, g, "VVV", options)
    start = found.params.take(np.array([found.best]))
    return bagged_em(task.rows, start, "VVV", task.guard, Control(), 0).memberships.argmax(axis=1)


@pytest.mark.parametrize(("p", "n", "g"), [(50, 1000, 4), (60, 1797, 10), (100, 1500, 4)])
def test_spectral_bootem_against_bagging_on_all_columns(p: int, n: int, g: int) -> None:
    x, labels = planted(p, n, g, 0)
    options = Options(escapes="off")
    boot_fit(x[:200], 2, chains=2)
    bagging(x[:, :3], 2, options)
    spent, score = [], []
    for work in (lambda: boot_fit(x, g).labels(), lambda: bagging(x, g, options)):
        begun = time.process_time()
        found = work()
        spent.append(time.process_time() - begun)
        score.append(adjusted_rand_index(labels, found))
    ratio = spent[1] / spent[0]
    print(f"p={p} n={n} G={g}: {spent[0]:.2f} s, bagging {spent[1]:.2f} s, ratio {ratio:.1f}, ARI {score}")
    assert spent[1] >= 5 * spent[0]
    assert score[0] >= score[1] - 0.005


def birds(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three species of 150, 70 and 120 birds with four correlated measurements, in the proportions of penguins."""
    rng = np.random.default_rng(seed)
    means = np.array([[38.8, 18.3, 190, 3700], [48.8, 18.4, 196, 3730], [47.5, 15.0, 217, 5080]])
    deviations = np.array([[2.7, 1.2, 6.5, 460], [3.3, 1.1, 7.1, 380], [3.1, 1.0, 6.5, 500]])
    correlation = np.full((4, 4), 0.45) + 0.55 * np.eye(4)
    labels = np.repeat([0, 1, 2], [150, 70, 120])
    z = rng.standard_normal((340, 4)) @ np.linalg.cholesky(correlation).T
    return means[labels] + deviations[labels] * z, labels


@pytest.mark.parametrize(("name", "g", "least"), [("iris", 3, 0.88), ("wine", 3, 0.93), ("birds", 3, 0.9)])
def test_defaults_are_steady_over_seeds(name: str, g: int, least: float) -> None:
    from sklearn.datasets import load_iris, load_wine

    x, y = {
        "iris": lambda: load_iris(return_X_y=True),
        "wine": lambda: load_wine(return_X_y=True),
        "birds": lambda: birds(0),
    }[name]()
    begun = time.process_time()
    labels = [fit(x, g, options=Options(seed=seed)).mixture.labels(x) for seed in range(20)]
    spent = (time.process_time() - begun) / 20
    alike = np.array([[adjusted_rand_index(a, b) >= 0.98 for a in labels] for b in labels])
    score = np.median([adjusted_rand_index(y, one) for one in labels])
    print(f"{name}: {100 * alike.mean(axis=1).max():.0f} % of seeds alike, ARI {score:.3f}, {spent:.2f} s a fit")
    assert alike.mean(axis=1).max() >= 0.95
    assert score >= least
