"""The test of the likelihood ratio: its size, its power, its agreement with mclust, its task."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from engine.artifacts.refs import ArtifactRef
from engine.runs.run import Stopped
from engine.studies import catalogue
from engine.studies.mixture.choice.likelihood_ratio import (
    conclude,
    maximum,
    merges,
    replicate,
    splits,
    statistic,
    step_up,
)
from engine.studies.mixture.config import BuiltinTable, FitConfig, RatioConfig
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.search.fit import Options
from engine.studies.mixture.tables.source import old_faithful
from engine.studies.mixture.tasks.ratio import KINDS, asked, batches, wilson
from tests.engine.fakes import FakeRun
from tests.engine.mixture.test_tasks import run, same, value

RAW = Options(starts=5, prior="off", scaling="none", tolerance=1e-6, shares=KINDS)
FAST = Options(starts=2, prior="off", scaling="none", tolerance=1e-5, shares=KINDS)
TRUTH = BuiltinTable(name="generated", rows=150, clusters=3, dimension=2, separation=7)
REF = ArtifactRef(run="0", name="mixture", kind="mixture")


def test_this(fitted, folder, **options):
    config = RatioConfig(mixture=REF, **options)
    return run(config, folder, {"mixture": fitted})


test_this.__test__ = False


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    config = FitConfig(data=TRUTH, components=3, family="VVV", starts=5, prior="off")
    return run(config, tmp_path_factory.mktemp("fit")).last("mixture")


@pytest.fixture(scope="module")
def tested(fitted, tmp_path_factory):
    return test_this(fitted, tmp_path_factory.mktemp("ratio"), replicates=19, starts=2)


@pytest.mark.parametrize(
    ("table", "family", "theirs"),
    [
        # mclust 6.0.0, mclustBootstrapLRT(table, family, maxG = 3): LRTS of 1 against 2, 2 against 3, 3 against 4.
        ("faithful", "VVV", (319.065354, 6.130516, 31.837839)),
        ("faithful", "EEE", (299.21996945, 27.72104772, -0.08885952)),
        ("iris", "VVV", (331.11985, 68.33773, 25.39920)),
        ("iris", "EEE", (166.93411, 80.18566, 11.99215)),
    ],
)
def test_statistics_of_mclust(table, family, theirs, iris):
    """Equal where mclust is at the best maximum, larger in all where it is not."""
    x = iris[0] if table == "iris" else np.array([c.values for c in old_faithful()]).T
    fits = [maximum(x, 1, family, RAW)]
    for _ in theirs:
        fits.append(step_up(x, fits[-1], RAW))
    mine = np.array([statistic(a, b) for a, b in pairwise(fits)])
    assert mine[0] == pytest.approx(theirs[0], abs=5e-3)
    if (table, family) != ("faithful", "VVV"):
        assert mine[1] == pytest.approx(theirs[1], abs=0.03)
    assert (mine.cumsum() >= np.cumsum(theirs) - 5e-3).all()


def test_p_is_about_uniform_under_the_null():
    """25 tables of one Gaussian with 9 drawn tables each: p is one of 0.1, 0.2 ... 1.0, its mean 0.55."""
    rng = np.random.default_rng(0)
    p = []
    for table in range(25):
        x = rng.standard_normal((50, 1))
        options = replace(FAST, seed=table)
        one = maximum(x, 1, "EII", options)
        observed = statistic(one, step_up(x, one, options))
        p.append(conclude(observed, np.array([replicate(one.mixture, 50, options, i) for i in range(9)])).p)
    assert np.mean(p) == pytest.approx(0.55, abs=3.5 * 0.287 / 5)
    assert 2 <= np.count_nonzero(np.array(p) < 0.35) <= 14
    assert stats.chisquare(np.histogram(p, [0, 0.35, 0.65, 1.01])[0], [7.5, 7.5, 10]).pvalue > 0.01


def test_separate_clusters_are_told_apart_and_no_more(tested):
    report = tested.last("ratio")
    assert report.null.tolist() == [2, 3]
    assert report.p[0] == pytest.approx(1 / 20)
    assert report.p[1] > 0.1
    assert report.statistic[0] > report.replicates[0].max()
    assert report.replicates.shape == (2, 19)
    assert (report.rows, report.family) == (150, "VVV")


def test_the_task_tells_its_numbers(tested):
    report = tested.last("ratio")
    for k, g in enumerate((2, 3)):
        assert value(tested, "ratio_statistic", clusters=g) == report.statistic[k]
        p, (low, high), n = tested.scalars["ratio_p", ("clusters", g)]
        assert (p, n) == (report.p[k], 19)
        assert low <= p <= high
    assert tested.published["ratio"][-1][1]
    first = tested.published["ratio"][0][0]
    assert np.isnan(first.p).all()
    np.testing.assert_array_equal(first.statistic, report.statistic)
    fills = [np.isfinite(one.replicates).sum(axis=1) for one, _ in tested.published["ratio"]]
    assert max(abs(int(a) - int(b)) for a, b in fills) <= 5
    assert tested.progressed[-1][:2] == (38, 38)


def test_only_one_more_where_no_fewer_is_asked_for(fitted, tmp_path):
    assert test_this(fitted, tmp_path, replicates=9, starts=1, fewer=False).last("ratio").null.tolist() == [3]


@pytest.mark.parametrize("stop", [1, 4])
def test_a_test_resumes_to_the_same(fitted, tested, tmp_path, stop, monkeypatch):
    monkeypatch.setattr("engine.studies.mixture.tasks.setting.POINT_SECONDS", 0.0)
    config = RatioConfig(mixture=REF, replicates=9, starts=1)
    inputs = {"0/mixture": fitted}
    whole = FakeRun(tmp_path, 0, inputs)
    catalogue.task(config.task).run(config, whole)
    fake = FakeRun(tmp_path, 0, inputs, stop_after=whole.points * stop // 6)
    with pytest.raises(Stopped):
        catalogue.task(config.task).run(config, fake)
    later = fake.resumed()
    catalogue.task(config.task).run(config, later)
    same(later.last("ratio"), whole.last("ratio"))


def test_t_mixtures_are_tested_as_such(tmp_path):
    config = FitConfig(data=TRUTH, components=3, family="EII", method="t", starts=5, prior="off")
    found = run(config, tmp_path).last("mixture")
    question = asked(found, RatioConfig(mixture=REF))
    assert question.student
    report = test_this(found, tmp_path, replicates=9, starts=1, fewer=False).last("ratio")
    assert 0.1 <= report.p[0] <= 1
    assert report.replicates.max() < 40
    again = maximum(question.x, 3, "EII", question.options, [question.mixture], student=True)
    assert again.mixture.dof is not None
    assert again.log_likelihood >= found.log_likelihood - 1e-3
    assert again.degrees == found.degrees


def test_resampled_mixtures_are_tested_on_their_axes(tmp_path):
    data = BuiltinTable(name="generated", rows=200, clusters=2, dimension=4, separation=9)
    config = FitConfig(data=data, components=2, method="spectral_bootem", chains=2, q=2)
    found = run(config, tmp_path).last("mixture")
    question = asked(found, RatioConfig(mixture=REF))
    assert question.x.shape == (200, 2)
    labels = question.mixture.labels(question.x)
    assert np.mean(labels == found.labels()) > 0.95
    fake = test_this(found, tmp_path, replicates=9, starts=1)
    assert fake.last("ratio").p[0] == pytest.approx(0.1)
    assert any("axes" in template for template, _ in fake.warnings)


def test_a_prior_is_kept_and_told_of(tmp_path):
    config = FitConfig(data=TRUTH, components=3, family="VVV", starts=5, prior="pooled")
    found = run(config, tmp_path).last("mixture")
    fake = test_this(found, tmp_path, replicates=9, starts=1, fewer=False)
    assert any("prior holds" in template for template, _ in fake.warnings)
    assert fake.last("ratio").p[0] > 0.1


def test_relatives_of_em_are_fitted_again_and_better_maxima_told_of(fitted, tmp_path):
    fake = test_this(replace(fitted, method="cem"), tmp_path, replicates=9, starts=1, fewer=False)
    assert any("by EM" in template for template, _ in fake.warnings)
    worse = replace(fitted, log_likelihood=fitted.log_likelihood - 1)
    fake = test_this(worse, tmp_path, replicates=9, starts=1, fewer=False)
    assert [params["clusters"] for template, params in fake.warnings if "better maximum" in template] == [3]


def test_missing_cells_are_missing_in_the_drawn_tables_too(fitted, tmp_path):
    x = np.array(fitted.x)
    x[::5, 0] = np.nan
    null = Mixture(fitted.weights, fitted.means, fitted.covariances, "VVV")
    gaps = np.isnan(x)
    assert replicate(null, 150, FAST, 0, gaps=gaps) != replicate(null, 150, FAST, 0)
    fake = test_this(replace(fitted, x=x), tmp_path, replicates=9, starts=1)
    assert fake.last("ratio").p[0] == pytest.approx(0.1)


@pytest.mark.parametrize("method", ["t", "spectral_bootem"])
def test_rows_with_gaps_take_no_part_where_they_took_none_in_the_fit(method, fitted):
    x = np.array(fitted.x)
    x[::5, 0] = np.nan
    dof = np.full(3, 9.0) if method == "t" else np.zeros(0)
    question = asked(replace(fitted, x=x, method=method, dof=dof, count=120), RatioConfig(mixture=REF))
    assert question.x.shape == (120, 2)
    assert question.gaps is None
    assert asked(replace(fitted, x=x), RatioConfig(mixture=REF)).x.shape == (150, 2)


def test_a_part_of_a_larger_table_is_told_of(fitted, tmp_path):
    fake = test_this(replace(fitted, count=10**6), tmp_path, replicates=9, starts=1, fewer=False)
    assert [params["rows"] for template, params in fake.warnings if "at random" in template] == [150]


def test_more_components_are_never_less_likely(overlapping):
    for family in ("EEE", "VVE", "VVV"):
        fits = [maximum(overlapping[0], 1, family, FAST)]
        for _ in range(4):
            fits.append(step_up(overlapping[0], fits[-1], FAST))
            assert fits[-1].log_likelihood >= fits[-2].log_likelihood - 1e-3


def test_given_mixtures_are_kept(overlapping):
    x = overlapping[0]
    best = maximum(x, 3, "EVE", RAW)
    again = maximum(x, 3, "EVE", Options(starts=1, prior="off", scaling="none"), [best.mixture])
    assert again.log_likelihood >= best.log_likelihood - 1e-4


def test_splitting_and_merging_keep_weight_and_moments():
    mixture = Mixture(np.array([0.5, 0.3, 0.2]), np.array([[0.0, 0], [1, 0], [9, 9]]), np.tile(np.eye(2), (3, 1, 1)))
    for one in splits(mixture):
        assert one.components == 4
        assert one.weights.sum() == pytest.approx(1)
        np.testing.assert_allclose(one.weights @ one.means, mixture.weights @ mixture.means)
    found = merges(mixture)
    assert len(found) == 3
    np.testing.assert_allclose(found[0].means[0], [0.375, 0])
    for one in found:
        np.testing.assert_allclose(one.weights @ one.means, mixture.weights @ mixture.means)
        np.testing.assert_allclose(second(one), second(mixture))


def second(mixture):
    square = mixture.covariances + mixture.means[:, :, None] * mixture.means[:, None, :]
    return np.tensordot(mixture.weights, square, axes=1)


def test_every_table_is_in_one_batch():
    for tests, count in ((1, 9), (2, 99), (2, 1000)):
        seen = np.zeros((tests, count), int)
        for k, at in batches(tests, count):
            seen[k, at] += 1
        assert (seen == 1).all()


def test_wilson_interval_of_a_tenth():
    """Ten of a hundred: 0.0552 to 0.1744 (Newcombe 1998, method 3)."""
    assert wilson(0.1, 100) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert wilson(0.0, 10)[0] == 0
