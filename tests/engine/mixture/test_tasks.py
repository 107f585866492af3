"""The mixture tasks on runs in memory: against scikit-learn and known truth; how they resume; what they refuse."""

import json
from dataclasses import fields

import numpy as np
import pytest

from engine.artifacts.refs import ArtifactRef
from engine.errors import EngineError
from engine.runs.run import Stopped
from engine.studies import catalogue
from engine.studies.mixture.config import (
    BuiltinTable,
    FileTable,
    FitConfig,
    MixtureConfig,
    RunTable,
    SelectConfig,
    StabilityConfig,
)
from engine.studies.mixture.kinds import KINDS
from engine.studies.mixture.model.coordinates import frame_from, guard_for
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.tables.source import generated_mixture, load_table
from engine.studies.mixture.tasks import fit_run
from tests.engine.fakes import FakeRun

IRIS, WINE = BuiltinTable(name="iris"), BuiltinTable(name="wine")
TRUTH = BuiltinTable(name="generated", rows=600, clusters=3, dimension=3, separation=6)


def ref(name):
    return ArtifactRef(run="0", name=name, kind=name)


def run(config, folder, inputs=None, **options):
    fake = FakeRun(folder, config.seed, {f"0/{name}": value for name, value in (inputs or {}).items()}, **options)
    catalogue.task(config.task).run(config, fake)
    return fake


def value(fake, id, **dims):
    return fake.scalars[(id, *sorted(dims.items())) if dims else id][0]


def same(a, b):
    """Whether two artifacts are equal, part by part."""
    for part in fields(a):
        one, other = getattr(a, part.name), getattr(b, part.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, part.name)
        else:
            assert json.dumps(one) == json.dumps(other), part.name


@pytest.fixture(scope="module")
def choice(tmp_path_factory):
    return run(SelectConfig(data=IRIS, families=("EII", "EEE", "VVV"), largest=4), tmp_path_factory.mktemp("select"))


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return run(FitConfig(data=TRUTH, components=3), tmp_path_factory.mktemp("fit"))


def test_a_choice_has_the_likelihoods_of_scikit_learn(choice):
    from sklearn.datasets import load_iris
    from sklearn.mixture import GaussianMixture

    found = choice.last("choice")
    x = load_iris().data
    for family, kind in (("EEE", "tied"), ("VVV", "full")):
        row = found.families.index(family)
        for g in (1, 2):
            other = GaussianMixture(g, covariance_type=kind, n_init=5, tol=1e-7, reg_covar=1e-9, random_state=0).fit(x)
            assert found.log_likelihood[row, g - 1] == pytest.approx(other.score(x) * len(x), abs=0.05)
            assert found.bic[row, g - 1] == pytest.approx(-other.bic(x), abs=0.1)
    assert found.best("bic") == ("VVV", 2)
    assert choice.published["choice"][-1][1]
    assert value(choice, "mixture_bic", model="VVV 2") == found.bic[found.families.index("VVV"), 1]


def test_a_choice_says_nothing_of_families_that_are_still_to_come(choice):
    first = choice.published["choice"][0][0]
    assert np.isfinite(first.bic[0]).all()
    assert np.isnan(first.bic[1:]).all()


