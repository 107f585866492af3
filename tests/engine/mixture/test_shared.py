"""The short pass of families with one covariance, and covariances raised to a floor, against the long ways."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.studies.mixture.em import sweep as sweeping
from engine.studies.mixture.em.em import Control, expectation_maximisation
from engine.studies.mixture.em.maximise import maximise
from engine.studies.mixture.em.shared import common_precision
from engine.studies.mixture.em.sweep import MemoryRows, look, soft, sweep
from engine.studies.mixture.model.parameters import Parameters, concatenate
from engine.studies.mixture.model.regularise import keep_above, positive_definite
from engine.studies.mixture.search.fit import Options, Task, prepare, starts_of

SHARED = ["EII", "EEI", "EEE"]


def begun(x: np.ndarray, family: str, chains: int = 3, prior: str = "off") -> tuple[Task, Parameters]:
    options = Options(prior=prior)
    task = prepare(x, 3, family, options)
    return task, starts_of(task, options).parameters(range(chains))


def weights_of(kind: str, n: int) -> np.ndarray | None:
    rng = np.random.default_rng(0)
    return {"none": None, "one": rng.random(n), "each": rng.integers(0, 4, (3, n)).astype(float)}[kind]


@pytest.mark.parametrize("family", SHARED)
@pytest.mark.parametrize("kind", ["none", "one", "each"])
@pytest.mark.parametrize("prior", ["off", "conjugate"])
def test_the_short_pass_leads_to_the_same_parameters(overlapping, family, kind, prior):
    x, _ = overlapping
    task, params = begun(x, family, prior=prior)
    weights = weights_of(kind, len(x))
    short = sweep(task.rows, params, weights=weights, family=family)
    full = sweep(task.rows, params, weights=weights)
    assert short.second.shape[1] == 1 < full.second.shape[1]
    np.testing.assert_allclose(short.log_likelihood, full.log_likelihood, rtol=1e-11)
    np.testing.assert_allclose(short.n, full.n, rtol=1e-10)
    a, b = (maximise(family, sums, task.guard, previous=params) for sums in (short, full))
    for name in ("weights", "means", "covariances", "precisions", "log_determinants"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("family", SHARED)
def test_switched_off_components_do_not_count(overlapping, family):
    task, params = begun(overlapping[0], family)
    padded = concatenate([params, begun(overlapping[0], family, 1)[1]])
    weights = padded.weights.copy()
    weights[0] = [0.0, 0.4, 0.6]
    active = padded.active.copy()
    active[0, 0] = False
    # What a component that is off holds must not matter.
    precisions = padded.precisions.copy()
    precisions[0, 0] = 7.0
    off = replace(padded, weights=weights, active=active, precisions=precisions)
    short, full = sweep(task.rows, off, family=family), sweep(task.rows, off)
    assert short.second.shape[1] == 1
    np.testing.assert_allclose(short.log_likelihood, full.log_likelihood, rtol=1e-11)
    a, b = (maximise(family, sums, task.guard, previous=off) for sums in (short, full))
    np.testing.assert_allclose(a.covariances[:, 1:], b.covariances[:, 1:], rtol=1e-8, atol=1e-10)


def test_components_that_differ_take_the_long_way(overlapping):
    task, params = begun(overlapping[0], "VVV")
    assert common_precision("EEE", params) is None
    assert common_precision("VVV", begun(overlapping[0], "EEE")[1]) is None
    assert sweep(task.rows, params, family="EEE").second.shape[1] == 3


@pytest.mark.parametrize("family", SHARED)
def test_a_whole_climb_never_falls(overlapping, family):
    task, params = begun(overlapping[0], family)
    seen: list[np.ndarray] = []
    expectation_maximisation(
        task.rows, params, family, task.guard, Control(-np.inf, 30), observe=lambda it: seen.append(it.objective)
    )
    assert (np.diff(np.array(seen), axis=0) > -1e-9 * len(overlapping[0])).all()


def test_looking_shows_what_a_sweep_shows(overlapping):
    task, params = begun(overlapping[0], "VVV")
    found: dict[str, list[np.ndarray]] = {"sweep": [], "look": []}
    sweep(task.rows, params, respond=soft, visit=lambda block, z, density: found["sweep"].append(density.copy()))
    look(task.rows, params, lambda block, z, density: found["look"].append(density.copy()))
    np.testing.assert_array_equal(np.concatenate(found["sweep"], 1), np.concatenate(found["look"], 1))


def test_features_made_anew_come_in_small_blocks_and_add_up(overlapping, monkeypatch):
    task, params = begun(overlapping[0], "VVV")
    kept = sweep(task.rows, params)
    monkeypatch.setattr(sweeping, "CACHED_FEATURES", 0)
    monkeypatch.setattr(sweeping, "FRESH_FEATURES", 1)
    heights: list[int] = []
    fresh = sweep(
        MemoryRows(task.rows.x), params, visit=lambda block, z, density: heights.append(block.stop - block.start)
    )
    assert max(heights) == 64 and sum(heights) == len(overlapping[0])
    np.testing.assert_allclose(fresh.second, kept.second, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("d", [3, 20])
def test_raised_covariances_are_the_clipped_ones(d):
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.standard_normal((40, d, d)))[0]
    values = np.exp(rng.uniform(-6, 3, (40, d)))
    values[:5] = np.maximum(values[:5], 3.0)
    matrices = ((axes * values[:, None]) @ axes.swapaxes(-1, -2))[None]
    factor = np.eye(d) + 0.3 * np.tril(rng.standard_normal((d, d)), -1)
    floor = 0.5 * factor @ factor.T
    raised, precisions, logs = keep_above(matrices, floor)
    # Relative to the floor, eigenvalues below 1 are lifted to 1 and the others stay.
    inverse = np.linalg.inv(np.linalg.cholesky(floor))
    before, after = (np.linalg.eigvalsh(inverse @ m[0] @ inverse.T) for m in (matrices, raised))
    np.testing.assert_allclose(after, np.maximum(before, 1), rtol=1e-8)
    np.testing.assert_allclose(precisions @ raised, np.broadcast_to(np.eye(d), raised.shape), atol=1e-7)
    np.testing.assert_allclose(logs, np.linalg.slogdet(raised)[1], rtol=1e-9)
    untouched = before.min(axis=1) >= 1
    np.testing.assert_array_equal(raised[0][untouched], matrices[0][untouched])
    np.testing.assert_array_equal(positive_definite(matrices[0] - floor), before.min(axis=1) > 1)
