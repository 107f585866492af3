"""Finds what the studies offer by scanning their folders: configs, pipelines, measures, tasks."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import engine.studies
from engine.errors import EngineError
from engine.studies.contract import Measure, PipelineConfig, Task, TaskConfig


class UnknownTask(EngineError):
    """Raised when a task or pipeline is asked for by a name that no study has."""

    what = "There is no task or pipeline called {name}."
    remedy = "Known are: {known}."


def studies() -> list[str]:
    """Names of the study folders, sorted."""
    return sorted(item.name for item in pkgutil.iter_modules(engine.studies.__path__) if item.ispkg)


@functools.cache
def configs() -> Mapping[str, type[TaskConfig]]:
    """Task name -> config class, of all studies."""
    found = {cls.task: cls for cls in _classes(TaskConfig) if "task" in vars(cls)}
    return MappingProxyType(found)


@functools.cache
def pipelines() -> Mapping[str, type[PipelineConfig]]:
    """Pipeline name -> config class, of all studies."""
    found = {cls.pipeline: cls for cls in _classes(PipelineConfig) if "pipeline" in vars(cls)}
    return MappingProxyType(found)


@functools.cache
def measures() -> Mapping[str, Measure]:
    """Measure id -> measure, of all studies.

    Raises:
        ValueError: two studies register the same id differently.
    """
    found: dict[str, Measure] = {}
    for module in _modules("measures"):
        for measure in module.MEASURES:
            if found.setdefault(measure.id, measure) != measure:
                raise ValueError(f"measure {measure.id} is registered twice")
    return MappingProxyType(found)


def config_class(name: str) -> type[TaskConfig]:
    """The config class of a task.

    Raises:
        UnknownTask: no study has it.
    """
    return _lookup(name, configs())


def pipeline_class(name: str) -> type[PipelineConfig]:
    """The config class of a pipeline.

    Raises:
        UnknownTask: no study has it.
    """
    return _lookup(name, pipelines())


def task(name: str) -> Task:
    """The working side of a task; imports the study's study.py.

    Raises:
        UnknownTask: no study has it.
    """
    config = config_class(name)
    module = importlib.import_module(config.__module__.removesuffix(".config") + ".study")
    found: Mapping[str, Task] = {item.Config.task: item for item in module.TASKS}
    return _lookup(name, found)


def _lookup(name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise UnknownTask(name=name, known=", ".join(sorted({*configs(), *pipelines()})))
    return known[name]


def _classes(base: type) -> Iterator[Any]:
    for module in _modules("config"):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
                yield value


def _modules(name: str) -> Iterator[Any]:
    for study in studies():
        path = f"engine.studies.{study}.{name}"
        if importlib.util.find_spec(path) is not None:
            yield importlib.import_module(path)
