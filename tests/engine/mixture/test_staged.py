"""Fits in units: the same as in one go, and after a stop at any unit."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.fit import Options, fit, prepare
from engine.studies.mixture.staged import StagedFit

OPTIONS = Options(starts=25)


def in_units(x: np.ndarray, stop_at: int | None) -> tuple:
    staged = StagedFit(prepare(x, 3, "VVV", OPTIONS), OPTIONS)
    for index, label in enumerate(staged.plan()):
        if index == stop_at:
            state = staged.state()
            staged = StagedFit(prepare(x, 3, "VVV", OPTIONS), OPTIONS)
            staged.restore(state)
        staged.run(label)
    return staged.plan(), staged.result()


def test_plan_and_result_are_those_of_one_go(wine: tuple) -> None:
    x = wine[0]
    plan, found = in_units(x, None)
    assert plan == ["starts 0-9", "starts 10-19", "starts 20-24", "finalists", "escapes"]
    whole = fit(x, 3, options=OPTIONS)
    assert found.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-3)
    np.testing.assert_array_equal(found.starts, whole.starts[: len(found.starts)])
    assert found.kinds[:25] == whole.kinds[:25] and found.kinds[-1] == "escape"


@pytest.mark.parametrize("stop_at", [1, 3, 4])
def test_resuming_changes_nothing(stop_at: int, wine: tuple) -> None:
    x = wine[0]
    _, whole = in_units(x, None)
    _, resumed = in_units(x, stop_at)
    np.testing.assert_array_equal(whole.log_likelihoods, resumed.log_likelihoods)
    np.testing.assert_array_equal(whole.mixture.means, resumed.mixture.means)


def test_agreement_of_the_first_wave_ends_the_race() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (80, 2)), rng.normal(9, 1, (80, 2))])
    options = Options(starts=30, prior="off")
    staged = StagedFit(prepare(x, 2, "EEE", options), options)
    for label in staged.plan():
        staged.run(label)
    found = staged.result()
    assert found.agreed and len(found.starts) == 10 and found.finished.sum() == 1
    assert staged.plan()[-1] == "finalists"
