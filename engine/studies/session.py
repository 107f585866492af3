"""Says before a run what it will take, from a process of its own, because estimates may look at users' files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.sessions.service import Context, method
from engine.studies import catalogue
from engine.studies.contract import Cost, PipelineConfig, TaskConfig


class Estimates:
    """Service "estimates": seconds and bytes of a task's or pipeline's config."""

    device = "cpu"

    def __init__(self, spec: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        pass

    @method
    def estimate(self, params: Mapping[str, Any], context: Context) -> dict[str, float | None]:
        """``name`` and ``config`` (JSON) -> seconds of all stages together, bytes of the largest; None: unknown."""
        config = catalogue.named(params["name"]).model_validate(params["config"])
        if isinstance(config, PipelineConfig):
            costs = _stages(config)
        else:
            costs = [catalogue.task(config.task).estimate(config)]
        return {"seconds": _total([cost.seconds for cost in costs]), "bytes": _largest(costs)}


def _stages(config: PipelineConfig) -> list[Cost]:
    stages = config.stages()
    made_by: dict[str, dict[str, TaskConfig]] = {name: {} for name in stages}
    for target, sources in config.links().items():
        stage, _, field = target.partition(".")
        source = (sources if isinstance(sources, list) else [sources])[0][0]
        if stage in stages and source in stages:
            made_by[stage][field] = stages[source]
    return [catalogue.task(stage.task).estimate(stage, made_by[name]) for name, stage in stages.items()]


def _total(seconds: list[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return sum(known) if known and len(known) == len(seconds) else None


def _largest(costs: list[Cost]) -> float | None:
    known = [cost.bytes for cost in costs if cost.bytes is not None]
    return max(known) if known else None


SERVICES = {"estimates": Estimates}
