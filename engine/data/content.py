"""What is in a user's file, as bytes: read with an eye on memory, unpacked, hashed."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import psutil

from engine.data.errors import EmptyFile, TooLarge, WrongFormat

MEMORY_SHARE = 0.5
BLOCK = 1 << 20


def check_memory(path: Path, needed: int) -> None:
    """Raises:
    TooLarge: ``needed`` bytes are more than half of what is free.
    """
    free = MEMORY_SHARE * psutil.virtual_memory().available
    if needed > free:
        raise TooLarge(path=path, needed=f"{needed / 2**30:.1f}", free=f"{free / 2**30:.1f}")


def read_bytes(path: Path, factor: float = 1.0, limit: int | None = None) -> bytes:
    """The content of a plain or gzipped file, or its first ``limit`` bytes.

    Args:
        factor: bytes of memory that one byte of the content will need.

    Raises:
        EmptyFile, TooLarge (found before the memory is taken), WrongFormat for damaged gzip.
    """
    size = path.stat().st_size
    if size == 0:
        raise EmptyFile(path=path)
    if limit is None:
        check_memory(path, int(size * factor))
    if path.suffix != ".gz":
        with path.open("rb") as file:
            return file.read(-1 if limit is None else limit)
    parts: list[bytes] = []
    total = 0
    try:
        with gzip.open(path) as stream:
            while (limit is None or total < limit) and (part := stream.read(BLOCK)):
                parts.append(part)
                total += len(part)
                check_memory(path, int(total * factor))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise WrongFormat(path=path, format="gzip", reason=str(error).rstrip(".")) from error
    return b"".join(parts)[:limit]


def file_hash(path: Path) -> tuple[int, str]:
    """Size in bytes and sha256 of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while part := file.read(BLOCK):
            digest.update(part)
            size += len(part)
    return size, digest.hexdigest()
