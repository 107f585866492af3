"""Starts the real programs as a user's shell would, and waits for what they leave in the runs folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.runs import folder
from engine.runs.reader import RunReader

ROOT = Path(__file__).parents[2]
LIMIT = 90.0  # seconds that a busy machine may need for what takes a few


@dataclass(frozen=True)
class Done:
    """How a program ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON in the last line that it printed."""
        return json.loads(self.out.splitlines()[-1])


def environment(**changes: str) -> dict[str, str]:
    """What an installed program sees; -P and this path stand for the installation."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("QT_", "PYTEST_"))}
    return {**own, "PYTHONPATH": str(ROOT), **changes}


def command(package: str, *arguments: object) -> list[str]:
    """The command line of ``theodolite-engine`` ("engine") or ``theodolite`` ("app")."""
    return [sys.executable, "-P", "-m", package, *map(str, arguments)]


def run(package: str, *arguments: object, cwd: Path | None = None, limit: float = LIMIT, **env: str) -> Done:
    """Run a program to its end."""
    done = subprocess.run(
        command(package, *arguments), cwd=cwd, env=environment(**env), stdin=subprocess.DEVNULL,
        capture_output=True, encoding="utf-8", timeout=limit, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def engine(*arguments: object, cwd: Path | None = None, **env: str) -> Done:
    """Run the command line to its end."""
    return run("engine", *arguments, cwd=cwd, **env)


class Background:
    """A program that goes on while the test does other things; used in a ``with`` it is killed at the end."""

    def __init__(self, folder: Path, package: str, *arguments: object, **env: str) -> None:
        self._files = [folder / f"{package}.{name}" for name in ("out", "err")]
        with open(self._files[0], "wb") as out, open(self._files[1], "wb") as err:
            self.process = subprocess.Popen(
                command(package, *arguments), env=environment(**env), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        """What it has printed."""
        return self._files[0].read_text("utf-8")

    @property
    def err(self) -> str:
        """What it has printed to stderr."""
        return self._files[1].read_text("utf-8")

    def wait(self) -> Done:
        """Wait for its end."""
        code = self.process.wait(LIMIT)
        return Done(code, self.out, self.err)

    def __enter__(self) -> Background:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def until(condition: Callable[[], Any], say: Callable[[], str] = lambda: "", limit: float = LIMIT) -> Any:
    """Wait for something true and return it."""
    end = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < end, f"nothing after {limit:.0f} s. {say()}"
        time.sleep(0.02)
    return found


def run_ids(root: Path) -> list[str]:
    """Ids of the runs in a folder, oldest first."""
    return sorted(path.name for path in root.glob("*") if folder.is_run(path)) if root.is_dir() else []


def only_run(root: Path) -> RunReader:
    """A reader of the one run, once it is there."""
    (id,) = until(lambda: run_ids(root))
    return reader(root, id)


def reader(root: Path, id: str) -> RunReader:
    """A reader, polled once."""
    found = RunReader(root / id)
    found.poll()
    return found


def until_state(found: RunReader, *states: str) -> RunReader:
    """Wait for one of the states."""

    def there() -> bool:
        found.poll()
        return found.state in states

    until(there, lambda: f"{found.id} is {found.state}: {found.error or ''}\n{found.log()}")
    return found