@pytest.mark.parametrize("stop", [2, 5])
def test_a_choice_resumes_to_the_same(choice, tmp_path, stop, monkeypatch):
    config = SelectConfig(data=IRIS, families=("EII", "EEE", "VVV"), largest=4)
    monkeypatch.setattr("engine.studies.mixture.tasks.setting.POINT_SECONDS", 0.0)
    points = run(config, tmp_path).points
    fake = FakeRun(tmp_path, 0, stop_after=points * stop // 6)
    with pytest.raises(Stopped):
        catalogue.task(config.task).run(config, fake)
    later = fake.resumed()
    catalogue.task(config.task).run(config, later)
    same(later.last("choice"), choice.last("choice"))


def test_families_that_the_rows_cannot_carry_are_left_out_in_words(tmp_path):
    path = tmp_path / "wide.csv"
    rng = np.random.default_rng(0)
    np.savetxt(path, rng.normal(size=(12, 20)), delimiter=",")
    fake = run(SelectConfig(data=FileTable(path=str(path)), families=("VVI", "VVV"), largest=2), tmp_path)
    found = fake.last("choice")
    assert np.isfinite(found.bic[0]).all()
    assert np.isnan(found.bic[1]).all()
    assert any("is left out" in template for template, _ in fake.warnings)
    with pytest.raises(EngineError, match="too few"):
        run(SelectConfig(data=FileTable(path=str(path)), families=("VVV",), largest=2), tmp_path)


def test_a_fit_finds_the_truth(truth):
    found = truth.last("mixture")
    true = generated_mixture(TRUTH)
    order = [int(np.argmin(((true.means - mean) ** 2).sum(axis=1))) for mean in found.means]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(found.means, true.means[order], atol=0.3)
    np.testing.assert_allclose(found.weights, true.weights[order], atol=0.05)
    assert value(truth, "ari") > 0.98
    assert value(truth, "nmi") > 0.96
    assert value(truth, "mixture_parameters") == 2 + 9 + 18
    assert found.known.max() == 2


def test_a_fit_leaves_its_labels_as_a_table(truth):
    found, table = truth.last("mixture"), truth.last("labels")
    assert table["row"].tolist() == list(range(1, 601))
    assert table["cluster"].tolist() == (found.labels() + 1).tolist()
    np.testing.assert_array_equal(table["membership"], found.memberships.max(axis=1))


def test_numbers_of_a_fit_follow_from_each_other(truth):
    n, degrees, total = 600, value(truth, "mixture_parameters"), value(truth, "mixture_log_likelihood")
    assert value(truth, "mixture_bic") == pytest.approx(2 * total - degrees * np.log(n))
    assert value(truth, "mixture_aic") == pytest.approx(2 * degrees - 2 * total)
    assert value(truth, "training_likelihood") == pytest.approx(total / n)
    assert value(truth, "rows_per_parameter") == pytest.approx(n / degrees)
    found = truth.last("mixture")
    assert value(truth, "basin_share") == pytest.approx(100 * found.share[0])
    assert value(truth, "smallest_eigenvalue") == pytest.approx(np.linalg.eigvalsh(found.covariances).min())


def test_a_fit_agrees_with_scikit_learn(tmp_path):
    from sklearn.datasets import load_iris
    from sklearn.mixture import GaussianMixture

    fake = run(FitConfig(data=IRIS, components=3, starts=20, prior="off"), tmp_path)
    other = GaussianMixture(3, n_init=10, tol=1e-7, reg_covar=1e-9, random_state=0).fit(load_iris().data)
    assert value(fake, "mixture_log_likelihood") == pytest.approx(other.score(load_iris().data) * 150, abs=0.2)
    assert value(fake, "ari") == pytest.approx(0.904, abs=0.02)


def test_maxima_are_ranked_and_kept(truth):
    found = truth.last("mixture")
    assert found.member[np.argmax(found.log_likelihoods)] == 0
    assert found.share.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.solution_means[0], found.means)
    np.testing.assert_allclose(found.solution_memberships[0], found.memberships[found.sample], atol=1e-6)
    reached = len(set(found.member[found.finished].tolist()))
    barrier = found.barrier[:reached, :reached]
    assert (np.diagonal(barrier) == 0).all()
    assert (barrier >= 0).all()


@pytest.mark.parametrize("method", ["t", "cem", "sem", "annealing", "spectral_bootem", "bootspectral"])
def test_every_method_finds_three_clear_clusters(method, tmp_path):
    fake = run(FitConfig(data=TRUTH, components=3, method=method, starts=10, chains=4), tmp_path)
    found = fake.last("mixture")
    assert value(fake, "ari") > 0.9
    assert found.complete
    assert len(found.dof) == (3 if method == "t" else 0)
    np.testing.assert_allclose(found.memberships.sum(axis=1), 1)
    if method in ("spectral_bootem", "bootspectral"):
        assert found.axes.shape == (3, int(value(fake, "axes_kept")))
        assert found.trace_out_of_bag.shape == (len(found.trace), 4)
        assert "mixture_bic" not in fake.scalars


