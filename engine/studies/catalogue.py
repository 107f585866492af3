"""Finds what the studies offer by scanning their folders: configs, pipelines, measures, tasks."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
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
    found = {cls.task: cls for cls in _classes(TaskConfig, "task")}
    return MappingProxyType(found)


@functools.cache
def pipelines() -> Mapping[str, type[PipelineConfig]]:
    """Pipeline name -> config class, of all studies."""
    found = {cls.pipeline: cls for cls in _classes(PipelineConfig, "pipeline")}
    return MappingProxyType(found)


@functools.cache
def measures() -> Mapping[str, Measure]:
    """Measure id -> measure, of all studies.

    Raises:
        ValueError: two studies register the same id differently.
    """
    found: dict[str, Measure] = {}
    for module in _modules("measures", studies()):
        for measure in module.MEASURES:
            if found.setdefault(measure.id, measure) != measure:
                raise ValueError(f"measure {measure.id} is registered twice")
    return MappingProxyType(found)


def config_class(name: str) -> type[TaskConfig]:
    """The config class of a task; imports the config.py of no other study than its own.

    Raises:
        UnknownTask: no study has it.
    """
    return _own(TaskConfig, "task", name) or _lookup(name, configs())


def pipeline_class(name: str) -> type[PipelineConfig]:
    """The config class of a pipeline.

    Raises:
        UnknownTask: no study has it.
    """
    return _own(PipelineConfig, "pipeline", name) or _lookup(name, pipelines())


def named(name: str) -> type[TaskConfig] | type[PipelineConfig]:
    """The config class of the pipeline or else of the task called ``name``.

    Raises:
        UnknownTask: no study has it.
    """
    own = _own(PipelineConfig, "pipeline", name) or _own(TaskConfig, "task", name)
    return own or pipelines().get(name) or config_class(name)


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


def _own(base: type, tag: str, name: str) -> Any:
    """The class called ``name`` in the study that the first word of its name names; None where it is not there."""
    study = name.partition(".")[0]
    for module in _modules("config", [study] if study in studies() else []):
        for cls in _declared(module, base, tag):
            if getattr(cls, tag) == name:
                return cls
    return None


def _classes(base: type, tag: str) -> Iterator[Any]:
    for module in _modules("config", studies()):
        yield from _declared(module, base, tag)


def _declared(module: Any, base: type, tag: str) -> Iterator[Any]:
    """The subclasses of ``base`` in a module that have a name, their class variable ``tag``, of their own."""
    for value in vars(module).values():
        of_base = isinstance(value, type) and issubclass(value, base)
        if of_base and tag in vars(value) and value.__module__ == module.__name__:
            yield value


def _modules(name: str, of: Iterable[str]) -> Iterator[Any]:
    for study in of:
        path = f"engine.studies.{study}.{name}"
        if importlib.util.find_spec(path) is not None:
            yield importlib.import_module(path)
