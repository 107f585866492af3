"""Stability under resampling and the picture of local maxima."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.bootstrap.bagged import bagged_em
from engine.studies.mixture.bootstrap.stability import consensus, stability
from engine.studies.mixture.em.em import Control
from engine.studies.mixture.em.sweep import MemoryRows
from engine.studies.mixture.search.basins import barriers, basins, chain_labels, grouped, sample_rows
from engine.studies.mixture.search.fit import Options, fit, prepare

from .conftest import blobs


@pytest.fixture(scope="module")
def clear() -> tuple:
    """Three clear clusters, fitted with four components: one of the clusters is cut at will."""
    x, y = blobs(240, np.array([[0.0, 0], [12, 0], [0, 12]]), seed=1, spread=0.7)
    options = Options(starts=20, racing=None, prior="off", escapes="off")
    return x, y, options


def resampled(x: np.ndarray, g: int, options: Options) -> tuple:
    found = fit(x, g, "VII", options)
    task = prepare(x, g, "VII", options)
    start = found.params.take(np.append(found.best, np.argsort(-found.objectives)[1:4]))
    return found, bagged_em(task.rows, start, "VII", task.guard, Control(), 0, 40)


def test_clear_clusters_are_stable_and_cut_ones_are_not(clear: tuple) -> None:
    x, _, options = clear
    _, bagged = resampled(x, 3, options)
    good = stability(bagged)
    assert good.verdicts == ("stable",) * 3
    assert good.jaccard.min() > 0.95 and good.dissolved.max() == 0
    _, cut = resampled(x, 4, options)
    bad = stability(cut)
    assert bad.jaccard.min() < 0.8 < good.jaccard.min()
    assert np.all(bad.interval[:, 0] <= bad.jaccard) and np.all(bad.jaccard <= bad.interval[:, 1])


def test_consensus_is_a_block_matrix_for_clear_clusters(clear: tuple) -> None:
    x, y, options = clear
    _, bagged = resampled(x, 3, options)
    matrix, rows = consensus(bagged.labels, y)
    np.testing.assert_allclose(np.diagonal(matrix), 1)
    np.testing.assert_allclose(matrix, matrix.T)
    same = y[rows][:, None] == y[rows]
    assert matrix[same].mean() > 0.98 and matrix[~same].mean() < 0.02
    assert np.all(np.diff(y[rows]) >= 0)


def test_consensus_of_large_tables_is_a_sample() -> None:
    labels = np.random.default_rng(0).integers(3, size=(5, 3000))
    matrix, rows = consensus(labels, most=50)
    assert matrix.shape == (50, 50)
    np.testing.assert_allclose(matrix[0, 1], (labels[:, rows[0]] == labels[:, rows[1]]).mean())


def test_basins_of_one_clear_maximum(clear: tuple) -> None:
    x, _, options = clear
    found = fit(x, 3, "EII", options)
    picture = basins(found, x)
    assert picture.share.sum() == pytest.approx(1)
    assert picture.chain[0] == found.best
    assert picture.share[0] == (picture.member == 0).mean()
    assert picture.agreement[found.best] == 1
    assert np.all(np.diff(picture.objective[1:]) <= 1e-9)


def test_different_maxima_are_told_apart(iris: tuple) -> None:
    x = iris[0]
    found = fit(x, 3, "VVV", Options(starts=30, racing=None, prior="off", escapes="off"))
    picture = basins(found, x)
    assert len(picture.chain) > 1
    for k, leader in enumerate(picture.chain):
        mates = np.flatnonzero(picture.member == k)
        assert np.all(picture.distance[leader, mates] <= 0.05)
    far = picture.distance[np.ix_(picture.chain, picture.chain)] + np.eye(len(picture.chain))
    assert far.min() > 0.05
    assert picture.position.shape == (30, 2)
    # Between maxima the likelihood is nowhere higher than at the lower of the two.
    known = picture.barrier[:12, :12]
    tops = np.diagonal(known)
    assert np.all(known <= np.minimum(tops[:, None], tops) + 1e-9)
    np.testing.assert_allclose(known, known.T)
    assert np.isnan(picture.barrier[12:]).all() and np.isnan(picture.barrier[:, 12:]).all()


def test_very_many_starts_are_compared_with_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(3, size=(2, 200))
    labels = np.array([a, b] * 20)
    labels[35] = rng.integers(3, size=200)
    objectives, finished = -np.arange(40.0), np.arange(40) < 10
    whole = grouped(labels, objectives, 1, finished=finished)
    assert whole.member[:4].tolist() == [1, 0, 1, 0] and whole.leaders.tolist() == [1, 0, 35]
    monkeypatch.setattr("engine.studies.mixture.search.basins.LANDMARKS", 6)
    found = grouped(labels, objectives, 1, finished=finished)
    assert found.landmarks.tolist() == [0, 1, 2, 3, 4, 5] and found.distance.shape == (40, 6)
    np.testing.assert_array_equal(found.member, whole.member)
    assert found.leaders.tolist() == [1, 0, 35]
    np.testing.assert_allclose(found.position()[6], found.position()[0], atol=1e-9)


def test_no_barrier_between_equal_solutions_with_other_names(iris: tuple) -> None:
    x = iris[0]
    found = fit(x, 3, "VVI", Options(starts=2, racing=None, prior="off", escapes="off"))
    one = found.params.take(np.array([found.best]))
    swapped = one.take(np.array([0]))
    order = np.array([2, 0, 1])
    both = type(one)(
        *[
            np.concatenate([a, a[:, order]]) if a is not None else None
            for a in (one.weights, one.means, one.covariances, one.precisions, one.log_determinants, one.active)
        ]
    )
    rows = MemoryRows(found.frame.to(x))
    found_barriers = barriers(rows, both, chain_labels(rows, both))
    np.testing.assert_allclose(found_barriers, found_barriers[0, 0], atol=1e-8)
    assert swapped.chains == 1


def test_large_tables_are_sampled_for_the_picture() -> None:
    x = np.arange(10000.0)[:, None]
    assert sample_rows(x).shape == (2000, 1)
    assert sample_rows(x[:10]) is not x and len(sample_rows(x[:10])) == 10
