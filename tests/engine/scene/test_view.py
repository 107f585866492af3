"""The camera against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.scene.view import orbit

from .scenes import CAMERA, TOP

HALF = np.array([0.5, 0.5, 0.3])
CYLINDER = np.array([[np.hypot(0.5, 0.5), -0.3], [np.hypot(0.5, 0.5), 0.3]])
CORNERS = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T * HALF
angles = st.floats(-720, 720)


@settings(max_examples=50, deadline=None)
@given(angles, st.floats(-90, 90), st.floats(0.2, 8), st.tuples(*[st.floats(-0.5, 0.5)] * 3))
def test_projection_undoes_directions(yaw, pitch, zoom, target):
    view = orbit({"yaw": yaw, "pitch": pitch, "zoom": zoom, "target": target}, CYLINDER, 640, 480)
    x, y = np.array([0.0, 320.0, 640.0, 100.5]), np.array([0.0, 240.0, 480.0, 77.25])
    depth = np.array([1.0, 2.0, 3.0, 4.0])
    points = view.eye[:, None] + view.directions(x, y).astype(float) * depth
    flat, found = view.project(points.T)
    np.testing.assert_allclose(flat, np.stack([x, y], axis=1), atol=1e-2)
    np.testing.assert_allclose(found, depth, rtol=1e-5)


@settings(max_examples=50, deadline=None)
@given(angles, st.floats(-90, 90))
def test_axes_are_orthonormal_and_right_handed(yaw, pitch):
    view = orbit({**CAMERA, "yaw": yaw, "pitch": pitch}, CYLINDER, 100, 100)
    axes = np.stack([view.right, view.up, -view.forward])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    assert view.up[2] >= 0  # never upside down


@settings(max_examples=50, deadline=None)
@given(angles, st.floats(-90, 90), st.integers(80, 900), st.integers(80, 900), st.floats(0, 30))
def test_the_box_fits_from_everywhere_and_touches_the_margin(yaw, pitch, width, height, margin):
    view = orbit({**CAMERA, "yaw": yaw, "pitch": pitch}, CYLINDER, width, height, 4 * (margin,))
    flat, _ = view.project(CORNERS)
    slack = 1e-6 + 0.01 * max(width, height)
    assert (flat >= margin - slack).all() and (flat <= np.array([width, height]) - margin + slack).all()
    rim = view.project(
        np.array(
            [
                [np.hypot(0.5, 0.5) * np.cos(t), np.hypot(0.5, 0.5) * np.sin(t), z]
                for t in np.linspace(0, 2 * np.pi, 200)
                for z in (-0.3, 0.3)
            ]
        )
    )[0]
    free = np.minimum(rim.min(axis=0), [width, height] - rim.max(axis=0)) - margin
    assert abs(free.min()) < slack


def test_turning_changes_neither_size_nor_place():
    views = [orbit({**CAMERA, "yaw": yaw}, CYLINDER, 300, 200) for yaw in (0, 33, 180)]
    assert np.ptp([view.focal for view in views]) < 1e-9
    assert np.ptp([view.middle for view in views], axis=0).max() < 1e-9


def test_from_above_x_points_right_and_y_up():
    view = orbit(TOP, CYLINDER, 200, 200)
    origin, x, y = view.project(np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]]))[0]
    assert x[0] > origin[0] + 5 and abs(x[1] - origin[1]) < 1
    assert y[1] < origin[1] - 5 and abs(y[0] - origin[0]) < 1


def test_zoom_is_a_lens_and_panning_moves_the_picture():
    near, far = (orbit({**CAMERA, "zoom": zoom}, CYLINDER, 200, 200) for zoom in (2, 1))
    assert near.focal == pytest.approx(2 * far.focal) and (near.eye == far.eye).all()
    moved = orbit({**CAMERA, "target": [0.1, 0, 0]}, CYLINDER, 200, 200)
    np.testing.assert_allclose(moved.project(np.array([[0.1, 0, 0]]))[0], far.project(np.zeros((1, 3)))[0], atol=1e-9)


def test_a_target_far_away_keeps_the_scene_before_the_camera():
    view = orbit({**CAMERA, "target": [0, 0, 1e6]}, CYLINDER, 200, 200)
    assert (view.project(CORNERS)[1] > 0.5).all()


def test_margins_may_differ():
    view = orbit(CAMERA, CYLINDER, 400, 300, (100, 10, 20, 30))
    flat, _ = view.project(CORNERS)
    assert (flat.min(axis=0) >= [99, 9]).all() and (flat.max(axis=0) <= [381, 271]).all()
    centred = orbit(CAMERA, CYLINDER, 280, 260)
    np.testing.assert_allclose(view.middle - centred.middle, [100, 10], atol=1e-6)
