"""Fits on awkward tables: a sentence with a remedy, or a sound result; never a traceback."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import EngineError
from engine.studies.mixture.bootstrap.boot_fit import boot_fit
from engine.studies.mixture.choice.select import Selection
from engine.studies.mixture.model import errors
from engine.studies.mixture.model.discriminant import discriminant_axes
from engine.studies.mixture.model.families import FAMILIES
from engine.studies.mixture.model.health import examine, smallest_ratios
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.search.fit import Options, fit

RNG = np.random.default_rng(0)
GOOD = RNG.standard_normal((60, 3))
FEW = Options(starts=12)


@pytest.mark.parametrize(("x", "g", "error"), [
    (np.array([[1.0, np.inf], [2, 3], [4, 5]]), 1, errors.InfiniteValueError),
    (np.array([[1.0, 1e300], [2, 3], [4, 5]]), 1, errors.HugeValueError),
    (np.ones((20, 3)), 2, errors.NothingVariesError),
    (np.ones((1, 1)), 1, errors.TooFewRowsError),
    (GOOD[:4], 5, errors.TooFewRowsError),
    (RNG.standard_normal((5, 9)), 2, errors.TooFewRowsError),
    (np.zeros((3, 5000)), 1, errors.TooManyColumnsError),
])  # fmt: skip
def test_each_fault_has_a_sentence(x: np.ndarray, g: int, error: type[EngineError]) -> None:
    with pytest.raises(error) as caught:
        fit(x, g)
    assert caught.value.remedy and "{" not in caught.value.sentence()


@pytest.mark.parametrize("weights", [np.ones(3), -np.ones(60), np.zeros(60), np.full(60, np.nan)])
def test_bad_weights_are_named(weights: np.ndarray) -> None:
    with pytest.raises(errors.BadWeightsError, match="one non-negative"):
        fit(GOOD, 2, weights=weights)


def test_weights_count_as_rows() -> None:
    """Twice the weight is twice the row, no weight no row: also for what decides about the prior."""
    few = Options(starts=6, escapes="off", tolerance=1e-9, max_iterations=3000)
    x = np.concatenate([GOOD, GOOD * 2 + 5])
    six, twice = fit(x, 2, options=few, weights=np.full(120, 6.0)), fit(np.repeat(x, 6, axis=0), 2, options=few)
    assert not six.prior and not twice.prior
    assert six.log_likelihood == pytest.approx(twice.log_likelihood, abs=1e-3)
    silent = np.append(np.ones(60), np.zeros(240))
    few_rows, alone = fit(np.concatenate([GOOD, x, x]), 2, options=few, weights=silent), fit(GOOD, 2, options=few)
    assert few_rows.prior and alone.prior
    with pytest.raises(errors.TooFewRowsError, match="2 rows"):
        fit(GOOD, 1, weights=np.append(np.ones(2), np.zeros(58)))


def test_a_column_that_is_missing_everywhere_is_named() -> None:
    x = np.column_stack([GOOD, np.full(60, np.nan)])
    for attempt in (lambda: fit(x, 2), lambda: Selection(x, [2])):
        with pytest.raises(errors.UnknownColumnValuesError, match="Column 4 has no values"):
            attempt()


def test_no_starts() -> None:
    with pytest.raises(errors.BadStartError):
        fit(GOOD, 2, options=Options(starts=0))


@pytest.mark.parametrize("family", FAMILIES)
def test_constant_duplicate_and_rounded_columns_still_fit(family: str) -> None:
    x = np.column_stack([GOOD, np.full(60, 3.0), GOOD[:, 0], np.round(GOOD[:, 1])])
    found = fit(x, 2, family, Options(starts=12, escapes="off"))
    assert np.isfinite(found.log_likelihood)
    assert np.isfinite(found.mixture.log_density(x)).all()
    np.testing.assert_allclose(found.mixture.weights.sum(), 1)


@pytest.mark.parametrize("family", ["VVI", "EII", "VEI"])
def test_diagonal_families_take_more_columns_than_rows(family: str) -> None:
    x = RNG.standard_normal((12, 40))
    x[:6] += 3
    found = fit(x, 2, family, FEW)
    assert set(found.mixture.labels(x)[:6]).isdisjoint(found.mixture.labels(x)[6:])


def test_rounding_floors_the_variance() -> None:
    """Half of the rows sit on one value; without a floor their component would collapse onto it."""
    x = np.column_stack([np.append(np.zeros(60), RNG.normal(5, 1, 60)), RNG.standard_normal(120)])
    found = fit(x, 2, "VVI", Options(starts=10, prior="off", resolution=np.array([0.5, 0.0])))
    assert found.mixture.covariances[:, 0, 0].min() == pytest.approx(0.25 / 12)


def test_many_more_components_than_clusters() -> None:
    found = fit(GOOD, 9, "VVV", FEW)
    assert 1 <= found.mixture.components <= 9
    assert np.isfinite(found.log_likelihood)


def test_one_column_and_two_rows() -> None:
    found = fit(np.array([[0.0], [1.0]]), 1, "EEE", FEW)
    assert found.mixture.means[0, 0] == pytest.approx(0.5)


@pytest.mark.parametrize("method", ["em", "cem", "sem", "annealing"])
def test_every_method_finds_two_clear_clusters(method: str) -> None:
    x = np.concatenate([GOOD, GOOD + 12])
    found = fit(x, 2, "EEE", Options(starts=4, method=method))
    assert set(found.mixture.labels(x)[:60]).isdisjoint(found.mixture.labels(x)[60:])


def test_same_seed_same_fit_and_other_seed_other_starts() -> None:
    a, b, c = (fit(GOOD, 3, options=Options(starts=12, seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.log_likelihoods, b.log_likelihoods)
    assert not np.array_equal(a.log_likelihoods[:12], c.log_likelihoods[:12])


def test_resampled_fit_of_awkward_tables() -> None:
    with pytest.raises(errors.InfiniteValueError):
        boot_fit(np.array([[1.0, np.nan], [2, 3], [4, 5]]), 1)
    x = np.column_stack([np.concatenate([GOOD, GOOD + 9]), np.full(120, 2.0)])
    assert boot_fit(x, 2, chains=2).labels().shape == (120,)


def test_health_names_thin_components() -> None:
    x = np.concatenate([GOOD, GOOD[:6] + 30])
    found = fit(x, 2, options=Options(starts=10, prior="off", escapes="off"))
    card = examine(found.mixture, len(x), train=-3.0, out_of_bag=-3.8)
    assert card.thin.tolist() == [False, True]
    assert card.overfitted and card.gap == pytest.approx(0.8)
    np.testing.assert_allclose(card.rows.sum(), len(x))
    assert np.all(card.condition >= 1) and card.per_parameter == pytest.approx(len(x) / 19)
    assert smallest_ratios(found.params, guard_of(found)).min() >= 1


def guard_of(found: object) -> object:
    from engine.studies.mixture.model.regularise import Guard

    return Guard(1e-9 * np.eye(3))


def test_discriminant_axis_joins_two_means() -> None:
    covariance = np.array([[1.0, 0.6], [0.6, 2.0]])
    means = np.array([[0.0, 0], [3, 1]])
    axes, values = discriminant_axes(Mixture(np.full(2, 0.5), means, np.tile(covariance, (2, 1, 1))), 2)
    expected = np.linalg.solve(covariance, means[1])
    cosine = axes[:, 0] @ expected / np.linalg.norm(axes[:, 0]) / np.linalg.norm(expected)
    assert abs(cosine) == pytest.approx(1)
    assert values[1] == pytest.approx(0, abs=1e-12)
