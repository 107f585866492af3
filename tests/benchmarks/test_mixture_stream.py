"""A fit of 10,000,000 x 10 values on disk as a run does it: peak memory, seconds a pass, labels of all rows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

SCRIPT = """
import resource, sys, tempfile, time
from pathlib import Path
from engine.artifacts.shared_kinds import TableKind
from engine.studies import catalogue
from engine.studies.mixture.config import FileTable, FitConfig
from tests.engine.fakes import FakeRun

class Timed(FakeRun):
    notes = {}
    def progress(self, done, total, note=""):
        first, _ = self.notes.setdefault(note, [time.process_time(), 0])
        self.notes[note][1] = time.process_time()
    def publish(self, name, artifact, **options):
        if name == "labels":
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                TableKind().write(artifact, Path(folder))
        self.published[name] = self.published.get(name, [])[-1:]
        return super().publish(name, artifact, **options)

path = Path(sys.argv[1])
config = FitConfig(data=FileTable(path=str(path), reading="stream"), components=5, starts=20)
estimate = catalogue.task(config.task).estimate(config)
run = Timed(path.parent)
begun = time.process_time()
catalogue.task(config.task).run(config, run)
passes = [last - first for note, (first, last) in run.notes.items() if note.startswith("pass")]
look = run.notes["reading"][1] - begun
labels = run.notes["labels of all rows"]
print(time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, len(passes),
      sum(passes) / max(len(passes), 1), look, labels[1] - labels[0], estimate.seconds, estimate.bytes / 2**30,
      run.last("mixture").count)
"""


def batches(rows: int) -> Iterator[np.ndarray]:
    """Five overlapping clusters in ten columns."""
    rng = np.random.default_rng(0)
    means = 2 * rng.standard_normal((5, 10))
    for start in range(0, rows, 500_000):
        m = min(500_000, rows - start)
        yield means[rng.integers(5, size=m)] + rng.standard_normal((m, 10))


def write_parquet(path: Path, rows: int) -> None:
    """Chunk by chunk, so that this process stays small too."""
    import polars as pl
    from polars.io.plugins import register_io_source

    names = [f"c{i}" for i in range(10)]

    def frames(columns: object, predicate: object, count: object, size: object) -> Iterator[pl.DataFrame]:
        for x in batches(rows):
            yield pl.DataFrame(x, schema=names, orient="row")

    lazy = register_io_source(frames, schema=dict.fromkeys(names, pl.Float64))
    lazy.sink_parquet(path, row_group_size=131_072)


def write_csv(path: Path, rows: int) -> None:
    """Chunk by chunk."""
    import polars as pl

    with open(path, "wb") as file:
        for at, x in enumerate(batches(rows)):
            frame = pl.DataFrame(x, schema=[f"c{i}" for i in range(10)], orient="row")
            frame.write_csv(file, include_header=at == 0, float_precision=6)


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage counts in other units elsewhere")
@pytest.mark.parametrize(("kind", "rows"), [("parquet", 10_000_000), ("csv", 5_000_000)])
def test_a_table_on_disk_is_fitted_within_one_and_a_half_gigabytes(kind: str, rows: int, tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < rows * 300:
        pytest.skip("not enough disk for this table")
    path = tmp_path / f"t.{kind}"
    (write_parquet if kind == "parquet" else write_csv)(path, rows)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stderr
    seconds, gigabytes, passes, each, look, labels, estimate, estimated, count = map(float, done.stdout.split())
    print(
        f"{rows} rows of {kind}: {seconds:.0f} CPU s (estimate {estimate:.0f}), peak {gigabytes:.2f} GB (estimate"
        f" {estimated:.2f}); first look {look:.1f} s, {passes:.0f} passes of {each:.2f} s, labels {labels:.1f} s"
    )
    assert count == rows
    assert gigabytes < 1.5
    assert seconds / 3 < estimate < 3 * seconds
