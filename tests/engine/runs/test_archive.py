"""Export and import: what comes in is trusted with nothing."""

import json
import os
import stat
import zipfile

import pytest

from engine.artifacts.refs import ArtifactRef
from engine.runs import archive, folder
from engine.runs.failures import DiskFull
from engine.runs.library import Runs


@pytest.fixture
def elsewhere(tmp_path):
    library = Runs(tmp_path / "elsewhere")
    yield library
    library.close()


@pytest.fixture
def exported(runs, fake, until, tmp_path):
    id = runs.create(fake.Walk(units=1, steps=2), name="名")
    runs.dispatch()
    until(runs, id, "finished")
    runs.export(id, tmp_path / "run.zip")
    return id, tmp_path / "run.zip"


def test_there_and_back(runs, elsewhere, exported):
    id, file = exported
    assert elsewhere.import_(file) == id
    there, here = elsewhere.reader(id), runs.reader(id)
    assert there.state == "finished" and there.name == "名"
    assert there.artifact("walk")["x"].tolist() == here.artifact("walk")["x"].tolist()
    assert there.series("fake_position", side="left").tolist() == here.series("fake_position", side="left").tolist()
    assert there.meta.imported and not here.meta.imported
    assert next(iter(elsewhere.list())).imported
    assert not (elsewhere.root / id / "launch.json").exists()
    with pytest.raises(archive.AlreadyHere, match="already here"):
        elsewhere.import_(file)


def test_a_folder_can_be_imported_too(runs, elsewhere, exported):
    id, _ = exported
    assert elsewhere.import_(runs.root / id) == id
    assert elsewhere.reader(id).state == "finished"
    assert [path.name for path in elsewhere.root.iterdir() if path.is_dir()] == [id]


def test_what_was_imported_can_be_built_on(elsewhere, exported, fake, until):
    id, file = exported
    elsewhere.import_(file)
    total = elsewhere.create(fake.Sum(walk=ArtifactRef(run=id, name="walk", kind="table")))
    elsewhere.dispatch()
    assert until(elsewhere, total, "finished", "failed").measure("fake_total", split="all").n == 2


def test_what_waited_elsewhere_does_not_start_here(runs, elsewhere, fake, tmp_path):
    id = runs.create(fake.Act())
    runs.export(id, tmp_path / "waiting.zip")
    elsewhere.import_(tmp_path / "waiting.zip")
    assert elsewhere.dispatch() == []
    assert elsewhere.reader(id).state == "stopped"
    elsewhere.resume(id)
    assert elsewhere.reader(id).state == "queued"


def make(path, *entries, config=True):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        if config:
            data = {"schema_version": 1, "task": "fake.act", "config_version": 2, "config": {}}
            file.writestr("20200101-000000-aaaa/config.json", json.dumps(data))
        for name, content in entries:
            file.writestr(name, content)
    return path


RUN = "20200101-000000-aaaa"
TRAVERSALS = [f"{RUN}/../../evil.txt", f"{RUN}/a/../../../evil.txt", f"{RUN}/..\\..\\evil.txt", f"{RUN}/C:/evil.txt"]


@pytest.mark.parametrize("name", TRAVERSALS)
def test_paths_that_lead_out_are_refused(elsewhere, tmp_path, name):
    with pytest.raises(archive.UnsafeArchive, match="leads out"):
        elsewhere.import_(make(tmp_path / "x.zip", (name, "evil")))
    assert not list(tmp_path.rglob("evil.txt"))
    assert [path for path in elsewhere.root.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "second/file", ".hidden/config.json"])
def test_a_zip_holds_one_run(elsewhere, tmp_path, name):
    with pytest.raises((archive.UnsafeArchive, archive.AlreadyHere)):
        elsewhere.import_(make(tmp_path / "x.zip", (name, "evil"), config=name[0] != "."))
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize("name", ["..", ".", ".."])
def test_a_run_has_a_name_of_its_own(elsewhere, tmp_path, name):
    with pytest.raises((archive.UnsafeArchive, archive.AlreadyHere, folder.NotARun)):
        elsewhere.import_(make(tmp_path / "x.zip", (f"{name}/config.json", "{}"), config=False))


def test_links_are_refused(elsewhere, tmp_path):
    file = make(tmp_path / "x.zip")
    with zipfile.ZipFile(file, "a") as zip_file:
        info = zipfile.ZipInfo(f"{RUN}/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        zip_file.writestr(info, "/etc/passwd")
    with pytest.raises(archive.UnsafeArchive, match="link"):
        elsewhere.import_(file)
    source = tmp_path / RUN
    source.mkdir()
    (source / "config.json").write_text("{}")
    os.symlink("/etc/passwd", source / "link")
    with pytest.raises(archive.UnsafeArchive, match="link"):
        elsewhere.import_(source)
    assert [path for path in elsewhere.root.iterdir() if path.is_dir()] == []


def test_bombs_are_refused(elsewhere, tmp_path):
    with pytest.raises(archive.UnsafeArchive, match="proportion"):
        elsewhere.import_(make(tmp_path / "x.zip", (f"{RUN}/zeros", bytes(30 << 20))))


def test_an_entry_larger_than_it_says_is_refused(elsewhere, tmp_path):
    file = make(tmp_path / "x.zip", (f"{RUN}/data", os.urandom(1000)))
    data = bytearray(file.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")  # the size in the central directory
    file.write_bytes(data)
    with pytest.raises(archive.UnsafeArchive, match="damaged"):
        elsewhere.import_(file)
    assert [path for path in elsewhere.root.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04broken"])
def test_what_is_no_zip_says_so(elsewhere, tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(folder.NotARun, match="no zip file"):
        elsewhere.import_(tmp_path / "x.zip")


def test_what_is_no_run_says_so(elsewhere, tmp_path):
    with pytest.raises(folder.NotARun):
        elsewhere.import_(make(tmp_path / "x.zip", (f"{RUN}/notes.txt", "hello"), config=False))
    assert [path for path in elsewhere.root.iterdir() if path.is_dir()] == []


def test_a_failed_export_keeps_the_file_that_was_there(runs, exported, monkeypatch):
    id, file = exported
    before = file.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    with pytest.raises(DiskFull):
        runs.export(id, file)
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir() if "zip" in path.name) == ["run.zip"]
