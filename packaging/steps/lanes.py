"""The lanes of ``test``: what is checked, in which order and surroundings, and the one summary at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from steps.install import OFFLINE
from steps.screen import virtual_screen

LIMIT = 20 * 60  # seconds after which a lane is ended with all its processes
NOTHING_COLLECTED = 5  # pytest's exit code


@dataclass(frozen=True)
class Lane:
    """One step of ``test``.

    Attributes:
        commands: each run by the environment's Python, one check each, unless ``folders`` are given.
        folders: of pytest's tests. options: for pytest. environment: on top of the lane's clean one.
        screen: whether it draws on a virtual X screen. unless: an environment variable that skips the lane.
        online: whether it asks the package registry, and is skipped where that does not answer.
    """

    name: str
    commands: Sequence[Sequence[str]] = ()
    folders: Sequence[str] = ()
    options: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    screen: bool = False
    unless: str = ""
    online: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a lane counted, and its wall-clock seconds."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    note: str = ""

    def __add__(self, other: Outcome) -> Outcome:
        sums = (getattr(self, name) + getattr(other, name) for name in ("passed", "failed", "skipped", "seconds"))
        return Outcome(*sums)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


PARALLEL = ("-n", "2", "--dist", "worksteal")
LANES = (
    Lane("style", commands=[["-m", "ruff", "check", "."], ["-m", "ruff", "format", "--check", "."]]),
    Lane("types", commands=[["-m", "mypy"]]),
    Lane("contracts", commands=[["-c", "from importlinter.cli import lint_imports_command as c; c()"]]),
    Lane("licences", commands=[["packaging/licences.py", "check"]]),
    Lane("locks", commands=[["packaging/locks.py", "check", "cuda"]], online=True),
    Lane(
        "engine",
        folders=["tests/engine", "tests/packaging"],
        options=[*PARALLEL, "-p", "no:pytest-qt"],
        environment={"THEODOLITE_TEST_NO_QT": "1"},
    ),
    Lane("app", folders=["tests/app"], options=[*PARALLEL, "-m", "not window and not benchmark"]),
    Lane(
        "window",
        folders=["tests/app"],
        options=["-m", "window"],
        environment={"THEODOLITE_TEST_PLATFORM": "xcb"},
        screen=True,
    ),
    Lane("end2end", folders=["tests/end2end"], screen=True),
    Lane("bundle", commands=[["packaging/bundle.py", "--self-test"]], unless="THEODOLITE_SKIP_BUNDLE"),
)
NAMES = [lane.name for lane in LANES]


def test(root: Path, python: Path, *, only: Sequence[str] | None, arguments: Sequence[str]) -> int:
    """Run the lanes in order and print the summary; returns 1 when anything failed.

    Args:
        only: names of lanes, all by default. arguments: pytest's; with them only pytest lanes run, and of those,
            where the arguments name files or folders, only the ones that hold these.
    """
    lanes = [lane for lane in LANES if not only or lane.name in only]
    if arguments:
        lanes = [chosen for lane in lanes if (chosen := _narrow(root, lane, arguments))]
    outcomes: dict[str, Outcome] = {}
    for lane in lanes:
        print(f"\n--- {lane.name}", flush=True)
        start = time.monotonic()
        outcome = _run(root, python, lane, choosy=bool(arguments))
        outcomes[lane.name] = replace(outcome, seconds=time.monotonic() - start)
    total = sum(outcomes.values(), Outcome())
    if not total.passed + total.failed:
        total = replace(total, failed=1, note="no test was run")
    print("\n--- summary")
    for name, outcome in outcomes.items():
        print(f"{name:<10}{outcome.seconds:7.1f} s   {outcome}{'   ' * bool(outcome.note)}{outcome.note}")
    print(f"{'all':<10}{total.seconds:7.1f} s   {total.note}".rstrip())
    print(total, flush=True)
    return 1 if total.failed else 0


def bench(root: Path, python: Path, *, arguments: Sequence[str]) -> int:
    """Run the benchmarks one after the other, offscreen; returns pytest's exit code."""
    command = ["-P", "-m", "pytest", "-m", "benchmark", "-s", *(arguments or ["tests/benchmarks"])]
    with _surroundings(Lane("bench")) as environment:
        return subprocess.call([str(python), *command], cwd=root, env=environment)


