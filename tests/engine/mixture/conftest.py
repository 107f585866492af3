"""Tables that several mixture tests share."""

from __future__ import annotations

import numpy as np
import pytest


def blobs(n: int, means: np.ndarray, seed: int = 0, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian clusters around ``means`` (G, d) with random covariances: rows (n, d) and labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(means), size=n)
    d = means.shape[1]
    maps = np.eye(d) + 0.4 * rng.standard_normal((len(means), d, d))
    x = means[labels] + spread * np.einsum("nij,nj->ni", maps[labels], rng.standard_normal((n, d)))
    return x, labels


@pytest.fixture(scope="session")
def iris() -> tuple[np.ndarray, np.ndarray]:
    """Fisher's iris as scikit-learn ships it."""
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


@pytest.fixture(scope="session")
def wine() -> tuple[np.ndarray, np.ndarray]:
    """The UCI wine data as scikit-learn ships them."""
    from sklearn.datasets import load_wine

    return load_wine(return_X_y=True)


@pytest.fixture(scope="session")
def overlapping() -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping clusters in three dimensions, 400 rows."""
    return blobs(400, np.array([[0.0, 0, 0], [2.5, 0, 1], [0, 3, -1]]), seed=3)
