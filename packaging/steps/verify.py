"""Runs in the new environment: imports every package of the requirement lines given, and names those that fail."""

import contextlib
import importlib
import io
import re
import sys
import types
from collections.abc import Iterator
from importlib import metadata


def modules(distribution: metadata.Distribution) -> Iterator[str]:
    """Top-level modules and packages that a distribution brings, less private ones and test folders."""
    for file in distribution.files or ():
        top = file.parts[0]
        if len(file.parts) == 1 and (match := re.fullmatch(r"(\w+)(\.[\w-]+)*\.(py|so|pyd)", top)):
            name = match[1]
        elif len(file.parts) == 2 and file.name == "__init__.py":
            name = top
        else:
            continue
        if not name.startswith("_") and name not in ("isympy", "test", "tests"):
            yield name


def complaint(line: str) -> str:
    """What is wrong with one locked package; empty when nothing is."""
    from pip._vendor.packaging.requirements import Requirement  # the only copy that is sure to be there

    requirement = Requirement(line)
    if requirement.marker and not requirement.marker.evaluate():
        return ""
    try:
        distribution = metadata.distribution(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{line} is not installed"
    if not requirement.specifier.contains(distribution.version, prereleases=True):
        return f"{line} is locked, {distribution.version} is installed"
    for name in dict.fromkeys(modules(distribution)):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                importlib.import_module(name)
        except Exception as error:  # whatever a foreign package raises is the answer
            return f"{line}: import {name}: {type(error).__name__}: {error}"
    return ""


def main(lines: list[str]) -> int:
    """Print what is wrong; returns 1 when something is."""
    for name in ("plotly", "plotly.graph_objects", "dash"):  # open3d imports them unasked, for one sort of plot
        stand_in = types.ModuleType(name)
        stand_in.__getattr__ = lambda _: None
        sys.modules.setdefault(name, stand_in)
    with contextlib.suppress(ImportError):  # before all others: it refuses once distutils or pip are imported
        importlib.import_module("setuptools")
    found = [text for text in map(complaint, lines) if text]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
