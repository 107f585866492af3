"""The real program with a line into it: what it reads is evaluated in the window's thread, ``window`` being known.

Each line of input is a Python expression; each line of output its value as JSON, or {"error": ...}.
"""

from __future__ import annotations

import json
import os
import sys

from PySide6.QtCore import QSocketNotifier

from app.main import main
from app.shell import application
from app.window import MainWindow


class Driven(MainWindow):
    """Listens once its first tab stands."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._rest = b""
        self._input = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read, self)
        self._input.setEnabled(False)
        self._input.activated.connect(self._read)
        self.ready.connect(lambda: self._input.setEnabled(True))

    def _read(self) -> None:
        data = os.read(sys.stdin.fileno(), 65536)
        if not data:
            self._input.setEnabled(False)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                value = eval(line, {"window": self})
                text = json.dumps(value, default=str)
            except Exception as error:
                text = json.dumps({"error": repr(error)})
            print(text, flush=True)


application.MainWindow = Driven

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
