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
        self.devices = devices
        cpu = next((device for device in devices if device.name == "cpu"), None)
        if cpu is None or not cpu.usable:
            reason = cpu.reason if cpu is not None else tr("no processor was found")
            self.engine_missing = tr(
                "Nothing can be computed here: {reason}. Set up the engine as the help describes.", reason=reason
            )
        self._say()
        self.known.emit(self.engine_missing)

    def _say(self) -> None:
        self.hint.setText(tr("Ctrl+Return runs · F1 help on a field"))
        if not self.devices:
            self.text.setText(tr("Looking for devices …"))
            return
        words = [tr(device.title) for device in self.devices if device.usable]
        words += [
            tr("{device} not usable: {reason}", device=d.title, reason=d.reason) for d in self.devices if not d.usable
        ]
        if len(self.devices) == 1:
            words.append(tr("no GPU found"))
        self.text.setText(" · ".join(words))
