"""Folders of images: one subfolder a class, with or without train and test above them."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import numpy as np

from engine.data.content import check_memory
from engine.data.dataset import Array, Raw
from engine.data.errors import BadImage, NoImages

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
TEST_FOLDERS = ("test", "val", "valid", "validation")
MOST_PIXELS = 50_000_000
MOST_BYTES = 256 * 2**20


def read_images(path: Path, size: int, grey: bool, head: int | None = None) -> Raw:
    """All images of the class folders, scaled to ``size`` x ``size`` pixels, values 0 to 255.

    Args:
        head: at most this many images of each class.

    Raises:
        DataError: no images, an image that cannot be read or is too large, too many for the memory.
    """
    if not path.is_dir():
        raise NoImages(path=path)
    test_folder = next((path / name for name in TEST_FOLDERS if (path / name).is_dir()), None)
    split = (path / "train").is_dir() and test_folder is not None
    listings = [_listing(path / "train"), _listing(test_folder)] if split and test_folder else [_listing(path)]
    classes = sorted({name for listing in listings for name in listing})
    if not listings[0] or (split and not listings[1]):
        raise NoImages(path=path)
    count = sum(len(files[:head]) for listing in listings for files in listing.values())
    check_memory(path, 3 * count * (1 if grey else 3) * size * size * 4)
    digest, total = hashlib.sha256(), 0
    parts: list[tuple[Array, Array]] = []
    for listing in listings:
        arrays, labels = [], []
        for name, files in listing.items():
            for file in files[:head]:
                data = _bytes(file)
                total += len(data)
                digest.update(f"{file.relative_to(path).as_posix()} {hashlib.sha256(data).hexdigest()}\n".encode())
                arrays.append(decode(file, data, size, grey))
                labels.append(classes.index(name))
        parts.append((np.stack(arrays), np.array(labels, dtype=np.int64)))
    (x, y), *rest = parts
    return Raw(
        x,
        y,
        tuple(classes),
        path.name,
        test=rest[0] if rest else None,
        path=str(path),
        size=total,
        sha256=digest.hexdigest(),
    )


def _listing(folder: Path) -> dict[str, list[Path]]:
    """Class -> its images, both sorted; hidden folders and files are left out."""
    found: dict[str, list[Path]] = {}
    for item in sorted(folder.iterdir()):
        if item.is_dir() and not item.name.startswith("."):
            files = [f for f in sorted(item.rglob("*")) if f.suffix.lower() in ENDINGS and not f.name.startswith(".")]
            if files:
                found[item.name] = files
    return found


def _bytes(file: Path) -> bytes:
    if file.stat().st_size > MOST_BYTES:
        raise BadImage(path=file, reason=f"It has more than {MOST_BYTES >> 20} MiB.")
    return file.read_bytes()


def decode(file: Path, data: bytes, size: int, grey: bool) -> Array:
    """One image as (channels, size, size) float32; of animations the first picture.

    Raises:
        BadImage: not an image, cut off, or with more than 50 million pixels.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; for pixels our own limit is lower
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    raise BadImage(
                        path=file, reason=f"It has {width} x {height} pixels, where {MOST_PIXELS:,} are allowed."
                    )
                scaled = image.convert("L" if grey else "RGB").resize((size, size), 2)
    except BadImage:
        raise
    except Exception as error:  # damaged files make decoders fail in many ways
        raise BadImage(path=file, reason=f"{str(error)[:200].rstrip('.')}.") from error
    array = np.asarray(scaled, dtype=np.float32)
    return array[None] if grey else np.ascontiguousarray(np.moveaxis(array, 2, 0))
