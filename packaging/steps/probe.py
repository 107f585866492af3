"""Runs in the new environment: loads what Qt and Open3D load, prints as JSON which system libraries are missing."""

import ctypes
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


def folder(package: str) -> Path:
    """Where a package lies, found without importing it."""
    spec = importlib.util.find_spec(package)
    found = spec and spec.submodule_search_locations
    return Path(found[0] if found else f"/{package} is missing")


def targets() -> Iterator[Path]:
    """The files that are loaded when a window opens and when a mesh is read."""
    qt = folder("PySide6")
    for name in ("QtCore", "QtGui", "QtWidgets", "QtSvg"):
        yield from qt.glob(f"{name}.abi3.so")
    for name in ("libqoffscreen.so", "libqxcb.so"):
        yield qt / "Qt" / "plugins" / "platforms" / name
    yield from folder("open3d").rglob("pybind*.so")


def missing(target: Path) -> set[str]:
    """Names of the libraries without which ``target`` does not load."""
    try:
        ctypes.CDLL(str(target))
        return set()
    except OSError as error:
        named = re.match(r"(\S+): cannot open shared object file", str(error))
        if not named or "/" in named[1]:
            raise
    listed = ""
    if shutil.which("ldd"):  # names all of them at once, the loader only the first
        listed = subprocess.run(["ldd", str(target)], capture_output=True, text=True, check=False).stdout
    return {named[1], *re.findall(r"(\S+) => not found", listed)}


def main() -> None:
    """Print the list."""
    print(json.dumps(sorted(set().union(*(missing(target) for target in targets())))))


if __name__ == "__main__":
    main()
