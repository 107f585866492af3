"""Items become triangles: counts, holes, normals, colours, tubes, and what is refused."""

import numpy as np
import pytest

from engine.scene import geometry, tubes
from engine.scene.geometry import BadGeometry

from .scenes import built, plane, sphere


def placed(item, box=None, aspect="equal"):
    return geometry.placement([item], box, aspect)


def test_the_box_of_the_data_becomes_a_cube_of_side_one():
    box = geometry.placement([], [(0, 10), (-1, 1), (2, 3)], [1, 1, 0.5])
    np.testing.assert_allclose(box.half, [0.5, 0.5, 0.25])
    np.testing.assert_allclose(box.world([[0, -1, 2], [10, 1, 3], [5, 0, 2.5]]), [-box.half, box.half, [0, 0, 0]])
    np.testing.assert_allclose(box.data(box.world(np.array([[3, 0.5, 2.2]]))), [[3, 0.5, 2.2]], rtol=1e-6)


def test_equal_aspect_keeps_proportions_and_flat_data_get_a_thickness():
    box = geometry.placement([], [(0, 4), (0, 2), (1, 1)], "equal")
    assert (box.high - box.low)[2] == 1
    np.testing.assert_allclose(box.scale, box.scale[0])


def test_the_box_of_items_ignores_what_is_not_finite():
    item = plane()
    item["z"][0, 0] = np.inf
    item["z"][1, 1] = np.nan
    points = {"kind": "points", "positions": [[5, 0, 0], [np.nan, 0, 0]], "colors": [1, 1, 1], "radius": 0.1}
    box = geometry.placement([item, points], None, "equal")
    assert (box.low[0], box.high[0]) == (-1, 5) and np.isfinite([*box.low, *box.high]).all()
    assert np.isfinite(geometry.placement([], None, "equal").scale).all()


def test_a_surface_has_two_triangles_a_cell_and_names_the_cell():
    item = plane(n=4)
    found = geometry.surface(item, placed(item))
    assert found.corners.shape == (18, 3) and found.dropped == 0
    np.testing.assert_array_equal(found.source, np.repeat(np.arange(9), 2))
    centres = found.grid[found.corners].mean(axis=1)
    cells = np.floor(centres).astype(int)
    np.testing.assert_array_equal(cells[:, 1] * 3 + cells[:, 0], found.source)


def test_the_normal_of_a_plane_is_the_planes():
    item = plane(0.3, -0.2)
    found = geometry.surface(item, placed(item))
    expected = np.array([-0.3, 0.2, 1]) / np.linalg.norm([-0.3, 0.2, 1])
    np.testing.assert_allclose(np.abs(found.normals @ expected), 1, atol=1e-6)


def test_cells_are_cut_along_the_flatter_diagonal():
    z = np.array([[1.0, 0], [0, 1]])
    item = {"kind": "surface", "x": [0, 1], "y": [0, 1], "z": z, "colors": np.zeros((2, 2, 3))}
    for turned in (z, z[::-1]):
        item["z"] = turned + np.array([[0, 0], [0, 0.5]]) * (turned[1, 1] == 1)
        corners = geometry.surface(item, placed(item)).corners
        shared = sorted(set(corners[0]) & set(corners[1]))
        assert shared in ([0, 3], [1, 2])
        first, second = item["z"].reshape(-1)[shared]
        other = [index for index in range(4) if index not in shared]
        assert abs(first - second) <= abs(np.subtract(*item["z"].reshape(-1)[other]))


def test_cells_with_a_hole_are_left_out():
    item = plane(n=5)
    item["z"][2, 2] = np.nan
    item["z"][0, 0] = np.inf
    found = geometry.surface(item, placed(item))
    assert found.dropped == 5 and len(found.corners) == 2 * (16 - 5)
    assert np.isfinite(found.positions).all() and np.isfinite(found.normals).all()


def test_the_normals_of_a_sphere_are_its_radii():
    item = sphere()
    found = geometry.mesh(item, placed(item))
    inner = np.abs(item["vertices"][:, 2]) < 0.99
    aligned = np.abs(np.einsum("ij,ij->i", found.normals, item["vertices"]))[inner]
    assert np.median(aligned) > 0.9999 and aligned.min() > 0.99


def test_flat_meshes_have_the_normals_of_their_faces():
    item = sphere(rings=8, smooth=False)
    found = geometry.mesh(item, placed(item))
    assert len(found.positions) == 3 * len(item["triangles"])
    a, b, c = (found.positions[found.corners[:, index]] for index in range(3))
    face = np.cross(b - a, c - a)
    whole = np.linalg.norm(face, axis=1) > 1e-9
    face /= np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(found.normals[found.corners[:, 1]][whole], face[whole], atol=1e-4)