def _narrow(root: Path, lane: Lane, arguments: Sequence[str]) -> Lane | None:
    """The lane with pytest's arguments; None where they choose nothing of it."""
    if not lane.folders:
        return None
    named = [word for word in arguments if (root / word.split("::")[0]).exists()]
    inside = [word for word in named if any(Path(word).is_relative_to(folder) for folder in lane.folders)]
    if named and not inside:
        return None
    others = [word for word in arguments if word not in named]
    return replace(lane, folders=inside or lane.folders, options=[*lane.options, *others])


def _run(root: Path, python: Path, lane: Lane, *, choosy: bool) -> Outcome:
    if lane.unless and os.environ.get(lane.unless):
        return Outcome(skipped=1, note=f"{lane.unless} is set")
    with _surroundings(lane) as environment:
        if lane.folders:
            return _pytest(root, python, lane, environment, choosy)
        return sum((_check(root, python, words, lane, environment) for words in lane.commands), Outcome())


def _check(root: Path, python: Path, words: Sequence[str], lane: Lane, environment: dict[str, str]) -> Outcome:
    """One command: passed or failed by its exit code."""
    with tempfile.TemporaryFile("w+") as errors:
        code = _call([str(python), *words], root, environment, errors if lane.online else None)
        errors.seek(0)
        said = errors.read()
    if code and OFFLINE.search(said):
        return Outcome(skipped=1, note="the package registry does not answer")
    print(said[-4000:] if code else "", end="", file=sys.stderr)
    return Outcome(failed=1) if code else Outcome(passed=1)


def _pytest(root: Path, python: Path, lane: Lane, environment: dict[str, str], choosy: bool) -> Outcome:
    """A lane of tests, counted from the report that pytest writes."""
    report = Path(environment["TMPDIR"]) / "report.xml"
    words = ["-P", "-m", "pytest", *lane.options, f"--junitxml={report}", *lane.folders]
    code = _call([str(python), *words], root, environment)
    if code == NOTHING_COLLECTED:
        return Outcome() if choosy else Outcome(failed=1, note="no tests were collected")
    if not report.exists():
        return Outcome(failed=1, note=f"pytest ended with {code} and left no report")
    suite = next(ElementTree.parse(report).iter("testsuite"))
    tests, failed, skipped = (int(suite.attrib[name]) for name in ("tests", "failures", "skipped"))
    failed += int(suite.attrib["errors"])
    note = "" if code in (0, 1) else f"pytest ended with {code}"
    return Outcome(max(0, tests - failed - skipped), max(failed, int(code != 0)), skipped, note=note)


def _call(command: Sequence[str], root: Path, environment: dict[str, str], errors: object = None) -> int:
    """Run a command in a process group of its own; ends the whole group at LIMIT and at an interruption."""
    process = subprocess.Popen(command, cwd=root, env=environment, start_new_session=True, stderr=errors)
    try:
        return process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        print(f"still running after {LIMIT} s: ended", file=sys.stderr)
        return 124
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def _surroundings(lane: Lane) -> Iterator[dict[str, str]]:
    """The environment variables of a lane: one thread, folders of its own, no desktop; a screen if it needs one."""
    dropped = ("DISPLAY", "WAYLAND_DISPLAY", "PYTHONPATH", "PYTHONHOME", "THEODOLITE_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="theo-", ignore_cleanup_errors=True)))
        clean.update(OMP_NUM_THREADS="1", GOMP_SPINCOUNT="0", QT_QPA_PLATFORM="offscreen", TMPDIR=str(folder))
        clean["DBUS_SESSION_BUS_ADDRESS"] = "disabled:"
        if (
            lane.folders
        ):  # the other lanes keep the user's own home: pip and the tools have their caches and settings there
            clean.update(HOME=str(folder / "home"))
            for name in ("CONFIG", "DATA", "STATE", "CACHE"):
                clean[f"XDG_{name}_HOME"] = str(folder / name.lower())
        if lane.screen:
            clean.update(DISPLAY=stack.enter_context(virtual_screen()), QT_QPA_PLATFORM="xcb")
        yield {**clean, **lane.environment}
