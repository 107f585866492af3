"""Two faults that other releases of Qt's bindings have here; a new pin must pass both."""

import re
import sys
from pathlib import Path

import numpy as np
import pyqtgraph
import pyqtgraph.exporters
import pytest
from PySide6.QtCore import QCoreApplication
from pytestqt.qtbot import QtBot

IMMORTAL = sys.version_info >= (3, 12)  # None is not counted from 3.12 on, and can't be lost


def plot(qtbot: QtBot) -> pyqtgraph.PlotWidget:
    widget = pyqtgraph.PlotWidget()
    qtbot.addWidget(widget)
    widget.resize(400, 300)
    widget.show()
    return widget


@pytest.mark.skipif(IMMORTAL, reason="None has no reference count from Python 3.12 on")
def test_repaints_lose_no_reference_to_none(qtbot: QtBot) -> None:
    # PySide6 6.12.0 loses about 6 a repaint and 10 a setData: the process aborts after some 90 frames.
    widget = plot(qtbot)
    curve = widget.plot(pen="w")
    for frame in range(20):  # caches fill
        curve.setData(np.sin(np.linspace(0, frame + 1, 100)))
        widget.repaint()
    before = sys.getrefcount(None)
    for frame in range(200):
        curve.setData(np.sin(np.linspace(0, frame + 1, 100)))
        widget.repaint()
        QCoreApplication.processEvents()
    assert sys.getrefcount(None) - before > -100


@pytest.mark.skipif(IMMORTAL, reason="None has no reference count from Python 3.12 on")
def test_void_calls_lose_no_reference_to_none(qtbot: QtBot) -> None:
    widget = plot(qtbot)
    before = sys.getrefcount(None)
    for _ in range(10_000):
        widget.update()
        QCoreApplication.sendPostedEvents()
    assert sys.getrefcount(None) - before > -100


def test_svg_export_of_a_plot(qtbot: QtBot, tmp_path: Path) -> None:
    # From Qt 6.11 on, pyqtgraph 0.14.0 raises ValueError while it splits the path's tokens.
    widget = plot(qtbot)
    widget.plot(np.arange(50), np.random.default_rng(0).uniform(size=50), pen="r", symbol="o")
    widget.setRange(xRange=(0, 50), yRange=(0, 1))
    widget.grab()  # lays the axes out
    pyqtgraph.exporters.SVGExporter(widget.plotItem).export(str(tmp_path / "plot.svg"))
    text = (tmp_path / "plot.svg").read_text()
    paths = re.findall(r'<path[^>]* d="(M[^"]*)"', text)
    assert max(path.count("L") for path in paths) == 49  # the curve: 50 points
    assert sum("C" in path for path in paths) == 50  # the symbols: circles
