"""Events: strict to write, tolerant to read, whole lines only."""

import json
import os

import pytest
from pydantic import ValidationError

from engine.runs import events


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "events.jsonl"
    log, tail = events.EventLog(path), events.EventTail(path)
    written = [
        events.Queued(),
        events.Progress(done=1, total=2, note="第一"),
        events.Measured(id="x", value=float("nan"), interval=(0.0, float("inf")), n=3, dims={"layer": 1, "on": "a"}),
        events.SeriesOpened(file="x.f64", id="x", dims={}, columns=("step", "value")),
        events.Warned(template="{n} of {m}", params={"n": 1, "m": None}),
        events.Failed(error="E", what="No {x}.", remedy="Buy {x}.", params={"x": "tea"}),
    ]
    for event in written:
        log.append(event)
    log.close()
    read = tail.read()
    assert [event.model_dump_json() for event in read] == [event.model_dump_json() for event in written]
    assert str(read[4]) == "1 of None" and str(read[5]) == "No tea. Buy tea."
    assert tail.read() == []
    assert json.loads(path.read_bytes().splitlines()[2])["value"] == "NaN"  # any JSON reader can read it


def test_every_event_has_a_type_of_its_own():
    assert set(events.TYPES) == {
        "queued", "started", "progress", "measured", "series_opened", "published", "checkpointed", "warned",
        "resumed", "stopping", "stopped", "finished", "failed",
    }  # fmt: skip


def test_writers_are_strict():
    with pytest.raises(ValidationError):
        events.Progress(done=1, total=2, colour="green")
    with pytest.raises(ValidationError):
        events.Stopped(reason="bored")


def test_readers_ignore_what_they_do_not_know(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"type": "progress", "v": 1, "t": 1, "done": 1, "total": 2, "colour": "green"}\n'
        '{"type": "teleported", "v": 1, "t": 2}\n'
        '{"type": "progress", "v": 2, "t": 2, "done": 9, "total": 9}\n'
        "not JSON\n[1]\n{}\n"
        '{"type": "progress", "v": 1, "t": 3, "done": "no number", "total": 2}\n'
        '{"type": "finished", "v": 1, "t": 4}\n'
    )
    assert [(event.type, event.t) for event in events.EventTail(path).read()] == [("progress", 1.0), ("finished", 4.0)]


def test_a_torn_last_line_waits_until_it_is_whole(tmp_path):
    path = tmp_path / "events.jsonl"
    whole = events.Finished().model_dump_json().encode() + b"\n"
    tail = events.EventTail(path)
    assert tail.read() == []
    path.write_bytes(whole + whole[:10])
    assert len(tail.read()) == 1
    assert tail.read() == []
    with open(path, "ab") as file:
        file.write(whole[10:])
    assert len(tail.read()) == 1


@pytest.mark.parametrize("tail", [b"", b'{"type": "fin', b"x" * 200_000])
@pytest.mark.parametrize("whole", [b"", b'{"type":"finished","t":1,"v":1}\n'])
def test_a_new_writer_cuts_a_torn_line(tmp_path, whole, tail):
    path = tmp_path / "events.jsonl"
    path.write_bytes(whole + tail)
    log = events.EventLog(path)
    log.append(events.Queued())
    log.close()
    assert [line["type"] for line in lines(path)] == ["finished"] * bool(whole) + ["queued"]


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    path = tmp_path / "events.jsonl"
    log = events.EventLog(path)
    log.append(events.Queued())
    write = os.write
    budget = [20]

    def nearly_full(descriptor, data):
        if not budget[0]:
            raise OSError(28, "No space left on device")
        count = min(len(data), budget[0])
        budget[0] -= count
        return write(descriptor, bytes(data[:count]))

    monkeypatch.setattr(os, "write", nearly_full)
    with pytest.raises(OSError, match="No space"):
        log.append(events.Progress(done=1, total=2))
    budget[0] = 1 << 20
    log.append(events.Finished())
    log.close()
    assert [line["type"] for line in lines(path)] == ["queued", "finished"]


@pytest.mark.parametrize("name", ["../../home/secret.f64", "a/b.f64", "..\\x.f64", "/etc/x.f64", ".f64", "c:x.f64"])
def test_a_series_lies_in_its_folder(name):
    line = json.dumps({"type": "series_opened", "v": 1, "t": 1, "file": name, "id": "x", "dims": {}, "columns": ["a"]})
    assert events.parse(line.encode()) is None
    assert events.parse(line.replace(json.dumps(name), '"x.f64"').encode()) is not None
