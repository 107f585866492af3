"""The QApplication: look, fonts, crash file, message handling; then the window."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import IO

from platformdirs import user_log_dir
from PySide6.QtCore import QSize, QTimer
from PySide6.QtWidgets import QApplication, QMessageBox

from app.shell import translation
from app.shell.background import Unexpected
from app.shell.errors import words
from app.shell.settings import Settings
from app.shell.theme import install
from app.window import MainWindow
from engine.errors import EngineError

log = logging.getLogger(__name__)


def start(arguments: argparse.Namespace, started: float) -> int:
    """Open the window and live until it closes; returns the exit code.

    Args:
        arguments: as app.main.parser() reads them. started: time.perf_counter() at the start of the process.
    """
    crash_file = open_crash_file()
    application = application_()
    settings = Settings(persistent=not arguments.self_test)
    install(application, arguments.theme or settings.theme)
    unreadable = _speak(arguments.language or settings.language)
    try:
        window = MainWindow(arguments.runs_dir, settings)
    except EngineError as error:  # the folder of runs cannot be used
        return _cannot_open(error, ask=not arguments.self_test)
    sys.excepthook = Hook(window)
    if unreadable is not None:
        window.reporter.error(unreadable, level="warn")
    if arguments.size:
        window.resize(QSize(*arguments.size))
    painted: list[float] = []
    window.painted.connect(lambda: painted.append(time.perf_counter() - started))
    window.ready.connect(lambda: window.open_files(arguments.files))
    window.ready.connect(lambda: painted.append(time.perf_counter() - started))
    window.show()
    if arguments.self_test:
        code = _self_test(window, arguments.screenshots, painted)
    else:
        QTimer.singleShot(0, window.raise_)
        code = application.exec()
    if crash_file is not None:
        faulthandler.disable()
        crash_file.close()
    return code


def _speak(choice: str) -> EngineError | None:
    """Choose the language before any text is made; returns why it had to be another one."""
    try:
        translation.use(choice)
    except EngineError as error:
        return error
    return None


def _cannot_open(error: EngineError, ask: bool) -> int:
    what, why, remedy = words(error)
    print(what, why, remedy, file=sys.stderr)
    if ask:
        QMessageBox.critical(None, "Theodolite", f"{what} {why}\n\n{remedy}")
    return 1


def application_() -> QApplication:
    """The one QApplication, named, so that settings and task bars know it."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    application.setApplicationName("Theodolite")
    application.setApplicationDisplayName("Theodolite")
    application.setOrganizationName("Theodolite")
    application.setDesktopFileName("theodolite")
    return application


def open_crash_file() -> IO[str] | None:
    """Where a crash of the program itself leaves its stack; None where nothing can be written."""
    folder = Path(user_log_dir("theodolite", appauthor=False))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "crash.txt").open("w", encoding="utf-8")
    except OSError as error:
        log.info("no crash file: %s", error)
        return None
    faulthandler.enable(file)
    return file


class Hook:
    """Shows what escaped every handler as a sentence; the traceback goes to stderr."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        if issubclass(kind, KeyboardInterrupt):
            self.window.close()
            return
        self.window.report(Unexpected(reason=repr(error)))


def _self_test(window: MainWindow, screenshots: Path | None, painted: list[float]) -> int:
    from app.shell.selftest import SelfTest

    code = SelfTest(window, screenshots).run(painted)
    window.close_for_good()
    return code
