"""The contract of an artifact kind, and the kinds found by scanning."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from engine.errors import EngineError


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


class UnknownKind(EngineError):
    """Raised when an artifact is of a kind that no part of this program knows."""

    what = "This program does not know artifacts of kind {kind}."
    why = "They come from a study that is not installed here, or from a newer version."
    remedy = "Install the study, or update this program."


@functools.cache
def kinds() -> Mapping[str, Kind]:
    """Name -> kind: those that many share, and ``KINDS`` of every kinds.py in engine.models and the studies."""
    studies = pkgutil.iter_modules(importlib.import_module("engine.studies").__path__)
    places = ["engine.models.kinds", *(f"engine.studies.{item.name}.kinds" for item in studies if item.ispkg)]
    modules = ["engine.artifacts.shared_kinds", *(place for place in places if importlib.util.find_spec(place))]
    found: dict[str, Kind] = {}
    for module in modules:
        for kind in importlib.import_module(module).KINDS:
            if found.setdefault(kind.name, kind) is not kind:
                raise ValueError(f"two kinds are called {kind.name}")
    return MappingProxyType(found)


def kind_named(name: str) -> Kind:
    """The kind called ``name``.

    Raises:
        UnknownKind: nobody has it.
    """
    try:
        return kinds()[name]
    except KeyError:
        raise UnknownKind(kind=name) from None
