"""Starts the desktop program."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

STARTED = time.perf_counter()

NO_DISPLAY = (
    "Theodolite cannot open a window: this machine has no display (neither DISPLAY nor WAYLAND_DISPLAY is set)."
    " Run the studies without one: theodolite-engine run landscape"
)


def parser() -> argparse.ArgumentParser:
    """The program's own options."""
    options = argparse.ArgumentParser(
        prog="theodolite", description="Measure the landscapes that learning algorithms walk in."
    )
    options.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="a model file, data file or run folder to open"
    )
    options.add_argument(
        "--runs-dir", type=Path, metavar="DIR", help="where the run folders are (default: your data folder)"
    )
    options.add_argument("--theme", choices=("light", "dark", "system"), help="colours, for this start only")
    options.add_argument(
        "--language", choices=("system", "en", "zh_CN"), help="the window's language, for this start only"
    )
    options.add_argument(
        "--self-test", action="store_true", help="visit every tab, run its smallest example, report, exit"
    )
    options.add_argument(
        "--screenshots", type=Path, metavar="DIR", help="with --self-test: save a picture of each page"
    )
    options.add_argument("--size", type=size, metavar="WxH", help="the window's size in pixels, for this start only")
    return options


def size(text: str) -> tuple[int, int]:
    """ "1280x800" as two numbers.

    Raises:
        ValueError: it is not written so.
    """
    width, height = (int(part) for part in text.split("x"))
    return width, height


def main(argv: Sequence[str] | None = None) -> int:
    """Open the window, or run the self-test; returns the exit code."""
    arguments = parser().parse_args(argv)
    if sys.platform.startswith("linux") and not has_display():
        if not arguments.self_test:
            print(NO_DISPLAY, file=sys.stderr)
            return 2
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from app.shell.application import start

    return start(arguments, STARTED)


def has_display() -> bool:
    """Whether Qt has somewhere to draw."""
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
