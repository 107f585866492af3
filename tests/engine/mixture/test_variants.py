"""Classification EM, stochastic EM, annealing."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.em.em import Control
from engine.studies.mixture.em.sweep import soft
from engine.studies.mixture.em.variants import Drawn, Tempered, annealed_em, classification_em, hard, stochastic_em
from engine.studies.mixture.model.agreement import adjusted_rand_index
from engine.studies.mixture.search.fit import Options, prepare
from engine.studies.mixture.search.starts import Starts

JOINT = np.log(np.random.default_rng(0).dirichlet(np.ones(3), (2, 50))).transpose(2, 0, 1) - 2.0


def begin(x: np.ndarray, starts: int = 4, family: str = "VVV") -> tuple:
    task = prepare(x, 3, family, Options(prior="off"))
    makes = Starts(task.scaled, task.rows, family, 3, task.guard, 0)
    return task, makes.parameters(list(range(starts)))


def test_responses_keep_the_density_of_the_mixture() -> None:
    expected = soft(JOINT.copy(), slice(0, 50))
    np.testing.assert_allclose(expected, -2.0, atol=1e-12)
    for respond in (hard, Tempered(0.3), Drawn(0, [0, 1])):
        z = JOINT.copy()
        np.testing.assert_allclose(respond(z, slice(0, 50)), expected, atol=1e-12)
        np.testing.assert_allclose(z.sum(axis=0), 1, atol=1e-12)


def test_hard_takes_the_largest_and_tempering_flattens() -> None:
    p = np.exp(JOINT + 2)
    z = JOINT.copy()
    hard(z, slice(0, 50))
    np.testing.assert_array_equal(z.argmax(axis=0), p.argmax(axis=0))
    warm = JOINT.copy()
    Tempered(0.5)(warm, slice(0, 50))
    np.testing.assert_allclose(warm, np.sqrt(p) / np.sqrt(p).sum(axis=0), atol=1e-12)


def test_draws_follow_the_memberships_and_their_stream() -> None:
    joint = np.tile(np.log([0.2, 0.5, 0.3])[:, None, None], (1, 2, 20000))
    a, b = joint.copy(), joint.copy()
    Drawn(0, [0, 1])(a, slice(0, 20000))
    Drawn(0, [1, 0])(b, slice(0, 20000))
    np.testing.assert_allclose(a.mean(axis=2), [[0.2] * 2, [0.5] * 2, [0.3] * 2], atol=0.015)
    np.testing.assert_array_equal(a[:, 0], b[:, 1])
    assert not np.array_equal(a[:, 0], a[:, 1])


def test_classification_em_raises_the_classification_likelihood(iris: tuple) -> None:
    x, y = iris
    task, start = begin(x)
    values = []

    def watch(seen: object) -> None:
        values.append(classification_likelihood(task, seen.params))

    out = classification_em(
        task.rows, start.take(np.array([0])), "VVV", task.guard, Control(reseed=False), observe=watch
    )
    assert out.converged.all()
    assert np.all(np.diff(values) >= -1e-9)
    labels = task.frame.mixture(out.params, 0, "VVV").labels(x)
    assert adjusted_rand_index(y, labels) > 0.5


def classification_likelihood(task: object, params: object) -> float:
    return float(task.frame.mixture(params, 0, "VVV").log_joint(original(task)).max(axis=1).sum())


def original(task: object) -> np.ndarray:
    return task.rows.x @ task.frame.backward.T + task.frame.shift


def test_stochastic_em_is_repeatable_and_ends_at_a_maximum(iris: tuple) -> None:
    x, _ = iris
    task, start = begin(x)
    a = stochastic_em(task.rows, start, "VVV", task.guard, Control(), 3, 20)
    b = stochastic_em(task.rows, start, "VVV", task.guard, Control(), 3, 20)
    np.testing.assert_array_equal(a.log_likelihood, b.log_likelihood)
    assert a.converged.all()
    shift = task.total * task.frame.log_volume
    assert a.log_likelihood.max() + shift == pytest.approx(-180.19, abs=2)


def test_annealing_forgets_its_start(iris: tuple) -> None:
    x, _ = iris
    task, start = begin(x, 6, "EEE")
    out = annealed_em(task.rows, start, "EEE", task.guard, Control(tolerance=1e-7), 0)
    plain = out.log_likelihood + task.total * task.frame.log_volume
    assert plain.max() == pytest.approx(-256.355, abs=0.1)
    assert np.median(plain) > -300
    assert out.iterations.min() > 5
