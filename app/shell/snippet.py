"""The engine calls that repeat what is set up, as a Python script."""

from __future__ import annotations

from pathlib import Path
from pprint import pformat

from engine.runs.library import default_root
from engine.studies.contract import PipelineConfig


def script(config: PipelineConfig, root: Path) -> str:
    """A script that starts the runs of ``config`` in the runs folder ``root``.

    Every setting is written out, so that the script says the same when defaults have changed.
    """
    kind = type(config)
    settings = pformat(config.model_dump(mode="json"), width=100, sort_dicts=False)
    where = "" if root == default_root() else f"Path({str(root)!r})"
    lines = [
        *(["from pathlib import Path", ""] if where else []),
        "from engine.runs.library import Runs",
        f"from {kind.__module__} import {kind.__name__}",
        "",
        f"config = {kind.__name__}.model_validate(",
        *(f"    {line}" for line in settings.splitlines()),
        ")",
        f"runs = Runs({where})",
        "print(runs.create_pipeline(config))",
        "runs.dispatch()",
    ]
    return "\n".join(lines) + "\n"
