"""Batched EM: second implementation, closed forms, monotonicity, invariances."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from engine.studies.mixture.em.em import Control, Iteration, expectation_maximisation
from engine.studies.mixture.em.kernels import CholeskyKernel, FeatureKernel
from engine.studies.mixture.em.sweep import MemoryRows, sweep
from engine.studies.mixture.model.coordinates import frame_for, guard_for, mean_and_covariance, to_frame
from engine.studies.mixture.model.families import DIAGONAL, FAMILIES, SUBMODELS
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Parameters, concatenate, pad
from engine.studies.mixture.model.prior import fraley_raftery, pooled
from engine.studies.mixture.model.regularise import Guard, keep_above
from engine.studies.mixture.search.fit import Options, fit
from engine.studies.mixture.search.starts import Starts

PLAIN = Options(starts=6, racing=None, prior="off", escapes="off", scaling="none")


def run(
    x: np.ndarray,
    start: Mixture,
    iterations: int,
    *,
    ridge: float | None = None,
    weights: np.ndarray | None = None,
    prior: str = "off",
    **control: object,
) -> tuple[Mixture, float, list[float]]:
    """EM from ``start`` without early stop: the mixture, its log-likelihood and the trace of objectives."""
    frame = frame_for(start.family, x, weights)
    guard = guard_for(frame, start.family, start.components, *mean_and_covariance(x, weights), ridge=ridge, prior=prior)
    rows = MemoryRows(frame.to(x))
    trace: list[float] = []
    out = expectation_maximisation(
        rows,
        to_frame(frame, start, start.family in DIAGONAL, guard),
        start.family,
        guard,
        Control(0.0, iterations, reseed=False, **control),
        weights=weights,
        observe=lambda seen: trace.append(float(seen.objective[0])),
    )
    total = len(x) if weights is None else weights.sum()
    return frame.mixture(out.params, 0, start.family), float(out.log_likelihood[0] + total * frame.log_volume), trace


def start_for(x: np.ndarray, g: int, family: str, seed: int = 0) -> Mixture:
    """Random means and the overall covariance cut to the family."""
    rng = np.random.default_rng(seed)
    s = np.cov(x.T, bias=True)
    if family in DIAGONAL:
        s = np.diag(np.diagonal(s))
    if family[1] == "I":
        s = np.eye(len(s)) * np.trace(s) / len(s)
    weights = rng.dirichlet(np.full(g, 20.0))
    return Mixture(weights, x[rng.choice(len(x), g, replace=False)], np.tile(s, (g, 1, 1)), family)


@pytest.mark.parametrize(("family", "kind"), [("VVV", "full"), ("EEE", "tied"), ("VVI", "diag"), ("VII", "spherical")])
def test_agrees_with_scikit_learn_from_the_same_start(family: str, kind: str, overlapping: tuple) -> None:
    from sklearn.mixture import GaussianMixture

    x, _ = overlapping
    start = start_for(x, 3, family)
    precisions = {
        "full": np.linalg.inv(start.covariances),
        "tied": np.linalg.inv(start.covariances[0]),
        "diag": 1 / np.diagonal(start.covariances, axis1=1, axis2=2),
        "spherical": 1 / start.covariances[:, 0, 0],
    }[kind]
    peer = GaussianMixture(
        3,
        covariance_type=kind,
        tol=0,
        max_iter=25,
        reg_covar=1e-6,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=precisions,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(x)
    mine, log_likelihood, _ = run(x, start, 25, ridge=1e-6)
    np.testing.assert_allclose(mine.weights, peer.weights_, atol=1e-8)
    np.testing.assert_allclose(mine.means, peer.means_, atol=1e-8)
    theirs = {
        "full": lambda c: c,
        "tied": lambda c: np.tile(c, (3, 1, 1)),
        "diag": lambda c: c[:, :, None] * np.eye(3),
        "spherical": lambda c: c[:, None, None] * np.eye(3),
    }[kind](peer.covariances_)
    np.testing.assert_allclose(mine.covariances, theirs, atol=1e-8)
    assert log_likelihood == pytest.approx(peer.score(x) * len(x), abs=1e-6)
    np.testing.assert_allclose(mine.responsibilities(x), peer.predict_proba(x), atol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prior", ["off", "pooled", "conjugate"])
def test_objective_never_falls(family: str, prior: str, overlapping: tuple) -> None:
    x, _ = overlapping
    _, _, trace = run(x[:150], start_for(x, 3, family, seed=1), 40, prior=prior)
    assert np.all(np.diff(trace) >= -1e-8 * 150)
    assert trace[-1] > trace[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_one_component_is_the_maximum_likelihood_estimate(family: str, iris: tuple) -> None:
    x, _ = iris
    found = fit(x, 1, family, PLAIN)
    s = np.cov(x.T, bias=True)
    if family[2] == "I":
        s = np.diag(np.diagonal(s)) if family[1] != "I" else np.eye(4) * np.trace(s) / 4
    np.testing.assert_allclose(found.mixture.means[0], x.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(found.mixture.covariances[0], s, rtol=1e-6, atol=1e-8)
    expected = -0.5 * len(x) * (4 * np.log(2 * np.pi) + np.linalg.slogdet(s)[1] + 4)
    assert found.log_likelihood == pytest.approx(expected, abs=1e-4)


def test_iris_maxima_are_those_that_mclust_prints(iris: tuple) -> None:
    """mclust 6.0: VVV -180.186, EEE -256.355, VEE -237.561 at G = 3; its EVE and VVE are stuck below these."""
    x, _ = iris
    options = Options(prior="off", escapes="off", racing=None, tolerance=1e-8, max_iterations=2000)
    found = {family: fit(x, 3, family, options).log_likelihood for family in ("VVV", "EEE", "VEE", "EVE", "VVE")}
    assert found["VVV"] == pytest.approx(-180.186, abs=2e-3)
    assert found["EEE"] == pytest.approx(-256.355, abs=2e-3)
    assert found["VEE"] == pytest.approx(-237.561, abs=2e-3)
    for family in ("EVE", "VVE"):
        assert all(found[family] >= found[sub] - 1e-3 for sub in SUBMODELS[family] if sub in found)


def test_row_weights_are_replication(overlapping: tuple) -> None:
    x, _ = overlapping
    x = x[:120]
    counts = np.random.default_rng(0).integers(1, 4, len(x)).astype(float)
    start = start_for(x, 2, "VVV")
    a, la, _ = run(x, start, 15, weights=counts)
    b, lb, _ = run(np.repeat(x, counts.astype(int), axis=0), start, 15)
    assert la == pytest.approx(lb, abs=1e-7)
    np.testing.assert_allclose(a.covariances, b.covariances, atol=1e-9)


def test_weights_of_each_chain_are_its_own(overlapping: tuple) -> None:
    x, _ = overlapping
    rng = np.random.default_rng(1)
    counts = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=2).astype(float)
    frame = frame_for("VVV", x)
    guard = guard_for(frame, "VVV", 2, *mean_and_covariance(x))
    rows = MemoryRows(frame.to(x))
    both = concatenate([to_frame(frame, start_for(x, 2, "VVV", s), False, guard) for s in (0, 1)])
    control = Control(1e-7, 60)
    together = expectation_maximisation(rows, both, "VVV", guard, control, weights=counts)
    for chain in (0, 1):
        alone = expectation_maximisation(
            rows, both.take(np.array([chain])), "VVV", guard, control, weights=counts[chain]
        )
        assert alone.log_likelihood[0] == pytest.approx(together.log_likelihood[chain], abs=1e-8)
        assert alone.iterations[0] == together.iterations[chain]


@pytest.mark.parametrize("family", ["VVV", "EEE", "VEE", "EVV"])
def test_affine_families_do_not_see_rotation_and_scale(family: str, overlapping: tuple) -> None:
    x, _ = overlapping
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((3, 3)) * 50, np.array([1e4, -3e3, 7.0])
    one, two = fit(x, 3, family, PLAIN), fit(x @ a.T + b, 3, family, PLAIN)
    change = len(x) * np.linalg.slogdet(a)[1]
    # The floor follows the mean variance and the k-means starts on columns their scale, so only maxima are compared.
    assert two.log_likelihood == pytest.approx(one.log_likelihood - change, abs=0.02)
    assert np.mean(one.mixture.labels(x) == two.mixture.labels(x @ a.T + b)) > 0.99


def test_column_scale_changes_nothing_after_standardising(iris: tuple) -> None:
    x, _ = iris
    options = Options(starts=6, racing=None, prior="off", escapes="off")
    scale = np.array([1e-3, 10.0, 1e5, 2.0])
    one, two = fit(x, 3, "VII", options), fit(x * scale + 7, 3, "VII", options)
    assert two.log_likelihood == pytest.approx(one.log_likelihood - len(x) * np.log(scale).sum(), abs=1e-4)
    np.testing.assert_array_equal(one.mixture.labels(x), two.mixture.labels(x * scale + 7))


def test_order_of_rows_does_not_matter(overlapping: tuple) -> None:
    x, _ = overlapping
    start = start_for(x, 3, "VEV")
    a, la, _ = run(x, start, 20)
    b, lb, _ = run(x[np.random.default_rng(2).permutation(len(x))], start, 20)
    assert la == pytest.approx(lb, abs=1e-7)
    np.testing.assert_allclose(a.means, b.means, atol=1e-8)


def test_kernels_agree_with_the_mixture_and_each_other(overlapping: tuple) -> None:
    x, _ = overlapping
    rows = MemoryRows(x)
    guard = Guard(1e-9 * np.eye(3))
    frame = frame_for("VVV", x)
    start = start_for(x, 4, "VVV")
    assert frame.to(x).shape == x.shape
    identity = type(frame)(np.zeros(3), np.eye(3), np.eye(3), 0.0)
    params = to_frame(identity, start, False, guard)
    results = [sweep(rows, params, kernel=kernel) for kernel in (FeatureKernel(), CholeskyKernel())]
    for found in results:
        assert found.log_likelihood[0] == pytest.approx(start.log_density(x).sum(), abs=1e-8)
        z = start.responsibilities(x)
        np.testing.assert_allclose(found.n[0], z.sum(axis=0), atol=1e-9)
        np.testing.assert_allclose(found.first[0], z.T @ x, atol=1e-8)
        np.testing.assert_allclose(found.second[0], np.einsum("nk,ni,nj->kij", z, x, x), atol=1e-8)


def test_density_agrees_with_scipy(overlapping: tuple) -> None:
    from scipy.stats import multivariate_normal

    x, _ = overlapping
    start = start_for(x, 3, "VVV")
    parts = [
        w * multivariate_normal(m, s).pdf(x)
        for w, m, s in zip(start.weights, start.means, start.covariances, strict=True)
    ]
    np.testing.assert_allclose(start.log_density(x), np.log(np.sum(parts, axis=0)), atol=1e-10)


def test_float32_ends_where_float64_does(overlapping: tuple) -> None:
    x = np.tile(overlapping[0], (30, 1)) + np.random.default_rng(0).normal(0, 0.05, (12000, 3))
    found = fit(x, 3, "VVV", Options(starts=3, racing=None, prior="off", escapes="off"))
    start = found.mixture
    exact, log_likelihood, _ = run(x, start, 200)
    assert found.log_likelihood == pytest.approx(start.log_density(x).sum(), abs=1e-5)
    assert abs(found.log_likelihood - log_likelihood) < 1e-2 * len(x) ** 0.5
    assert np.mean(exact.labels(x) == start.labels(x)) > 0.995


def test_converged_chains_leave_and_observers_see_the_rest(overlapping: tuple) -> None:
    x, _ = overlapping
    seen: list[Iteration] = []
    found = fit(x, 3, "VVV", PLAIN, observe=seen.append)
    sizes = [len(s.chains) for s in seen]
    assert sizes[0] == 6 and sizes[-1] < 6
    assert sizes == sorted(sizes, reverse=True)
    assert found.iterations.max() == seen[-1].step
    assert found.converged.all()


def test_switched_off_components_change_nothing(overlapping: tuple) -> None:
    x, _ = overlapping
    frame = frame_for("VEI", x)
    guard = guard_for(frame, "VEI", 3, *mean_and_covariance(x))
    params = to_frame(frame, start_for(x, 3, "VEI"), True, guard)
    rows = MemoryRows(frame.to(x))
    small = expectation_maximisation(rows, params, "VEI", guard, Control(0.0, 12))
    large = expectation_maximisation(rows, pad(params, 5), "VEI", guard, Control(0.0, 12))
    assert large.log_likelihood[0] == pytest.approx(small.log_likelihood[0], abs=1e-9)
    assert not large.params.active[0, 3:].any()
    assert frame.mixture(large.params, 0, "VEI").components == 3


def test_collapsed_components_are_seeded_anew_then_switched_off() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((200, 2)), np.array([[40.0, 40], [40.1, 40], [40, 40.1]])])
    found = fit(x, 3, "VVV", Options(starts=10, racing=None, prior="off", escapes="off"))
    assert found.reseeds.max() == 3
    assert found.mixture.components < 3
    assert found.degrees == found.mixture.free_parameters()


def test_spurious_chains_are_not_chosen() -> None:
    rng = np.random.default_rng(1)
    line = np.outer(rng.standard_normal(2), [1.0, 1.0])
    x = np.concatenate([rng.standard_normal((60, 2)), line + 8])
    found = fit(x, 2, "VVV", Options(starts=20, racing=None, prior="off", escapes="off", reseed=False))
    assert found.spurious.any()
    assert not found.spurious[found.best]
    assert found.log_likelihoods[found.spurious].max() > found.log_likelihood


def test_floor_is_the_smallest_change_that_keeps_order() -> None:
    rng = np.random.default_rng(0)
    root = rng.standard_normal((2, 3, 4, 2))
    floor = np.diag([1.0, 2.0, 0.5, 0.1])
    raised, precision, logs = keep_above(root @ root.swapaxes(-1, -2), floor)
    assert np.all(np.linalg.eigvalsh(raised - floor) >= -1e-9)
    np.testing.assert_allclose(raised @ precision, np.tile(np.eye(4), (2, 3, 1, 1)), atol=1e-8)
    np.testing.assert_allclose(logs, np.linalg.slogdet(raised)[1], atol=1e-9)
    good = np.tile(3 * np.eye(4), (2, 3, 1, 1))
    np.testing.assert_allclose(keep_above(good, floor)[0], good, rtol=1e-12)


def test_conjugate_prior_gives_fraley_and_raftery_modes(iris: tuple) -> None:
    """One component: mean shrunk by kappa, S = (Lambda + kappa n/(kappa+n) dd' + W) / (n + nu + d + 2)."""
    x, _ = iris
    mean, total = mean_and_covariance(x)
    prior = fraley_raftery(total, mean + 1, 3)
    n, d, kappa = len(x), 4, 0.01
    w = total * n
    rows, modes, fed = prior.feed(
        "VVV", np.array([[n]]), x.sum(0)[None, None], mean[None, None], w[None, None], np.ones((1, 1), bool), None
    )
    np.testing.assert_allclose(prior.scale, total / 3 ** (2 / d))
    np.testing.assert_allclose(modes[0, 0], (n * mean + kappa * (mean + 1)) / (n + kappa))
    expected = (prior.scale + kappa * n / (kappa + n) * np.ones((4, 4)) + w) / (n + prior.dof + d + 2)
    np.testing.assert_allclose(fed[0, 0] / rows[0, 0], expected)


def test_pooled_prior_leaves_shared_families_alone_and_is_never_positive(overlapping: tuple) -> None:
    x, _ = overlapping
    for family in ("EEE", "EII", "EEI"):
        a, _, _ = run(x, start_for(x, 3, family), 10)
        b, _, _ = run(x, start_for(x, 3, family), 10, prior="pooled")
        np.testing.assert_array_equal(a.means, b.means)
    frame = frame_for("VVV", x)
    guard = guard_for(frame, "VVV", 3, *mean_and_covariance(x))
    params = to_frame(frame, fit(x, 3, "VVV", PLAIN).mixture, False, guard)
    assert pooled(3).strength == 10
    assert pooled(3).log_density("VVV", params)[0] < 0


def test_starts_are_redone_alone_with_the_same_result(iris: tuple) -> None:
    x, _ = iris
    frame = frame_for("VVV", x)
    guard = guard_for(frame, "VVV", 3, *mean_and_covariance(x))
    rows = MemoryRows(frame.to(x))
    makes = [Starts(x, rows, "VVV", 3, guard, 7) for _ in range(2)]
    many = makes[0].parameters(list(range(10)))
    for start in (3, 7, 9):
        alone = makes[1].parameters([start])
        np.testing.assert_allclose(alone.means[0], many.means[start], atol=1e-6)


class SameBlock:
    """Rows that are one block again and again."""

    dimension = 1

    def __init__(self, height, times):
        self.n, self._x, self._times = height * times, np.linspace(-1, 1, height)[:, None], times

    def blocks(self, kernel, dtype, height):
        phi = kernel.features(self._x.astype(dtype))
        for time in range(self._times):
            yield slice(time * len(self._x), (time + 1) * len(self._x)), phi

    def row(self, index):
        return self._x[index % len(self._x)]


def test_blocks_of_float32_are_added_up_in_float64():
    rows = SameBlock(65_537, 300)  # more than the 2^24 rows that float32 can count
    one = np.ones((1, 1))
    matrix = np.ones((1, 1, 1, 1))
    params = Parameters(one, np.zeros((1, 1, 1)), matrix, matrix, np.zeros((1, 1)), one.astype(bool))
    assert sweep(rows, params, dtype=np.float32).n[0, 0] == rows.n
