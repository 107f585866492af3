"""EM with leaps: it ends where EM ends, sooner, and never goes down."""

import numpy as np
import pytest

from engine.studies.mixture.em.accelerate import Bars, accelerated_em
from engine.studies.mixture.em.em import Control, expectation_maximisation
from engine.studies.mixture.model.parameters import concatenate
from engine.studies.mixture.search.fit import Options, prepare, starts_of

RAW = Options(prior="off", scaling="none")
EXACT = Control(1e-9, 4000, reseed=False)


def setting(x, g, family, starts=4, options=RAW):
    """A task and starting chains."""
    task = prepare(x, g, family, options)
    return task, starts_of(task, options).parameters(range(starts))


@pytest.mark.parametrize("family", ["EII", "VEI", "EEE", "VVE", "VEV", "VVV"])
def test_it_ends_at_fixed_points_of_em_with_fewer_passes(family, overlapping):
    task, begin = setting(overlapping[0], 3, family)
    fast = accelerated_em(task.rows, begin, family, task.guard, EXACT)
    assert fast.converged.all()
    again = expectation_maximisation(task.rows, fast.params, family, task.guard, EXACT)
    np.testing.assert_allclose(again.objective, fast.objective, atol=1e-3)
    slow = expectation_maximisation(task.rows, begin, family, task.guard, EXACT)
    assert np.max(fast.objective) >= np.max(slow.objective) - 1e-4
    assert np.median(fast.iterations) < np.median(slow.iterations)


def test_it_never_goes_down(overlapping):
    task, begin = setting(overlapping[0], 5, "VVV", 8)
    seen: dict[int, list[float]] = {}

    def note(step):
        for chain, value in zip(step.chains.tolist(), step.objective.tolist(), strict=True):
            seen.setdefault(chain, []).append(value)

    out = accelerated_em(task.rows, begin, "VVV", task.guard, EXACT, observe=note)
    assert sorted(seen) == list(range(8))
    for chain, values in seen.items():
        assert (np.diff(values) >= -1e-8).all()
        assert out.objective[chain] == values[-1]


@pytest.mark.parametrize("family", ["VVI", "VVV"])
def test_a_prior_is_climbed_too(family, wine):
    task, begin = setting(wine[0], 3, family, options=Options(prior="pooled"))
    fast = accelerated_em(task.rows, begin, family, task.guard, EXACT)
    slow = expectation_maximisation(task.rows, begin, family, task.guard, EXACT)
    assert fast.objective.max() >= slow.objective.max() - 1e-3
    assert (fast.objective <= fast.log_likelihood + 1e-9).all()


def test_each_chain_may_have_weights_of_its_own(overlapping):
    x = overlapping[0]
    task, begin = setting(x, 3, "EEE", 2)
    begin = begin.take(np.array([0, 0]))
    weights = np.random.default_rng(0).integers(0, 3, (2, len(x))).astype(float)
    both = accelerated_em(task.rows, begin, "EEE", task.guard, EXACT, weights=weights)
    for k in (0, 1):
        one = accelerated_em(task.rows, begin.take(np.array([k])), "EEE", task.guard, EXACT, weights=weights[k])
        assert both.objective[k] == pytest.approx(one.objective[0], abs=1e-6)


def test_chains_without_hope_leave_and_the_best_stays(overlapping):
    task, begin = setting(overlapping[0], 4, "VVV", 12)
    free = accelerated_em(task.rows, begin, "VVV", task.guard, EXACT)
    bars = Bars(np.zeros(12, int), np.full(12, -np.inf))
    raced = accelerated_em(task.rows, begin, "VVV", task.guard, EXACT, bars=bars)
    assert raced.objective.max() == pytest.approx(free.objective.max(), abs=1e-3)
    assert raced.iterations.sum() < free.iterations.sum()
    assert not raced.converged.all()
    out_of_reach = Bars(np.arange(12), np.full(12, free.objective.max() + 1e6))
    none = accelerated_em(task.rows, begin, "VVV", task.guard, EXACT, bars=out_of_reach)
    assert not none.converged.any()
    assert none.iterations.max() <= 3


def test_collapsed_components_are_seeded_anew(overlapping):
    """All rows begin in one component of two; seeded anew, the other comes back."""
    task, begin = setting(overlapping[0], 2, "VVV", 1)
    begin.weights[:] = [1 - 1e-9, 1e-9]
    out = accelerated_em(task.rows, begin, "VVV", task.guard, Control(1e-7, 500))
    assert out.reseeds[0] >= 1
    assert out.params.weights.min() > 0.05


def test_switched_off_components_stay_off(overlapping):
    task, two = setting(overlapping[0], 2, "EEE", 1)
    three = prepare(overlapping[0], 3, "EEE", RAW)
    both = concatenate([two, starts_of(three, RAW).parameters([0])])
    out = accelerated_em(task.rows, both, "EEE", task.guard, EXACT)
    assert out.params.active.tolist() == [[True, True, False], [True, True, True]]
    assert out.objective[1] > out.objective[0]


def test_an_observer_may_stop_it(overlapping):
    task, begin = setting(overlapping[0], 3, "VVV")

    def stop(_step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        accelerated_em(task.rows, begin, "VVV", task.guard, EXACT, observe=stop)
