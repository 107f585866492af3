"""What every test runs in: a home of its own, one thread, and no process, thread, file or warning left behind.

Nothing here imports Qt; what windows need on top is in tests/app/conftest.py.
"""

from __future__ import annotations

import gc
import importlib.abc
import logging
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

GRACE = 10.0  # seconds a test's processes and threads get to end by themselves; a spare worker may be importing torch

# Short, because a unix socket's path may have 108 bytes; one for each xdist worker.
SCRATCH = Path(tempfile.mkdtemp(prefix="theo-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))


def _isolate() -> None:
    """Give the process, and whatever it starts, a home and a temporary folder of its own, and no desktop."""
    home, temporary = SCRATCH / "home", SCRATCH / "tmp"
    temporary.mkdir()
    for variable, folder in {
        "HOME": "",
        "USERPROFILE": "",
        "APPDATA": "roaming",
        "LOCALAPPDATA": "local",
        "XDG_CONFIG_HOME": ".config",
        "XDG_DATA_HOME": ".local/share",
        "XDG_STATE_HOME": ".local/state",
        "XDG_CACHE_HOME": ".cache",
        "XDG_RUNTIME_DIR": ".runtime",
    }.items():
        (home / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        os.environ[variable] = str(home / folder)
    os.environ.update(TMPDIR=str(temporary), TEMP=str(temporary), TMP=str(temporary))
    tempfile.tempdir = None  # forget the folder that it has looked up already
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", GOMP_SPINCOUNT="0")
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = "disabled:"
    for variable in [name for name in os.environ if name.startswith("THEODOLITE_") and "TEST" not in name]:
        del os.environ[variable]


_isolate()


class NoQt(importlib.abc.MetaPathFinder):
    """Stands before all finders in the lane that shows that the engine needs no Qt."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse Qt; leave everything else to the next finder."""
        if name.partition(".")[0] in ("PySide6", "shiboken6", "pyqtgraph"):
            raise ImportError(f"the engine must work without {name}")


if os.environ.get("THEODOLITE_TEST_NO_QT"):
    assert "PySide6" not in sys.modules, "pytest was started with a plugin that imports Qt"
    sys.meta_path.insert(0, NoQt())


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Know pytest-qt's options also where its plugin is off, as in the lane that must not see Qt."""
    if not pluginmanager.hasplugin("pytest-qt"):
        for name in ("qt_api", "qt_log_level_fail", "qt_log_ignore"):
            parser.addini(name, "used by pytest-qt", type="linelist" if name == "qt_log_ignore" else None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave benchmarks out unless they are asked for: their numbers mean nothing on a busy machine."""
    if not config.getoption("markexpr"):
        chosen = [item for item in items if not item.get_closest_marker("benchmark")]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove the scratch folder after a good run; after a failure it stays for inspection."""
    if exitstatus == 0:
        shutil.rmtree(SCRATCH, ignore_errors=True)


# ------------------------------------------------------------------------------------------------------------- leaks
def _processes() -> Iterator[str]:
    """Processes below this one, less Python's own resource tracker, which lives as long as we do."""
    for child in psutil.Process().children(recursive=True):
        try:
            command = " ".join(child.cmdline())
            if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in command:
                yield f"process {child.pid}: {command}"
        except psutil.NoSuchProcess:
            continue


def _footprint() -> set[str]:
    """Everything outside the heap that a test could leave behind."""
    found = set(_processes())
    # Stand-ins for threads that other libraries started are not ours to end.
    threads = [one for one in threading.enumerate() if not isinstance(one, threading._DummyThread)]
    found.update(f"thread {thread.name} ({thread.ident})" for thread in threads)
    temporary = [entry for entry in (SCRATCH / "tmp").iterdir() if not entry.name.startswith("pytest-of-")]
    found.update(f"temporary {entry}" for entry in temporary)
    files = [item for item in psutil.Process().open_files() if item.path.startswith(str(SCRATCH))]
    found.update(f"open file {item.path}" for item in files)
    return found


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """Fail a test that leaves a process, thread, temporary file or open file behind."""
    before = _footprint()
    yield
    end = time.monotonic() + GRACE
    while (left := _footprint() - before) and time.monotonic() < end:
        gc.collect()
        time.sleep(0.02)
    assert not left, "left behind:\n" + "\n".join(sorted(left))


# -------------------------------------------------------------------------------------------------------------- logs
_expected: list[re.Pattern[str]] = []


@pytest.fixture
def expect_log() -> Callable[[str], None]:
    """``expect_log(regex)``: a warning or error that matches must be logged in this test, and is then no failure."""
    return lambda regex: _expected.append(re.compile(regex))


@pytest.fixture(autouse=True)
def logs_nothing_unexpected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test that logs a warning or error which it did not announce, or announces one that never comes."""
    _expected.clear()
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    said = [f"{r.name}: {r.getMessage()}" for r in records if r.levelno >= logging.WARNING]
    stray = [line for line in said if not any(regex.search(line) for regex in _expected)]
    assert not stray, "unexpected log:\n" + "\n".join(stray)
    missing = [regex.pattern for regex in _expected if not any(regex.search(line) for line in said)]
    assert not missing, f"never logged: {missing}"
