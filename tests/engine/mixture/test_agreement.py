"""Agreement of partitions: scikit-learn's numbers, permutations, distances."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.agreement import (
    adjusted_rand_index,
    classical_scaling,
    confusion,
    jaccard,
    match,
    matched_labels,
    normalised_mutual_information,
    variation_of_information,
)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a = rng.integers(4, size=300)
    b = np.where(rng.random(300) < 0.7, (a + 1) % 4, rng.integers(4, size=300))
    return a, b


def test_indices_equal_scikit_learn(pair: tuple) -> None:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    a, b = pair
    assert adjusted_rand_index(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)
    assert normalised_mutual_information(a, b) == pytest.approx(normalized_mutual_info_score(a, b), abs=1e-12)
    np.testing.assert_array_equal(confusion(a, b), contingency_matrix(a, b))


def test_equal_partitions_under_any_names(pair: tuple) -> None:
    a, _ = pair
    b = np.array([2, 0, 3, 1])[a]
    assert adjusted_rand_index(a, b) == 1
    assert variation_of_information(a, b) == pytest.approx(0, abs=1e-12)
    assert normalised_mutual_information(a, b) == pytest.approx(1)
    np.testing.assert_array_equal(matched_labels(a, b), a)
    np.testing.assert_allclose(jaccard(a, b), 1)


def test_variation_of_information_is_a_distance(pair: tuple) -> None:
    a, b = pair
    c = np.random.default_rng(1).integers(3, size=300)
    assert variation_of_information(a, b) == pytest.approx(variation_of_information(b, a))
    assert variation_of_information(a, c) <= variation_of_information(a, b) + variation_of_information(b, c)
    # Against one single cluster it is the entropy.
    p = np.bincount(a) / 300
    assert variation_of_information(a, np.zeros(300, int)) == pytest.approx(-(p * np.log(p)).sum())


def test_trivial_partitions() -> None:
    ones = np.zeros(5, int)
    assert adjusted_rand_index(ones, ones) == 1
    assert normalised_mutual_information(ones, ones) == 1


def test_match_finds_the_best_assignment() -> None:
    overlap = np.array([[5.0, 9, 1], [10, 3, 2], [8, 7, 4]])
    assert match(overlap).tolist() == [1, 0, 2]
    assert match(np.array([[5.0], [9]])).tolist() == [-1, 0]


def test_surplus_clusters_get_new_names() -> None:
    reference = np.array([0, 0, 0, 1, 1, 1])
    labels = np.array([2, 2, 0, 1, 1, 1])
    assert matched_labels(reference, labels).tolist() == [0, 0, 2, 1, 1, 1]


def test_jaccard_by_hand() -> None:
    a, b = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    np.testing.assert_allclose(jaccard(a, b), [2 / 3, 2 / 3])
    np.testing.assert_allclose(jaccard(a, b, np.array([1.0, 1, 0, 1, 1])), [1, 1])


def test_classical_scaling_recovers_points_of_a_plane() -> None:
    points = np.random.default_rng(0).standard_normal((12, 2))
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    found = classical_scaling(distances)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=2), distances, atol=1e-9)
    assert classical_scaling(np.zeros((1, 1))).shape == (1, 2)
