"""Executes a pipeline stage by stage in one process, as workers would: run folders for tests that look at them.

``python pipeline.py ROOT PIPELINE CONFIG``: prints stage -> run id as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from engine.runs import folder, worker
from engine.runs.library import Runs
from engine.runs.processes import this_process
from engine.studies import catalogue


def main(root: Path, pipeline: str, config: str) -> None:
    """Run all stages in their order, which is that of the links between them."""
    runs = Runs(root)
    stages = runs.create_pipeline(catalogue.pipelines()[pipeline].model_validate_json(config))
    output = os.dup(1)
    for id in stages.values():
        launch = folder.Launch(
            attempt=1, executor="test", slot="cpu:0", device="cpu", threads=1, launcher=this_process(), t=time.time()
        )  # fmt: skip
        folder.write_launch(root / id, launch)
        if worker.work(root / id):
            sys.exit(str(runs.reader(id).error))
    runs.reindex()
    runs.close()
    os.write(output, json.dumps(stages).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2], sys.argv[3])
