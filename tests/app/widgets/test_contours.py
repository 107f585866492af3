import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.widgets.plot import contours
from app.widgets.plot.contours import even_levels, segments


def grid(n: int = 81) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    side = np.linspace(-1.5, 1.5, n)
    x, y = np.meshgrid(side, side)
    return side, x, y


def length(pieces: np.ndarray) -> float:
    return float(np.hypot(*(pieces[:, 1] - pieces[:, 0]).T).sum())


def ends(pieces: np.ndarray) -> list[int]:
    """How many pieces meet at each point: two everywhere on a closed line."""
    _, met = np.unique(pieces.reshape(-1, 2).round(9), axis=0, return_counts=True)
    return sorted(set(met.tolist()))


def test_circle_is_closed_and_has_the_right_radius_and_length() -> None:
    side, x, y = grid()
    found = segments(side, side, x**2 + y**2, 1.0)
    np.testing.assert_allclose(np.hypot(found[..., 0], found[..., 1]), 1.0, atol=1e-3)
    found = segments(side, side, x**2 + y**2, 1.03)  # through no point of the grid
    assert ends(found) == [2]
    assert length(found) == pytest.approx(2 * np.pi * np.sqrt(1.03), rel=1e-3)


def test_plane_gives_one_open_straight_line() -> None:
    side, x, y = grid(11)
    found = segments(side, side, x + 2 * y, 0.55)
    np.testing.assert_allclose(found[..., 0] + 2 * found[..., 1], 0.55, atol=1e-12)
    assert ends(found) == [1, 2]
    far = found.reshape(-1, 2)
    assert length(found) == pytest.approx(np.hypot(*(far.max(axis=0) - far.min(axis=0))))


def test_two_islands() -> None:
    side, x, y = grid()
    z = np.exp(-((x - 0.7) ** 2 + y**2) / 0.05) + np.exp(-((x + 0.7) ** 2 + y**2) / 0.05)
    found = segments(side, side, z, 0.5)
    radius = np.sqrt(0.05 * np.log(2))
    for middle in (-0.7, 0.7):
        own = found[np.abs(found[:, 0, 0] - middle) < 0.5]
        np.testing.assert_allclose(np.hypot(own[..., 0] - middle, own[..., 1]), radius, atol=2e-3)
        assert length(own) == pytest.approx(2 * np.pi * radius, rel=0.02)


@pytest.mark.parametrize(
    ("corners", "level", "joined_low_left"), [([[1, 0], [0, 1]], 0.4, False), ([[1, 0], [0, 1]], 0.6, True)]
)
def test_saddle_is_decided_by_the_mean(corners: list[list[float]], level: float, joined_low_left: bool) -> None:
    # The mean is 0.5. Below it the high corners hang together; above it each is cut off by itself.
    points = segments(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array(corners, dtype=float), level)
    assert points.shape == (2, 2, 2)
    cuts_corner = any(np.allclose(np.abs(one).sum(axis=1), 1 - level, atol=1e-9) for one in points)
    assert cuts_corner == joined_low_left


def test_missing_values_leave_a_gap() -> None:
    side, x, y = grid(41)
    z = x**2 + y**2
    whole = segments(side, side, z, 1.03)
    z[20, 30:36] = np.nan
    found = segments(side, side, z, 1.03)
    assert len(found) < len(whole) and np.isfinite(found).all()
    assert ends(found) == [1, 2]


def test_constant_field_has_no_lines() -> None:
    side = np.arange(4.0)
    for level in (1.0, 2.0):
        assert segments(side, side, np.ones((4, 4)), level).shape == (0, 2, 2)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(float, (5, 6), elements=st.floats(-1, 1)), st.floats(-0.9, 0.9))
def test_every_piece_ends_on_the_level(z: np.ndarray, level: float) -> None:
    for px, py in segments(np.arange(6.0), np.arange(5.0), z, level).reshape(-1, 2):
        on_column, on_row = px == round(px), py == round(py)
        assert on_column or on_row  # ends of pieces lie on grid edges
        i, j = int(np.floor(py)), int(np.floor(px))
        di, dj = (min(i + 1, 4), j) if not on_row else (i, min(j + 1, 5))
        low, high = sorted((z[i, j], z[di, dj]))
        assert low - 1e-12 <= level <= high + 1e-12


@pytest.mark.parametrize("at_once", [10, contours.AT_ONCE])
def test_several_levels_together_give_the_lines_of_each(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contours, "AT_ONCE", at_once)
    z = np.random.default_rng(0).normal(size=(9, 11))
    z[2, 3] = np.nan
    x, y, levels = np.arange(11.0), np.arange(9.0), np.array([-0.5, 0.0, 0.7])
    each = np.concatenate([segments(x, y, z, level) for level in levels])
    found = segments(x, y, z, levels)
    assert len(found) > 50
    np.testing.assert_array_equal(*(np.array(sorted(a.reshape(-1, 4).tolist())) for a in (found, each)))
    assert segments(x, y, z, np.empty(0)).shape == (0, 2, 2)


def test_even_levels() -> None:
    np.testing.assert_allclose(even_levels(0, 4, 3), [1, 2, 3])
    assert len(even_levels(1, 1, 3)) == 0
