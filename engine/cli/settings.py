"""Turns --preset, --config and --set into one checked config."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.errors import EngineError
from engine.studies import catalogue
from engine.studies.contract import PipelineConfig, TaskConfig

AnyConfig = TaskConfig | PipelineConfig


class UnknownPreset(EngineError):
    """Raised when a preset is asked for that the task does not have."""

    what = "{name} has no preset called {preset}."
    remedy = "It has: {known}."


class BadSetting(EngineError):
    """Raised when a setting cannot be read or is out of its range."""

    what = "The setting {setting} is not usable."
    why = "{reason}"
    remedy = "Run 'theodolite-engine tasks {name}' for the settings, their ranges and defaults."


class BadConfigFile(EngineError):
    """Raised when the file given with --config cannot be used."""

    what = "The config file {path} cannot be used."
    why = "{reason}"
    remedy = "Give a JSON file such as the config.json of a run's folder."


def build(name: str, preset: str | None, config: Path | None, settings: Iterable[str]) -> AnyConfig:
    """The config of task or pipeline ``name``: the preset (or file), then each ``path.to.field=value`` in turn.

    Raises:
        UnknownTask, UnknownPreset, BadConfigFile, BadSetting: each says which word was wrong.
    """
    cls = catalogue.named(name)
    values = from_file(cls, config) if config else from_preset(cls, name, preset or "quick")
    last = "--config" if config else "--preset"
    left_out = {} if config else _left_out(cls, preset or "quick", values)
    texts: dict[str, str] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise BadSetting(setting=setting, reason="It has no '='.", name=name)
        last = key.strip()
        texts[last] = text
        if (stage := last.partition(".")[0]) in left_out and parse(text):
            values[stage] = left_out.pop(stage)
        assign(values, last.split("."), parse(text))
    try:
        return _validate(cls, values, texts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(_keys(values, first["loc"])) or last
        reason = first["msg"].removeprefix("Value error, ").rstrip(".") + "."
        raise BadSetting(setting=where, reason=reason[:1].upper() + reason[1:], name=name) from error


def _left_out(cls: type[AnyConfig], preset: str, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The same preset of the stages that a pipeline's preset leaves out: they may be switched on."""
    fields = {name: info.annotation for name, info in cls.model_fields.items() if values.get(name) is None}
    tasks = {
        name: part
        for name, annotation in fields.items()
        for part in getattr(annotation, "__args__", ())
        if isinstance(part, type) and issubclass(part, TaskConfig)
    }
    return {name: from_preset(part, name, preset) for name, part in tasks.items() if preset in part.presets()}


def _validate(cls: type[AnyConfig], values: dict[str, Any], texts: Mapping[str, str]) -> AnyConfig:
    """The config; where a field wants a text or several values, what was typed is taken as such.

    "12" and "a,b.csv" may be names of files, and a single number may be a list.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        wrong = {".".join(_keys(values, item["loc"])): item["type"] for item in error.errors()}
    for key in texts.keys() & wrong.keys():
        if wrong[key] == "string_type":
            assign(values, key.split("."), texts[key])
        elif wrong[key] in ("list_type", "tuple_type"):
            assign(values, key.split("."), [parse(texts[key])])
    return cls.model_validate(values)


def _keys(values: Any, loc: Iterable[int | str]) -> list[str]:
    """Where in ``values`` an error is; pydantic puts the kind of a group, such as "mlp", before its fields."""
    keys = []
    for part in loc:
        if isinstance(values, dict) and part not in values and part in values.values():
            continue
        keys.append(str(part))
        values = values.get(part) if isinstance(values, dict) else None
    return keys


def from_preset(cls: type[AnyConfig], name: str, preset: str) -> dict[str, Any]:
    """The preset as nested plain values."""
    known: Mapping[str, BaseModel] = cls.presets()
    if preset not in known:
        raise UnknownPreset(name=name, preset=preset, known=", ".join(known))
    return known[preset].model_dump(mode="json")


def from_file(cls: type[AnyConfig], path: Path) -> dict[str, Any]:
    """The config in a JSON file: either plain, or as a run folder keeps it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadConfigFile(path=path, reason=str(error)) from error
    if not isinstance(data, dict):
        raise BadConfigFile(path=path, reason="It holds no JSON object.")
    if set(data) >= {"task", "config"}:
        expected = getattr(cls, "task", "")
        if data["task"] != expected:
            raise BadConfigFile(path=path, reason=f"It is for {data['task']}, not for {expected or 'a pipeline'}.")
        data = data["config"]
    return data


def parse(text: str) -> Any:
    """A value as JSON where it is JSON, ``on``/``off`` and ``none`` as words, else the text itself."""
    words = {"on": True, "off": False, "none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return json.loads(text)
    except ValueError:
        return [parse(part) for part in text.split(",")] if "," in text and "=" not in text else text


def assign(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a nested value; a changed ``source`` or ``builder`` word starts its group afresh.

    A group's kind (``data.source``, ``model.builder``) decides which other fields it has; those of the old kind go.
    ``True`` keeps a stage or switches it on, ``False`` or None leaves it out.
    """
    group = values
    for part in path[:-1]:
        if not isinstance(group.get(part), dict):
            group[part] = {}
        group = group[part]
    key = path[-1]
    if key in ("source", "builder") and group.get(key) != value:
        group.clear()
    if isinstance(value, bool) and (group.get(key) is None or isinstance(group.get(key), dict)) and key in group:
        value = (group[key] or {}) if value else None
    group[key] = value
