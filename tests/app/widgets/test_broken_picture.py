"""A picture that raises while it is painted: said once, in its card, and the window lives on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QCoreApplication, QPointF
from PySide6.QtWidgets import QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.shell.errors import Reporter
from app.shell.theme import Tokens
from app.widgets import export
from app.widgets.card import Card, PictureFailed
from app.widgets.plot import LinePlot
from engine.errors import EngineError

X = np.arange(5.0)


class Fragile(LinePlot):
    """Raises where it is told to."""

    where = ""
    asked = 0

    def __init__(self) -> None:
        super().__init__("Fragile")
        self.box.addItem(Bad(self), ignoreBounds=True)

    def break_at(self, where: str) -> None:
        if self.where == where:
            self.asked += 1
            raise RuntimeError(f"broken at {where}")

    def show_data(self, look: Tokens) -> None:
        self.break_at("show_data")
        super().show_data(look)

    def reading(self, at: QPointF) -> None:
        self.break_at("reading")

    def summary(self) -> str:
        self.break_at("summary")
        return "fine"


class Bad(pg.GraphicsObject):
    """An item of the scene that raises when Qt asks it to paint."""

    def __init__(self, plot: Fragile) -> None:
        super().__init__()
        self.plot = plot
        self.setZValue(5000)  # pyqtgraph's own curves, painted after it, would swallow what it raises

    def boundingRect(self) -> Any:
        return self.plot.box.viewRect()

    def paint(self, *_: object) -> None:
        self.plot.break_at("item")


class Window(QWidget):
    """Shows errors as the main window does."""

    def __init__(self) -> None:
        super().__init__()
        self.reporter = Reporter(self)
        self.plot, self.card = Fragile(), Card("Loss", empty="The loss appears here.")
        self.card.set_body(self.plot)
        QVBoxLayout(self).addWidget(self.card)

    def report(self, error: EngineError) -> None:
        self.reporter.error(error)


@pytest.fixture
def window(qtbot: QtBot) -> Window:
    made = Window()
    qtbot.addWidget(made)
    made.resize(400, 300)
    with qtbot.waitExposed(made):
        made.show()
    made.plot.set_series("a", X, X)
    made.plot.repaint()
    return made


def frames(window: Window, count: int = 5) -> None:
    for _ in range(count):
        window.plot.viewport().repaint()
        window.repaint()
        QCoreApplication.processEvents()


@pytest.mark.parametrize("where", ["show_data", "item", "reading", "summary"])
def test_a_failure_is_said_once_and_mended_by_better_data(
    window: Window, qtbot: QtBot, where: str, expect_log: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    expect_log("the picture 'Fragile' failed")
    assert not window.card.is_empty()
    window.plot._pointer = window.plot.area().center()
    window.plot.where = where
    window.plot.refresh()
    frames(window)
    assert window.plot.asked == 1  # not once a frame
    assert window.card.is_empty() and not window.card._save.isEnabled()
    assert window.card._sentence.text() == f"This picture failed: RuntimeError: broken at {where}"
    assert [notice.what for notice in window.reporter.history] == ["The picture “Loss” failed."]
    assert "break_at" in window.reporter.history[0].technical  # the traceback is there for a report
    window.plot.set_series("a", X, X + 1)  # new data, the same failure
    qtbot.waitUntil(lambda: window.plot.asked == 2)
    frames(window)
    assert window.card.is_empty() and len(window.reporter.history) == 1
    window.plot.where = ""
    window.plot.set_series("a", X, X + 2)
    qtbot.waitUntil(lambda: not window.card.is_empty())
    frames(window)
    assert len(window.reporter.history) == 1 and window.plot.accessibleDescription() == "fine"
    assert len(caplog.records) == 1


def test_another_failure_is_said_too(window: Window, qtbot: QtBot, expect_log: Callable[[str], None]) -> None:
    expect_log("the picture 'Fragile' failed")
    for where in ("show_data", "item"):
        window.plot.where = where
        window.plot.refresh()
        qtbot.waitUntil(lambda where=where: where in window.card._sentence.text())
    assert [notice.why for notice in window.reporter.history] == [
        "RuntimeError: broken at show_data.", "RuntimeError: broken at item."
    ]  # fmt: skip


def test_a_cleared_card_says_again_what_will_appear(
    window: Window, qtbot: QtBot, expect_log: Callable[[str], None]
) -> None:
    expect_log("the picture 'Fragile' failed")
    window.plot.where = "show_data"
    window.plot.refresh()
    qtbot.waitUntil(window.card.is_empty)
    window.plot.where = ""
    window.plot.clear()
    assert window.card._sentence.text() == "The loss appears here."
    qtbot.waitUntil(lambda: not window.plot._broken)
    window.plot.set_series("a", X, X)
    assert not window.card.is_empty()


def test_a_failing_file_leaves_no_open_painter(window: Window) -> None:
    window.plot.where = "show_data"
    for write in (export.image, export.svg, export.pdf):
        with pytest.raises(RuntimeError, match="broken at show_data"):
            write(window.plot)
    window.plot.where = ""
    frames(window)
    assert not window.card.is_empty() and not export.image(window.plot).isNull()


def test_failed_saving_reaches_the_window(window: Window, tmp_path: Any) -> None:
    window.card.save_to(tmp_path / "nowhere" / "loss.png")
    assert window.reporter.history[0].what == "The picture was not saved."
    window.card.setParent(None)
    window.card.failed.emit(PictureFailed(title="Loss", reason="alone"))  # nobody to tell: nothing happens
    assert len(window.reporter.history) == 1
    window.layout().addWidget(window.card)
