"""The command line's words and exit codes: 0 finished, 1 failed, 2 usage, 130 stopped or cancelled."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine import __version__
from engine.cli import commands
from engine.cli.settings import BadConfigFile, BadSetting, UnknownPreset
from engine.errors import EngineError
from engine.studies.catalogue import UnknownTask

USAGE = 2
FAILED = 1


def parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    top = argparse.ArgumentParser(prog="theodolite-engine", description="Run, watch and keep Theodolite's studies.")
    top.add_argument("--version", action="version", version=f"theodolite-engine {__version__}")
    commands_ = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--runs-dir", type=Path, metavar="DIR", help="where the run folders are (default: your data folder)"
    )
    _run(commands_, where)
    for name, text in (
        ("resume", "go on with a run that was stopped or lost"),
        ("stop", "stop a run at its next point; it can be resumed"),
        ("cancel", "kill a run at once; what it published stays"),
        ("show", "say what a run is, how far it is and what it found"),
        ("delete", "move a run that no other run uses to the trash"),
    ):
        one = commands_.add_parser(name, parents=[where], help=text, description=text.capitalize() + ".")
        one.add_argument("run", metavar="RUN", help="a run's id")
        one.set_defaults(do=getattr(commands, name))
    export = commands_.add_parser("export", parents=[where], help="copy a run with all it holds into a zip file")
    export.add_argument("run", metavar="RUN", help="a run's id")
    export.add_argument("file", type=Path, metavar="FILE.zip", help="the file to write")
    export.set_defaults(do=commands.export)
    import_ = commands_.add_parser("import", parents=[where], help="copy a run from such a zip file to the runs here")
    import_.add_argument("source", type=Path, metavar="FILE.zip", help="a zip file, or a run's folder")
    import_.set_defaults(do=commands.import_)
    listing = commands_.add_parser("list", parents=[where], help="list the runs, newest first")
    listing.set_defaults(do=commands.list_runs)
    index = commands_.add_parser("reindex", parents=[where], help="rebuild the index from the run folders")
    index.set_defaults(do=commands.reindex)
    tasks = commands_.add_parser("tasks", help="list the tasks and pipelines, or one's settings")
    tasks.add_argument("name", nargs="?", metavar="TASK", help="a task or pipeline whose settings to list")
    tasks.set_defaults(do=commands.tasks)
    return top


def _run(commands_: argparse._SubParsersAction[argparse.ArgumentParser], where: argparse.ArgumentParser) -> None:
    run = commands_.add_parser("run", parents=[where], help="run a task or pipeline and wait for it")
    run.add_argument("task", metavar="TASK|PIPELINE", help="see the command 'tasks'")
    run.add_argument("--preset", metavar="P", help="smoke, quick (default), standard or paper")
    run.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help="change one setting"
    )
    run.add_argument("--config", type=Path, metavar="FILE", help="start from this JSON file instead of a preset")
    run.add_argument("--device", default="auto", metavar="D", help="auto (default), cpu, mps, cuda:0 ...")
    run.add_argument("--name", default="", help="a name for the run")
    run.set_defaults(do=commands.run)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.do(arguments)
    except (UnknownTask, UnknownPreset, BadSetting, BadConfigFile) as error:
        print(error, file=sys.stderr)
        return USAGE
    except EngineError as error:
        print(error, file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        return FAILED
    except KeyboardInterrupt:
        return 130
