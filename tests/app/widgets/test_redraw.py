import time

import numpy as np
from PySide6.QtCore import QCoreApplication, QObject
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.plot import HeatMap, LinePlot
from app.widgets.plot.redraw import INTERVAL_MS, Redraw, redraw


class Counter(QObject):
    def __init__(self, cost: float = 0.0) -> None:
        super().__init__()
        self.calls = 0
        self.cost = cost

    def again(self) -> None:
        self.calls += 1
        end = time.perf_counter() + self.cost
        while time.perf_counter() < end:
            pass


def test_many_requests_are_one_call(qtbot: QtBot) -> None:
    timer, counter = Redraw(), Counter()
    for _ in range(1000):
        timer.request(counter.again)
    assert timer.pending() == 1 and counter.calls == 0
    qtbot.waitUntil(lambda: counter.calls == 1)
    assert timer.pending() == 0


def test_no_more_than_twenty_a_second(qtbot: QtBot) -> None:
    timer, counter = Redraw(), Counter()
    start = time.perf_counter()
    while counter.calls < 4:
        timer.request(counter.again)
        QCoreApplication.processEvents()
    assert time.perf_counter() - start >= 4 * INTERVAL_MS / 1000 * 0.9


def test_dear_redraws_are_spread_over_turns(qtbot: QtBot) -> None:
    timer = Redraw()
    counters = [Counter(0.015) for _ in range(6)]
    for counter in counters:
        timer.request(counter.again)
    qtbot.waitUntil(lambda: any(counter.calls for counter in counters))
    assert sum(counter.calls for counter in counters) < 6  # the window had a turn in between
    qtbot.waitUntil(lambda: all(counter.calls == 1 for counter in counters))


def test_what_is_gone_is_not_called(qtbot: QtBot) -> None:
    timer, counter, other = Redraw(), Counter(), Counter()
    timer.request(counter.again)
    timer.request(other.again)
    counter.deleteLater()
    QCoreApplication.sendPostedEvents(counter)
    del other
    qtbot.waitUntil(lambda: timer.pending() == 0)
    assert counter.calls == 0


def test_one_for_all(qapp: QApplication) -> None:
    assert redraw() is redraw()


def test_window_stays_awake_while_eight_plots_are_fed(qtbot: QtBot) -> None:
    grid = CardGrid()
    qtbot.addWidget(grid)
    grid.resize(1200, 1400)
    lines = [LinePlot() for _ in range(6)]
    heats = [HeatMap() for _ in range(2)]
    for index, plot in enumerate([*lines, *heats]):
        card = Card(f"Card {index}")
        card.set_body(plot)
        grid.add(card)
    grid.show()
    rng = np.random.default_rng(0)
    side = np.linspace(-1, 1, 51)
    for plot in lines:
        for name in "abcd":
            plot.append(name, np.arange(20000), rng.normal(size=20000))
    QCoreApplication.processEvents()
    turns = []
    begin = time.perf_counter()
    step = 20000
    while time.perf_counter() - begin < 2.0 or step <= 20040:  # a slow machine takes longer
        for plot in lines:
            for name in "abcd":
                plot.append(name, step, rng.normal())
        if step % 40 == 0:
            for plot in heats:
                plot.set_field(side, side, np.add.outer(side**2, np.sin(3 * side + step / 100)))
        step += 1
        start = time.process_time()
        QCoreApplication.processEvents()
        turns.append(time.process_time() - start)
    busy = np.array(turns)
    # CPU time, which a busy neighbour of the core still doubles: the goals of 60 and 150 ms are those of
    # tests/benchmarks/test_ui_stall.py on an idle machine; twice that here tells a redraw per event from a shared one.
    assert np.quantile(busy, 0.99) < 0.12
    assert busy.max() < 0.3
