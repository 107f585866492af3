"""What each word of the command line does."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.cli import consent
from engine.cli.follow import Screen, wait
from engine.cli.settings import build
from engine.runs.library import Runs
from engine.runs.reader import RunReader
from engine.runs.state import CAUSES
from engine.studies import catalogue
from engine.studies.contract import PipelineConfig

FINISHED, FAILED, INTERRUPTED = 0, 1, 130


def run(arguments: Namespace) -> int:
    """Create the runs of a task or pipeline, start them and wait."""
    config = build(arguments.task, arguments.preset, arguments.config, arguments.settings)
    typed = {setting.partition("=")[0].strip() for setting in arguments.settings}
    config = consent.settle(config, typed, Screen().line)
    runs = Runs(arguments.runs_dir)
    options = {"name": arguments.name, "device": arguments.device}
    if isinstance(config, PipelineConfig):
        stages = runs.create_pipeline(config, **options)
        titles = {name: stage.title for name, stage in config.stages().items()}
    else:
        stages = {config.task: runs.create(config, **options)}
        titles = {config.task: config.title}
    return _follow(runs, stages, titles)


def resume(arguments: Namespace) -> int:
    """Go on with one run and wait for it."""
    runs = Runs(arguments.runs_dir)
    runs.resume(arguments.run)
    return _follow(runs, {arguments.run: arguments.run}, {arguments.run: runs.reader(arguments.run).title})


def _follow(runs: Runs, stages: Mapping[str, str], titles: Mapping[str, str]) -> int:
    screen = Screen()
    done: dict[str, RunReader] = {}

    def attend() -> None:
        """Start what can start, and while it runs have a worker ready for the stage after it."""
        if runs.attend() and any(runs.reader(id).state == "queued" for id in stages.values()):
            runs.warm()

    for stage, id in stages.items():
        done[stage] = reader = wait(runs, id, titles[stage], screen, attend)
        screen.line(_outcome(titles[stage], reader))
        if reader.state != "finished":
            break
    runs.close()
    _say_result(stages, done)
    states = {reader.state for reader in done.values()}
    if states == {"finished"}:
        return FINISHED
    return INTERRUPTED if "stopped" in states else FAILED


def _outcome(title: str, reader: RunReader) -> str:
    text = f"{title}: {reader.state}" + (f". {reader.error}" if reader.error else "")
    if reader.state == "lost":
        process = reader.status.process
        text += ". " + CAUSES[reader.reason].format(host=process.host if process else "")
    if reader.state in ("stopped", "lost"):
        text += f"{'' if text.endswith('.') else '.'} 'theodolite-engine resume {reader.id}' goes on with it."
    return text


def _say_result(stages: Mapping[str, str], done: Mapping[str, RunReader]) -> None:
    *_, last = done.values()
    result: dict[str, Any] = {
        "run": last.id,
        "folder": str(last.folder),
        "state": last.state,
        "measures": {name: value for reader in done.values() for name, value in _values(reader).items()},
    }
    if len(stages) > 1:
        result["stages"] = dict(stages)
    print(json.dumps(result), flush=True)


def _values(reader: RunReader) -> dict[str, float]:
    named = ((m.id + "".join(f"[{key}={value}]" for key, value in m.dims.items()), m.value) for m in reader.measures)
    return dict(named)


def stop(arguments: Namespace) -> int:
    """Ask a run to stop at its next point."""
    Runs(arguments.runs_dir).stop(arguments.run)
    return FINISHED


def cancel(arguments: Namespace) -> int:
    """Kill a run at once."""
    Runs(arguments.runs_dir).cancel(arguments.run)
    return FINISHED


def delete(arguments: Namespace) -> int:
    """Move a run to the trash."""
    Runs(arguments.runs_dir).delete(arguments.run)
    return FINISHED


def list_runs(arguments: Namespace) -> int:
    """One line a run, newest first."""
    for item in Runs(arguments.runs_dir).list():
        print(f"{item.id}  {item.state:9}  {item.task:22}  {item.name}")
    return FINISHED


def show(arguments: Namespace) -> int:
    """One run as JSON: state, config, measures, artifacts, lineage."""
    runs = Runs(arguments.runs_dir)
    reader = runs.reader(arguments.run)
    reader.poll()
    artifacts = {name: str(ref) for name, ref in reader.artifacts.items()}
    facts = {
        "run": reader.id,
        "folder": str(reader.folder),
        "task": reader.task,
        "name": reader.name,
        "state": reader.state,
        "error": reader.error and str(reader.error),
        "config": reader.config,
        "measures": _values(reader),
        "artifacts": artifacts,
        "used_by": runs.used_by(arguments.run),
    }
    print(json.dumps(facts, indent=2, ensure_ascii=False))
    return FINISHED


def export(arguments: Namespace) -> int:
    """Write a run as a zip file."""
    Runs(arguments.runs_dir).export(arguments.run, arguments.file)
    return FINISHED


def import_(arguments: Namespace) -> int:
    """Copy a run from a zip file or a folder into the runs folder."""
    print(Runs(arguments.runs_dir).import_(arguments.source))
    return FINISHED


def reindex(arguments: Namespace) -> int:
    """Rebuild the index from the run folders."""
    count = Runs(arguments.runs_dir).reindex()
    print(f"{count} runs indexed")
    return FINISHED


def tasks(arguments: Namespace) -> int:
    """The tasks and pipelines, or the settings of one."""
    if arguments.name is None:
        known: dict[str, Any] = {**catalogue.pipelines(), **catalogue.configs()}
        for name, cls in known.items():
            print(f"{name:22} {cls.summary}  [{', '.join(cls.presets())}]")
        return FINISHED
    cls = catalogue.named(arguments.name)
    print(f"{cls.title}. {cls.summary}\n")
    for line in _settings("", cls):
        print(line)
    return FINISHED


def _settings(prefix: str, cls: type[BaseModel]) -> Any:
    for name, info in cls.model_fields.items():
        groups = [
            part
            for part in _parts(info.annotation)
            if issubclass(part, BaseModel) and part.__module__ != "engine.artifacts.refs"
        ]
        default = "" if groups else f" (default {_default(info)})"
        print(f"{prefix}{name}{default}: {info.description or info.title or ''}")
        for group in groups:
            yield from _settings(f"{prefix}{name}.", group)


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True, validated_data={})
    return "required" if info.is_required() else json.dumps(value, default=str)


def _parts(annotation: Any) -> Any:
    """The classes that a possibly optional, annotated or united field type is made of."""
    if isinstance(annotation, type):
        return [annotation]
    return [part for inner in getattr(annotation, "__args__", ()) for part in _parts(inner)]
