"""Rows with gaps beside fits of whole rows: memberships against the marginals of the full mixture."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.bootstrap.spectral import project, spectrum
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.tables.table import from_array
from engine.studies.mixture.tasks.gaps import FewWholeRows, merged, on_axes, only, whole_rows
from engine.studies.mixture.tasks.setting import Setting

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("q", [1, 3, 6])
def test_memberships_on_axes_are_those_of_the_lifted_mixture(q: int) -> None:
    x = RNG.standard_normal((200, 6)) @ RNG.standard_normal((6, 6))
    projection = project(spectrum(x), q)
    t = projection.scores(x)
    root = RNG.standard_normal((3, q, q)) + 2 * np.eye(q)
    inner = Mixture(np.array([0.2, 0.3, 0.5]), t[:3], root @ root.swapaxes(1, 2))
    holed = np.where(RNG.random(x.shape) < 0.3, np.nan, x)
    holed[:5] = x[:5]
    holed = holed[~np.isnan(holed).all(axis=1)]
    z, scores = on_axes(projection, inner, holed)
    np.testing.assert_allclose(z, projection.lift(inner).responsibilities(holed), atol=1e-8)
    np.testing.assert_allclose(z[:5], inner.responsibilities(t[:5]), atol=1e-6)
    np.testing.assert_allclose(scores[:5], t[:5], atol=1e-6)


def test_expected_scores_of_a_row_without_values_are_the_mean() -> None:
    x = RNG.standard_normal((50, 4))
    projection = project(spectrum(x), 2)
    inner = Mixture(np.array([0.25, 0.75]), np.array([[4.0, 0], [0, 4]]), np.tile(np.eye(2), (2, 1, 1)))
    z, scores = on_axes(projection, inner, np.full((1, 4), np.nan))
    np.testing.assert_allclose(z, [[0.25, 0.75]])
    np.testing.assert_allclose(scores, [[1.0, 3.0]])


def test_rows_are_parted_and_put_together_again() -> None:
    x = RNG.standard_normal((6, 2))
    x[1, 0] = x[4, 1] = np.nan
    took = whole_rows(x)
    assert took.tolist() == [True, False, True, True, False, True]
    np.testing.assert_array_equal(merged(took, x[took], x[~took]), x)
    setting = Setting(from_array(x), (), np.full(6, -1), np.arange(6))
    assert only(setting, took, "EM").table.rows.tolist() == [0, 2, 3, 5]


def test_hardly_any_whole_row_is_said_with_the_column() -> None:
    x = RNG.standard_normal((9, 3))
    x[1:, 1] = np.nan
    x[1, 1] = 0.5
    x[1, 0] = np.nan
    setting = Setting(from_array(x), (), np.full(9, -1), np.arange(9))
    with pytest.raises(FewWholeRows, match=r"column 2.*EM"):
        only(setting, whole_rows(x), "BootSpectral")
