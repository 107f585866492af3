"""The lattice filled from coarse to fine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.studies.landscape.lattice import (
    EvenResolution,
    Stage,
    along,
    axis,
    bilinear,
    coordinates,
    log_positions,
    stages,
    worth_refining,
)

odd = st.integers(1, 60).map(lambda k: 2 * k + 1)


def test_fifty_one_comes_in_four_stages():
    plan = stages(51)
    assert [len(stage.lines) for stage in plan] == [7, 13, 25, 51]
    assert [len(stage.points) for stage in plan] == [49, 120, 456, 1976]
    assert plan[0].lines.tolist() == [0, 8, 17, 25, 33, 42, 50]


@pytest.mark.parametrize("size", [7, 13, 25, 49])
def test_resolutions_that_nest_exactly_have_even_stages(size):
    for stage in stages(size):
        assert len(set(np.diff(stage.lines))) == 1


@pytest.mark.parametrize(("size", "sizes"), [(3, [3]), (5, [5]), (7, [7]), (9, [9]), (101, [7, 13, 25, 49, 101])])
def test_other_resolutions(size, sizes):
    assert [len(stage.lines) for stage in stages(size)] == sizes


@settings(deadline=None, max_examples=40)
@given(odd)
def test_every_point_occurs_once_and_stages_are_complete(resolution):
    seen = np.zeros((resolution, resolution), dtype=int)
    for stage in stages(resolution):
        seen[stage.points[:, 0], stage.points[:, 1]] += 1
        assert bool((seen[np.ix_(stage.lines, stage.lines)] == 1).all())
        assert seen.sum() == len(stage.lines) ** 2
    assert bool((seen == 1).all())


@settings(deadline=None, max_examples=40)
@given(odd)
def test_stages_are_symmetric_nearly_even_and_reach_the_border(resolution):
    for stage in stages(resolution):
        lines = stage.lines
        assert (lines[0], lines[-1]) == (0, resolution - 1)
        assert np.array_equal(lines, resolution - 1 - lines[::-1])
        even = np.linspace(0, resolution - 1, len(lines))
        assert float(np.abs(lines - even).max()) < 0.5 + 1e-9


@settings(deadline=None, max_examples=20)
@given(odd)
def test_the_model_itself_is_the_first_point(resolution):
    centre = stages(resolution)[0].points[0]
    assert coordinates(centre, axis(resolution, 0.7)).tolist() == [[0.0, 0.0]]


def test_points_come_ring_by_ring():
    for stage in stages(51):
        rings = np.abs(stage.points - 25).max(axis=1)
        assert bool((np.diff(rings) >= 0).all())


@pytest.mark.parametrize("resolution", [-1, 1, 2, 50])
def test_a_lattice_without_a_centre_is_refused(resolution):
    with pytest.raises(EvenResolution, match=f"{resolution} points a side"):
        stages(resolution)
    with pytest.raises(EvenResolution):
        axis(resolution, 1.0)


@settings(deadline=None, max_examples=50)
@given(odd, st.floats(1e-6, 1e6))
def test_the_axis_is_antisymmetric_to_the_bit(resolution, radius):
    positions = axis(resolution, radius)
    assert np.array_equal(positions, -positions[::-1])
    assert positions[resolution // 2] == 0.0
    assert positions[-1] == radius
    np.testing.assert_allclose(positions, np.linspace(-radius, radius, resolution), rtol=1e-12, atol=1e-12 * radius)


def test_columns_run_along_the_first_direction():
    positions = axis(5, 2.0)
    assert coordinates([[0, 4], [2, 3]], positions).tolist() == [[2.0, -2.0], [1.0, 0.0]]


def test_logarithmic_positions():
    positions = log_positions(10.0, 0.01, 4)
    np.testing.assert_allclose(positions, [-10, -1, -0.1, -0.01, 0, 0.01, 0.1, 1, 10])


@pytest.mark.parametrize("wrong", [(1.0, 2.0, 3), (1.0, 0.0, 3), (1.0, 0.1, 0)])
def test_impossible_logarithmic_positions(wrong):
    with pytest.raises(ValueError, match="smallest"):
        log_positions(*wrong)


def test_a_line_in_a_plane():
    points = along(np.array([-1.0, 0.0, 2.0]), (3.0, 4.0), start=(1.0, 1.0))
    assert points.tolist() == [[-2.0, -3.0], [1.0, 1.0], [7.0, 9.0]]
    assert along(np.array([2.0]), (1.0,), start=(0.0,)).tolist() == [[2.0]]


def grid(function, resolution: int = 25) -> np.ndarray:
    x = np.linspace(-1, 1, resolution)
    return function(x[None, :], x[:, None])


def test_bilinear_is_exact_for_bilinear_functions():
    values = grid(lambda x, y: 1 + 2 * x - 3 * y + 4 * x * y, 51)
    everywhere = np.argwhere(np.ones_like(values, dtype=bool))
    for stage in stages(51):
        np.testing.assert_allclose(bilinear(values, stage.lines, everywhere), values.ravel(), atol=1e-12)


def test_bilinear_reads_only_the_known_lines():
    values = grid(lambda x, y: x + y)
    plan = stages(25)
    hidden = np.full_like(values, np.nan)
    hidden[np.ix_(plan[0].lines, plan[0].lines)] = values[np.ix_(plan[0].lines, plan[0].lines)]
    found = bilinear(hidden, plan[0].lines, plan[1].points)
    np.testing.assert_allclose(found, values[plan[1].points[:, 0], plan[1].points[:, 1]], atol=1e-12)


def chosen_mask(values: np.ndarray, tolerance: float) -> tuple[np.ndarray, Stage]:
    coarse, done, following = stages(25)
    return worth_refining(values, coarse, done, following, tolerance), following


def test_a_flat_surface_needs_no_refinement():
    chosen, following = chosen_mask(grid(lambda x, y: 5 + x - y), 1e-9)
    assert len(chosen) == len(following.points)
    assert not chosen.any()


def test_refinement_goes_where_the_surface_bends():
    chosen, following = chosen_mask(grid(lambda x, y: np.where(x > 0.3, (x - 0.3) ** 2 * 50, 0.0) + 0 * y), 0.05)
    columns = following.points[:, 1]
    assert not chosen[columns < 14].any()
    assert chosen[columns >= 17].all()


def test_what_is_left_out_is_within_the_tolerance():
    values = grid(lambda x, y: np.exp(-8 * ((x - 0.4) ** 2 + (y + 0.3) ** 2)))
    chosen, following = chosen_mask(values, 0.02)
    left = following.points[~chosen]
    assert 0.05 < chosen.mean() < 0.8
    error = bilinear(values, stages(25)[1].lines, left) - values[left[:, 0], left[:, 1]]
    assert float(np.abs(error).max()) < 0.02


def test_points_beside_an_infinite_value_are_evaluated():
    values = np.zeros((25, 25))
    values[24, 24] = np.inf
    chosen, following = chosen_mask(values, 1.0)
    near = (following.points >= 22).all(axis=1)
    assert chosen[near].all()
    assert not chosen[(following.points < 16).all(axis=1)].any()
