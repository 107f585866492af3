"""How fast sessions answer, are cancelled, and draw: medians, for an idle machine."""

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.sessions.client import Session

pytestmark = pytest.mark.benchmark
FAKES = Path(__file__).parents[1] / "engine" / "sessions" / "fakes.py"
PATIENCE = 60.0
CAMERA = {"yaw": -52.0, "pitch": 26.0, "zoom": 1.0, "target": [0, 0, 0]}


def fakes(folders):
    return [sys.executable, "-P", str(FAKES), *map(str, folders)], dict(os.environ)


def median_ms(action, count):
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def surface(n):
    x = np.linspace(-1, 1, n)
    z = x[None, :] ** 2 + x[:, None] ** 2
    colors = np.full((n, n, 3), [40, 160, 120], np.uint8)
    wire = {"every": 2, "color": [1, 1, 1, 0.35]}
    return {"kind": "surface", "x": x, "y": x, "z": z, "colors": colors, "wire": wire}


def test_an_empty_call_takes_a_millisecond_at_most():
    with Session.open("fake", launcher=fakes) as session:
        session.call("pid").result(PATIENCE)
        took = median_ms(lambda: session.call("echo").result(PATIENCE), 500)
    print(f"empty call: {took:.2f} ms")
    assert took <= 1.0


@pytest.mark.parametrize("method", ["sleep", "native"])
def test_cancel_takes_300_ms_at_most(method):
    times = []
    with Session.open("fake", launcher=fakes) as session:
        for _ in range(5):
            session.call("pid").result(PATIENCE)
            call = session.call(method, {"s": 60})
            while not call.poll():
                time.sleep(0.001)
            begin = time.perf_counter()
            session.cancel(call)
            while call.state == "waiting":
                time.sleep(0.001)
            times.append(1000 * (time.perf_counter() - begin))
    print(f"cancel of {method}: {statistics.median(times):.0f} ms")
    assert statistics.median(times) <= 300


def test_a_surface_is_drawn_in_30_ms_of_cpu_with_its_transfer():
    with Session.open("scene") as session:
        session.call("set_scene", {"items": [surface(51)], "aspect": [1, 1, 0.75]}).result(PATIENCE)
        (child,) = psutil.Process().children()
        params = {"camera": CAMERA, "width": 400, "height": 350, "hits": True, "supersample": 3}

        def cpu():
            times = child.cpu_times()
            return times.user + times.system + time.process_time()

        frames = 60
        session.call("render", params).result(PATIENCE)
        begin, wall = cpu(), time.perf_counter()
        for _ in range(frames):
            assert session.call("render", params).result(PATIENCE)["position"].shape == (350, 400, 3)
        took, wall = 1000 * (cpu() - begin) / frames, 1000 * (time.perf_counter() - wall) / frames
    print(f"51 x 51 surface at 400 x 350: {took:.1f} ms of CPU, {wall:.1f} ms")
    assert took <= 30
