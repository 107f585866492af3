"""Artifacts on disk: immutable numbered folders NAME.0007 with a manifest, written all or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.artifacts.kinds import Kind, kind_named
from engine.artifacts.refs import ArtifactRef
from engine.durable import publish_folder, read_json, write_json
from engine.errors import EngineError

MANIFEST = "artifact.json"
MANIFEST_VERSION = 1
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_FOLDER = re.compile(r"(?P<name>[a-z][a-z0-9_-]*)\.(?P<version>\d{4,})")


class NoSuchArtifact(EngineError):
    """Raised when a reference names a version that is not there."""

    what = "{ref} does not exist."
    why = "The run has not published it, or it was deleted."
    remedy = "Choose another input, or run the run it comes from again."


class DamagedArtifact(EngineError):
    """Raised when files of an artifact are missing or differ from what was published."""

    what = "{ref} is damaged."
    why = "{reason}"
    remedy = "Restore it from a copy, or run the run it comes from again."


class NewerArtifact(EngineError):
    """Raised when an artifact was written by a newer program."""

    what = "{ref} was written by a newer version of this program."
    why = "Its kind {kind} has format {found}; this program reads up to {known}."
    remedy = "Update this program to open it. Nothing was changed."


class WrongKind(EngineError):
    """Raised when a reference says another kind than the artifact has."""

    what = "{ref} is of kind {found}, not {kind}."
    remedy = "Choose an artifact of kind {kind}."


@dataclass(frozen=True)
class Manifest:
    """What artifact.json says.

    Attributes:
        kind, kind_version: which Kind wrote the files, and its schema_version. created: seconds since 1970.
        complete: False for a version on the way. describe: a few facts for lists.
        files: relative path -> {"size": bytes, "sha256": hex}. sha256: of the sorted file list and the kind.
    """

    name: str
    version: int
    kind: str
    kind_version: int
    complete: bool
    created: float
    describe: dict[str, str | int | float]
    files: dict[str, dict[str, Any]]
    sha256: str


def write(artifacts: Path, name: str, kind: Kind, value: Any, *, complete: bool) -> Manifest:
    """Publish ``value`` as the next version of ``name`` in the folder ``artifacts``; readable as soon as this returns.

    Raises:
        ValueError: the name is not lower-case letters, digits, ``_`` and ``-``. OSError: the disk is full.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for an artifact")
    artifacts.mkdir(exist_ok=True)
    temporary = artifacts / f".{name}.{os.getpid()}.{secrets.token_hex(3)}"
    temporary.mkdir()
    try:
        kind.write(value, temporary)
        files = {path: _entry(temporary / path) for path in _payload(temporary)}
        version = max(versions(artifacts).get(name, [0])) + 1
        describe = {key: _plain(item) for key, item in kind.describe(value).items()}
        manifest = Manifest(
            name,
            version,
            kind.name,
            kind.schema_version,
            complete,
            time.time(),
            describe,
            files,
            _digest(kind.name, kind.schema_version, files),
        )
        write_json(temporary / MANIFEST, {"schema_version": MANIFEST_VERSION, **asdict(manifest)}, sync=False)
        publish_folder(temporary, artifacts / f"{name}.{version:04d}")
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return manifest


def versions(artifacts: Path) -> dict[str, list[int]]:
    """Name -> its versions, ascending; half-written ones do not show."""
    found: dict[str, list[int]] = {}
    try:
        entries = os.listdir(artifacts)
    except FileNotFoundError:
        return {}
    for entry in entries:
        if match := _FOLDER.fullmatch(entry):
            found.setdefault(match["name"], []).append(int(match["version"]))
    return {name: sorted(numbers) for name, numbers in sorted(found.items())}


