"""The contract of an artifact kind, and the kinds found by scanning."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Kind(Protocol):
    """How one sort of artifact is written, read and described. Needs numpy at most.

    Attributes:
        name: stable id, e.g. "trajectory". title: for people. schema_version: major version of the files.
    """

    name: str
    title: str
    schema_version: int

    def write(self, value: Any, folder: Path) -> None:
        """Write ``value`` as files into the empty ``folder``."""

    def read(self, folder: Path) -> Any:
        """Read what ``write`` wrote; large arrays come memory-mapped, read-only."""

    def describe(self, value: Any) -> dict[str, str | int | float]:
        """A few facts for lists and tooltips: shape, size, what it shows."""
