"""Files that survive a crash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import durable

ROOT = str(Path(durable.__file__).parents[1])


def test_write_atomic_replaces_and_leaves_nothing_else(tmp_path):
    durable.write_atomic(tmp_path / "a.json", "old")
    durable.write_atomic(tmp_path / "a.json", "new ü")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "new ü"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_failed_write_keeps_the_old_content(tmp_path, monkeypatch):
    durable.write_atomic(tmp_path / "a", "old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        durable.write_atomic(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("links", [True, False])
def test_write_exclusive_lets_only_one_in(tmp_path, monkeypatch, links):
    if not links:

        def no_links(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(os, "link", no_links)
    durable.write_exclusive(tmp_path / "001", "first")
    with pytest.raises(FileExistsError):
        durable.write_exclusive(tmp_path / "001", "second")
    assert (tmp_path / "001").read_text() == "first"
    assert os.listdir(tmp_path) == ["001"]


def test_publish_folder_refuses_a_taken_name(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with pytest.raises(OSError):
        durable.publish_folder(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "file").read_text() == "b"


def test_json_keeps_unicode_readable(tmp_path):
    durable.write_json(tmp_path / "x.json", {"name": "运行"})
    assert "运行" in (tmp_path / "x.json").read_text(encoding="utf-8")
    assert durable.read_json(tmp_path / "x.json") == {"name": "运行"}


def test_a_lock_is_free_again_when_its_holder_is_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from engine.durable import FileLock\n"
        "lock = FileLock(Path(sys.argv[1])); print(lock.acquire(), flush=True); time.sleep(60)"
    )
    lock = durable.FileLock(tmp_path / "lock")
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "lock"], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT}
    ) as holder:
        assert holder.stdout.readline() == b"True\n"
        assert not lock.acquire()
        holder.kill()
    assert lock.acquire()
    other = durable.FileLock(tmp_path / "lock")
    assert not other.acquire()
    lock.release()
    with other:
        assert not lock.acquire()
