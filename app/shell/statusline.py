"""The line at the bottom: what computes here, and where help is."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.shell.background import Background
from app.shell.text import live, tr
from app.widgets.labels import ElidedLabel, Label
from engine.devices import Device, discover


class StatusLine(QWidget):
    """Shows the devices, once a child process has proven them.

    Signals:
        known: why nothing can be computed on this machine (a sentence), or "".
    """

    known = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._background = Background(self)
        self.devices: list[Device] = []
        self.engine_missing = ""
        self._answered = False
        self.text = ElidedLabel("", "caption")
        self.hint = Label("", "caption")
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 0, 4, 0)
        row.addWidget(self.text, 1)
        row.addWidget(self.hint)
        live(self._say)

    def begin(self) -> None:
        """Ask for the devices; the answer comes from a child process, which takes seconds, or is remembered."""
        self._background.do(discover, self._found)

    def close_line(self) -> None:
        """Let the thread go that asks; the answer, which may take a minute, is of no use any more."""
        self._background.close(wait=0)

    def _found(self, devices: list[Device]) -> None:
        self.devices, self._answered = devices, True
        self._say()

    def _say(self) -> None:
        self.hint.setText(tr("Ctrl+Return runs · F1 help on a field"))
        self.text.setText(" · ".join(self._words()) or tr("Looking for devices …"))
        if self._answered:
            cpu = next((device for device in self.devices if device.name == "cpu"), None)
            reason = cpu.reason if cpu is not None else tr("no processor was found")
            useless = cpu is None or not cpu.usable
            template = "Nothing can be computed here: {reason}. Set up the engine as the help describes."
            self.engine_missing = tr(template, reason=reason) if useless else ""
            self.known.emit(self.engine_missing)

    def _words(self) -> list[str]:
        words = [tr(device.title) for device in self.devices if device.usable]
        words += [
            tr("{device} not usable: {reason}", device=tr(d.title), reason=d.reason)
            for d in self.devices
            if not d.usable
        ]
        return [*words, tr("no GPU found")] if len(self.devices) == 1 else words
