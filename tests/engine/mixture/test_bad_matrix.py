"""Every method on every kind of bad table: a sentence with a remedy, or a sound mixture and a warning that says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import EngineError
from engine.studies import catalogue
from engine.studies.mixture.config import METHODS, RESAMPLED, FileTable, FitConfig
from engine.studies.mixture.kinds import Fitted
from tests.engine.fakes import FakeRun

RNG = np.random.default_rng(0)
GOOD = RNG.standard_normal((60, 3))
GOOD[30:] += 6
FAR = RNG.standard_normal((40, 8)) + 50 * (np.arange(40) < 6)[:, None]
SPIKE = np.append(np.zeros(40), RNG.integers(1, 4, 20))


def changed(row: int, column: int, value: float) -> np.ndarray:
    x = GOOD.copy()
    x[row, column] = value
    return x


def holed(share: float) -> np.ndarray:
    return np.where(np.random.default_rng(1).random((60, 3)) < share, np.nan, GOOD)


# Rows, clusters, family; what is said of EM and its relatives; and of the bootstraps, where it differs.
CASES = {
    "a repeated column": (np.column_stack([GOOD, GOOD[:, 0]]), 2, "VVV", "c3 repeats column c0", ""),
    "collinear columns": (np.column_stack([GOOD, GOOD @ [1, 2, 0]]), 2, "VVV", "follow from the others", ""),
    "one line": (np.outer(np.append(GOOD[:, 0], 3), [1, 2, 3]), 2, "EEE", "follow from the others", ""),
    "more columns than rows": (RNG.standard_normal((8, 20)), 2, "VVV", "8 rows are too few", "q = 1"),
    "a diagonal family there": (RNG.standard_normal((8, 20)), 2, "VVI", "20 columns for 8 rows", "q = 1"),
    "more clusters than rows": (GOOD[:5], 9, "EII", "too few for 9 components", ""),
    "a cluster a row": (GOOD[:5], 5, "EII", "nothing but outliers", "too few for resampled EM"),
    "equal rows": (np.ones((30, 3)), 2, "VVV", "No column of numbers is left", ""),
    "two different rows": (np.repeat([[0.0, 0], [1, 2]], 15, axis=0), 2, "VVV", "follow from the others", "about 15"),
    "huge": (changed(3, 1, 1e300), 2, "VVV", "c1 holds numbers as large as 1.0e+300", ""),
    "tiny": (GOOD * 1e-200, 2, "VVV", "c0 holds no number larger than", ""),
    "infinite": (changed(4, 2, np.inf), 2, "VVV", "c2 holds 1 infinite values", ""),
    "rounded spikes": (np.column_stack([SPIKE, np.round(GOOD[:, 0])]), 3, "VVV", "rows a parameter", "too few for res"),
    "many more clusters": (GOOD, 20, "EEE", "collapsed", "too few for resampled EM"),
    "a few far rows": (FAR, 2, "EEE", "nothing but outliers", "too few for resampled EM"),
    "many gaps": (holed(0.4), 2, "EEE", "% of cells are missing", "too few for resampled EM"),
    "few whole rows": (holed(0.25), 2, "EEE", "missing values", "too few for resampled EM"),
    "one row": (GOOD[:1], 1, "EII", "1 usable row", ""),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES)
def test_bad_tables_are_explained(case: str, method: str, tmp_path: Path) -> None:
    x, components, family, phrase, resampled = CASES[case]
    path = tmp_path / "table.csv"
    np.savetxt(path, x, delimiter=",", header=",".join(f"c{i}" for i in range(x.shape[1])), comments="")
    data = FileTable(path=str(path))
    config = FitConfig(data=data, components=components, family=family, method=method, starts=4, chains=2)
    fake = FakeRun(tmp_path)
    try:
        catalogue.task(config.task).run(config, fake)
    except EngineError as error:
        assert error.remedy and "{" not in error.sentence()
        said = error.sentence()
    else:
        assert_sound(fake.last("mixture"))
        said = " ".join(template.format(**params) for template, params in fake.warnings)
    expected = resampled if resampled and method in RESAMPLED else phrase
    assert expected in said


def assert_sound(found: Fitted) -> None:
    assert np.isfinite(found.log_likelihood)
    for part in (found.means, found.covariances, found.memberships):
        assert np.isfinite(part).all()
    np.testing.assert_allclose(found.memberships.sum(axis=1), 1)
    assert (np.linalg.eigvalsh(found.covariances) > 0).all()
