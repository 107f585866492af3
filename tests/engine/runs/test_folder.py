"""The run folder: ids, creation in one step, what the user said."""

import json
import os
import subprocess
import sys
import time

import pytest

from engine.runs import folder
from engine.runs.processes import this_process

REQUEST = folder.Request("fake.act", {"seed": 0}, 2, folder.SCHEMA_VERSION)


def create(root, fill=lambda path: None):
    return folder.create(root, REQUEST, folder.Meta(name="名 'x'"), fill)


def test_ids_sort_by_time_and_are_file_names():
    ids = []
    for _ in range(6):
        ids.append(folder.new_id())
        time.sleep(0.04)
    assert ids == sorted(ids)
    assert len(set(ids)) == 6
    assert all(len(id) == 20 and id.replace("-", "").isalnum() and id == id.lower() for id in ids)


MAKE = """
import sys
from pathlib import Path
from engine.runs import folder
request = folder.Request("fake.act", {}, 2, 1)
for _ in range(40):
    print(folder.create(Path(sys.argv[1]), request, folder.Meta(), lambda path: None))
"""


def test_ids_are_unique_across_processes(tmp_path, environment, monkeypatch):
    # Every process draws from two ids a second: all must end up different.
    code = MAKE.replace(
        "from engine.runs import folder\n",
        "from engine.runs import folder\nimport secrets, time\n"
        "folder.new_id = lambda: f'{int(time.time() * 50)}-{secrets.choice(\"ab\")}'\n",
    )
    makers = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / "runs"], stdout=subprocess.PIPE, env=environment)
        for _ in range(2)
    ]
    ids = [id for maker in makers for id in maker.communicate()[0].decode().split()]
    assert [maker.returncode for maker in makers] == [0, 0]
    assert len(ids) == len(set(ids)) == 80 == len(os.listdir(tmp_path / "runs"))


def test_a_run_appears_complete_or_not_at_all(tmp_path):
    seen = []

    def fill(path):
        seen.append([item for item in tmp_path.iterdir() if folder.is_run(item)])
        (path / "inputs").mkdir()
        (path / "inputs" / "a.csv").write_text("1")

    id = create(tmp_path, fill)
    assert seen == [[]]
    assert (tmp_path / id / "inputs" / "a.csv").read_text() == "1"
    assert folder.request(tmp_path / id) == REQUEST
    assert folder.meta(tmp_path / id).name == "名 'x'"

    def fail(path):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        create(tmp_path, fail)
    assert os.listdir(tmp_path) == [id]


def test_a_folder_that_is_no_run_says_so(tmp_path):
    with pytest.raises(folder.NotARun, match="cannot be read"):
        folder.request(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(folder.NotARun, match="damaged"):
        folder.request(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(folder.NotARun, match="damaged"):
        folder.request(tmp_path)


def test_config_of_a_newer_format_is_known_as_such(tmp_path):
    id = create(tmp_path)
    path = tmp_path / id / "config.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "schema_version": 2, "colour": "green"}))
    assert folder.request(tmp_path / id).newer
    assert not REQUEST.newer


def test_damaged_notes_are_no_notes(tmp_path):
    id = create(tmp_path)
    (tmp_path / id / "meta.json").write_text("{")
    assert folder.meta(tmp_path / id) == folder.Meta()
    (tmp_path / id / "launch.json").write_text("{")
    assert folder.launch(tmp_path / id) is None


def test_a_launch_comes_back(tmp_path):
    launch = folder.Launch(
        attempt=1,
        executor="local",
        slot="cpu:0",
        device="cpu",
        threads=1,
        launcher=this_process(),
        t=1.5,
        process=this_process(),
    )
    folder.write_launch(tmp_path, launch)
    assert folder.launch(tmp_path) == launch


def test_the_first_note_of_an_end_stays(tmp_path):
    folder.note_exit(tmp_path, 1, "killed")
    folder.note_exit(tmp_path, 1, "crash")
    assert folder.exit_note(tmp_path, 1).cause == "killed"
    assert folder.exit_note(tmp_path, 2) is None
    folder.note_exit(tmp_path, 1, "ended early", code=3)
    folder.note_exit(tmp_path, 1, "killed")
    folder.note_exit(tmp_path, 1, "crash", code=-11)
    assert folder.exit_note(tmp_path, 1).cause == "ended early"
    folder.note_exit(tmp_path, 2, "crash")
    assert folder.exit_note(tmp_path, 2).cause == "crash"
