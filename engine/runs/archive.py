"""Runs as zip files: export, and an import that trusts nothing."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from engine.durable import publish_folder, replacing
from engine.errors import EngineError
from engine.runs import control, folder, state

MAX_BYTES = 64 << 30
MAX_RATIO = 200
MAX_FILES = 200_000
_NOT_EXPORTED = frozenset({folder.LOCK, folder.HEARTBEAT, folder.LAUNCH, "ballast"})


class UnsafeArchive(EngineError):
    """Raised when an archive holds what no export of a run writes."""

    what = "{file} was not imported."
    why = "{reason}"
    remedy = "Ask its sender for a new export."


class AlreadyHere(EngineError):
    """Raised when a run with the same id is here."""

    what = "The run {id} is already here."
    remedy = "Delete it first, if the other copy is the better one."


def export(path: Path, file: Path) -> None:
    """Write the run folder ``path`` as a zip file; a file of that name is replaced when all went well.

    Raises:
        OSError: the disk is full.
    """
    with replacing(file) as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for source in _files(path):
            archive.write(source, f"{path.name}/{source.relative_to(path).as_posix()}")


def import_(source: Path, root: Path) -> str:
    """Copy the run in ``source``, a zip file or a folder, into ``root``; returns its id.

    Raises:
        UnsafeArchive: paths that lead out, links, or a size out of all proportion. AlreadyHere. NotARun.
    """
    if source.is_dir():
        return _adopt(source.name, root, lambda target: _copy_folder(source, target))
    try:
        archive = zipfile.ZipFile(source)
    except (OSError, zipfile.BadZipFile) as error:
        raise folder.NotARun(folder=str(source), reason=f"It is no zip file ({error}).") from error
    with archive:
        id = _check(source, archive)
        return _adopt(id, root, lambda target: _extract(source, archive, target))


def _adopt(id: str, root: Path, fill: Callable[[Path], None]) -> str:
    if id.startswith(".") or (root / id).exists():
        raise AlreadyHere(id=id)
    temporary = root / f".{id}.import"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        fill(temporary)
        folder.request(temporary)
        for name in _NOT_EXPORTED:
            (temporary / name).unlink(missing_ok=True)
        folder.write_meta(temporary, folder.meta(temporary).model_copy(update={"imported": True}))
        if not state.status(temporary).over:
            control.send(temporary, "stop")  # what was queued elsewhere must not begin here by itself
        publish_folder(temporary, root / id)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return id


def _check(source: Path, archive: zipfile.ZipFile) -> str:
    """The id of the one run in the archive, after everything about its entries was found harmless."""
    entries = archive.infolist()
    tops = {PurePosixPath(entry.filename).parts[0] for entry in entries if entry.filename}
    total = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if len(tops) != 1:
        raise UnsafeArchive(file=str(source), reason="It does not hold exactly one run.")
    if len(entries) > MAX_FILES or total > MAX_BYTES or (total > 1 << 20 and total > MAX_RATIO * packed):
        raise UnsafeArchive(file=str(source), reason="Unpacked it would be out of all proportion large.")
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        strange = ".." in parts or entry.filename.startswith("/") or "\\" in entry.filename or ":" in entry.filename
        if strange or "\0" in entry.filename:
            raise UnsafeArchive(file=str(source), reason="It holds a path that leads out of the run's folder.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UnsafeArchive(file=str(source), reason="It holds a link.")
    return tops.pop()


def _extract(source: Path, archive: zipfile.ZipFile, target: Path) -> None:
    for entry in archive.infolist():
        inner = PurePosixPath(*PurePosixPath(entry.filename).parts[1:])
        if entry.is_dir() or not inner.parts:
            continue
        path = target / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with archive.open(entry) as packed, open(path, "wb") as file:
                shutil.copyfileobj(packed, file, 1 << 20)  # never more than the entry says it has
        except (zipfile.BadZipFile, NotImplementedError, zlib.error) as error:
            raise UnsafeArchive(file=str(source), reason=f"It is damaged ({error}).") from error


def _copy_folder(source: Path, target: Path) -> None:
    for path in _files(source):
        if path.is_symlink():
            raise UnsafeArchive(file=str(source), reason="It holds a link.")
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _files(path: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(path):
        folders.sort()
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted(names):
            if name not in _NOT_EXPORTED and not name.startswith("."):
                yield Path(top) / name
