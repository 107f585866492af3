"""The box's lines lie where the scene is, behind it, and labels stand outside."""

import numpy as np
import pytest

from engine.scene.axes import box_lines
from engine.scene.geometry import placement
from engine.scene.view import orbit

from .scenes import CAMERA

PLACED = placement([], [(0, 10), (-2, 2), (1, 5)], [1, 1, 0.6])
TICKS = {"x": [0, 5, 10, 11], "y": [-2, 0, 2], "z": [1, 3, 5, 0]}
DIRECTIONS = [(yaw, pitch) for yaw in (-170, -50, 10, 100) for pitch in (-60, 20, 75)]


def lines(yaw=-50, pitch=30):
    view = orbit({**CAMERA, "yaw": yaw, "pitch": pitch}, PLACED.profile, 400, 300, (40, 40, 40, 40))
    return view, box_lines(PLACED, view, TICKS)


def test_ticks_beyond_the_box_are_left_out():
    _, found = lines()
    assert [list(found["ticks"][axis]["values"]) for axis in "xyz"] == [[0, 5, 10], [-2, 0, 2], [1, 3, 5]]
    assert found["grid"].shape == (2 * 9, 2, 2) and found["walls"].shape == (3, 4, 2)
    assert box_lines(PLACED, lines()[0], {})["grid"].shape == (0, 2, 2)


@pytest.mark.parametrize(("yaw", "pitch"), DIRECTIONS)
def test_walls_stand_behind_everything_in_the_box(yaw, pitch):
    view, found = lines(yaw, pitch)
    corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T * PLACED.half
    flat, depth = view.project(corners)
    nearest = flat[depth.argmin()]
    # the nearest corner belongs to none of the three walls, the farthest to all
    distance = np.linalg.norm(found["walls"] - nearest, axis=2)
    assert distance.min() > 1
    assert (np.linalg.norm(found["walls"] - flat[depth.argmax()], axis=2).min(axis=1) < 1e-6).all()


@pytest.mark.parametrize(("yaw", "pitch"), DIRECTIONS)
def test_labels_stand_on_edges_and_point_outwards(yaw, pitch):
    view, found = lines(yaw, pitch)
    outline = view.project(np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T * PLACED.half)[0]
    centre = view.project(np.zeros((1, 3)))[0][0]
    for axis in "xyz":
        out = found["ticks"][axis]["out"]
        assert np.hypot(*out) == pytest.approx(1)
        assert (found["titles"][axis]["at"] - centre) @ out > 0
        for at in found["ticks"][axis]["at"]:
            assert np.linalg.norm(found["grid"].reshape(-1, 2) - at, axis=1).min() < 1e-6 or axis == "z"
            assert (at >= outline.min(axis=0) - 1e-6).all() and (at <= outline.max(axis=0) + 1e-6).all()


def test_ticks_are_where_their_values_project():
    view, found = lines()
    at = found["ticks"]["x"]["at"]
    ends = PLACED.world([[0, -2, 1], [5, -2, 1], [10, -2, 1]])
    np.testing.assert_allclose(at, view.project(ends)[0])


def test_upright_labels_stand_on_the_left():
    for yaw, pitch in DIRECTIONS:
        _, found = lines(yaw, pitch)
        assert found["titles"]["z"]["at"][0] < found["walls"][..., 0].min() + 0.1 * np.ptp(found["walls"][..., 0])
