"""Users' files: which format, and on to its reader."""

from __future__ import annotations

import re
from pathlib import Path

from engine.data.config import FileData
from engine.data.dataset import Raw
from engine.data.errors import EmptyFile, MissingFile, UnknownFormat, UnreadableFile
from engine.data.idx import IDX_NAME

IDX_TYPES = (b"\x08", b"\x09", b"\x0b", b"\x0c", b"\x0d", b"\x0e")
TABLES = {".csv", ".tsv", ".txt", ".data", ".tab"}


def read_file(config: FileData, head: int | None = None) -> Raw:
    """Read a user's file or folder.

    Args:
        head: for previews: read only this many bytes of a table or images of a class.

    Raises:
        DataError: a subclass for each fault.
    """
    path = Path(config.path).expanduser()
    if not path.exists():
        raise MissingFile(path=path)
    try:
        return _read(path, config, head)
    except PermissionError as error:
        raise UnreadableFile(path=path, reason=error.strerror or "permission denied") from error
    except OSError as error:
        raise UnreadableFile(path=path, reason=error.strerror or str(error)) from error


def _read(path: Path, config: FileData, head: int | None) -> Raw:
    kind = config.format if config.format != "auto" else detect(path)
    if kind == "npz":
        from engine.data.arrays import read_npz

        return read_npz(path, config)
    if kind == "csv":
        from engine.data.tables import read_table

        return read_table(path, config, head)
    if kind == "idx":
        from engine.data.idx import read_idx

        return read_idx(path)
    if kind == "cifar":
        from engine.data.cifar import read_cifar

        return read_cifar(path)
    from engine.data.images import read_images

    return read_images(path, config.image_size, config.grey, head)


def detect(path: Path) -> str:
    """The format by name and first bytes.

    Raises:
        UnknownFormat, EmptyFile.
    """
    if path.is_dir():
        names = [item.name for item in path.iterdir()]
        if any(IDX_NAME.search(name) for name in names):
            return "idx"
        if any(re.fullmatch(r"(data_batch_\d+|test_batch|train|test)\.bin", name) for name in names):
            return "cifar"
        if any(item.is_dir() for item in path.iterdir()):
            return "images"
        raise UnknownFormat(path=path)
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise EmptyFile(path=path)
    stem = Path(path.stem) if path.suffix == ".gz" else path
    if IDX_NAME.search(path.name) or (start[:2] == b"\0\0" and start[2:3] in IDX_TYPES):
        return "idx"
    if path.suffix == ".npz" or start == b"PK\x03\x04":
        return "npz"
    if stem.suffix.lower() in TABLES:
        return "csv"
    raise UnknownFormat(path=path)
