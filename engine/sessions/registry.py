"""Finds the services that the engine's folders offer, by scanning for session.py modules."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

import engine
import engine.studies
from engine.sessions.errors import UnknownService


def find(name: str) -> type[Any]:
    """The service class called ``name``.

    Raises:
        UnknownService: no session.py lists it.
    """
    known: list[str] = []
    for path in _modules():
        services: Mapping[str, type[Any]] = importlib.import_module(path).SERVICES
        if name in services:
            return services[name]
        known.extend(services)
    raise UnknownService(name=name, known=", ".join(sorted(known)))


def _modules() -> Iterator[str]:
    for package in (engine, engine.studies):
        for item in pkgutil.iter_modules(package.__path__):
            path = f"{package.__name__}.{item.name}.session"
            if item.ispkg and importlib.util.find_spec(path) is not None:
                yield path
