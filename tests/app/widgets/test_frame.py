import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPointF, QRectF

from app.shell.theme import LIGHT
from app.widgets.plot.frame import FAR, Frame, polygon, runs, thinned
from app.widgets.plot.scale import View

FRAME = Frame(QRectF(50, 10, 200, 100), View(-1, 1, 0, 10), LIGHT)


def test_corners_map_to_corners() -> None:
    assert FRAME.point(-1, 0) == QPointF(50, 110)
    assert FRAME.point(1, 10) == QPointF(250, 10)
    assert FRAME.inverse(QPointF(150, 60)) == (pytest.approx(0), pytest.approx(5))


@given(st.floats(-1, 1), st.floats(0, 10))
def test_inverse(x: float, y: float) -> None:
    back = FRAME.inverse(FRAME.point(x, y))
    assert back == (pytest.approx(x, abs=1e-9), pytest.approx(y, abs=1e-9))


def test_far_points_are_cut() -> None:
    assert float(FRAME.x(1e300)) == FAR
    assert np.isnan(FRAME.y(np.array([np.nan]))[0])


def test_polygon_holds_the_points() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=1000), rng.normal(size=1000)
    shape = polygon(x, y)
    assert len(shape) == 1000
    assert shape[7] == QPointF(x[7], y[7])
    assert len(polygon(np.empty(0), np.empty(0))) == 0


@given(st.lists(st.booleans(), max_size=40))
def test_runs_cover_exactly_what_is_true(flags: list[bool]) -> None:
    covered = np.zeros(len(flags), dtype=bool)
    for start, end in runs(np.array(flags, dtype=bool)):
        assert not covered[start:end].any()
        covered[start:end] = True
    assert covered.tolist() == flags


@settings(deadline=None, max_examples=30)
@given(st.integers(2000, 20000), st.integers(20, 300), st.integers(0, 5))
def test_thinning_keeps_each_columns_extremes(n: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.linspace(0, columns, n), rng.normal(size=n)
    tx, ty = thinned(x, y, columns)
    assert len(tx) <= max(4 * columns, n if n <= 4 * columns else 0)
    assert (ty.min(), ty.max()) == (y.min(), y.max())
    assert np.all(np.diff(tx) >= 0)
    assert (tx[0], tx[-1], ty[0], ty[-1]) == (x[0], x[-1], y[0], y[-1])
    if n > 4 * columns:
        column = np.minimum(np.floor((x - x[0]) / (x[-1] - x[0]) * columns + 1e-9), columns - 1)
        top = np.array([y[column == c].max() for c in np.unique(column)])
        assert (ty.reshape(-1, 4).max(axis=1) == top).mean() > 0.97  # a point on an edge may count to either side


def test_thinning_keeps_a_slope_smooth() -> None:
    x = np.linspace(0, 100, 10000)
    tx, ty = thinned(x, x**2, 100)
    np.testing.assert_allclose(ty, tx**2)  # no invented steps


def test_short_lines_are_left_alone() -> None:
    x = np.arange(10.0)
    assert thinned(x, x, 100)[0] is x


def test_thinning_ignores_missing_values() -> None:
    x = np.linspace(0, 10, 1000)
    y = np.where(np.arange(1000) % 7 == 3, np.nan, x)
    _, ty = thinned(x, y, 10)
    assert np.nanmax(ty) == pytest.approx(np.nanmax(y))
    assert np.isfinite(ty).all()
    y[200:600] = np.nan
    tx, ty = thinned(x, y, 50)
    assert np.isnan(ty[(tx > 2.3) & (tx < 5.7)]).all()  # a wide gap stays one
