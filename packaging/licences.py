"""Collects the licences of everything that a user installs into assets/licences/THIRD-PARTY.md.

    python packaging/licences.py write     from what is installed in this environment
    python packaging/licences.py check     the file is up to date, and nothing forbids shipping

Only the lock's groups for users count: tools for tests and packaging are not passed on.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

from steps.install import USERS, read_lock

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "assets" / "licences" / "THIRD-PARTY.md"
HEADER = """\
# Software that Theodolite installs

Written by packaging/licences.py. Theodolite itself is under the Apache License 2.0 (LICENSE). PySide6 and Shiboken
(Qt for Python) are used unchanged, as separate libraries, under the LGPL 3.0; anyone may replace them by another build.

| package | version | licence | home |
|---|---|---|---|
"""
# Packages whose metadata name no SPDX expression: read from the licence files that they carry.
READ = {
    "colorama": "BSD-3-Clause",
    "fastexcel": "MIT",
    "jinja2": "BSD-3-Clause",
    "mpmath": "BSD-3-Clause",
    "polars": "MIT",
    "polars-runtime-32": "MIT",
    "safetensors": "Apache-2.0",
    "scipy": "BSD-3-Clause",
    "sympy": "BSD-3-Clause",
    "tokenizers": "Apache-2.0",
    "trimesh": "MIT",
}
COPYLEFT = re.compile(r"\bA?GPL")


def packages() -> list[metadata.Distribution]:
    """The distributions of the users' groups of the CPU lock, by name."""
    found = []
    lock = read_lock(ROOT / "packaging" / "lock" / "cpu.txt")
    for line in (line for group in USERS for line in lock[group]):
        name, _, marker = line.partition("==")[0], *line.partition(";")[1:]
        if "!=" not in marker:  # the builds for other systems are the same package
            found.append(metadata.distribution(name))
    return sorted(found, key=lambda one: one.metadata["Name"].lower())


def licence(package: metadata.Distribution) -> str:
    """Its SPDX expression, or the short name that its metadata have.

    Raises:
        LookupError: the metadata do not say.
    """
    fields = package.metadata
    name = fields["Name"].lower().replace("_", "-")
    stated = fields.get("License-Expression") or READ.get(name) or fields.get("License") or ""
    if not stated or len(stated) > 300 or "\n" in stated:
        raise LookupError(f"{name} does not say its licence in one line: read it and add it to READ")
    return str(stated)


def forbidden(expression: str) -> bool:
    """Whether the only way to pass this on is under the GPL or AGPL."""
    return all(COPYLEFT.search(choice) for choice in expression.split(" OR "))


def home(package: metadata.Distribution) -> str:
    """Where the package says it lives."""
    urls = dict(entry.split(", ", 1) for entry in package.metadata.get_all("Project-URL") or [])
    named = [urls[key] for key in urls if key.lower() in ("homepage", "home", "repository", "source", "source code")]
    return (named or [package.metadata.get("Home-page") or ""])[0]


def table() -> str:
    """The whole file."""
    rows = [f"| {p.metadata['Name']} | {p.version.split('+')[0]} | {licence(p)} | {home(p)} |\n" for p in packages()]
    return HEADER + "".join(rows)


def main(action: str) -> int:
    """Write or check; returns 1 when a check fails."""
    bad = [package.metadata["Name"] for package in packages() if forbidden(licence(package))]
    if bad:
        print(f"May not be passed on with Theodolite (GPL or AGPL): {', '.join(bad)}", file=sys.stderr)
        return 1
    if action == "write":
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(table(), encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != table():
        print(f"{TARGET.relative_to(ROOT)} is out of date: run packaging/licences.py write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
