"""The service "scene", called directly and through a real process."""

import time

import numpy as np
import pytest

from engine.scene.geometry import BadGeometry
from engine.scene.session import NothingToDraw, SceneService, TooLarge
from engine.sessions.client import Session
from engine.sessions.errors import CallFailed

from .scenes import CAMERA, Wanted, plane, sphere

PATIENCE = 60.0
ASK = {"camera": CAMERA, "width": 120, "height": 90}


@pytest.fixture
def service():
    service = SceneService({}, {})
    service.set_scene({"items": [plane(wire={"every": 2, "color": [1, 1, 1, 0.4]})], "aspect": [1, 1, 0.6]}, Wanted())
    return service


def test_it_tells_what_it_holds():
    item = plane(n=5)
    item["z"][0, 0] = np.nan
    points = {"kind": "points", "positions": np.zeros((7, 3)), "colors": [1, 0, 0], "radius": 0.01}
    told = SceneService({}, {}).set_scene({"items": [item, points], "aspect": [1, 1, 0.6]}, Wanted())
    assert (told["triangles"], told["points"], told["dropped"]) == (30, 7, 1)
    assert told["box"][0] == [-1, 1] and told["half"] == [0.5, 0.5, 0.3]


def test_nothing_impossible_and_too_much_are_refused(service):
    with pytest.raises(NothingToDraw):
        SceneService({}, {}).render(ASK, Wanted())
    with pytest.raises(TooLarge):
        service.render({**ASK, "scale": 200}, Wanted())
    with pytest.raises(BadGeometry):
        service.set_scene({"items": [{"kind": "cube"}]}, Wanted())
    assert service.render(ASK, Wanted())["image"].any()  # the scene that it had is kept


def test_a_frame_has_what_was_asked_for(service):
    bare = service.render(ASK, Wanted())
    assert set(bare) == {"image", "quick", "width", "height", "per_pixel"} and bare["image"].shape == (90, 120, 4)
    full = service.render({**ASK, "scale": 2, "hits": True, "ticks": {"x": [0]}}, Wanted())
    assert full["image"].shape == (180, 240, 4) and full["position"].shape == (180, 240, 3)
    assert full["item"].shape == full["primitive"].shape == full["depth"].shape == (180, 240)
    # axes are in logical pixels, whatever the screen
    same = service.render({**ASK, "ticks": {"x": [0]}}, Wanted())
    np.testing.assert_allclose(same["axes"]["walls"], full["axes"]["walls"])
    on_floor = full["axes"]["ticks"]["x"]["at"][0]
    assert 0 < on_floor[0] < 120 and 0 < on_floor[1] < 90


def test_a_coarse_picture_comes_first_when_the_fine_one_takes_time(service):
    context = Wanted()
    large = {**ASK, "width": 400, "height": 300, "quick": True, "ticks": {}}
    fine = service.render(large, context)
    (coarse,) = context.partials
    assert coarse["quick"] and not fine["quick"]
    rays = coarse["image"].shape[0] * coarse["image"].shape[1]
    assert 30_000 < rays <= 42_000 and fine["image"].shape == (300, 400, 4)
    np.testing.assert_allclose(coarse["axes"]["walls"], fine["axes"]["walls"])
    small = Wanted()
    service.render({**ASK, "quick": True}, small)
    assert small.partials == []


def test_a_picture_that_a_newer_one_replaces_still_shows_its_coarse_one(service):
    class Superseded(BaseException):
        pass

    class Stale(Wanted):
        def point(self):
            raise Superseded

    context = Stale()
    with pytest.raises(Superseded):
        service.render({**ASK, "width": 400, "height": 300, "quick": True}, context)
    assert len(context.partials) == 1


def test_the_whole_way_through_a_process():
    with Session.open("scene") as session:
        with pytest.raises(CallFailed, match="nothing to draw"):
            session.call("render", ASK).result(PATIENCE)
        items = [plane(colors=np.full((11, 11, 3), [200, 30, 30], np.uint8)), sphere(0.3)]
        told = session.call("set_scene", {"items": items, "aspect": "equal"}, key="scene").result(PATIENCE)
        assert told["triangles"] == 200 + 2 * 59 * 119
        views = [
            session.call("render", {**ASK, "hits": True, "camera": {**CAMERA, "yaw": yaw}}, key="view")
            for yaw in range(30)
        ]
        frame = views[-1].result(PATIENCE)
        direct = SceneService({}, {})
        direct.set_scene({"items": items, "aspect": "equal"}, Wanted())
        same = direct.render({**ASK, "hits": True, "camera": {**CAMERA, "yaw": 29}}, Wanted())
        for name in ("image", "item", "primitive", "depth", "position"):
            np.testing.assert_array_equal(frame[name], same[name])
        assert {view.state for view in views[:-1]} <= {"done", "superseded"}
        assert views[15].state == "superseded"


def test_a_million_triangles_do_not_hold_up_the_caller():
    n = 708
    x = np.linspace(-1, 1, n)
    z = np.sin(5 * x)[None] * np.cos(4 * x)[:, None]
    item = {"kind": "surface", "x": x, "y": x, "z": z, "colors": np.zeros((n, n, 3), np.uint8)}
    with Session.open("scene") as session:
        before = time.process_time()
        call = session.call("set_scene", {"items": [item], "aspect": [1, 1, 0.5]})
        asked = time.process_time() - before
        assert call.result(PATIENCE)["triangles"] == 2 * (n - 1) ** 2
        assert session.call("render", ASK).result(PATIENCE)["image"].any()
    assert asked < 0.02
