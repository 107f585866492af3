"""Commands in files."""

import os
import threading
import time

from engine.runs import control


def test_commands_are_numbered_and_seen(tmp_path):
    inbox = control.Inbox(tmp_path, after=0)
    assert inbox.look() is None
    assert control.send(tmp_path, "stop").number == 1
    time.sleep(0.03)
    assert inbox.look().command == "stop"
    assert sorted(os.listdir(tmp_path / "control")) == ["001.json"]


def test_a_cancel_outranks_a_stop_and_old_commands_do_not_count(tmp_path):
    control.send(tmp_path, "stop")
    control.send(tmp_path, "cancel")
    control.send(tmp_path, "stop")
    assert control.pending(tmp_path, after=0).command == "cancel"
    assert control.pending(tmp_path, after=2).number == 3
    assert control.pending(tmp_path, after=3) is None
    assert control.newest(tmp_path) == 3


def test_two_commands_of_one_clock_tick_are_both_seen(tmp_path):
    inbox = control.Inbox(tmp_path, after=0)
    control.send(tmp_path, "stop")
    time.sleep(0.03)
    assert inbox.look().command == "stop"
    stamp = (tmp_path / "control").stat()
    control.send(tmp_path, "cancel")
    os.utime(tmp_path / "control", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    time.sleep(0.03)
    assert inbox.look().command == "cancel"


def test_many_senders_overwrite_nothing(tmp_path):
    threads = [threading.Thread(target=lambda: [control.send(tmp_path, "stop") for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert control.newest(tmp_path) == 20
    assert len(os.listdir(tmp_path / "control")) == 20


def test_what_is_no_command_is_passed_over(tmp_path):
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "001.json").write_text("{")
    (tmp_path / "control" / "002.json").write_text('{"number": 2, "command": "explode", "t": 0}')
    (tmp_path / "control" / "notes.txt").write_text("hello")
    assert control.pending(tmp_path, after=0) is None
    assert control.send(tmp_path, "cancel").number == 3


def test_a_stop_is_overdue_after_its_grace(tmp_path):
    assert not control.send(tmp_path, "stop", grace=5).overdue
    assert control.send(tmp_path, "stop", grace=-1).overdue
    assert control.send(tmp_path, "cancel").overdue


def test_looking_often_costs_next_to_nothing(tmp_path):
    inbox = control.Inbox(tmp_path, after=0)
    control.send(tmp_path, "stop")
    inbox = control.Inbox(tmp_path, after=1)
    count = 100_000
    began = time.process_time()
    for _ in range(count):
        inbox.look()
    assert (time.process_time() - began) / count < 5e-6
