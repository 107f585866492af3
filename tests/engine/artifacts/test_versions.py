"""Artifacts on disk: whole or not there, immutable, verified, never run as code."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.artifacts import versions
from engine.artifacts.kinds import UnknownKind, kind_named, kinds
from engine.artifacts.refs import ArtifactRef
from engine.artifacts.shared_kinds import TableKind
from engine.errors import EngineError

TABLE = TableKind()


@pytest.fixture
def artifacts(tmp_path):
    folder = tmp_path / "run-a" / "artifacts"
    folder.mkdir(parents=True)
    return folder


def ref(version=None, name="walk", kind="table", sha256="", run="run-a"):
    return ArtifactRef(run=run, name=name, kind=kind, version=version, sha256=sha256)


def table(*values):
    return {"x": np.array(values, np.float64)}


def test_versions_count_up_and_read_back(artifacts, tmp_path):
    for value in (1.0, 2.0):
        versions.write(artifacts, "walk", TABLE, table(value), complete=False)
    assert versions.versions(artifacts) == {"walk": [1, 2]}
    assert (artifacts / "walk.0002" / "artifact.json").is_file()
    assert versions.read(tmp_path, ref(1))["x"].tolist() == [1.0]
    assert versions.read(tmp_path, ref(2), verify=True)["x"].tolist() == [2.0]


def test_settling_takes_the_newest_complete_version(artifacts, tmp_path):
    versions.write(artifacts, "walk", TABLE, table(1.0), complete=True)
    versions.write(artifacts, "walk", TABLE, table(2.0), complete=False)
    settled = versions.settle(tmp_path, ref())
    assert settled.version == 1 and len(settled.sha256) == 64
    assert versions.settle(tmp_path, ref(2)).version == 2
    with pytest.raises(versions.DamagedArtifact, match="cited"):
        versions.settle(tmp_path, ref(2, sha256=settled.sha256))


def test_nothing_complete_is_no_version(artifacts, tmp_path):
    versions.write(artifacts, "walk", TABLE, table(2.0), complete=False)
    with pytest.raises(versions.NoSuchArtifact):
        versions.settle(tmp_path, ref())
    with pytest.raises(versions.NoSuchArtifact):
        versions.read(tmp_path, ref(7))


def test_equal_content_has_an_equal_hash_and_other_content_another(artifacts):
    hashes = [
        versions.write(artifacts, name, TABLE, table(value), complete=True).sha256
        for name, value in (("a", 1.0), ("b", 1.0), ("c", 2.0))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_flipped_bit_is_found_when_verified(artifacts, tmp_path):
    versions.write(artifacts, "walk", TABLE, table(1.0, 2.0), complete=True)
    file = artifacts / "walk.0001" / "table.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    versions.read(tmp_path, ref(1))
    with pytest.raises(versions.DamagedArtifact, match="other content"):
        versions.read(tmp_path, ref(1), verify=True)


def test_a_changed_list_of_files_is_found(artifacts, tmp_path):
    versions.write(artifacts, "walk", TABLE, table(1.0), complete=True)
    file = artifacts / "walk.0001" / "artifact.json"
    data = json.loads(file.read_text())
    del data["files"]["table.csv"]
    file.write_text(json.dumps(data))
    with pytest.raises(versions.DamagedArtifact, match="list of files"):
        versions.read(tmp_path, ref(1), verify=True)


def test_a_missing_or_short_file_is_found_without_verifying(artifacts, tmp_path):
    versions.write(artifacts, "walk", TABLE, table(1.0), complete=True)
    file = artifacts / "walk.0001" / "table.npy"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(versions.DamagedArtifact, match=r"table\.npy"):
        versions.read(tmp_path, ref(1))
    file.unlink()
    with pytest.raises(versions.DamagedArtifact, match=r"table\.npy"):
        versions.read(tmp_path, ref(1))


@pytest.mark.parametrize("key", ["schema_version", "kind_version"])
def test_what_a_newer_program_wrote_is_refused_in_words(artifacts, tmp_path, key):
    versions.write(artifacts, "walk", TABLE, table(1.0), complete=True)
    file = artifacts / "walk.0001" / "artifact.json"
    data = json.loads(file.read_text())
    data[key] = 99
    file.write_text(json.dumps(data))
    before = file.read_bytes()
    with pytest.raises(versions.NewerArtifact, match="newer version of this program"):
        versions.read(tmp_path, ref(1))
    assert file.read_bytes() == before


def test_unknown_fields_of_the_same_version_are_ignored(artifacts, tmp_path):
    versions.write(artifacts, "walk", TABLE, table(1.0), complete=True)
    file = artifacts / "walk.0001" / "artifact.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "colour": "green"}))
    assert versions.read(tmp_path, ref(1), verify=True)["x"].tolist() == [1.0]


def test_a_reference_of_another_kind_is_refused(artifacts, tmp_path):
    versions.write(artifacts, "walk", TABLE, table(1.0), complete=True)
    with pytest.raises(versions.WrongKind, match="is of kind table, not trajectory"):
        versions.settle(tmp_path, ref(1, kind="trajectory"))


@pytest.mark.parametrize(("run", "name"), [("../outside", "walk"), ("run-a", "../walk"), ("/", "walk"), ("run-a", "")])
def test_references_lead_nowhere_else(artifacts, tmp_path, run, name):
    versions.write(artifacts, "walk", TABLE, table(1.0), complete=True)
    (tmp_path / "outside").mkdir()
    with pytest.raises(versions.NoSuchArtifact):
        versions.settle(tmp_path / "run-a", ref(1, run=run, name=name))


def test_names_are_plain(artifacts):
    for name in ("../x", "A", "", "a.b"):
        with pytest.raises(ValueError, match="no name"):
            versions.write(artifacts, name, TABLE, table(1.0), complete=True)


def test_pickles_are_not_executed(artifacts, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "bang"),)

    versions.write(artifacts, "walk", TABLE, table(1.0), complete=True)
    file = artifacts / "walk.0001" / "table.npy"
    np.save(file, np.array([Bomb()], object), allow_pickle=True)
    manifest_file = artifacts / "walk.0001" / "artifact.json"
    data = json.loads(manifest_file.read_text())
    data["files"]["table.npy"]["size"] = file.stat().st_size
    manifest_file.write_text(json.dumps(data))
    with pytest.raises(versions.DamagedArtifact, match="cannot be read"):
        versions.read(tmp_path, ref(1))
    assert not (tmp_path / "bang").exists()


def test_a_kind_that_fails_leaves_nothing(artifacts):
    with pytest.raises(ValueError, match="equally long"):
        versions.write(artifacts, "walk", TABLE, {"x": np.zeros(2), "y": np.zeros(3)}, complete=True)
    assert os.listdir(artifacts) == []


def test_a_full_disk_leaves_the_versions_that_were_there(artifacts, tmp_path, monkeypatch):
    versions.write(artifacts, "walk", TABLE, table(1.0), complete=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        versions.write(artifacts, "walk", TABLE, table(2.0), complete=True)
    assert os.listdir(artifacts) == ["walk.0001"]
    assert versions.read(tmp_path, ref(1), verify=True)["x"].tolist() == [1.0]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from engine.artifacts import versions
from engine.artifacts.shared_kinds import TableKind
where, calls = sys.argv[2], [0]
module, name = {"fsync": (os, "fsync"), "rename": (os, "rename"), "save": (np.lib.format, "open_memmap")}[where]
def die(*a, **k):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, name, die)
versions.write(Path(sys.argv[1]), "walk", TableKind(), {"x": np.ones(9)}, complete=True)
"""


@pytest.mark.parametrize("where", ["save", "fsync", "rename"])
def test_a_writer_killed_at_any_moment_publishes_nothing(artifacts, where):
    root = str(Path(versions.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", KILLED, artifacts, where], env={**os.environ, "PYTHONPATH": root})
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(artifacts)) == 1  # what it had begun
    assert versions.versions(artifacts) == {}
    assert versions.write(artifacts, "walk", TABLE, table(3.0), complete=True).version == 1
    versions.sweep(artifacts)
    assert os.listdir(artifacts) == ["walk.0001"]


def test_kinds_are_found_by_scanning():
    assert kinds()["table"].title == "Table"
    assert {"table", "trajectory", "plane"} <= set(kinds())
    with pytest.raises(UnknownKind, match="does not know artifacts of kind teapot"):
        kind_named("teapot")


def test_errors_say_what_and_what_to_do():
    for error in (versions.NoSuchArtifact, versions.DamagedArtifact, versions.NewerArtifact, versions.WrongKind):
        assert issubclass(error, EngineError) and error.what and error.remedy