def latest(runs: Path, run: str) -> list[ArtifactRef]:
    """References to the newest version of every artifact of a run; those that cannot be read are left out."""
    artifacts, found = runs / run / "artifacts", []
    for name, numbers in versions(artifacts).items():
        try:
            data = read_json(artifacts / f"{name}.{numbers[-1]:04d}" / MANIFEST)
            found.append(ArtifactRef(run=run, name=name, kind=data["kind"], version=numbers[-1], sha256=data["sha256"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def sweep(artifacts: Path) -> None:
    """Remove what a killed writer left half written; only for the one process that may write here."""
    for path in artifacts.glob(".*.*.*"):
        shutil.rmtree(path, ignore_errors=True)


def manifest(artifacts: Path, ref: ArtifactRef) -> Manifest:
    """The manifest of a settled reference, looked up in its run's folder ``artifacts``.

    Raises:
        NoSuchArtifact, DamagedArtifact, NewerArtifact, WrongKind.
    """
    try:
        data = read_json(artifacts / f"{ref.name}.{ref.version or 0:04d}" / MANIFEST)
    except FileNotFoundError as error:
        raise NoSuchArtifact(ref=str(ref)) from error
    except ValueError as error:
        raise DamagedArtifact(ref=str(ref), reason="Its artifact.json is not readable.") from error
    if data["schema_version"] > MANIFEST_VERSION:
        raise NewerArtifact(ref=str(ref), kind="", found=data["schema_version"], known=MANIFEST_VERSION)
    known = {key: data[key] for key in Manifest.__dataclass_fields__}
    if data["kind"] != ref.kind:
        raise WrongKind(ref=str(ref), found=data["kind"], kind=ref.kind)
    return Manifest(**known)


def settle(runs: Path, ref: ArtifactRef) -> ArtifactRef:
    """The reference with version and hash filled in; no version means the newest complete one.

    Args:
        runs: the folder that holds the run folders.

    Raises:
        NoSuchArtifact: there is none. DamagedArtifact: the hash is not the one cited.
    """
    artifacts = _artifacts(runs, ref)
    if ref.version is None:
        found = newest_complete(artifacts, ref)
    else:
        found = manifest(artifacts, ref)
    if ref.sha256 and ref.sha256 != found.sha256:
        raise DamagedArtifact(ref=str(ref), reason="Its content is not the one that was cited.")
    return ref.model_copy(update={"version": found.version, "sha256": found.sha256})


def _artifacts(runs: Path, ref: ArtifactRef) -> Path:
    if Path(ref.run).name != ref.run or not _NAME.fullmatch(ref.name):  # configs come from other people too
        raise NoSuchArtifact(ref=str(ref))
    return runs / ref.run / "artifacts"


def newest_complete(artifacts: Path, ref: ArtifactRef) -> Manifest:
    """The newest version of ``ref.name`` that was published as complete.

    Raises:
        NoSuchArtifact: there is none.
    """
    for version in reversed(versions(artifacts).get(ref.name, [])):
        found = manifest(artifacts, ref.model_copy(update={"version": version}))
        if found.complete:
            return found
    raise NoSuchArtifact(ref=str(ref))


def read(runs: Path, ref: ArtifactRef, *, verify: bool = False) -> Any:
    """The value of a settled reference, read by its kind; large arrays are memory-mapped.

    Args:
        runs: the folder that holds the run folders. verify: also compare every file's sha256.

    Raises:
        NoSuchArtifact, NewerArtifact, WrongKind, DamagedArtifact.
    """
    artifacts = _artifacts(runs, ref)
    found = manifest(artifacts, ref)
    kind = kind_named(found.kind)
    if found.kind_version > kind.schema_version:
        raise NewerArtifact(ref=str(ref), kind=kind.name, found=found.kind_version, known=kind.schema_version)
    folder = artifacts / f"{found.name}.{found.version:04d}"
    check(folder, ref, found, verify=verify)
    try:
        return kind.read(folder)
    except (OSError, ValueError, KeyError) as error:
        raise DamagedArtifact(ref=str(ref), reason=f"Its files cannot be read ({error}).") from error


def check(folder: Path, ref: ArtifactRef, manifest: Manifest, *, verify: bool) -> None:
    """Compare the files with the manifest: sizes always, hashes with ``verify``.

    Raises:
        DamagedArtifact: they differ.
    """
    for path, entry in manifest.files.items():
        file = folder / path
        if not file.is_file() or file.stat().st_size != entry["size"]:
            raise DamagedArtifact(ref=str(ref), reason=f"The file {path} is missing or has another size.")
        if verify and _entry(file)["sha256"] != entry["sha256"]:
            raise DamagedArtifact(ref=str(ref), reason=f"The file {path} has other content.")
    if verify and _digest(manifest.kind, manifest.kind_version, manifest.files) != manifest.sha256:
        raise DamagedArtifact(ref=str(ref), reason="Its list of files was changed.")


def _payload(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _entry(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _digest(kind: str, kind_version: int, files: dict[str, dict[str, Any]]) -> str:
    lines = [f"{path}\0{files[path]['size']}\0{files[path]['sha256']}\n" for path in sorted(files)]
    return hashlib.sha256("".join([f"{kind}\0{kind_version}\n", *lines]).encode()).hexdigest()


def _plain(value: Any) -> str | int | float:
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, str | int | float):
        raise TypeError(f"a kind describes by text and numbers, not by {type(value).__name__}")
    return plain
