"""The choice of model beyond BIC: out-of-bag likelihoods, rows with gaps, alarms under priors."""

import numpy as np
import pytest

from engine.artifacts.refs import ArtifactRef
from engine.runs.run import Stopped
from engine.seeding import generator
from engine.studies import catalogue
from engine.studies.mixture.choice.out_of_bag import CONTROL, out_of_bag
from engine.studies.mixture.choice.pools import heaviest, split
from engine.studies.mixture.choice.select import Selection
from engine.studies.mixture.config import BuiltinTable, FileTable, FitConfig, SelectConfig
from engine.studies.mixture.em.em import expectation_maximisation
from engine.studies.mixture.search.escape import resample
from engine.studies.mixture.search.fit import Options, fit
from engine.studies.mixture.tasks import select as tasks_select
from engine.studies.mixture.tasks.fit import NotJudged
from tests.engine.fakes import FakeRun
from tests.engine.mixture.conftest import blobs
from tests.engine.mixture.test_tasks import IRIS, run, same, value

RAW = Options(prior="off", scaling="none")
SMALL = SelectConfig(data=IRIS, families=("EII", "VVV"), largest=3, resamples=4)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return run(SMALL, tmp_path_factory.mktemp("small"))


def test_out_of_bag_likelihood_from_its_definition(iris):
    """One model and one resample at a time, densities from the mixtures in the user's units."""
    over = Selection(iris[0], [2, 3], RAW)
    over.family("VVV")
    mine = over.out_of_bag("VVV", [2, 3], 5)
    for g in (2, 3):
        params, guard = over._states["VVV"].params[g], over._guard("VVV", g)
        total, times = np.zeros(150), np.zeros(150)
        for b in range(5):
            counts = resample(150, generator(0, "out of bag", b))
            out = expectation_maximisation(over.rows, params, "VVV", guard, CONTROL, weights=counts)
            density = over.frame.mixture(out.params, 0, "VVV").log_density(iris[0])
            total += np.where(counts == 0, density, 0)
            times += counts == 0
        assert mine[g] == pytest.approx((total[times > 0] / times[times > 0]).mean(), abs=1e-9)


def test_out_of_bag_likelihood_is_below_that_of_training_and_falls_where_overfitted():
    x, _ = blobs(90, np.array([[0.0, 0, 0], [7, 0, 0]]), seed=4)
    over = Selection(x, range(1, 7), RAW)
    cells = over.family("VVV")
    found = over.out_of_bag("VVV", range(1, 7), 20)
    assert all(found[cell.components] < cell.criteria.log_likelihood / 90 for cell in cells)
    assert max(found, key=lambda g: found[g]) == 2
    assert found[6] < found[2] - 0.2


def test_batches_of_resamples_make_no_difference(iris, monkeypatch):
    over = Selection(iris[0], [2], RAW)
    over.family("EEE")
    whole = over.out_of_bag("EEE", [2], 6)
    monkeypatch.setattr("engine.studies.mixture.choice.out_of_bag.ENTRIES", 1)
    assert over.out_of_bag("EEE", [2], 6)[2] == pytest.approx(whole[2], abs=1e-9)


def test_rows_in_every_resample_do_not_count(iris):
    over = Selection(iris[0][:2], [1], RAW)
    over.family("EII")
    guard = over._guard("EII", 1)
    params = over._states["EII"].params[1]
    assert np.isnan(out_of_bag(over.rows, params, "EII", guard, 0, 0)).all()


def test_the_task_tells_out_of_bag_likelihoods_after_the_criteria(small):
    first, last = small.published["choice"][1][0], small.last("choice")
    assert np.isfinite(first.bic).all() and np.isnan(first.out_of_bag).all() and first.best_out_of_bag == ()
    assert last.resamples == 4
    np.testing.assert_array_equal(np.isfinite(last.out_of_bag), ~last.spurious)
    row, column = np.unravel_index(np.nanargmax(last.out_of_bag), last.out_of_bag.shape)
    assert last.best("out_of_bag") == (last.families[row], last.components[column])
    name = f"{last.families[row]} {last.components[column]}"
    assert value(small, "out_of_bag", model=name) == last.out_of_bag[row, column]
    assert small.progressed[-1][:2] == (4, 4)


def test_without_resamples_there_are_none(tmp_path):
    found = run(SMALL.model_copy(update={"resamples": 0}), tmp_path).last("choice")
    assert found.out_of_bag.size == 0
    assert found.best("out_of_bag") == ()
    config = FitConfig(
        data=IRIS, choice=ArtifactRef(run="0", name="choice", kind="choice"), criterion="out_of_bag", starts=5
    )
    with pytest.raises(NotJudged, match="without resamples"):
        run(config, tmp_path, {"choice": found})


def test_a_fit_takes_the_model_chosen_out_of_bag(small, tmp_path):
    config = FitConfig(
        data=IRIS, choice=ArtifactRef(run="0", name="choice", kind="choice"), criterion="out_of_bag", starts=5
    )
    found = run(config, tmp_path, {"choice": small.last("choice")}).last("mixture")
    assert (found.family, found.components) == small.last("choice").best_out_of_bag


