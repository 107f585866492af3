"""The two bootstraps in a run: pictures on the way, how far they are, and what they warn of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.studies import catalogue
from engine.studies.mixture.bootstrap.boot_fit import boot_fit
from engine.studies.mixture.bootstrap.chains import ChainRules
from engine.studies.mixture.bootstrap.spectral import rows_wanted
from engine.studies.mixture.config import RESAMPLED, BuiltinTable, FileTable, FitConfig
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.tasks.boot_run import ResampledRun
from engine.studies.mixture.tasks.setting import prepare_table
from engine.studies.mixture.tasks.telling import warn_of_resampling
from tests.engine.fakes import FakeRun

from .conftest import blobs

TRUTH = BuiltinTable(name="generated", rows=300, clusters=3, dimension=4, separation=5)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and progress after every iteration."""
    for name in ("TELL_SECONDS", "PROGRESS_SECONDS"):
        monkeypatch.setattr(f"engine.studies.mixture.tasks.boot_run.{name}", 0.0)
    monkeypatch.setattr("engine.studies.mixture.tasks.fit_run.SHARE", 0)


def saved(x: np.ndarray, path: Path) -> FileTable:
    np.savetxt(path, x, delimiter=",", header=",".join(f"c{i}" for i in range(x.shape[1])), comments="")
    return FileTable(path=str(path))


def said(config: FitConfig, folder: Path) -> tuple[FakeRun, str]:
    fake = FakeRun(folder)
    catalogue.task(config.task).run(config, fake)
    return fake, " ".join(template.format(**params) for template, params in fake.warnings)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("method", RESAMPLED)
def test_the_best_chain_is_shown_while_chains_run(method: str, tmp_path: Path) -> None:
    x, _ = blobs(240, np.array([[0.0, 0, 0], [9, 0, 3], [0, 9, -3]]), seed=1)
    x[::30, 1] = np.nan
    fake, _ = said(FitConfig(data=saved(x, tmp_path / "t.csv"), components=3, method=method, chains=2), tmp_path)
    pictures = [picture for picture, _ in fake.published["mixture"]]
    last = pictures[-1]
    assert len(pictures) == len(last.trace) + 1 and last.complete and not pictures[-2].complete
    for picture in pictures[:-1:10]:
        mixture = Mixture(picture.weights, picture.means, picture.covariances)
        np.testing.assert_allclose(picture.memberships, mixture.responsibilities(picture.x), atol=1e-6)
    shown = pictures[30]
    steps = len(shown.trace_out_of_bag)
    assert steps == 31 and (shown.burn, shown.window) == (20, 20)
    assert {tuple(row) for row in shown.trace_out_of_bag.T} == {tuple(row) for row in last.trace_out_of_bag[:steps].T}
    assert shown.log_likelihood / shown.count == pytest.approx(shown.trace[-1, 0], abs=1e-4)
    series = np.array(fake.series["out_of_bag"])
    assert series[-1, 1] == pytest.approx(last.trace_out_of_bag[-1].max(), abs=0.2)
    done, total = np.array([(one, of) for one, of, note in fake.progressed if note]).T
    assert (np.diff(done / total) >= -1e-12).all() and done[-1] / total[-1] > 0.8
    assert done[9] / total[9] == pytest.approx(10 / 70, abs=0.01)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("method", RESAMPLED)
def test_more_columns_than_covariances_hold_are_shown_on_axes(method: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 1600))
    x[:45] += 0.5
    x[::15, 3] = np.nan
    config = FitConfig(data=saved(x, tmp_path / "t.csv"), components=2, method=method, chains=1)
    fake = FakeRun(tmp_path)
    work = ResampledRun(config, fake, prepare_table(config, fake, complete=True, keep=True), "EII", 2,
                        ChainRules(2, 2, 7))  # fmt: skip
    work.run()
    shown = fake.last("mixture")
    assert shown.names[0] == "axis 1" and shown.x.shape[0] == 90
    labels = shown.labels()
    assert len(set(labels[:45])) == 1 and set(labels[:45]).isdisjoint(labels[45:])


def test_rows_too_few_for_the_axes_are_told(tmp_path: Path) -> None:
    x, _ = blobs(110, np.eye(6)[:3] * 30, seed=2)
    data = saved(x, tmp_path / "t.csv")
    fake, words = said(FitConfig(data=data, components=3, method="spectral_bootem", q_rule="variance"), tmp_path)
    kept = int(fake.scalars["axes_kept"][0])
    assert fake.last("mixture").weights.min() * 110 * 0.632 >= 5 * (kept + 1)
    assert f"Only {kept} of" in words


def test_overfitting_is_told_by_rows_left_out(tmp_path: Path) -> None:
    x = np.random.default_rng(3).standard_normal((160, 6)) ** 5
    config = FitConfig(data=saved(x, tmp_path / "t.csv"), components=2, method="bootspectral", chains=3)
    fake, words = said(config, tmp_path)
    gap = fake.scalars["likelihood_gap"][0]
    assert gap > 0.5
    assert f"rows left out of a resample are {gap:.2f} nat less likely" in words


def test_a_swallowed_cluster_and_unrest_are_told(tmp_path: Path) -> None:
    x, _ = blobs(240, np.array([[0.0, 0, 0], [9, 0, 3], [0, 9, -3]]), seed=1)
    found = boot_fit(x, 3, chains=2)
    fake, rules = FakeRun(tmp_path), ChainRules(most=60)
    warn_of_resampling(found, 0.1, rules, fake)
    assert not fake.warnings
    thin = replace(found.mixture, weights=np.array([0.6, 0.38, 0.02]))
    restless = replace(found.chains, settled=False)
    warn_of_resampling(replace(found, mixture=thin, chains=restless), 0.1, rules, fake)
    words = [template.format(**params) for template, params in fake.warnings]
    assert words[0] == "The resampled likelihood had not settled after 60 iterations."
    assert "ended with about 5 rows" in words[1] and f"needs {rows_wanted(found.q)}" in words[1]


def test_chains_that_lost_a_cluster_stay_sound_beside_the_best(tmp_path: Path) -> None:
    """On two axes of iris some chains let a component go."""
    fake, _ = said(FitConfig(data=BuiltinTable(name="iris"), components=3, method="spectral_bootem"), tmp_path)
    found = fake.last("mixture")
    assert len(found.weights) == 3
    assert (found.solution_weights.min(axis=1) == 0).any()
    np.testing.assert_allclose(found.solution_weights.sum(axis=1), 1)
    np.testing.assert_allclose(found.solution_memberships.sum(axis=2), 1, atol=1e-5)
    for weights, covariances in zip(found.solution_weights, found.solution_covariances, strict=True):
        assert (np.linalg.eigvalsh(covariances[weights > 0]) > 0).all()
