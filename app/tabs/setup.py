"""The left side of every tab: the settings, what they will take, and the Run button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.shell.text import about, live, size, tr
from app.shell.theme import SPACE_2, SPACE_3, theme
from app.widgets.form import ConfigForm
from app.widgets.labels import Label, scrolled
from app.widgets.session_link import SessionLink
from engine.studies.contract import PipelineConfig, TaskConfig

WIDTH = 252
PAUSE_MS = 250


class SetupPanel(QFrame):
    """Shows a config's form with its estimate.

    Signals:
        run: the user wants these settings computed.
        changed: a setting changed.
    """

    run = Signal(object)
    changed = Signal()

    def __init__(
        self, config: type[TaskConfig] | type[PipelineConfig], simple: Sequence[str], provider: Callable[[str], Any],
        check: Callable[[Any], str] | None = None, hide: Sequence[str] = (), parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        """``simple`` are the paths shown first; ``provider`` lists artifacts of a kind; see ConfigForm for the rest."""
        super().__init__(parent)
        self._name = getattr(config, "pipeline", "") or getattr(config, "task", "")
        self._missing = ""
        self._cost: dict[str, Any] = {}
        self.setProperty("role", "card")
        self.form = ConfigForm(
            config, simple=simple, provider=provider, presets=config.presets(), check=check, hide=hide
        )
        self.form.changed.connect(self._changed)
        self.form.valid.connect(lambda _good, _reason: self._enable())
        self.cost = Label("", "muted", wrap=True)
        self.button = QPushButton()
        self.button.setProperty("primary", True)
        self.button.clicked.connect(self.press)
        self._link = SessionLink("estimates", parent=self)
        self._link.done.connect(self._estimated)
        self._link.failed.connect(lambda _method, _error: self._estimated("estimate", {"seconds": None, "bytes": None}))
        self._timer = QTimer(self, interval=PAUSE_MS, singleShot=True)
        self._timer.timeout.connect(self._ask)
        self._build()
        live(self._say)

    def _build(self) -> None:
        self._title = Label("", "section")
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_3, SPACE_2, SPACE_3, SPACE_3)
        column.setSpacing(SPACE_2)
        self._top = QHBoxLayout()
        self._top.addWidget(self._title, 1)
        column.addLayout(self._top)
        column.addWidget(scrolled(self.form), 1)
        column.addWidget(self.cost)
        column.addWidget(self.button)
        self.setFixedWidth(theme().px(WIDTH))

    def _say(self) -> None:
        self._title.setText(tr("Set up"))
        self.button.setText(tr("Run"))
        self._enable()
        self._say_cost()

    def add_corner(self, widget: QWidget) -> None:
        """Put a small button of the tab's beside the title."""
        self._top.addWidget(widget)

    def press(self) -> None:
        """Run what is set up, if it can be."""
        if self.button.isEnabled():
            self.run.emit(self.form.value())

    def set_missing(self, reason: str) -> None:
        """Say why nothing can run on this machine, "" when something can."""
        self._missing = reason
        self._enable()

    def ask_estimate(self) -> None:
        """Start estimating; called when the tab is first shown, so that starting the window stays quick."""
        self._timer.start()

    def close_panel(self) -> None:
        """End the session behind the estimates."""
        self._timer.stop()
        self._link.close()

    def _changed(self) -> None:
        self._timer.start()
        self.changed.emit()

    def _enable(self) -> None:
        good, reason = self.form.state()
        reason = self._missing or ("" if good else reason)
        self.button.setEnabled(not reason)
        self.button.setToolTip(reason or tr("Compute this (Ctrl+Return)"))

    def _ask(self) -> None:
        if self._missing or not self.form.state()[0]:
            self._cost = {}
            self._say_cost()
            return
        config = self.form.value().model_dump(mode="json")
        self._link.call("estimate", {"name": self._name, "config": config}, key="estimate")

    def _estimated(self, _method: str, cost: dict[str, Any]) -> None:
        self._cost = cost
        self._say_cost()

    def _say_cost(self) -> None:
        if not self._cost:
            self.cost.setText(self._missing)
            return
        seconds, memory = self._cost["seconds"], self._cost["bytes"]
        time = about(seconds) if seconds is not None else tr("Time unknown")
        text = tr("{time} on CPU", time=time[:1].upper() + time[1:]) if seconds is not None else time
        self.cost.setText(f"{text} · {size(int(memory))}" if memory is not None else text)
