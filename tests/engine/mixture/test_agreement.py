"""Agreement of partitions: scikit-learn's numbers, permutations, distances."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.model.agreement import (
    adjusted_rand_index,
    classical_scaling,
    confusion,
    jaccard,
    landmark_scaling,
    match,
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
    assert variation_of_information(a[None], b[None])[0, 0] == pytest.approx(0, abs=1e-12)
    assert normalised_mutual_information(a, b) == pytest.approx(1)
    np.testing.assert_allclose(jaccard(a, b), 1)


def test_variation_of_information_is_a_distance(pair: tuple) -> None:
    from sklearn.metrics import mutual_info_score

    a, b = pair
    c = np.random.default_rng(1).integers(3, size=300)
    parts = np.array([a, b, c, np.zeros(300, int)])
    found = variation_of_information(parts, parts)
    np.testing.assert_allclose(found, found.T, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(found), 0, atol=1e-12)
    assert found[0, 2] <= found[0, 1] + found[1, 2]
    # Against one single cluster it is the entropy.
    entropies = [mutual_info_score(one, one) for one in parts]
    np.testing.assert_allclose(found[3], entropies, atol=1e-12)
    assert found[0, 1] == pytest.approx(entropies[0] + entropies[1] - 2 * mutual_info_score(a, b))


def test_many_partitions_are_compared_in_blocks(pair: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = np.random.default_rng(0).integers(4, size=(23, 300))
    whole = variation_of_information(parts, parts[:5])
    monkeypatch.setattr("engine.studies.mixture.model.agreement.ENTRIES", 1)
    np.testing.assert_array_equal(variation_of_information(parts, parts[:5]), whole)


def test_trivial_partitions() -> None:
    ones = np.zeros(5, int)
    assert adjusted_rand_index(ones, ones) == 1
    assert normalised_mutual_information(ones, ones) == 1


def test_match_finds_the_best_assignment() -> None:
    overlap = np.array([[5.0, 9, 1], [10, 3, 2], [8, 7, 4]])
    assert match(overlap).tolist() == [1, 0, 2]
    assert match(np.array([[5.0], [9]])).tolist() == [-1, 0]


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


def test_points_known_by_their_distances_to_landmarks_are_placed() -> None:
    points = np.random.default_rng(0).standard_normal((30, 2))
    landmarks = np.array([3, 8, 11, 20, 25])
    distances = np.linalg.norm(points[:, None] - points[landmarks], axis=2)
    found = landmark_scaling(distances, landmarks)
    between = np.linalg.norm(found[:, None] - found, axis=2)
    np.testing.assert_allclose(between, np.linalg.norm(points[:, None] - points, axis=2), atol=1e-9)


def test_partitions_of_no_rows_agree() -> None:
    """As scikit-learn has it."""
    none = np.zeros(0, int)
    assert adjusted_rand_index(none, none) == 1
    assert normalised_mutual_information(none, none) == 1