@pytest.mark.parametrize("count", ["one", "vertices", "faces"])
def test_mesh_colours_may_be_one_a_vertex_or_a_face(count):
    item = sphere(rings=6)
    shape = {"one": (3,), "vertices": item["vertices"].shape, "faces": item["triangles"].shape}[count]
    item["colors"] = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for smooth in (True, False):
        found = geometry.mesh({**item, "smooth": smooth}, placed(item))
        seen = found.colors[found.corners[7]]
        expected = {
            "one": item["colors"],
            "vertices": item["colors"][item["triangles"][7]] if count == "vertices" else 0,
        }
        wanted = item["colors"][7] if count == "faces" else expected[count]
        np.testing.assert_allclose(seen, np.broadcast_to(wanted, (3, 3)) / 255, atol=1e-6)


def test_a_tube_lies_at_its_radius_around_each_segment():
    t = np.linspace(0, 3, 30)
    path = np.stack([np.cos(t), np.sin(t), 0.3 * t], axis=1)
    item = {"kind": "line", "positions": path, "colors": [1, 1, 1], "radius": 0.02}
    box = placed(item)
    found, world = tubes.line(item, box), box.world(path)
    tube = found.positions[: 29 * 20].reshape(29, 2, 10, 3)
    for end in (0, 1):
        offset = tube[:, end] - world[end : 29 + end, None]
        np.testing.assert_allclose(np.linalg.norm(offset, axis=2), 0.02, rtol=1e-3)
        along = np.diff(world, axis=0)[:, None]
        np.testing.assert_allclose(np.einsum("sij,sij->si", offset, along + 0 * offset), 0, atol=1e-6)
    balls = found.positions[29 * 20 :].reshape(30, -1, 3) - world[:, None]
    np.testing.assert_allclose(np.linalg.norm(balls, axis=2), 0.02, rtol=1e-3)
    outward = np.einsum("sij,sij->si", found.normals[29 * 20 :].reshape(30, -1, 3), balls / 0.02)
    assert outward.min() > 0.99
    ring = np.einsum("sij,sij->si", found.normals[: 29 * 20].reshape(29, 2, 10, 3)[:, 0], tube[:, 0] - world[:29, None])
    assert np.abs(ring).min() > 0.9 * 0.02


def test_a_flat_curve_does_not_twist_its_tube():
    t = np.linspace(0, 6, 50)
    steps = np.diff(np.stack([np.cos(t), np.sin(t), 0 * t], axis=1), axis=0)
    frames = tubes._frames(steps)
    assert np.abs(frames[:, 0, 2]).min() > 1 - 1e-9  # the side stays upright all along
    np.testing.assert_allclose(np.linalg.norm(frames, axis=2), 1)


def test_right_angles_repeated_points_and_gaps_are_no_trouble():
    path = [[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1], [np.nan, 0, 0], [0, 0, 0], [0, 1, 0]]
    item = {"kind": "line", "positions": np.array(path, float), "colors": [1, 0, 0], "radius": 0.01, "marker": 0.02}
    found = tubes.line(item, placed(item))
    assert np.isfinite(found.positions).all()
    assert sorted(set(found.source)) == [0, 1, 2, 3, 4, 6, 7]
    single = {**item, "positions": np.zeros((1, 3))}
    assert len(tubes.line(single, placed(single)).corners) == 80


def test_a_ball_is_a_closed_surface():
    points, faces = tubes._ball()
    assert points.shape == (42, 3) and faces.shape == (80, 3)  # V - E + F = 2 with E = 3 F / 2
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    edges = np.sort(faces[:, [[0, 1], [1, 2], [0, 2]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


@pytest.mark.parametrize(
    "item",
    [
        plane() | {"z": np.zeros((3, 4))},
        plane(n=2) | {"x": [0.0], "z": np.zeros((2, 1))},
        plane() | {"colors": np.zeros((3, 3, 3))},
        sphere(rings=4) | {"triangles": np.array([[0, 1, 99]])},
        sphere(rings=4) | {"triangles": np.array([[0, 1, -1]])},
        sphere(rings=4) | {"triangles": np.zeros((2, 3))},
        sphere(rings=4) | {"vertices": np.zeros((5, 2))},
        {"kind": "points", "positions": np.zeros((4, 3)), "colors": np.zeros((3, 3)), "radius": 1},
        {"kind": "cube", "positions": np.zeros((4, 3))},
    ],
)
def test_items_that_contradict_themselves_are_refused(item):
    with pytest.raises(BadGeometry, match="cannot be drawn"):
        built(item)


def test_a_scene_of_nothing_and_a_mesh_of_nothing_can_be_built():
    assert len(built().corners) == 0
    empty = {"kind": "mesh", "vertices": np.zeros((0, 3)), "triangles": np.zeros((0, 3), int), "colors": [1, 1, 1]}
    line = {"kind": "line", "positions": np.zeros((0, 3)), "colors": [1, 1, 1], "radius": 0.1}
    assert len(built(empty, line).corners) == 0
