"""Partitions to start from: model-based merging against brute force, shapes that Ward's method misses."""

import numpy as np
import pytest

from engine.studies.mixture.choice.partitions import DIAGONAL_FROM, agglomerate, distinct_partitions, partitions
from engine.studies.mixture.model.agreement import adjusted_rand_index


def criterion(x, labels, floor):
    """sum_k n_k log |(W_k + c I) / (n_k + c)| written out."""
    total = 0.0
    for k in np.unique(labels):
        rows = x[labels == k]
        w = (rows - rows.mean(axis=0)).T @ (rows - rows.mean(axis=0))
        total += len(rows) * np.linalg.slogdet((w + floor * np.eye(x.shape[1])) / (len(rows) + floor))[1]
    return total


@pytest.mark.parametrize("floor", [1.0, 3.0])
def test_every_merge_is_the_cheapest(floor):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 3))
    labels = rng.integers(8, size=60)
    found = agglomerate(x, labels, set(range(1, 9)), floor)
    assert sorted(found) == list(range(1, 9))
    for size in range(8, 1, -1):
        now, after = found[size], found[size - 1]
        every = []
        for i in range(size):
            for j in range(i):
                every.append(criterion(x, np.where(now == i, j, now), floor))
        assert criterion(x, after, floor) == pytest.approx(min(every))
        assert len(np.unique(after)) == size - 1


def test_long_parallel_clusters_are_kept_apart():
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], 150)
    x = np.column_stack([rng.uniform(-3, 3, 300), 0.55 * truth + 0.05 * rng.standard_normal(300)])
    x = (x - x.mean(axis=0)) / np.array([x[:, 0].std(), x[:, 0].std()])
    fine = (np.digitize(x[:, 0], np.linspace(-1.8, 1.8, 6)) + 10 * truth).astype(int)
    fine = np.unique(fine, return_inverse=True)[1]
    assert adjusted_rand_index(truth, agglomerate(x, fine, {2}, 0.1)[2]) == pytest.approx(1)


def test_many_columns_are_merged_by_their_variances():
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1, 2], 40)
    x = rng.standard_normal((120, DIAGONAL_FROM)) + 3 * truth[:, None]
    found = agglomerate(x, np.arange(120) // 4, {3}, 1.0)[3]
    assert adjusted_rand_index(truth, found) == pytest.approx(1)


def test_partitions_have_the_sizes_asked_for_and_differ(overlapping):
    found = partitions(overlapping[0], range(1, 6), 7, 0)
    assert found[1].shape == (1, 400)
    for g in range(2, 6):
        assert 3 <= len(found[g]) <= 7
        assert all(set(np.unique(labels)) == set(range(g)) for labels in found[g])
        tables = {tuple(adjusted_rand_index(a, b) for b in found[g]) for a in found[g]}
        assert len(tables) == len(found[g])
    again = partitions(overlapping[0], range(1, 6), 7, 0)
    np.testing.assert_array_equal(found[4], again[4])


def test_large_tables_are_merged_on_a_sample():
    rng = np.random.default_rng(3)
    truth = rng.integers(3, size=5000)
    x = rng.standard_normal((5000, 2)) + 8 * np.array([[0, 0], [1, 0], [0, 1]])[truth]
    found = partitions(x, [3], 3, 0)[3]
    assert max(adjusted_rand_index(truth, labels) for labels in found) > 0.99


def test_few_or_equal_rows_do_no_harm():
    assert partitions(np.zeros((1, 2)), [1], 3, 0)[1].shape == (1, 1)
    x = np.repeat(np.array([[0.0, 0], [1, 1]]), 5, axis=0) + 1e-9 * np.arange(10)[:, None]
    for labels in partitions(x, [2, 4], 5, 0)[4]:
        assert labels.max() < 4


def test_names_of_clusters_do_not_make_a_partition():
    a = np.array([0, 0, 1, 2], np.int16)
    found = distinct_partitions([a, np.array([2, 2, 0, 1], np.int16), np.array([0, 1, 1, 2], np.int16), a])
    np.testing.assert_array_equal(found, [a, [0, 1, 1, 2]])
