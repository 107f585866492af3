"""Pictures against geometry: areas, positions, owners, occlusion, smooth rims, grid lines, light."""

import math
import subprocess
import sys

import numpy as np
import pytest

from engine.scene import open3d, shade
from engine.scene.render import positions, render
from engine.scene.view import orbit

from .scenes import CAMERA, TOP, built, keep_on, plane, sphere


def shot(scene, camera=CAMERA, width=160, height=120, supersample=1, shading="smooth"):
    view = orbit(camera, scene.profile, width, height)
    return view, render(scene, view, supersample, shading, keep_on)


def coverage(frame):
    return frame.image[..., 3].sum() / 255


# ------------------------------------------------------------------------------------------------ geometry
@pytest.mark.parametrize("supersample", [1, 4])
def test_a_sphere_covers_the_disc_that_perspective_gives_it(supersample):
    view, frame = shot(built(sphere()), {**CAMERA, "pitch": 0}, supersample=supersample)
    distance = np.linalg.norm(view.eye)
    radius = view.focal * math.tan(math.asin(0.5 / distance))
    assert coverage(frame) == pytest.approx(math.pi * radius**2, rel=0.01)


def test_positions_on_a_plane_satisfy_its_equation():
    scene = built(plane(0.3, -0.2), aspect=[1, 1, 0.5])
    view, frame = shot(scene)
    seen = positions(scene, view, frame.depth)
    hit = frame.item >= 0
    x, y, z = seen[hit].T
    np.testing.assert_allclose(z, 0.3 * x - 0.2 * y, atol=2e-4)
    assert np.isnan(seen[~hit]).all() and np.isinf(frame.depth[~hit]).all() and hit.mean() > 0.1
    flat, depth = view.project(scene.placed.world(seen[hit]))
    row, column = np.nonzero(hit)
    np.testing.assert_allclose(flat, np.stack([column, row], axis=1) + 0.5, atol=0.02)
    np.testing.assert_allclose(depth, frame.depth[hit], rtol=1e-4)


def test_the_primitive_under_a_pixel_is_the_cell_of_its_position():
    n = 9
    scene = built(plane(n=n), aspect=[1, 1, 0.5])
    view, frame = shot(scene)
    hit = frame.item == 0
    x, y, _ = positions(scene, view, frame.depth)[hit].T
    inside = (np.abs(((x + 1) * (n - 1) / 2) % 1 - 0.5) < 0.49) & (np.abs(((y + 1) * (n - 1) / 2) % 1 - 0.5) < 0.49)
    cell = ((y + 1) * (n - 1) / 2).astype(int) * (n - 1) + ((x + 1) * (n - 1) / 2).astype(int)
    np.testing.assert_array_equal(frame.primitive[hit][inside], cell[inside])
    assert (frame.primitive[~hit] == -1).all()


def test_the_nearer_item_hides_the_farther():
    low = plane(0, 0, colors=np.full((11, 11, 3), [255, 0, 0], np.uint8))
    high = plane(0, 0, n=3, colors=np.full((3, 3, 3), [0, 255, 0], np.uint8))
    high["x"], high["y"], high["z"] = high["x"] / 2, high["y"] / 2, high["z"] + 0.5
    for items, top in (((low, high), 1), ((high, low), 0)):
        _, frame = shot(built(*items), TOP, shading="unlit")
        assert frame.item[60, 80] == top and tuple(frame.image[60, 80]) == (0, 255, 0, 255)
        below = {**TOP, "pitch": -90}
        assert shot(built(*items), below)[1].item[60, 80] == 1 - top


def test_holes_let_through():
    item = plane(0, 0, n=5)
    item["z"][2, 2] = np.nan
    _, frame = shot(built(item, box=[(-1, 1), (-1, 1), (-1, 1)]), TOP)
    assert frame.item[60, 80] == -1 and frame.image[60, 80, 3] == 0 and (frame.item == 0).sum() > 1000


def test_an_empty_scene_is_transparent():
    _, frame = shot(built(), supersample=3)
    assert frame.image.shape == (120, 160, 4) and not frame.image.any() and (frame.item == -1).all()


def test_zoomed_pictures_show_the_same_places():
    scene = built(plane(), aspect=[1, 1, 0.5])
    view, frame = shot(scene, {**TOP, "zoom": 6})
    seen = positions(scene, view, frame.depth)
    assert (frame.item == 0).all() and np.abs(seen[..., :2]).max() < 0.36


