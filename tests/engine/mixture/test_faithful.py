"""Old Faithful, the table that papers on mixtures show: its rows, and its best model by BIC."""

import numpy as np
import pytest

from engine.studies.mixture.choice.select import best_by_bic, select
from engine.studies.mixture.config import BuiltinTable, FitConfig, SelectConfig
from engine.studies.mixture.search.fit import Options
from engine.studies.mixture.tables.source import OLD_FAITHFUL, load_table, old_faithful
from tests.engine.mixture.test_tasks import run, value

FAITHFUL = BuiltinTable(name="faithful", scaling="none")


def rows():
    return np.array([column.values for column in old_faithful()]).T


def test_rows_and_moments():
    """R's datasets::faithful: 272 rows, means 3.487783 min and 70.89706 min, standard deviations 1.141371, 13.59497."""
    x = rows()
    assert x.shape == (272, 2)
    np.testing.assert_allclose(x.mean(axis=0), [3.487783, 70.89706], rtol=1e-6)
    np.testing.assert_allclose(x.std(axis=0, ddof=1), [1.141371, 13.59497], rtol=1e-6)
    assert x[0].tolist() == [3.6, 79]
    assert OLD_FAITHFUL.read_text(encoding="utf-8").count("\n") == 273


def test_the_table_has_no_classes():
    table = load_table(FAITHFUL, None)
    assert table.names == ("eruption (min)", "waiting (min)")
    assert table.labels is None
    assert not table.missing


def test_three_clusters_of_one_covariance_are_best_as_in_mclust():
    """mclust 6.0.0, Mclust(faithful): EEE with 3 components, log-likelihood -1126.326, df 11, BIC -2314.316."""
    cells = select(rows(), ("EEE", "VVV", "VVI", "EII"), range(1, 5), Options(prior="off", scaling="none"))
    best = best_by_bic(cells)
    assert (best.family, best.components, best.criteria.degrees) == ("EEE", 3, 11)
    assert best.criteria.bic == pytest.approx(-2314.3, abs=0.05)


def test_the_tasks_take_it(tmp_path):
    chosen = run(SelectConfig(data=FAITHFUL, families=("EEE",), largest=3, resamples=0, prior="off"), tmp_path)
    assert chosen.last("choice").best("bic") == ("EEE", 3)
    fake = run(FitConfig(data=FAITHFUL, family="EEE", components=3, starts=20, prior="off"), tmp_path)
    assert value(fake, "mixture_bic") == pytest.approx(-2314.3, abs=0.05)
    assert "ari" not in fake.scalars
