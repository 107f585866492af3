"""Writes and checks the locks: the full closure of pyproject's dependencies, once for the CPU and once for CUDA.

    python packaging/locks.py write [cpu|cuda ...]    resolve anew, with the newest versions that pyproject admits
    python packaging/locks.py check [cpu|cuda ...]    resolve under the lock: nothing may be missing or left over

Local wheels are ignored for CUDA (pip is pointed to an empty folder), so that a CPU build lying about can't hide what
the default one needs. Nothing is installed. Run it with the environment's Python; it asks the registry.

There are no hashes in the locks. The installer takes torch's CPU build for Linux from wherever the user's pip has one
(a mirror, a folder of wheels, a build of their own: steps/install.py), so that no list of hashes holds for all of them,
and pip checks hashes for all packages of a command or for none. For the other groups each line would need the hash of
every file that a platform and a Python version may choose, and one run of pip tells those of its own platform only.
What stands in: exact versions, the hashes that an index itself gives for its files, which pip compares as it downloads,
and the import of every package, by version, at the end of an installation.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from steps.install import read_lock

ROOT = Path(__file__).resolve().parents[1]
BARE = ("open3d", "open3d-cpu", "tokenizers")  # their metadata ask for web servers, notebooks, a hub client: not needed
HEADER = """\
# The {gpu} closure: exact versions, written by packaging/locks.py. Groups are installed in this order, torch by itself
# first; "bare" without dependencies.
"""


def name_of(requirement: str) -> str:
    """The normalised name of a requirement line."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]).lower()


def wanted() -> dict[str, list[str]]:
    """Group -> what pyproject asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = project["dependencies"]
    return {
        "torch": [line for line in core if name_of(line) == "torch"],
        "core": [line for line in core if name_of(line) not in ("torch", *BARE)],
        "bare": [line for line in core if name_of(line) in BARE],
        **project["optional-dependencies"],
    }


def resolve(requirements: Sequence[str], gpu: str, lock: Path | None = None) -> dict[str, str]:
    """Normalised name -> ``name==version`` of everything that these requirements bring, held to ``lock`` if given.

    Raises:
        subprocess.CalledProcessError: pip finds no solution, or no registry.
    """
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    hold = ["-c", str(lock)] if lock else []
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, **({"PIP_FIND_LINKS": empty} if gpu == "cuda" else {})}
        done = subprocess.run([*command, *hold, *requirements], stdout=subprocess.PIPE, check=True, env=environment)
    items = [item["metadata"] for item in json.loads(done.stdout)["install"]]
    return {name_of(item["name"]): _line(item["name"], item["version"]) for item in items}


def _line(name: str, version: str) -> str:
    """A locked line; the libraries that torch's CUDA build brings exist for Linux alone."""
    marker = "; sys_platform == 'linux'" if re.match("nvidia-|cuda-|triton$", name_of(name)) else ""
    return f"{name}=={version.split('+')[0]}{marker}"


def closure(gpu: str) -> dict[str, list[str]]:
    """Group -> lines to lock; each package is listed in the first group that brings it."""
    groups: dict[str, list[str]] = {}
    so_far: list[str] = []
    seen: set[str] = set()
    for group, requirements in wanted().items():
        if group == "bare":
            groups[group] = requirements
            continue
        so_far += requirements
        found = resolve(so_far, gpu)
        groups[group] = sorted((line for name, line in found.items() if name not in seen), key=str.lower)
        seen |= found.keys()
    return groups


def write(gpu: str, path: Path) -> bool:
    """Resolve anew and write the lock."""
    parts = [HEADER.format(gpu=gpu)]
    for group, lines in closure(gpu).items():
        parts += [f"\n# group: {group}\n", *(f"{line}\n" for line in lines)]
    path.write_text("".join(parts), encoding="utf-8")
    return True


def check(gpu: str, path: Path) -> bool:
    """Compare the lock with what pip resolves under it; says the differences and whether there are none."""
    groups = wanted()
    bare = groups.pop("bare")
    found = {*bare, *resolve(list(chain.from_iterable(groups.values())), gpu, path).values()}
    locked = set(chain.from_iterable(read_lock(path).values()))
    for line in sorted(locked - found):
        print(f"{path.name}: {line} is locked, but nothing needs it")
    for line in sorted(found - locked):
        print(f"{path.name}: {line} is needed, but not locked")
    return locked == found


def main(arguments: Sequence[str]) -> int:
    """Write or check the named locks, all by default; returns 1 when a check found differences."""
    action = {"write": write, "check": check}[arguments[0]]
    good = [action(gpu, ROOT / "packaging" / "lock" / f"{gpu}.txt") for gpu in arguments[1:] or ("cpu", "cuda")]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