def test_it_resumes_between_refits(small, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.studies.mixture.tasks.setting.POINT_SECONDS", 0.0)
    whole = run(SMALL, tmp_path)
    fake = FakeRun(tmp_path, 0, stop_after=whole.points - 3)
    with pytest.raises(Stopped):
        catalogue.task(SMALL.task).run(SMALL, fake)
    assert len(fake.published["choice"]) == 3
    later = fake.resumed()
    catalogue.task(SMALL.task).run(SMALL, later)
    same(later.last("choice"), small.last("choice"))


def test_where_all_would_take_long_only_the_leaders_are_refitted(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks_select, "MUCH_WORK", 0)
    monkeypatch.setattr(tasks_select, "BEST", 1)
    config = SelectConfig(data=IRIS, families=("EII", "EEE", "VVV"), largest=3, resamples=2)
    fake = run(config, tmp_path)
    found = fake.last("choice")
    assert sum("best {count} families" in template for template, _ in fake.warnings) == 1
    for g in range(3):
        leaders = {int(found.bic[:, g].argmax()), int(found.icl[:, g].argmax())}
        assert set(np.flatnonzero(np.isfinite(found.out_of_bag[:, g])).tolist()) == leaders


def gappy(x, every=6):
    """The rows with every so many-th value of the first two columns missing, never both."""
    x = x.copy()
    x[::every, 0] = np.nan
    x[3::every, 1] = np.nan
    return x


@pytest.mark.parametrize("family", ["EEE", "VVI", "VVV"])
def test_rows_with_gaps_take_part(family, iris):
    x = gappy(iris[0])
    for cell in Selection(x, [1, 2], RAW).family(family):
        peer = fit(x, cell.components, family, Options(starts=10, prior="off", scaling="none", escapes="off"))
        assert cell.criteria.log_likelihood >= peer.log_likelihood - 5e-3
        assert cell.criteria.log_likelihood == pytest.approx(cell.mixture.log_density(x).sum(), abs=1e-6)


def test_the_task_keeps_rows_with_few_patterns_of_gaps_and_says_so(iris, tmp_path):
    x = gappy(iris[0])
    path = tmp_path / "gaps.csv"
    np.savetxt(path, x, delimiter=",", fmt="%.6g")
    config = SelectConfig(data=FileTable(path=str(path)), families=("EEE",), largest=2, resamples=3)
    fake = run(config, tmp_path)
    found = fake.last("choice")
    assert found.rows == 150
    assert np.isfinite(found.out_of_bag).all()
    assert any("take part with what is known" in template for template, _ in fake.warnings)


def test_many_patterns_of_gaps_leave_their_rows_out(iris, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks_select, "PATTERNS", 2)
    path = tmp_path / "gaps.csv"
    np.savetxt(path, gappy(iris[0]), delimiter=",", fmt="%.6g")
    config = SelectConfig(data=FileTable(path=str(path)), families=("EEE",), largest=2, resamples=0)
    fake = run(config, tmp_path)
    assert fake.last("choice").rows == 100
    assert [params["count"] for template, params in fake.warnings if "leaves out {count} rows" in template] == [50]


@pytest.mark.parametrize("prior", ["off", "pooled", "auto"])
def test_more_components_that_stay_behind_are_lifted_and_told_of(prior, wine):
    """Also where a prior holds the covariances: the smaller solution is judged under the larger one's guard."""
    over = Selection(wine[0], [2, 3], Options(prior=prior))
    over.family("VII")
    state, guards = over._states["VII"], {g: over._guard("VII", g) for g in (2, 3)}
    reached = state.objective[3]
    state.params[3] = split(state.params[2], 0, 3.0)
    state.objective[3] = reached - 1e4
    over._climb_from_fewer("VII", state, guards, None)
    assert state.alarm[3] == "VII 2"
    twice = split(state.params[2], heaviest(state.params[2])[0], 0.0)
    assert state.objective[3] >= over._objectives("VII", guards, {3: twice})[3] - 1e-6 * over.rows.n


@pytest.mark.parametrize("family", ["VII", "VVI", "VEE"])
def test_nothing_stays_behind_one_component_less_under_the_default_prior(family, wine):
    """Some of these numbers have a prior, the smaller ones none."""
    over = Selection(wine[0], range(1, 6), Options())
    cells = over.family(family)
    assert len({cell.prior for cell in cells}) == 2 or family == "VEE"
    state = over._states[family]
    for g in range(2, 6):
        small = state.params[g - 1]
        twice = split(small, heaviest(small)[0], 0.0)
        value = over._objectives(family, {g: over._guard(family, g)}, {g: twice})[g]
        assert state.objective[g] >= value - 1e-6 * over.rows.n


def test_a_spurious_solution_gives_way_to_an_honest_one(iris):
    over = Selection(iris[0], [2], RAW)
    over.family("VVV")
    state, guard = over._states["VVV"], over._guard("VVV", 2)
    good, worth = state.params[2], state.objective[2]
    state.spurious[2], state.objective[2] = True, worth + 1e6
    out = expectation_maximisation(over.rows, good, "VVV", guard, CONTROL)
    over._keep(state, out, np.array([2]), guard, "VVV")
    assert not state.spurious[2]
    assert state.objective[2] == pytest.approx(worth, abs=1e-2)


def test_a_generated_table_is_recognised_by_every_criterion(tmp_path):
    data = BuiltinTable(name="generated", rows=400, clusters=3, dimension=2, separation=7)
    found = run(SelectConfig(data=data, families=("EII", "VVV"), largest=5, resamples=5), tmp_path).last("choice")
    assert found.best("bic")[1] == found.best("icl")[1] == 3
    assert found.best("out_of_bag")[1] in (3, 4)
