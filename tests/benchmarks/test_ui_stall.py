"""How long the window leaves its user waiting while data stream in; numbers mean something on an idle machine only."""

import os
import time
from collections.abc import Iterator

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication
from pytestqt.qtbot import QtBot

from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.plot import HeatMap, LinePlot
from app.widgets.scene3d import Scene3D

pytestmark = pytest.mark.benchmark

SECONDS = 6.0
RATE = 200_000  # values a second, over all curves
CURVES, PLOTS = 5, 2
PLANES = 5  # a second
SIDE = np.linspace(-1, 1, 51)


class Streams:
    """Feeds plots, planes and a surface at a given pace, whatever the window manages to show."""

    def __init__(self, window: CardGrid, lines: list[LinePlot], heat: HeatMap, scene: Scene3D) -> None:
        self.window = window
        self.lines, self.heat, self.scene = lines, heat, scene
        self.rng = np.random.default_rng(0)
        self.given, self.planes = 0, 0

    def feed(self, passed: float) -> None:
        """Hand over what has come in since the start, ``passed`` seconds ago."""
        count = (int(passed * RATE) - self.given) // (CURVES * len(self.lines))
        if count:
            start = self.given // (CURVES * len(self.lines))
            for plot in self.lines:
                for curve in range(CURVES):
                    plot.append(f"{curve}", np.arange(start, start + count), curve + self.rng.normal(size=count))
            self.given += count * CURVES * len(self.lines)
        if passed * PLANES > self.planes:
            self.planes += 1
            z = np.add.outer(SIDE**2, np.sin(3 * SIDE + passed))
            self.heat.set_field(SIDE, SIDE, z)
            self.scene.set_scene([{"kind": "surface", "x": SIDE, "y": SIDE, "z": z}], labels=("α", "β", "L"))


@pytest.fixture
def streams(qtbot: QtBot) -> Iterator[Streams]:
    grid = CardGrid()
    qtbot.addWidget(grid)
    grid.resize(1200, 900)
    lines, heat, scene = [LinePlot() for _ in range(PLOTS)], HeatMap(), Scene3D()
    for index, body in enumerate([*lines, heat, scene]):
        card = Card(f"Card {index}")
        card.set_body(body)
        grid.add(card)
    with qtbot.waitExposed(grid):
        grid.show()
    yield Streams(grid, lines, heat, scene)
    scene.close_session()


def test_window_answers_while_values_stream_in_and_planes_repaint(streams: Streams) -> None:
    turns = []
    begin = last = time.perf_counter()
    spent = time.thread_time()
    while last - begin < SECONDS:
        streams.feed(last - begin)
        QCoreApplication.processEvents()
        now, used = time.perf_counter(), time.thread_time()
        turns.append((now - last, used - spent))
        last, spent = now, used
    gaps, busy = 1000 * np.array(turns).T
    worked = busy > 2  # a turn that painted, not one that only asked for news
    for name, found in (("wall", gaps[worked]), ("CPU of the window's thread", busy[worked])):
        middle, most = np.quantile(found, (0.5, 0.99))
        print(f"{name}: median {middle:.1f}, p99 {most:.1f}, longest {found.max():.1f} ms in {len(found)} turns")
    print(f"{streams.given / SECONDS:.0f} values/s, {streams.planes} planes, busy {busy.sum() / 10 / SECONDS:.0f} %")
    assert streams.given > 0.9 * RATE * SECONDS
    assert len(streams.lines[0].data("0")[0]) == streams.given // (CURVES * PLOTS)
    # Not wall-clock time, which tells as much about what else the machine does.
    assert np.quantile(busy[worked], 0.99) < 60
    assert busy.max() < 150
