"""The command lines of workers and sessions, made here and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


def command(run_folder: Path, interpreter: str | None, threads: int) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of the worker of one run.

    Args:
        run_folder: the run. interpreter: path of another Python, None for this program's own.
        threads: for numerical libraries.
    """
    return [*_start(interpreter), str(run_folder.absolute())], _environment(threads)


def spare_command(threads: int) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of a worker that gets ready and waits for the path of a run on its input."""
    return [*_start(None), "--spare"], _environment(threads)


def session_command(folders: Sequence[Path], interpreter: str | None, threads: int) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of the process of a session, which is given the session's folders."""
    frozen = interpreter is None and getattr(sys, "frozen", False)
    start = [sys.executable] if frozen else [interpreter or sys.executable, "-P", str(_BOOTSTRAP)]
    return [*start, "--session", *(str(folder.absolute()) for folder in folders)], _environment(threads)


def left_command(run_folder: Path) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of a process that gives the slot of a run back once its worker is gone."""
    return [*_start(None), "--left", str(run_folder.absolute())], _environment(1)


def _start(interpreter: str | None) -> list[str]:
    if interpreter is None and getattr(sys, "frozen", False):
        return [sys.executable, "--worker"]
    # -P and the bootstrap: neither the current folder nor PYTHONPATH can put another ``engine`` in front of ours,
    # and another interpreter gets ``engine`` without the other packages that lie beside it.
    return [interpreter or sys.executable, "-P", str(_BOOTSTRAP)]


def _environment(threads: int) -> dict[str, str]:
    environment = dict(os.environ)
    environment.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    # Idle OpenMP threads that spin made two of them on a busy two-core machine 5 to 100 times slower.
    environment.update(GOMP_SPINCOUNT="0", PYTHONSAFEPATH="1", PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8")
    return environment
