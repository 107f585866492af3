"""Builds the packaged program with PyInstaller into dist/theodolite, and tests the program that came out.

    python packaging/bundle.py [--self-test] [--out DIR]

The self-test starts the program with an empty home and no Python in its environment: as the window, as the command
line, as a worker and as a session.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEVER = ("torch", "open3d", "libOpen3D", "scipy", "sklearn", "polars")  # of packages that must not have slipped in
LIMIT = 300


def build(out: Path) -> Path:
    """Build into ``out`` and return the folder of the program.

    Raises:
        subprocess.CalledProcessError: PyInstaller failed; what it said is on stderr.
    """
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "WARN"]
    command += ["--distpath", str(out), "--workpath", str(out / "work"), str(ROOT / "packaging" / "theodolite.spec")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    return out / "theodolite"


def intruders(folder: Path) -> list[str]:
    """Files of packages that were to stay outside."""
    inside = folder / "_internal"
    return [path.name for path in inside.iterdir() if path.name.startswith(NEVER)]


def left_behind(folder: Path) -> list[str]:
    """Files beside the engine's sources, such as tables, that are not in the program."""
    files = (path.relative_to(ROOT) for path in (ROOT / "engine").rglob("*.*") if "__pycache__" not in path.parts)
    return [file.as_posix() for file in files if not (folder / "_internal" / file).exists()]


def lacking(folder: Path) -> list[str]:
    """Texts of the window's other languages, ours and Qt's, that did not get in."""
    inside = folder / "_internal"
    ours = [path.relative_to(ROOT) for path in (ROOT / "assets" / "translations").rglob("*.json")]
    qts = {path.parent.name for path in ours}
    found = [str(path) for path in ours if not (inside / path).is_file()]
    return found + [f"qtbase_{code}.qm" for code in qts if not list(inside.rglob(f"qtbase_{code}.qm"))]


def start(folder: Path, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the packaged program with nothing of this environment but a home."""
    environment = {"HOME": str(home), "PATH": os.defpath, "LANG": "C.UTF-8", "QT_QPA_PLATFORM": "offscreen"}
    command = [str(folder / "theodolite"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT, check=False, env=environment, cwd=home
    )


def self_test(folder: Path) -> list[str]:
    """Complaints about the built program; empty when it is good."""
    found = [f"{name} was packed" for name in intruders(folder)] + [f"{name} is missing" for name in lacking(folder)]
    found += [f"{name} was left behind" for name in left_behind(folder)]
    with tempfile.TemporaryDirectory() as home:
        for words, expected in (
            (["--engine", "--version"], "theodolite-engine "),
            (["--engine", "tasks"], "training.train"),
            (["--worker", "--devices"], "torch is missing"),
            (["--self-test", "--language", "zh_CN"], '"ok": true'),
        ):
            began = time.monotonic()
            done = start(folder, *words, home=Path(home))
            print(f"theodolite {' '.join(words)}: {time.monotonic() - began:.1f} s, exit code {done.returncode}")
            if done.returncode or expected not in done.stdout:
                found.append(f"theodolite {' '.join(words)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    # Another interpreter, which has torch, works with the sources that lie beside the program.
    sources = folder / "_internal" / "engine" / "runs" / "bootstrap.py"
    command = [sys.executable, "-P", str(sources), "--devices"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or "torch is missing" in done.stdout:
        found.append(f"{' '.join(command)}:\n{done.stdout[-1000:]}\n{done.stderr[-1000:]}")
    return found


def size(folder: Path) -> float:
    """Megabytes on disk."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def main(arguments: Sequence[str]) -> int:
    """Build, and test if asked to; returns 1 when the program that came out is no good."""
    parser = argparse.ArgumentParser(description="Build the packaged program.")
    parser.add_argument("--self-test", action="store_true", help="build into a temporary folder and test the program")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR", help="where to (default: dist)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        folder = build(Path(scratch) if chosen.self_test else chosen.out)
        print(f"built in {time.monotonic() - began:.0f} s, {size(folder):.0f} MB")
        complaints = self_test(folder) if chosen.self_test else []
    print("\n".join(complaints), file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
