"""A window that shows has loaded nothing heavy: asked of a fresh interpreter, since this one may have."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = ["torch", "open3d", "sklearn", "polars", "scipy.stats", "pyqtgraph.opengl"]
SHOW = """
import json, sys
from PySide6.QtWidgets import QApplication
from app.shell.application import application_
from app.shell.settings import Settings
from app.shell.theme import install
from app.window import MainWindow

application = application_()
install(application, "light")
window = MainWindow(None, Settings(persistent=False))
window.show()
while not window._painted:
    application.processEvents()
for tab in window.tabs:
    window.show_tab(tab.id)
    application.processEvents()
print(json.dumps([name for name in json.loads(sys.argv[1]) if name in sys.modules]))
window.close_for_good()
"""


def test_shown_window_has_loaded_nothing_heavy() -> None:
    command = [sys.executable, "-P", "-c", SHOW, json.dumps(HEAVY)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []
