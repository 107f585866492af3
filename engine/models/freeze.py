"""Copies a user's model file with every module that it imports from its own folder, and hashes the copy."""

from __future__ import annotations

import ast
import hashlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.models.errors import MissingModelFile, ReservedName, SourceSyntax, SourceTooLarge

LIMIT = 20 * 2**20
NEVER_OWN = sys.stdlib_module_names | {"torch", "numpy"}  # a file types.py shadows nothing


@dataclass(frozen=True)
class Source:
    """A user's code.

    Attributes:
        folder: where it lies. entry: name of the model file in it. files: all files, relative, sorted.
        sha256: over names and contents; what a person consents to.
    """

    folder: Path
    entry: str
    files: tuple[str, ...]
    sha256: str


def survey(path: Path) -> Source:
    """The model file and all it imports from its folder, directly or not; nothing is executed.

    Raises:
        MissingModelFile, ReservedName, SourceSyntax, SourceTooLarge.
    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise MissingModelFile(path=path)
    if path.stem in NEVER_OWN:
        raise ReservedName(name=path.name)
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting.extend(_imports(file, path.parent))
    size = sum(file.stat().st_size for file in found)
    if size > LIMIT:
        raise SourceTooLarge(files=len(found), mib=size >> 20, limit=LIMIT >> 20)
    files = tuple(sorted(file.relative_to(path.parent).as_posix() for file in found))
    return Source(path.parent, path.name, files, _hash(path.parent, path.name, files))


def freeze(path: Path, target: Path) -> Source:
    """Copy what ``survey`` finds into the folder ``target``; the copy has the same hash.

    Raises:
        MissingModelFile, SourceSyntax, SourceTooLarge.
    """
    source = survey(path)
    for name in source.files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.folder / name, target / name)
    return thaw(target, source.entry)


def thaw(folder: Path, entry: str) -> Source:
    """The frozen copy in ``folder`` as it is now: every .py file counts, so that an added one changes the hash.

    Raises:
        MissingModelFile: the copy lacks its entry.
    """
    if not (folder / entry).is_file():
        raise MissingModelFile(path=folder / entry)
    files = tuple(sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.py")))
    return Source(folder, entry, files, _hash(folder, entry, files))


def _hash(folder: Path, entry: str, files: tuple[str, ...]) -> str:
    lines = [f"{name} {hashlib.sha256((folder / name).read_bytes()).hexdigest()}" for name in files]
    return hashlib.sha256("\n".join([entry, *lines]).encode()).hexdigest()


def _imports(file: Path, root: Path) -> Iterator[Path]:
    """Files under ``root`` that the import statements anywhere in ``file`` may load."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise SourceSyntax(file=file.name, line=line, reason=getattr(error, "msg", str(error))) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module(root, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            package = list(file.relative_to(root).parts[: -node.level]) if node.level else []
            base = package + (node.module.split(".") if node.module else [])
            for alias in node.names:
                yield from _module(root, [*base, alias.name])


def _module(root: Path, names: list[str]) -> Iterator[Path]:
    """Files of the dotted name: each package on the way, and the module if there is one."""
    if names and names[0] in NEVER_OWN:
        return
    place = root
    for name in names:
        place = place / name
        for file in (place.with_name(name + ".py"), place / "__init__.py"):
            if file.is_file():
                yield file.resolve() if file.resolve().is_relative_to(root) else file
