"""The bootstrap's commands: what run, test, bench and setup do."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from steps import install, lanes, machine
from steps.machine import Refusal

ROOT = Path(__file__).resolve().parents[2]
NO_DISPLAY = (
    "Theodolite cannot open a window: this machine has no display (neither DISPLAY nor WAYLAND_DISPLAY is set)."
    " The studies run without one:\n    python3 packaging/bootstrap.py setup && {engine} run landscape"
)


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = argparse.ArgumentParser(prog="bootstrap.py", description="Set Theodolite up and start it.")
    top.add_argument("--gpu", choices=("cpu", "cuda"), help="build of torch (default: the installed one, at first cpu)")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start the program", description="Start the program.")
    run.add_argument("files", nargs=argparse.REMAINDER, metavar="-- FILES", help="files to open")
    test = commands.add_parser("test", help="run the checks", description="Run all checks, lane by lane.")
    test.add_argument("--lane", action="append", choices=lanes.NAMES, help="only this lane; may be repeated")
    commands.add_parser("bench", help="run the benchmarks", description="Run the benchmarks; any pytest arguments.")
    setup = commands.add_parser("setup", help="only install", description="Install, and start nothing.")
    setup.add_argument("--for-tests", action="store_true", help="with what the tests and the packager need")
    return top


def start(argv: list[str]) -> int:
    """Carry out one command; returns the exit code. What can be expected to go wrong is said in a sentence."""
    chosen, rest = parser().parse_known_args(argv)
    if rest and chosen.command not in ("test", "bench"):
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return _carry_out(chosen, rest)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. The next start goes on from here.", file=sys.stderr)
        return 130


def _carry_out(chosen: argparse.Namespace, rest: list[str]) -> int:
    if chosen.command == "run" and not machine.has_display():
        engine = install.script(install.place(ROOT, create=False), "theodolite-engine")
        raise Refusal(NO_DISPLAY.format(engine=shlex.quote(os.path.relpath(engine))))
    for_tests = chosen.command in ("test", "bench") or getattr(chosen, "for_tests", False)
    python = install.ensure(ROOT, gpu=chosen.gpu, groups=install.TESTS if for_tests else install.USERS)
    if chosen.command == "run":
        files = chosen.files[1:] if chosen.files[:1] == ["--"] else chosen.files
        return _become([str(python), "-P", "-m", "app", *files])
    if chosen.command == "test":
        machine.require_program("Xvfb", "xvfb")
        return lanes.test(ROOT, python, only=chosen.lane, arguments=rest)
    if chosen.command == "bench":
        return lanes.bench(ROOT, python, arguments=rest)
    print(f"Ready: {python.parent}")
    return 0


def _become(command: list[str]) -> int:
    """Replace this process by ``command``, so that signals and the exit code are its own; Windows can only wait."""
    if os.name == "posix":
        sys.stdout.flush()
        os.execv(command[0], command)
    return subprocess.call(command)