# ------------------------------------------------------------------------------------------------ rims
def test_more_rays_smooth_the_rim_and_leave_the_inside_alone():
    scene = built(sphere())
    hard, soft = (shot(scene, supersample=n)[1].image for n in (1, 4))
    assert set(np.unique(hard[..., 3])) == {0, 255}
    levels = np.unique(soft[..., 3])
    assert len(levels) > 10
    inner = (soft[..., 3] == 255) & (hard[..., 3] == 255)
    differs = (np.abs(hard.astype(int) - soft).max(axis=2) > 40) & inner
    assert differs.mean() < 0.01
    assert (soft[..., :3].max(axis=2) <= soft[..., 3].astype(int) + 1).all()  # premultiplied


def test_pictures_are_repeatable_to_the_byte():
    scene = built(plane(wire={"every": 1, "color": [1, 1, 1, 0.4]}), sphere(0.4))
    first, second = (shot(scene, supersample=3)[1] for _ in range(2))
    assert np.array_equal(first.image, second.image) and np.array_equal(first.depth, second.depth)


def test_a_large_picture_is_drawn_in_bands_that_fit_together():
    scene = built(plane(), sphere(0.5))
    large, small = (shot(scene, width=w, height=w * 3 // 4)[1] for w in (800, 100))
    shrunk = large.item[4::8, 4::8]
    assert (shrunk != small.item).mean() < 0.02


# ------------------------------------------------------------------------------------------------ colours
def test_bare_colours_are_those_given():
    colors = np.random.default_rng(1).integers(0, 256, (11, 11, 3), dtype=np.uint8)
    scene = built(plane(0, 0, colors=colors))
    view, frame = shot(scene, TOP, 440, 440, shading="unlit")
    corners = np.array([[-1, -1], [1, 1], [0, 0], [0.2, -0.6]]) * 0.999
    flat, _ = view.project(scene.placed.world(np.insert(corners, 2, 0, axis=1)))
    for (x, y), (column, row) in zip(corners, flat, strict=True):
        wanted = colors[round((y + 1) * 5), round((x + 1) * 5)]
        np.testing.assert_allclose(frame.image[int(row), int(column), :3], wanted, atol=8)


def test_colours_are_interpolated_linearly():
    colors = np.zeros((2, 2, 3))
    colors[:, 1] = 1
    _, frame = shot(built(plane(0, 0, n=2, colors=colors)), TOP, 300, 200, shading="unlit")
    row = frame.image[100, frame.item[100] == 0, 0].astype(float)
    np.testing.assert_allclose(row, np.linspace(row[0], row[-1], len(row)), atol=2)
    assert row[0] < 3 and row[-1] > 252


def test_both_sides_are_lit_alike_and_facing_the_light_is_brighter():
    view = orbit(CAMERA, np.array([[0.5, -0.5], [0.5, 0.5]]), 100, 100)
    gaze = view.forward[:, None].astype(np.float32)
    grey = np.full((3, 1), 0.5, np.float32)

    def brightness(normal):
        return shade.lit(view, np.asarray(normal, np.float32)[:, None].copy(), gaze, grey)[0, 0]

    toward, aside = -view.forward, view.right * 0.95 - view.forward * 0.3
    assert brightness(toward) == pytest.approx(brightness(view.forward))
    assert brightness(toward) == pytest.approx(brightness(-3 * view.forward))
    assert brightness(toward) > brightness(aside) > 0.2


def test_normals_as_colours_point_at_the_viewer_in_the_middle_of_a_ball():
    _, frame = shot(built(sphere()), shading="normals")
    np.testing.assert_allclose(frame.image[60, 80, :3], [128, 128, 255], atol=6)


def test_flat_shading_gives_each_triangle_one_tone():
    _, frame = shot(built(sphere(rings=6, smooth=True)), shading="flat", width=300, height=300)
    tones = [len(np.unique(frame.image[frame.primitive == p], axis=0)) for p in np.unique(frame.primitive) if p >= 0]
    assert np.median(tones) <= 4  # the gaze turns a little across a triangle


# ------------------------------------------------------------------------------------------------ grid lines
def test_grid_lines_cover_the_share_of_the_plane_that_their_width_gives():
    n = 21
    wire = {"every": 2, "color": [1, 1, 1, 1.0]}
    item = plane(0, 0, n=n, colors=np.zeros((n, n, 3)), wire=wire)
    _, frame = shot(built(item), TOP, 600, 600, shading="unlit")
    side = math.sqrt((frame.item == 0).sum())
    spacing = side / 10
    inner = frame.image[frame.item == 0][:, 0].mean() / 255
    share = 1 - (1 - 1 / spacing) ** 2  # lines of one pixel in two directions
    assert inner == pytest.approx(share, rel=0.12)


def test_lines_too_close_fade_instead_of_filling():
    n = 401
    item = plane(0, 0, n=n, colors=np.zeros((n, n, 3)), wire={"every": 1, "color": [1, 1, 1, 1.0]})
    _, frame = shot(built(item), TOP, 150, 150, shading="unlit")
    assert frame.image[frame.item == 0][:, :3].max() == 0


def test_only_items_that_ask_have_lines():
    lined = plane(0, 0, colors=np.zeros((11, 11, 3)), wire={"every": 1, "color": [1, 0, 0, 1.0]})
    ball = sphere(0.4, colors=[0, 0, 0])
    _, frame = shot(built(ball, lined), {**CAMERA, "pitch": 45}, 300, 300, shading="unlit")
    assert frame.image[frame.item == 0][:, 0].max() == 0
    assert frame.image[frame.item == 1][:, 0].max() > 200


# ------------------------------------------------------------------------------------------------ points
def cloud(positions, radius, **more):
    return {
        "kind": "points",
        "positions": np.asarray(positions, float),
        "colors": [1.0, 0, 0],
        "radius": radius,
        **more,
    }


BOX = [(-1, 1), (-1, 1), (-1, 1)]


@pytest.mark.parametrize("supersample", [1, 3])
def test_a_point_is_a_ball_of_its_radius(supersample):
    scene = built(cloud([[0.2, -0.1, 0.3]], 0.1), sphere(0.01), box=BOX)
    view, frame = shot(scene, width=400, height=400, supersample=supersample)
    at, depth = view.project(scene.clouds[0].positions)
    radius = 0.1 * view.focal / depth[0]
    covered = frame.image[frame.item == 0][:, 3].sum() / 255
    assert covered == pytest.approx(math.pi * radius**2, rel=0.02)
    row, column = np.nonzero(frame.item == 0)
    np.testing.assert_allclose([column.mean() + 0.5, row.mean() + 0.5], at[0], atol=0.5)
    assert frame.depth[int(at[0, 1]), int(at[0, 0])] == pytest.approx(depth[0] - 0.1, abs=1e-3)
    assert (frame.primitive[frame.item == 0] == 0).all()


def test_nearer_points_hide_farther_ones_and_solids_hide_points():
    _, frame = shot(built(cloud([[0, 0, -0.5], [0, 0, 0.5]], 0.1), box=BOX), TOP)
    assert frame.primitive[60, 80] == 1
    hidden = built(cloud([[0, 0, -0.5]], 0.1), plane(0, 0), box=BOX)
    assert (shot(hidden, TOP)[1].item != 0).all()
    sunk = built(cloud([[0, 0, 0]], 0.2), plane(0, 0), box=BOX)
    assert shot(sunk, TOP)[1].item[60, 80] == 0


def test_points_keep_their_numbers_though_some_are_not_finite():
    scene = built(cloud([[np.nan, 0, 0], [0.5, 0, 0], [np.inf, 0, 0], [-0.5, 0, 0]], 0.05), box=BOX)
    _, frame = shot(scene, TOP)
    assert set(np.unique(frame.primitive)) == {-1, 1, 3}


def test_points_at_the_border_are_cut_and_those_outside_left_out():
    scene = built(cloud([[x, y, 0] for x in np.linspace(-1, 1, 9) for y in np.linspace(-1, 1, 9)], 0.1), box=BOX)
    _, frame = shot(scene, {**TOP, "zoom": 2.2}, supersample=2)
    assert 0 < len(np.unique(frame.primitive)) < 70 and (frame.item[0] == 0).any()


def test_tiny_points_do_not_vanish():
    _, frame = shot(built(cloud([[0, 0, 0]], 1e-6), box=BOX), TOP)
    assert (frame.item == 0).sum() >= 1


# ------------------------------------------------------------------------------------------------ giving up, Open3D
def test_a_picture_nobody_wants_any_more_is_given_up():
    class GivenUp(Exception):
        pass

    def give_up():
        raise GivenUp

    scene = built(plane())
    with pytest.raises(GivenUp):
        render(scene, orbit(CAMERA, scene.profile, 50, 50), 1, "smooth", give_up)


def test_the_stand_ins_leave_when_open3d_has_come():
    code = (
        "import sys; from engine.scene import open3d; first = open3d.library();"
        "assert first is open3d.library() is sys.modules['open3d'];"
        "print([name for name in ('plotly', 'plotly.graph_objects', 'dash', 'flask') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_open3d_is_told_in_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(open3d.Open3DMissing, match="Install open3d"):
        open3d.library.__wrapped__()
