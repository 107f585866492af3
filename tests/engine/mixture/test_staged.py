"""Fits in units: the same as in one go, and after a stop at any unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.studies.mixture.search.fit import Fit, Options, fit, prepare
from engine.studies.mixture.search.staged import StagedFit

OPTIONS = Options(starts=25)
KINDS = {
    "race": (OPTIONS, "VVV"),
    "few starts": (Options(starts=4), "VVV"),
    "no race": (Options(starts=14, racing=None, escapes="off"), "EEE"),
    "cem": (Options(starts=12, method="cem"), "VVI"),
    "sem": (Options(starts=12, method="sem", max_iterations=20, escapes="off"), "EEE"),
    "annealing": (Options(starts=12, method="annealing", max_iterations=20, escapes="off"), "VEV"),
}


def in_units(x: np.ndarray, g: int, family: str, options: Options, stop_at: int | None = None) -> tuple:
    staged = StagedFit(prepare(x, g, family, options), options)
    for index, label in enumerate(staged.plan()):
        if index == stop_at:
            state = staged.state()
            staged = StagedFit(prepare(x, g, family, options), options)
            staged.restore(state)
        staged.run(label)
    return staged.plan(), staged.result()


def assert_equal(a: Fit, b: Fit) -> None:
    assert (a.best, a.kinds, a.agreed, a.degrees) == (b.best, b.kinds, b.agreed, b.degrees)
    for name in ("starts", "log_likelihoods", "objectives", "iterations", "converged", "finished", "reseeds"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(a.mixture, name), getattr(b.mixture, name), name)


@pytest.mark.parametrize("kind", KINDS)
def test_units_make_the_fit_of_one_go(kind: str, wine: tuple) -> None:
    options, family = KINDS[kind]
    x = wine[0][:, :6]
    _, found = in_units(x, 3, family, options)
    assert_equal(found, fit(x, 3, family, options))


@pytest.fixture(scope="module")
def whole(wine: tuple) -> tuple:
    return in_units(wine[0], 3, "VVV", OPTIONS)


def test_the_plan_names_starts_finalists_and_escapes(whole: tuple) -> None:
    plan, found = whole
    assert plan[:3] == ["starts 0-9", "starts 10-24", "finalists"]
    assert plan[3:] == [f"escape {i}" for i in range(1, 16)]
    assert found.kinds[-1] == "escape" and (found.starts[-1], found.starts[24]) == (-1, 24)


@pytest.mark.parametrize("stop_at", [1, 2, 3, 5])
def test_resuming_changes_nothing(stop_at: int, whole: tuple, wine: tuple) -> None:
    _, resumed = in_units(wine[0], 3, "VVV", OPTIONS, stop_at)
    assert_equal(resumed, whole[1])


def test_agreement_of_the_first_wave_ends_the_race() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (80, 2)), rng.normal(9, 1, (80, 2))])
    options = Options(starts=70, prior="off")
    plan, found = in_units(x, 2, "EEE", options)
    assert plan == ["starts 0-9", "starts 10-49", "starts 50-69", "finalists"]
    assert found.agreed and len(found.starts) == 10 and found.finished.sum() == 1
    assert_equal(found, fit(x, 2, "EEE", options))
    assert in_units(x, 1, "EEE", replace(options, starts=70))[0] == ["starts 0-0"]
