import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.widgets.plot.contours import even_levels, lines, segments


def grid(n: int = 81) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    side = np.linspace(-1.5, 1.5, n)
    x, y = np.meshgrid(side, side)
    return side, x, y


def test_circle_is_one_closed_line_of_the_right_radius_and_length() -> None:
    side, x, y = grid()
    found = lines(side, side, x**2 + y**2, 1.0)
    assert len(found) == 1
    line = found[0]
    np.testing.assert_array_equal(line[0], line[-1])
    np.testing.assert_allclose(np.hypot(line[:, 0], line[:, 1]), 1.0, atol=1e-3)
    length = np.hypot(*np.diff(line, axis=0).T).sum()
    assert length == pytest.approx(2 * np.pi, rel=1e-3)


def test_plane_gives_one_open_straight_line() -> None:
    side, x, y = grid(11)
    found = lines(side, side, x + 2 * y, 0.5)
    assert len(found) == 1
    np.testing.assert_allclose(found[0][:, 0] + 2 * found[0][:, 1], 0.5, atol=1e-12)
    assert len(np.unique(found[0], axis=0)) == len(found[0])


def test_two_islands() -> None:
    side, x, y = grid()
    z = np.exp(-((x - 0.7) ** 2 + y**2) / 0.05) + np.exp(-((x + 0.7) ** 2 + y**2) / 0.05)
    found = lines(side, side, z, 0.5)
    assert len(found) == 2
    assert sorted(round(float(line[:, 0].mean()), 1) for line in found) == [-0.7, 0.7]


@pytest.mark.parametrize(
    ("corners", "level", "joined_low_left"), [([[1, 0], [0, 1]], 0.4, False), ([[1, 0], [0, 1]], 0.6, True)]
)
def test_saddle_is_decided_by_the_mean(corners: list[list[float]], level: float, joined_low_left: bool) -> None:
    # The mean is 0.5. Below it the high corners hang together; above it each is cut off by itself.
    points, _ = segments(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array(corners, dtype=float), level)
    assert points.shape == (2, 2, 2)
    cuts_corner = any(np.allclose(np.abs(one).sum(axis=1), 1 - level, atol=1e-9) for one in points)
    assert cuts_corner == joined_low_left


def test_missing_values_leave_a_gap() -> None:
    side, x, y = grid(41)
    z = x**2 + y**2
    whole = sum(len(line) - 1 for line in lines(side, side, z, 1.0))
    z[20, 30:36] = np.nan
    found = lines(side, side, z, 1.0)
    assert sum(len(line) - 1 for line in found) < whole
    assert all(np.isfinite(line).all() for line in found)
    assert len(found) == 1 and not np.array_equal(found[0][0], found[0][-1])


def test_constant_field_has_no_lines() -> None:
    side = np.arange(4.0)
    assert lines(side, side, np.ones((4, 4)), 1.0) == []
    assert segments(side, side, np.ones((4, 4)), 2.0)[0].shape == (0, 2, 2)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(float, (5, 6), elements=st.floats(-1, 1)), st.floats(-0.9, 0.9))
def test_every_piece_is_kept_once_and_lies_on_the_level(z: np.ndarray, level: float) -> None:
    x, y = np.arange(6.0), np.arange(5.0)
    points, _ = segments(x, y, z, level)
    found = lines(x, y, z, level)
    assert sum(len(line) - 1 for line in found) == len(points)
    for line in found:
        for px, py in line:
            on_column, on_row = px == round(px), py == round(py)
            assert on_column or on_row  # ends of pieces lie on grid edges
            i, j = int(np.floor(py)), int(np.floor(px))
            di, dj = (min(i + 1, 4), j) if not on_row else (i, min(j + 1, 5))
            low, high = sorted((z[i, j], z[di, dj]))
            assert low - 1e-12 <= level <= high + 1e-12


def test_even_levels() -> None:
    np.testing.assert_allclose(even_levels(0, 4, 3), [1, 2, 3])
    assert len(even_levels(1, 1, 3)) == 0
