"""Criteria, sweeps over families, the nested-model alarm and the likelihood-ratio test."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.choice.likelihood_ratio import bootstrap_test, conclude, replicate
from engine.studies.mixture.choice.select import Selection, best_by_bic, embed, select, split
from engine.studies.mixture.model.criteria import bic, criteria, entropy
from engine.studies.mixture.model.errors import TooFewRowsError
from engine.studies.mixture.model.families import FAMILIES, SUBMODELS
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.search.fit import Options, fit

RAW = Options(prior="off", scaling="none")


@pytest.fixture(scope="module")
def cells(iris: tuple) -> dict:
    return {(c.family, c.components): c for c in select(iris[0], FAMILIES, range(1, 5), RAW)}


def test_likelihoods_are_in_nested_order(cells: dict) -> None:
    for (family, g), cell in cells.items():
        for sub in SUBMODELS[family]:
            assert cell.criteria.log_likelihood >= cells[sub, g].criteria.log_likelihood - 1e-3, (family, sub, g)
        if g > 1:
            assert cell.criteria.log_likelihood >= cells[family, g - 1].criteria.log_likelihood - 1e-3


def test_iris_values_are_those_of_mclust(cells: dict) -> None:
    """mclust 6.0 on iris: VEV with two components is best, BIC -561.7, ll -215.726; VVV 2 has ll -214.355."""
    best = best_by_bic([c for c in cells.values() if c.components <= 3])
    assert (best.family, best.components) == ("VEV", 2)
    assert best.criteria.bic == pytest.approx(-561.73, abs=0.05)
    assert cells["VVV", 2].criteria.log_likelihood == pytest.approx(-214.355, abs=5e-3)
    assert cells["VVV", 3].criteria.log_likelihood == pytest.approx(-180.186, abs=5e-3)


def test_cells_report_the_likelihood_of_their_mixture(cells: dict, iris: tuple) -> None:
    for cell in cells.values():
        assert cell.mixture.log_density(iris[0]).sum() == pytest.approx(cell.criteria.log_likelihood, abs=1e-6)


def test_alarm_refits_from_the_smaller_model(iris: tuple) -> None:
    """A family begun in a bad place is lifted above its special case, and says so."""
    x = iris[0]
    sweep = Selection(x, [3], RAW)
    best = sweep.family("EEE")[0]
    sweep._labels[3] = np.zeros((1, len(x)), np.int16)
    sweep._labels[3][0, :50] = np.arange(50) % 3
    stuck = sweep.family("EEV")[0]
    assert stuck.alarm == "EEE"
    assert stuck.criteria.log_likelihood >= best.criteria.log_likelihood


def test_embedding_keeps_the_likelihood(iris: tuple) -> None:
    sweep = Selection(iris[0], [3], RAW)
    guard = sweep._guard("VVE", 3)
    for smaller in ("VVI", "VEE", "EEE"):
        sweep.family(smaller)
        start = embed(sweep._states[smaller].params[3], "VVE", guard)
        value = sweep._objectives("VVE", {3: guard}, {3: start})[3]
        assert value == pytest.approx(sweep._states[smaller].objective[3], abs=1e-6)
        axes = start.orientation[0]
        turned = axes.T @ start.covariances[0] @ axes
        assert np.abs(turned - np.diagonal(turned, axis1=1, axis2=2)[..., None] * np.eye(4)).max() < 1e-8


def test_splitting_adds_one_component_near_the_one_split(iris: tuple) -> None:
    sweep = Selection(iris[0], [2], RAW)
    sweep.family("VVV")
    before = sweep._states["VVV"].params[2]
    k = int(np.argmax(before.weights[0]))
    after = split(before, k)
    assert after.components == 3
    assert after.weights.sum() == pytest.approx(1)
    assert np.linalg.norm(after.means[0, k] - after.means[0, -1]) > 0
    np.testing.assert_allclose((after.means[0, k] + after.means[0, -1]) / 2, before.means[0, k])
    both = split(before, [1 - k, k])
    assert both.chains == 2
    np.testing.assert_allclose(both.means[1], after.means[0])
    np.testing.assert_array_equal(both.means[0, k], before.means[0, k])


def test_families_with_free_directions_need_more_rows_than_columns() -> None:
    x = np.random.default_rng(0).standard_normal((6, 8))
    sweep = Selection(x, [1, 2], Options())
    assert len(sweep.family("VVI")) == 2
    with pytest.raises(TooFewRowsError, match="diagonal family"):
        sweep.family("VVV")


def test_criteria_from_their_formulas(iris: tuple) -> None:
    x = iris[0]
    found = fit(x, 3, "VVV", Options(prior="off", escapes="off"))
    single = fit(x, 1, "VVV", Options(prior="off")).log_likelihood
    c = criteria(found.mixture, x, found.log_likelihood, found.degrees, single)
    z = found.mixture.responsibilities(x)
    assert found.degrees == 44
    assert c.bic == pytest.approx(2 * found.log_likelihood - 44 * np.log(150))
    assert c.icl == pytest.approx(c.bic + 2 * np.log(z.max(axis=1)).sum())
    assert c.aic == pytest.approx(88 - 2 * found.log_likelihood)
    assert c.nec == pytest.approx(c.entropy / (found.log_likelihood - single))
    assert c.icl < c.bic
    assert bic(0.0, 1, np.e) == pytest.approx(-1)


def test_entropy_of_even_and_sure_memberships() -> None:
    assert entropy(np.full((10, 4), 0.25)) == pytest.approx(10 * np.log(4))
    assert entropy(np.eye(3)) == 0
    assert entropy(np.full((2, 2), 0.5), np.array([3.0, 0.0])) == pytest.approx(3 * np.log(2))


def test_bic_agrees_with_scikit_learn(overlapping: tuple) -> None:
    from sklearn.mixture import GaussianMixture

    x = overlapping[0]
    peer = GaussianMixture(3, n_init=5, tol=1e-7, max_iter=1000, random_state=0).fit(x)
    mine = Mixture(peer.weights_, peer.means_, peer.covariances_)
    c = criteria(mine, x, float(mine.log_density(x).sum()), mine.free_parameters())
    assert -c.bic == pytest.approx(peer.bic(x), abs=1e-6)
    assert c.aic == pytest.approx(peer.aic(x), abs=1e-6)


def test_likelihood_ratio_rejects_one_component_for_two_clusters_only() -> None:
    rng = np.random.default_rng(2)
    two = np.concatenate([rng.normal(-3, 1, (60, 1)), rng.normal(3, 1, (60, 1))])
    one = rng.standard_normal((120, 1))
    options = Options(starts=4, racing=None, prior="off", escapes="off")
    p = []
    for x in (two, one):
        fits = [fit(x, g, "EEE", options) for g in (1, 2)]
        p.append(bootstrap_test(x, *fits, options, count=9).p)
    assert p[0] == pytest.approx(0.1)
    assert p[1] > 0.1


def test_replicates_are_pure_functions_of_seed_and_index(iris: tuple) -> None:
    null = fit(iris[0], 1, "EEE", Options(prior="off")).mixture
    options = Options(starts=2, racing=None, prior="off", escapes="off", seed=5)
    assert replicate(null, 50, options, 3) == replicate(null, 50, options, 3)
    assert replicate(null, 50, options, 3) != replicate(null, 50, options, 4)


def test_p_value_counts_ties_and_itself() -> None:
    assert conclude(2.0, np.array([1.0, 2.0, 3.0])).p == pytest.approx(3 / 4)
