"""Full and read-only disks: real ones where this may mount them."""

import contextlib
import json
import os
import subprocess
import sys

import pytest

from engine.artifacts import versions
from engine.runs import checkpoints, folder, state
from engine.runs.failures import NotWritable
from engine.runs.library import Runs
from engine.runs.reader import RunReader


def may_mount():
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not may_mount(), reason="only root on Linux may mount a small disk")


@pytest.fixture
def small_disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", path], capture_output=True)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@needs_mounts
def test_a_full_disk_fails_in_words_and_keeps_what_was_announced(small_disk, fake, until):
    runs = Runs(small_disk / "runs")
    id = runs.create(fake.Act(what="fill", amount=20_000))
    runs.dispatch()
    reader = RunReader(runs.root / id)
    with contextlib.closing(runs):
        end = until(runs, id, *state.OVER, timeout=60)
        assert end.state == "failed", end.log()
        assert end.error.error == "DiskFull" and "Free some space" in str(end.error)
        reader.poll()
        announced = reader.versions["big"]
        assert len(announced) > 1
        for published in announced:
            assert len(versions.read(runs.root, published.ref, verify=True)["x"]) == 20_000
        assert checkpoints.newest(reader.folder / "checkpoints").state["step"] <= len(announced) - 1
        assert len(reader.series("fake_position")) >= len(announced) - 1
        for line in (reader.folder / folder.EVENTS).read_bytes().splitlines():
            json.loads(line)
        # With room again, it goes on.
        for path in sorted((reader.folder / "artifacts").iterdir())[:-1]:
            subprocess.run(["rm", "-r", path], check=True)
        runs.resume(id)
        assert runs.reader(id).state == "queued"
        runs.cancel(id)


def test_a_worker_that_cannot_even_say_so_is_lost_with_the_cause(runs, fake, until, monkeypatch, tmp_path):
    """Every write to the event log fails from the first progress on, as on a disk that others fill at once."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(
        "import os\nreal = os.write\n"
        "def write(fd, data):\n"
        "    if b'progress' in bytes(data[:400]) or b'failed' in bytes(data[:400]):\n"
        "        raise OSError(28, 'No space left on device')\n"
        "    return real(fd, data)\n"
        "os.write = write\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    id = runs.create(fake.Act())
    runs.dispatch()
    reader = until(runs, id, *state.OVER)
    assert reader.state == "lost"
    runs.dispatch()
    reader.poll()
    assert reader.reason == "disk full"
    assert "disk" in state.CAUSES[reader.reason]


@needs_mounts
def test_a_read_only_runs_folder_says_so_and_can_still_be_read(small_disk, fake):
    runs = Runs(small_disk / "runs")
    id = runs.create(fake.Act())
    runs.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    try:
        with pytest.raises(NotWritable, match="read-only, or belongs to somebody else"):
            Runs(small_disk / "runs")
        reader = RunReader(small_disk / "runs" / id)
        reader.poll()
        assert reader.state == "queued"
    finally:
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
