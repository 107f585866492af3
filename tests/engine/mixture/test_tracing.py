"""Traces of chains, the time left that follows from them, and the pictures shown on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.studies import catalogue
from engine.studies.mixture.config import BuiltinTable, FitConfig
from engine.studies.mixture.em.em import Iteration
from engine.studies.mixture.kinds import Fitted
from engine.studies.mixture.model.parameters import Parameters
from engine.studies.mixture.search.fit import Options, prepare
from engine.studies.mixture.search.staged import StagedFit
from engine.studies.mixture.search.student import StagedT
from engine.studies.mixture.search.tracing import SEARCH, ChainTraces, sorted_weights
from engine.studies.mixture.tasks.pace import Pace
from tests.engine.fakes import FakeRun

TRUTH = BuiltinTable(name="generated", rows=500, clusters=3, dimension=3, separation=3)


def seen(step: int, chains: list[int], values: list[float]) -> Iteration:
    r = len(chains)
    weights = np.tile([0.25, 0.75], (r, 1))
    params = Parameters(weights, *(np.zeros((r, 2, 1)) for _ in range(3)), np.zeros((r, 2)), np.ones((r, 2), bool))
    return Iteration(step, np.array(chains), params, np.array(values), np.array(values))


def test_passes_are_put_side_by_side() -> None:
    traces = ChainTraces(10, 100.0)
    traces(seen(0, [0, 1, 2], [0.0, 10.0, 20.0]))
    traces(seen(1, [0, 2], [10.0, 30.0]))
    # Taken up where it stopped: the same value is not a pass more.
    traces(seen(0, [2], [30.0]))
    traces(seen(1, [2], [40.0]))
    traces.searching = True
    traces(seen(0, [0, 1], [50.0, 70.0]))
    found = traces.of(np.array([2, 0, SEARCH]), 3)
    expected = [[12.0, 10.0, 17.0], [13.0, 11.0, np.nan], [14.0, np.nan, np.nan]]
    np.testing.assert_allclose(found.values, expected)
    assert found.weights.shape == (3, 3, 3)
    np.testing.assert_allclose(found.weights[0, 0, :2], [0.25, 0.75])
    assert np.isnan(found.weights[..., 2]).all()
    assert traces.running().tolist() == [SEARCH, 2, 0, 1]
    again = ChainTraces(10, 100.0)
    again.restore(traces.state())
    np.testing.assert_array_equal(again.of(np.array([2, 0, SEARCH]), 3).values, found.values)


def test_weights_follow_the_order_in_which_the_chain_ended() -> None:
    weights = np.array([[[0.1, 0.9]], [[0.3, 0.7]]], np.float32)
    np.testing.assert_array_equal(sorted_weights(weights, np.array([[0.3, 0.7]])), weights[..., ::-1])


def fitted(tmp_path: Path, **settings: object) -> tuple[Fitted, FakeRun]:
    config = FitConfig(data=TRUTH, components=3, **settings)
    fake = FakeRun(tmp_path)
    catalogue.task(config.task).run(config, fake)
    return fake.last("mixture"), fake


@pytest.mark.parametrize("method", ["em", "t", "cem", "sem", "annealing"])
def test_every_start_is_traced_to_its_end(method: str, tmp_path: Path) -> None:
    found, _ = fitted(tmp_path, method=method, starts=25, prior="off")
    chains = found.trace_chain
    assert len(set(chains.tolist())) == len(chains) == found.trace.shape[1] == len(found.start_kinds)
    assert found.member[chains[0]] == 0
    assert found.trace.dtype == found.trace_weights.dtype == np.float32
    last = np.array([column[~np.isnan(column)][-1] for column in found.trace.T])
    np.testing.assert_allclose(last, found.log_likelihoods[chains] / found.count, atol=2e-5)
    shown = found.trace_weights[:, 0][~np.isnan(found.trace[:, 0])]
    np.testing.assert_allclose(shown[-1], found.weights, atol=1e-4)
    np.testing.assert_allclose(np.nansum(found.trace_weights, axis=2)[~np.isnan(found.trace)], 1, atol=1e-5)
    gains = np.diff(found.trace[:, 0][~np.isnan(found.trace[:, 0])])
    if method == "em":
        assert (gains > -1e-5).all()
        assert np.isnan(found.trace[:, ~found.finished[chains]][9:]).all()
    assert found.trace_out_of_bag.size == found.trace_angle.size == found.burn == 0


@pytest.mark.parametrize("method", ["spectral_bootem", "bootspectral"])
def test_resampled_chains_are_traced_with_rows_left_out_and_angles(method: str, tmp_path: Path) -> None:
    found, fake = fitted(tmp_path, method=method, chains=4)
    steps = len(found.trace)
    assert found.trace.shape == found.trace_out_of_bag.shape == (steps, 4)
    assert found.trace_weights.shape == (steps, 4, 3) and (found.burn, found.window) == (20, 20)
    ranks = found.objectives[found.trace_chain]
    assert found.member[found.trace_chain[0]] == 0 and (np.diff(ranks[1:]) <= 1e-9).all()
    gap = (found.trace - found.trace_out_of_bag)[found.burn :].mean()
    assert 0 < gap < 0.3
    turned = found.trace_angle
    assert turned.shape == ((steps, 4) if method == "bootspectral" else (0, 4))
    assert ((turned > 0.5) & (turned <= 1 + 1e-6)).all()
    gap = fake.scalars["training_likelihood"][0] - fake.scalars["out_of_bag"][0]
    assert fake.scalars["likelihood_gap"][0] == pytest.approx(gap)


def test_a_search_is_traced_as_one_chain(tmp_path: Path) -> None:
    config = FitConfig(data=BuiltinTable(name="wine", columns=("alcohol", "ash", "hue", "proline", "magnesium")),
                       components=4, starts=12)  # fmt: skip
    fake = FakeRun(tmp_path)
    catalogue.task(config.task).run(config, fake)
    found = fake.last("mixture")
    kinds = [found.start_kinds[chain] for chain in found.trace_chain]
    assert kinds.count("escape") == 1
    best = int(np.argmax(np.where(found.spurious, -np.inf, found.objectives)))
    assert best in found.trace_chain


def test_many_starts_keep_two_hundred_traces(tmp_path: Path) -> None:
    found, _ = fitted(tmp_path, starts=260, family="EII")
    assert found.trace.shape[1] == min(200, len(found.start_kinds))
    assert found.trace_chain[0] in np.flatnonzero(found.finished)
    assert set(np.flatnonzero(found.finished)) <= set(found.trace_chain.tolist())


@pytest.mark.parametrize("kind", [StagedFit, StagedT])
def test_the_share_done_never_falls_and_is_about_that_of_the_work(kind: type[StagedFit]) -> None:
    x = np.random.default_rng(0).standard_normal((300, 3))
    options = Options(starts=50, prior="off", tolerance=1e-4)
    staged = kind(prepare(x, 3, "VVV", options), options)
    traces = ChainTraces(300, 0.0)
    pace, told = Pace(staged, traces), []

    def see(iteration: Iteration) -> None:
        traces(iteration)
        pace.add(len(iteration.chains))
        told.append(pace.told())

    for index, label in enumerate(staged.plan()):
        pace.begin(index)
        staged.run(label, see)
    done, total = np.array(told).T
    share = done / total
    assert (np.diff(share) >= -1e-12).all() and share[-1] <= 1
    # Half-way by its own account, the fit is neither just begun nor nearly done.
    true = done[np.searchsorted(share, 0.5)] / done[-1]
    assert 0.2 < true < 0.9
    assert share[-1] > 0.8
