"""Collapsed components are seeded anew, many chains at once; what is switched off or at the floor stays exact."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.em.em import lowest_density_rows, place, switch_off
from engine.studies.mixture.em.maximise import from_covariance
from engine.studies.mixture.em.sweep import MemoryRows, soft
from engine.studies.mixture.model.coordinates import frame_for, guard_for, mean_and_covariance
from engine.studies.mixture.model.parameters import NOTHING
from engine.studies.mixture.model.regularise import keep_above, raised_to


@pytest.fixture
def rng() -> np.random.Generator:
    """Of one test."""
    return np.random.default_rng(5)


def test_scatters_are_raised_as_covariances_are(rng: np.random.Generator) -> None:
    """With and without a matrix below the floor, diagonal or not, gaps of nan included."""
    root = rng.standard_normal((3, 4, 5, 5))
    good, floor = root @ root.swapaxes(-1, -2) + np.eye(5), 0.5 * np.eye(5)
    low = good.copy()
    low[1, 2], low[2, 0] = 1e-3 * np.eye(5), np.nan
    for matrices in (good, low):
        np.testing.assert_allclose(raised_to(matrices, floor), keep_above(matrices, floor)[0], atol=1e-12)
    np.testing.assert_allclose(raised_to(low, floor)[1, 2], floor, atol=1e-12)
    variances = np.diagonal(low, axis1=-2, axis2=-1)
    raised = raised_to(variances, np.full(5, 0.5))
    assert (raised >= 0.5).all()
    np.testing.assert_array_equal(raised[2, 0], 0.5)
    np.testing.assert_array_equal(raised[0], variances[0])


@pytest.mark.parametrize("weighted", [False, True])
def test_components_are_placed_at_the_rows_of_lowest_density(rng: np.random.Generator, weighted: bool) -> None:
    """All chains at once as one by one; rows without weight and those used before are passed over."""
    x = rng.standard_normal((40, 3))
    rows = MemoryRows(x)
    weights = rng.integers(0, 2, (4, 40)).astype(float) if weighted else None
    guard = guard_for(frame_for("VVV", x), "VVV", 2, *mean_and_covariance(x))
    params = from_covariance(np.eye(3), rng.standard_normal((4, 2, 3)), "VVV", guard)
    skip = np.array([0, 1, 2, 0])
    found = lowest_density_rows(rows, params, skip, weights)
    for chain, row in enumerate(found):
        distance = ((x[:, None] - params.means[chain]) ** 2).sum(-1)
        density = np.log(np.exp(-0.5 * distance).sum(axis=1))
        density[np.zeros(40, bool) if weights is None else weights[chain] == 0] = np.inf
        assert row == np.argsort(density)[skip[chain]]
    chains, components = np.array([0, 3]), np.array([1, 0])
    after = place(params, chains, components, x[[found[0], found[3]]], guard)
    np.testing.assert_array_equal(after.means[chains, components], x[[found[0], found[3]]])
    np.testing.assert_allclose(after.weights.sum(axis=1), 1)
    np.testing.assert_array_equal(after.means[1:3], params.means[1:3])
    off = switch_off(after, chains, components)
    assert off.active.sum() == 6
    np.testing.assert_allclose(off.weights[chains, 1 - components], 1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_components_switched_off_get_no_membership_at_all(rng: np.random.Generator, dtype: type) -> None:
    """Also where exponentials underflow; the others are as scipy has them."""
    from scipy.special import logsumexp

    joint = (50 * rng.standard_normal((5, 2, 30))).astype(dtype)
    joint[3], joint[4, 0] = NOTHING, -2000.0
    begun = joint.astype(np.float64)
    density = soft(joint, slice(0, 30))
    expected = logsumexp(begun, axis=0)
    np.testing.assert_allclose(density, expected, rtol=1e-12 if dtype is np.float64 else 1e-4, atol=1e-4)
    assert not joint[3].any()
    assert not joint[4, 0].any()
    np.testing.assert_allclose(joint, np.exp(begun - expected), atol=1e-12 if dtype is np.float64 else 1e-4)
