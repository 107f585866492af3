"""The state of a run is what its folder and its process say, without a second writer."""

import os
import time

import pytest

from engine.runs import control, events, folder, processes, state

GONE = processes.this_process().model_copy(update={"pid": 2**22 - 7, "start_time": 1.0})


@pytest.fixture
def path(tmp_path):
    request = folder.Request("fake.act", {}, 2, folder.SCHEMA_VERSION)
    return tmp_path / folder.create(tmp_path, request, folder.Meta(), lambda path: None)


def say(path, *said):
    log = events.EventLog(path / folder.EVENTS)
    for event in said:
        log.append(event)
    log.close()


def started(process, oom_kills=None):
    return events.Started(
        process=process, device="cpu", threads=1, interpreter="python", versions={}, inputs={}, oom_kills=oom_kills
    )


def launched(path, process=None, attempt=1, launcher=None, t=None):
    folder.write_launch(
        path,
        folder.Launch(
            attempt=attempt,
            executor="local",
            slot="cpu:0",
            device="cpu",
            threads=1,
            process=process,
            launcher=launcher or processes.this_process(),
            t=time.time() if t is None else t,
        ),
    )


def judge(path):
    found = state.status(path)
    return (found.state, found.reason) if found.reason else found.state


ME = processes.this_process()


def test_the_way_of_a_run(path):
    assert judge(path) == "queued"
    launched(path)
    assert judge(path) == "starting"
    launched(path, ME)
    assert judge(path) == "starting"
    say(path, started(ME))
    assert judge(path) == "running"
    control.send(path, "stop")
    assert judge(path) == "stopping"
    say(path, events.Stopping(), events.Stopped(reason="stopped"))
    assert judge(path) == ("stopped", "stopped")
    folder.append_queued(path, control=control.newest(path))
    assert judge(path) == "queued"
    assert state.status(path).attempt == 2
    launched(path, ME, attempt=2)
    say(path, started(ME), events.Progress(done=1, total=1), events.Finished())
    assert judge(path) == "finished"


def test_what_is_finished_stays_so_whatever_comes_late(path):
    say(path, started(GONE), events.Finished())
    control.send(path, "cancel")
    assert judge(path) == "finished"


def test_a_command_to_a_run_that_waits_takes_it_from_the_queue(path):
    control.send(path, "cancel")
    assert judge(path) == ("stopped", "cancelled")


def test_a_killed_worker_that_was_told_to_leave_is_stopped(path):
    say(path, started(GONE))
    control.send(path, "stop")
    assert judge(path) == ("stopped", "stopped")
    control.send(path, "cancel")
    assert judge(path) == ("stopped", "cancelled")


def test_a_launch_that_never_came_is_queued_again(path):
    launched(path, t=time.time() - 61)
    assert judge(path) == "queued"
    launched(path, launcher=GONE)
    assert judge(path) == "queued"
    launched(path, ME, attempt=0)
    assert judge(path) == "queued"


def test_a_worker_that_dies_before_its_first_word_is_lost(path):
    launched(path, GONE)
    assert judge(path) == ("lost", "ended early")


def test_lost_says_killed(path):
    say(path, started(GONE))
    assert judge(path) == ("lost", "killed")


def test_lost_says_crash(path):
    (path / folder.CRASH).write_text("Fatal Python error: Segmentation fault")
    say(path, started(GONE))
    assert judge(path) == ("lost", "crash")
    assert state.status(path).process == GONE


def test_lost_says_out_of_memory(path, monkeypatch):
    monkeypatch.setattr(state, "oom_kills", lambda: 4)
    say(path, started(GONE, oom_kills=3))
    assert judge(path) == ("lost", "out of memory")
    monkeypatch.setattr(state, "oom_kills", lambda: 3)
    assert judge(path) == ("lost", "killed")


def test_lost_says_that_the_machine_was_restarted(path):
    say(path, started(GONE.model_copy(update={"boot_id": "before"})))
    assert judge(path) == ("lost", "machine restarted")


def test_another_machine_is_alive_while_it_gives_signs(path):
    say(path, started(GONE.model_copy(update={"host": "elsewhere"})))
    assert judge(path) == ("lost", "no contact")
    (path / folder.HEARTBEAT).touch()
    assert judge(path) == "running"
    old = time.time() - state.NO_CONTACT_AFTER - 1
    os.utime(path / folder.HEARTBEAT, (old, old))
    assert judge(path) == ("lost", "no contact")


@pytest.mark.parametrize(("code", "cause"), [(0, "ended early"), (3, "ended early"), (-9, "killed"), (74, "disk full")])
def test_who_started_it_knows_the_exit_code(path, code, cause):
    say(path, started(GONE))
    life = state.Life()
    state.status(path, life)
    assert state.cause_of_death(path, life, GONE, code) == cause


def test_the_cause_that_was_noted_counts(path):
    say(path, started(GONE))
    folder.note_exit(path, 1, "ended early")
    assert judge(path) == ("lost", "ended early")


def test_every_cause_has_a_sentence():
    assert all(sentence.endswith(".") for sentence in state.CAUSES.values())


def test_a_worker_that_ends_while_we_look_is_not_lost(path, monkeypatch):
    """Its last event comes between the look at the events and the look at the process."""
    say(path, started(GONE))
    alive = processes.Process.alive

    def ends_now(self):
        if self == GONE:
            say(path, events.Finished())
        return alive(self)

    monkeypatch.setattr(processes.Process, "alive", ends_now)
    assert judge(path) == "finished"


def test_a_worker_that_begins_while_we_look_is_not_lost(path, monkeypatch):
    launched(path)
    read = folder.launch

    def begins_now(where):
        monkeypatch.setattr(folder, "launch", read)
        say(where, started(ME))
        return None

    monkeypatch.setattr(folder, "launch", begins_now)
    assert judge(path) == "running"


def test_a_folder_without_events_is_lost(path):
    (path / folder.EVENTS).unlink()
    assert judge(path) == ("lost", "ended early")