def test_a_fit_takes_family_and_number_from_a_choice(choice, tmp_path):
    config = FitConfig(data=IRIS, choice=ref("choice"), components=7, family="EII", starts=10)
    found = run(config, tmp_path, {"choice": choice.last("choice")}).last("mixture")
    assert (found.family, len(found.weights)) == ("VVV", 2)


def test_a_fit_shows_itself_while_it_climbs(tmp_path, monkeypatch):
    monkeypatch.setattr(fit_run, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(fit_run, "SHARE", 0)
    fake = run(FitConfig(data=TRUTH, components=3, starts=5), tmp_path)
    shown = [artifact for artifact, _ in fake.published["mixture"]]
    assert len(shown) > 3
    assert not shown[0].complete
    assert shown[-1].complete
    assert shown[-2].log_likelihood <= shown[-1].log_likelihood + 1e-6
    assert shown[0].log_likelihood < shown[-1].log_likelihood


def test_a_fit_stops(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.studies.mixture.tasks.setting.POINT_SECONDS", 0.0)
    fake = FakeRun(tmp_path, 0, stop_after=4)
    with pytest.raises(Stopped):
        catalogue.task("mixture.fit").run(FitConfig(data=TRUTH, components=3), fake)
    assert "mixture" not in fake.published or not fake.published["mixture"][-1][1]


def test_stability_of_clear_clusters(truth, tmp_path):
    fake = run(StabilityConfig(mixture=ref("mixture"), replicates=60), tmp_path, {"mixture": truth.last("mixture")})
    found = fake.last("stability")
    assert found.verdicts == ("stable",) * 3
    assert found.jaccard.shape == (60, 3)
    assert found.jaccard.mean() > 0.95
    assert found.consensus.shape == (400, 400)
    together = found.groups[:, None] == found.groups[None, :]
    assert found.consensus[together].mean() > 0.95
    assert found.consensus[~together].mean() < 0.05
    assert 0 < value(fake, "likelihood_gap") < 0.2
    assert value(fake, "out_of_bag") == pytest.approx(found.training - value(fake, "likelihood_gap"))
    fitted = truth.last("mixture")
    assert (found.memberships.argmax(axis=1) == fitted.labels()).mean() > 0.98


def test_stability_tells_how_many_refits_have_converged(truth, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.studies.mixture.tasks.stability.PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(fit_run, "SHARE", 0)
    fake = run(StabilityConfig(mixture=ref("mixture"), replicates=30), tmp_path, {"mixture": truth.last("mixture")})
    done = np.array([one for one, total, _ in fake.progressed if total == 30])
    assert (np.diff(done) >= 0).all() and done[0] == 0 and done[-1] == 30
    assert len(set(done.tolist())) > 6


def test_stability_resumes_to_the_same(truth, tmp_path):
    config, inputs = StabilityConfig(mixture=ref("mixture"), replicates=60), {"0/mixture": truth.last("mixture")}
    whole = FakeRun(tmp_path, 0, inputs)
    catalogue.task(config.task).run(config, whole)
    fake = FakeRun(tmp_path, 0, inputs)
    fake.checkpoint = stop_after_second(fake)
    with pytest.raises(Stopped):
        catalogue.task(config.task).run(config, fake)
    later = fake.resumed()
    catalogue.task(config.task).run(config, later)
    same(later.last("stability"), whole.last("stability"))
    assert later.checkpoints == 1


def stop_after_second(fake):
    """A checkpoint that is the last thing a run does when it is the second one."""
    save = type(fake).checkpoint

    def checkpoint(state):
        save(fake, state)
        if fake.checkpoints == 2:
            raise Stopped

    return checkpoint


def test_out_of_bag_likelihood_is_that_of_fresh_rows(truth, tmp_path):
    fake = run(StabilityConfig(mixture=ref("mixture"), replicates=50), tmp_path, {"mixture": truth.last("mixture")})
    true = generated_mixture(TRUTH)
    fresh, _ = true.sample(20_000, np.random.default_rng(5))
    assert value(fake, "out_of_bag") == pytest.approx(true.log_density(fresh).mean(), abs=0.15)


def test_stability_of_a_mixture_on_axes(tmp_path):
    fitted = run(FitConfig(data=WINE, components=3, method="spectral_bootem", q=2), tmp_path).last("mixture")
    fake = run(StabilityConfig(mixture=ref("mixture"), replicates=20), tmp_path, {"mixture": fitted})
    assert len(fake.last("stability").verdicts) == 3
    assert value(fake, "jaccard", cluster=1) > 0.75


def test_stability_of_a_t_mixture(tmp_path):
    fitted = run(FitConfig(data=TRUTH, components=3, method="t", starts=5), tmp_path).last("mixture")
    fake = run(StabilityConfig(mixture=ref("mixture"), replicates=20), tmp_path, {"mixture": fitted})
    found = fake.last("stability")
    assert found.verdicts == ("stable",) * 3
    assert 0 < value(fake, "likelihood_gap") < 0.3
    true = generated_mixture(TRUTH)
    fresh, _ = true.sample(20_000, np.random.default_rng(5))
    assert found.out_of_bag == pytest.approx(true.log_density(fresh).mean(), abs=0.15)


@pytest.mark.parametrize("method", ["t", "spectral_bootem", "bootspectral", "em", "cem"])
def test_rows_with_gaps_get_memberships_by_what_is_known_of_them(method, holes, tmp_path):
    fake = run(FitConfig(data=holes, components=3, method=method, starts=8, chains=3), tmp_path)
    found = fake.last("mixture")
    gaps = np.isnan(found.x).any(axis=1)
    whole = method not in ("em", "cem")
    assert len(found.memberships) == len(found.x) == 240 and gaps.sum() > 20
    assert found.count == value(fake, "mixture_rows") == (240 - gaps.sum() if whole else 240)
    np.testing.assert_allclose(found.memberships.sum(axis=1), 1)
    assert value(fake, "ari") > 0.93
    mixture = Mixture(found.weights, found.means, found.covariances, dof=found.dof if len(found.dof) else None)
    expected = mixture.responsibilities(np.array(found.x))
    np.testing.assert_allclose(found.memberships[gaps], expected[gaps], atol=1e-6)
    assert found.solution_memberships.shape[1] == 240
    said = [template.format(**params) for template, params in fake.warnings]
    assert any(f"{gaps.sum()} rows with missing values take no part" in line for line in said) == whole
    stable = run(StabilityConfig(mixture=ref("mixture"), replicates=5), tmp_path, {"mixture": found}).last("stability")
    assert stable.verdicts == ("stable",) * 3 and len(stable.memberships) == 240
    assert (stable.memberships.argmax(axis=1) == found.labels()).mean() > 0.95


@pytest.fixture
def holes(tmp_path):
    """Three clusters in four columns of which one in twenty cells is empty."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((240, 4)) + np.repeat([[0, 0, 0, 4], [6, 0, 4, 0], [0, 6, -4, 0]], 80, axis=0)
    cells = [[f"{value:.4f}" if rng.random() > 0.05 else "" for value in row] for row in x]
    lines = [",".join([*row, "abc"[i // 80]]) for i, row in enumerate(cells)]
    path = tmp_path / "holes.csv"
    path.write_text("\n".join(["w,x,y,z,kind", *lines]), encoding="utf-8")
    return FileTable(path=str(path), label="kind")


def test_a_table_with_hardly_any_whole_row_is_refused_in_words(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 4))
    cells = [[f"{value:.4f}" for value in row] for row in x]
    for i in range(1, 20):
        cells[i][i % 4] = ""
    path = tmp_path / "few.csv"
    path.write_text("\n".join(["w,x,y,z", *map(",".join, cells)]), encoding="utf-8")
    with pytest.raises(EngineError, match="only 1 of 20 rows have all their values"):
        run(FitConfig(data=FileTable(path=str(path)), components=2, method="t"), tmp_path)


def test_an_overfitted_mixture_is_told(tmp_path):
    fit = run(FitConfig(data=WINE, components=3, family="VVV", starts=10), tmp_path)
    assert any("rows a parameter" in template for template, _ in fit.warnings)
    fake = run(StabilityConfig(mixture=ref("mixture"), replicates=20), tmp_path, {"mixture": fit.last("mixture")})
    assert value(fake, "likelihood_gap") > 0.5
    assert any("overfitted" in template for template, _ in fake.warnings)


@pytest.fixture
def messy(tmp_path):
    """Two clusters with a column of text, missing cells and decimal commas."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(6, 1, (40, 2))])
    cells = [[f"{value:.3f}".replace(".", ",") for value in row] for row in x]
    cells[3][0] = cells[70][1] = ""
    lines = ["width;height;name;kind"] + [f"{a};{b};plant {i};{'ab'[i >= 60]}" for i, (a, b) in enumerate(cells)]
    path = tmp_path / "messy.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_messy_table_is_fitted_and_explained(messy, tmp_path):
    data = FileTable(path=str(messy), label="kind")
    fake = run(FitConfig(data=data, components=2, family="EEE", starts=5), tmp_path)
    found = fake.last("mixture")
    assert found.names == ("width", "height")
    assert found.x.shape == (100, 2)
    assert found.classes == ("a", "b")
    assert value(fake, "ari") > 0.95
    said = [template.format(**params) for template, params in fake.warnings]
    assert any("name holds text" in line for line in said)
    assert any("2 rows have missing values" in line for line in said)
    chosen = run(SelectConfig(data=data, families=("EEE",), largest=3), tmp_path)
    assert chosen.last("choice").rows == 100
    assert chosen.last("choice").best("bic") == ("EEE", 2)
    stable = run(StabilityConfig(mixture=ref("mixture"), replicates=10), tmp_path, {"mixture": found})
    assert stable.last("stability").verdicts == ("stable", "stable")


def test_a_table_of_another_run_is_fitted(tmp_path):
    rng = np.random.default_rng(2)
    table = {"loss": rng.normal(size=200), "word": np.array(["x", "y"] * 100)}
    table["loss"][::2] += 8
    data = RunTable(table=ArtifactRef(run="0", name="table", kind="table"), label="word")
    fake = run(FitConfig(data=data, components=2, starts=5), tmp_path, {"table": table})
    assert value(fake, "ari") == 1
    config = FitConfig(data=RunTable())
    assert config.open_inputs() == ["data.table"]
    assert FitConfig(data=data).open_inputs() == []
    assert list(FitConfig(data=data).inputs()) == ["data.table"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no rows"),
        ("a,b\n1,2\n3", "has 1 cells"),
        ("a\nx\ny\nz", "holds text"),
        ("a,b\n1,2\n1,2\n1,2", "in every row"),
        ("a,b\n1,2", "has 1 usable row"),
        ("a,b\n1,inf\n2,3\n3,4", "b"),
    ],
)
def test_bad_tables_give_their_sentence(text, sentence, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EngineError, match=sentence):
        run(SelectConfig(data=FileTable(path=str(path))), tmp_path)


def test_an_unknown_column_is_named(tmp_path):
    with pytest.raises(EngineError, match="weight"):
        run(FitConfig(data=BuiltinTable(columns=("weight",))), tmp_path)


@pytest.mark.parametrize("name", ["choice", "mixture", "stability"])
def test_kinds_read_what_they_write(name, choice, truth, tmp_path):
    made = {"choice": choice, "mixture": truth}
    if name == "stability":
        config = StabilityConfig(mixture=ref("mixture"), replicates=5)
        made[name] = run(config, tmp_path, {"mixture": truth.last("mixture")})
    kind = next(kind for kind in KINDS if kind.name == name)
    folder = tmp_path / "artifact"
    folder.mkdir()
    written = made[name].last(name)
    kind.write(written, folder)
    found = kind.read(folder)
    same(found, written)
    assert kind.describe(found) == kind.describe(written)
    assert type(found).__name__ == type(written).__name__


def test_what_fits_again_and_again_sees_a_part_of_many_rows(truth, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.studies.mixture.tasks.setting.MANY_ROWS", 250)
    choice = run(SelectConfig(data=TRUTH, families=("VVV",), largest=4, resamples=0), tmp_path / "choice")
    assert choice.last("choice").rows == 250
    assert choice.last("choice").best("bic") == ("VVV", 3)
    assert "a random 250 of them are used here" in " ".join(t.format(**p) for t, p in choice.warnings)
    monkeypatch.setattr("engine.studies.mixture.tasks.refits.MANY_ROWS", 250)
    monkeypatch.setattr("engine.studies.mixture.tasks.refits.part_size", lambda columns: 200)
    config = StabilityConfig(mixture=ref("mixture"), replicates=10)
    fake = run(config, tmp_path / "stability", {"mixture": truth.last("mixture")})
    found = fake.last("stability")
    assert found.memberships.shape == (200, 3)
    assert found.verdicts == ("stable",) * 3
    assert found.out_of_bag == pytest.approx(truth.last("mixture").log_likelihood / 600, abs=0.4)
    assert "a random 200 of them are resampled here" in " ".join(t.format(**p) for t, p in fake.warnings)


def test_the_pipeline_hands_its_table_on():
    config = MixtureConfig(data=WINE)
    stages = config.stages()
    assert list(stages) == ["select", "fit", "stability"]
    assert stages["select"].data == stages["fit"].data == WINE
    assert list(MixtureConfig(fit=None).stages()) == ["select"]
    assert MixtureConfig.presets()["standard"].select.families[-1] == "VVV"


def test_the_fewest_clusters_are_not_more_than_the_most():
    with pytest.raises(ValueError, match="fewest"):
        SelectConfig(smallest=5, largest=4)


def test_what_is_the_same_of_several_columns_is_said_once(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{a / 7:.4f},5,7,word,term" for a in range(12)]
    path.write_text("\n".join(["a,b,c,d,e", *rows]), encoding="utf-8")
    fake = run(FitConfig(data=FileTable(path=str(path)), components=1), tmp_path)
    said = [template.format(**params) for template, params in fake.warnings]
    assert "These columns are the same in every row and were left out: b, c." in said
    assert "These columns hold text and were left out: d, e." in said


def test_a_column_that_hardly_varies_keeps_its_variance():
    table = load_table(BuiltinTable(name="digits"), lambda ref: None)
    variance = table.x.var(axis=0)
    assert (table.resolution**2 / 12 > variance).any()
    covariance = np.cov(table.x.T, bias=True)
    unit = frame_from("isotropic", np.zeros(len(variance)), np.eye(len(variance)))
    guard = guard_for(unit, "VVI", 1, np.zeros(len(variance)), covariance, resolution=table.resolution)
    assert (guard.floor <= np.maximum(0.1 * variance, 1e-6 * variance.mean()) + 1e-12).all()
    wide = table.resolution**2 / 12 < 0.1 * variance
    np.testing.assert_allclose(guard.floor[wide], table.resolution[wide] ** 2 / 12)


def test_one_gaussian_of_the_digits_is_that_of_scikit_learn(tmp_path):
    from sklearn.mixture import GaussianMixture

    config = FitConfig(data=BuiltinTable(name="digits"), components=1, family="VVI")
    fake = run(config, tmp_path)
    x = fake.last("mixture").x
    other = GaussianMixture(1, covariance_type="diag", reg_covar=0).fit(x)
    assert value(fake, "mixture_log_likelihood") == pytest.approx(other.score(x) * len(x), rel=1e-6)


def test_one_column_has_two_families(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=60), rng.normal(6, 1, 60)])
    np.savetxt(tmp_path / "one.csv", rows, header="v", comments="")
    data = FileTable(path=str(tmp_path / "one.csv"))
    config = SelectConfig(data=data, largest=2, resamples=0, starts=2)
    fake = run(config, tmp_path / "run")
    assert tuple(fake.published["choice"][-1][0].families) == ("EII", "VII")
    assert {"kept": "EII, VII"} in [params for _, params in fake.warnings]
    only = run(config.model_copy(update={"families": ("VVV",)}), tmp_path / "only")
    assert tuple(only.published["choice"][-1][0].families) == ("VVV",) and not only.warnings


def test_families_that_are_left_out_cost_nothing(tmp_path):
    np.savetxt(tmp_path / "wide.csv", np.random.default_rng(0).normal(size=(40, 300)), delimiter=",")
    data = FileTable(path=str(tmp_path / "wide.csv"))
    task = catalogue.task("mixture.select")
    quick = task.estimate(SelectConfig(data=data))
    fewer = task.estimate(SelectConfig(data=data, families=("EII", "VII", "EEI", "VVI")))
    assert quick == fewer and quick.seconds < 120
    fit = catalogue.task("mixture.fit").estimate(FitConfig(data=data))
    assert fit.seconds < 60
