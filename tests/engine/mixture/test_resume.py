"""Fits in real run folders, stopped and resumed at real checkpoints: the same artifact and the same numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from engine.runs import control, events, folder, state
from engine.runs.library import Runs
from engine.runs.reader import RunReader
from engine.runs.recorder import Recorder
from engine.runs.run import Stopped
from engine.studies import catalogue
from engine.studies.mixture.config import BuiltinTable, FileTable, FitConfig
from engine.studies.mixture.kinds import Fitted

RESUMED = events.Resumed
NUMBERS = ("mixture_log_likelihood", "basin_share", "local_maxima", "smallest_share")


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points and checkpoints whenever they may be; a picture is a folder of files, so once a second as ever."""
    monkeypatch.setattr("engine.studies.mixture.tasks.setting.POINT_SECONDS", 0.0)
    monkeypatch.setattr("engine.studies.mixture.tasks.fit_run.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("engine.studies.mixture.tasks.fit_run.SHARE", 0)
    monkeypatch.setattr("engine.studies.mixture.tasks.boot_run.SAVE_SECONDS", 0.0)


def in_folder(root: Path, config: FitConfig, path: Path | None = None, stop_after: int | None = None) -> tuple:
    """Fit in a real folder in this process; a path goes on with that run. Gives the folder and whether it ended."""
    again = path is not None
    if path is None:
        request = folder.Request(config.task, config.model_dump(mode="json"), 1, folder.SCHEMA_VERSION)
        root.mkdir(exist_ok=True)
        path = root / folder.create(root, request, folder.Meta(), lambda path: None)
    log = events.EventLog(path / folder.EVENTS)
    run = Recorder(path, config, "cpu", log, control.Inbox(path, 0), {})
    points = 0

    def point() -> None:
        nonlocal points
        points += 1
        if stop_after is not None and points > stop_after:
            raise Stopped

    run.point = point  # type: ignore[method-assign]
    try:
        if again:
            run.rewind()
        catalogue.task(config.task).run(config, run)
        return path, True, points
    except Stopped:
        return path, False, points
    finally:
        run.close()
        log.close()


def outcome(path: Path) -> tuple[Fitted, list[float]]:
    reader = RunReader(path)
    reader.poll()
    return reader.artifact("mixture"), [reader.measure(name).value for name in NUMBERS]


def assert_same(a: Fitted, b: Fitted) -> None:
    for part in fields(a):
        one, other = getattr(a, part.name), getattr(b, part.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, part.name)
        else:
            assert one == other, part.name


@pytest.fixture
def holes(tmp_path: Path) -> FileTable:
    """Three clusters in three columns; some cells are empty."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 3)) + np.repeat([[0, 0, 0], [6, 0, 3], [0, 6, -3]], 50, axis=0)
    cells = [[f"{value:.4f}" if rng.random() > 0.03 else "" for value in row] for row in x]
    path = tmp_path / "holes.csv"
    path.write_text("\n".join(["a,b,c", *map(",".join, cells)]), encoding="utf-8")
    return FileTable(path=str(path))


CASES = {
    "em": {"data": BuiltinTable(name="iris"), "starts": 12},
    "t": {"starts": 12},
    "spectral_bootem": {"chains": 3},
    "bootspectral": {"chains": 2},
}


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("method", CASES)
def test_stopped_anywhere_it_goes_on_to_the_same_artifact(method: str, holes: FileTable, tmp_path: Path) -> None:
    config = FitConfig(**{"data": holes, "components": 3, "method": method, **CASES[method]})
    whole, ended, points = in_folder(tmp_path / "whole", config)
    assert ended
    path, ended, step = None, False, points // 4
    while not ended:
        path, ended, _ = in_folder(tmp_path / "parts", config, path, stop_after=step)
        assert not ended or step > points // 4
        step += points // 8 + 1
    (a, numbers), (b, others) = outcome(whole), outcome(path)
    assert numbers == others
    assert_same(a, b)
    resumed = [event for event in events.EventTail(path / folder.EVENTS).read() if isinstance(event, RESUMED)]
    assert max(event.unit for event in resumed) > 0


def test_a_worker_process_is_stopped_and_goes_on_where_it_was(tmp_path: Path) -> None:
    data = BuiltinTable(name="generated", rows=3000, dimension=4, clusters=3)
    library = Runs(tmp_path / "runs")
    try:
        id = library.create(FitConfig(data=data, components=3, method="bootspectral", chains=8))
        library.dispatch()
        path = library.reader(id).folder
        until(library, id, lambda _: list((path / "checkpoints").glob("*.npz")))
        library.stop(id)
        reader = until(library, id, lambda reader: reader.state in state.OVER)
        assert reader.state == "stopped"
        library.resume(id)
        library.dispatch()
        reader = until(library, id, lambda reader: reader.state in state.OVER and "mixture" in reader.artifacts)
        assert reader.state == "finished", reader.log()
        units = [event.unit for event in events.EventTail(path / folder.EVENTS).read() if isinstance(event, RESUMED)]
        assert len(units) == 1 and units[0] > 0
        found = reader.artifact("mixture")
        assert found.complete and len(found.trace) >= 60 and np.isfinite(found.trace).all()
    finally:
        for item in library.list():
            library.cancel(item.id)
        library.close()


def until(library: Runs, id: str, condition: Callable[[RunReader], object]) -> RunReader:
    reader, end = library.reader(id), time.monotonic() + 60
    while not condition(reader):
        assert time.monotonic() < end, f"{reader.state}, {reader.log()}"
        time.sleep(0.05)
        reader.poll()
    return reader
