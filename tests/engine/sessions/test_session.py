"""The contract of sessions: one process, calls in order, the latest wins, cancel always works, nothing stays behind."""

import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.errors import EngineError
from engine.sessions import errors, folders, shared
from engine.sessions.client import Session

from . import fakes

PATIENCE = 30.0  # seconds; a limit for a busy machine, not a speed that is asked for


def opened(service="fake", spec=None, inputs=None, launcher=fakes.launcher, **options):
    return Session.open(service, spec, inputs, launcher=launcher, **options)


@pytest.fixture
def session():
    with opened() as session:
        yield session


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def started(call):
    """Wait until the method runs, by its first partial."""
    wait_for(lambda: call.poll())
    return call


def leftovers(owner=None):
    """Folders of the sessions of a process, this one by default."""
    return [path for base in folders.bases() for path in base.glob(f"{folders._prefix()}*-{owner or os.getpid()}-*")]


def test_a_session_on_cuda_computes_in_full_single_precision(session):
    assert session.call("tf32").result(PATIENCE) is None  # torch is not even loaded for the processor
    with opened(spec={"device": "cuda:0"}) as other:
        assert other.call("tf32").result(PATIENCE) == [False, False]


# ------------------------------------------------------------------------------------------------ values
def test_values_and_arrays_travel_both_ways(session):
    params = {
        "none": None,
        "nested": [{"deep": [1, 2.5, "text", True]}],
        "$array": "a key of ours",
        "$mapping": {"$array": 1},
        "tuple": (1, 2),
        "scalar": np.float32(0.5),
        "grid": np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2],
        "empty": np.empty((0, 3), np.int16),
        "single": np.array(7),
        "flags": np.array([True, False]),
        "words": np.array(["ä", "bc"]),
        "big-endian": np.array([1, 2], ">i4"),
    }
    back = session.call("echo", params).result(PATIENCE)
    assert back.keys() == params.keys()
    for name, value in params.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(back[name], value)
            assert (back[name].dtype, back[name].shape) == (value.dtype, value.shape)
    assert back["nested"] == params["nested"] and back["$mapping"] == {"$array": 1} and back["tuple"] == [1, 2]
    assert back["scalar"] == 0.5 and back["none"] is None and back["$array"] == "a key of ours"


def test_nan_and_infinities_travel(session):
    back = session.call("echo", {"x": [math.nan, math.inf, -math.inf], "a": np.array([np.nan, np.inf])}).result(
        PATIENCE
    )
    assert math.isnan(back["x"][0]) and back["x"][1:] == [math.inf, -math.inf]
    np.testing.assert_array_equal(back["a"], [np.nan, np.inf])


def test_huge_arrays_travel(session):
    n = 16_000_000
    big = session.call("big", {"n": n}).result(PATIENCE)["big"]
    assert big.shape == (n,) and big[-1] == n - 1
    back = session.call("echo", {"big": big}).result(PATIENCE)["big"]
    assert np.array_equal(back, big)


def test_received_arrays_are_the_receivers_own(session):
    sent = np.zeros(1000)
    back = session.call("echo", {"a": sent}).result(PATIENCE)["a"]
    back += 1
    assert sent.sum() == 0 and back.sum() == 1000


def test_array_files_are_gone_once_received(session):
    kept = session.call("echo", {"a": np.ones(1000)}).result(PATIENCE)["a"]
    ours = [path for path in leftovers() if list(path.glob("[0-9a-f]*"))]
    assert not ours and kept.sum() == 1000


def test_spec_and_inputs_reach_the_service():
    with opened(spec={"width": 3}, inputs={"weights": np.eye(2)}) as session:
        held = session.call("held").result(PATIENCE)
    assert held["spec"] == {"width": 3}
    np.testing.assert_array_equal(held["inputs"]["weights"], np.eye(2))


@pytest.mark.parametrize("value", [object(), {1: 2}, np.array([None]), b"bytes"])
def test_what_cannot_be_sent_fails_its_call_only(session, value):
    with pytest.raises(errors.NotTransferable):
        session.call("echo", {"value": value}).result(PATIENCE)
    with pytest.raises(EngineError, match="cannot be sent"):
        session.call("unsendable").result(PATIENCE)
    assert session.call("echo", {"x": 1}).result(PATIENCE) == {"x": 1}


# ------------------------------------------------------------------------------------------------ order and keys
def test_partials_come_in_order_and_before_the_outcome(session):
    call = session.call("count", {"n": 50})
    assert call.result(PATIENCE) == "counted"
    events = call.poll()
    assert [event.kind for event in events] == ["partial"] * 50 + ["done"]
    assert [event.value["index"] for event in events[:-1]] == list(range(50))
    assert [event.value["array"][0] for event in events[:-1]] == list(range(50))
    assert call.poll() == [] and call.state == "done"


def test_a_listener_hears_everything_and_its_errors_stay_its_own(session, expect_log):
    expect_log("listener of count failed")
    heard = []

    def listener(event):
        heard.append((event.kind, threading.current_thread() is threading.main_thread()))
        raise RuntimeError("a mistake in the window")

    call = session.call("count", {"n": 3}, listener=listener)
    assert call.result(PATIENCE) == "counted" and call.poll() == []
    assert heard == [("partial", False)] * 3 + [("done", False)]
    assert session.call("pid").result(PATIENCE)


def test_calls_are_answered_in_order(session):
    calls = [session.call("echo", {"i": index}) for index in range(100)]
    order = []
    for call in calls:
        order.append(call.result(PATIENCE)["i"])
    assert order == list(range(100))


def test_the_latest_of_a_key_wins_and_other_keys_are_left_alone(session):
    running = started(session.call("sleep", {"s": 0.3}))
    old = [session.call("echo", {"i": index}, key="slider") for index in range(5)]
    other = session.call("echo", {"i": "other"}, key="zoom")
    unkeyed = session.call("echo", {"i": "unkeyed"})
    latest = session.call("echo", {"i": "latest"}, key="slider")
    assert latest.result(PATIENCE) == {"i": "latest"}
    assert [call.state for call in old] == ["superseded"] * 5
    assert (running.state, other.state, unkeyed.state) == ("done", "done", "done")
    with pytest.raises(errors.CallSuperseded):
        old[0].result()


@pytest.mark.parametrize(("method", "state"), [("until_superseded", "done"), ("until_pointed", "superseded")])
def test_a_running_call_sees_that_a_newer_one_waits(session, method, state):
    running = started(session.call(method, key="slider"))
    assert session.call("echo", {"i": 1}, key="slider").result(PATIENCE) == {"i": 1}
    assert running.state == state


def test_another_key_does_not_disturb_a_running_call(session):
    running = started(session.call("until_superseded", key="a"))
    session.call("echo", key="b")
    assert not running._ended.wait(0.2)
    session.call("echo", key="a").result(PATIENCE)


def test_calls_made_while_the_service_loads_are_kept():
    with opened(spec={"load_s": 0.5}) as session:
        old, latest = session.call("echo", {"i": 0}, key="k"), session.call("echo", {"i": 1}, key="k")
        assert latest.result(PATIENCE) == {"i": 1} and old.state == "superseded"


# ------------------------------------------------------------------------------------------------ cancel
def test_a_cancel_that_is_honoured_keeps_the_process(session):
    pid = session.call("pid").result(PATIENCE)
    call = started(session.call("until_pointed"))
    session.cancel(call)
    with pytest.raises(errors.CallCancelled):
        call.result(PATIENCE)
    assert session.call("pid").result(PATIENCE) == pid


@pytest.mark.parametrize("method", ["sleep", "native"])
def test_a_cancel_that_is_not_honoured_costs_the_process(session, method):
    pid = session.call("pid").result(PATIENCE)
    call = started(session.call(method, {"s": 60}))
    waiting = session.call("echo", {"i": "after"})
    begin = time.monotonic()
    session.cancel(call)
    with pytest.raises(errors.CallCancelled):
        call.result(PATIENCE)
    took = time.monotonic() - begin
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert waiting.result(PATIENCE) == {"i": "after"}
    assert session.call("pid").result(PATIENCE) != pid
    assert took < 1.5  # 0.3 s on an idle machine, which the benchmark asserts


def test_a_killed_session_is_opened_again_without_being_asked(session):
    session.call("pid").result(PATIENCE)
    call = started(session.call("native", {"s": 60}))
    session.cancel(call)
    wait_for(lambda: call.state == "cancelled")
    wait_for(lambda: session._connection is not None)


def test_cancelling_a_queued_call_leaves_the_running_one_alone(session):
    running = started(session.call("sleep", {"s": 0.5}))
    queued = session.call("echo", {"i": 1})
    session.cancel(queued)
    with pytest.raises(errors.CallCancelled):
        queued.result(PATIENCE)
    assert running.result(PATIENCE) == "slept"


def test_cancelling_behind_a_stuck_call_answers_without_killing_it(session):
    running = started(session.call("native", {"s": 1.0}))
    queued = session.call("echo", {"i": 1})
    time.sleep(0.02)
    session.cancel(queued)
    with pytest.raises(errors.CallCancelled):
        queued.result(0.9)
    assert running.result(PATIENCE) is None


def test_cancel_while_the_service_loads_forever():
    with opened(spec={"load_s": 60}) as session:
        call = session.call("echo")
        wait_for(lambda: session._sent)
        session.cancel(call)
        with pytest.raises(errors.CallCancelled):
            call.result(PATIENCE)


def test_cancelling_what_has_ended_changes_nothing(session):
    call = session.call("echo", {"i": 1})
    assert call.result(PATIENCE) == {"i": 1}
    session.cancel(call)
    assert call.result() == {"i": 1}
    pid = session.call("pid").result(PATIENCE)
    time.sleep(0.35)
    assert session.call("pid").result(PATIENCE) == pid


def test_what_a_killed_service_started_dies_with_it(session):
    child = session.call("spawns").result(PATIENCE)
    call = started(session.call("native", {"s": 60}))
    session.cancel(call)
    wait_for(lambda: not psutil.pid_exists(child))


# ------------------------------------------------------------------------------------------------ errors and deaths
def test_worded_errors_keep_their_words_and_values(session):
    with pytest.raises(errors.CallFailed) as caught:
        session.call("raises", {"kind": "engine"}).result(PATIENCE)
    error = caught.value
    assert type(error).__name__ == "TooSmall" and error.params == {"points": 2, "needed": 3}
    assert (error.what, error.remedy) == ("The grid of {points} points is too small.", "Take more points.")
    assert str(error) == "The grid of 2 points is too small. Curvature needs 3. Take more points."
    assert "Traceback" in error.details


@pytest.mark.parametrize(("kind", "said"), [("plain", "ValueError: odd {thing}"), ("exit", "SystemExit: 3")])
def test_other_errors_are_told_and_the_session_goes_on(session, kind, said):
    with pytest.raises(errors.CallFailed) as caught:
        session.call("raises", {"kind": kind}).result(PATIENCE)
    assert said in str(caught.value)
    assert session.call("pid").result(PATIENCE)


@pytest.mark.parametrize("method", ["nonsense", "private", "__init__"])
def test_only_marked_methods_can_be_called(session, method):
    with pytest.raises(errors.CallFailed, match="has no method called"):
        session.call(method).result(PATIENCE)


@pytest.mark.parametrize(
    ("how", "kind"),
    [("kill", errors.SessionKilled), ("segfault", errors.SessionAborted), ("exit", errors.SessionEnded)],
)
def test_a_death_fails_the_running_call_and_the_next_reopens(session, how, kind):
    pid = session.call("pid").result(PATIENCE)
    dying = session.call("dies", {"how": how})
    behind = session.call("pid")
    with pytest.raises(kind):
        dying.result(PATIENCE)
    assert behind.result(PATIENCE) != pid


def test_a_death_quotes_the_last_lines(session):
    with pytest.raises(errors.SessionCrashed, match=r"code 5.*the reason why"):
        session.call("dies", {"how": "exit"}).result(PATIENCE)
    with pytest.raises(errors.SessionCrashed, match="Segmentation fault"):
        session.call("dies", {"how": "segfault"}).result(PATIENCE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_death_is_noticed_though_a_forked_child_lives_on(session):
    pid = session.call("pid").result(PATIENCE)
    children = psutil.Process(pid)
    with pytest.raises(errors.SessionEnded):
        session.call("leaves_child").result(5)
    for process in psutil.process_iter(["pid"]):
        try:
            if os.getsid(process.pid) == children.pid:
                process.kill()
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue


def test_a_service_that_cannot_be_built_says_why_each_time():
    with opened(spec={"refuse": True}) as session:
        for _ in range(2):
            with pytest.raises(EngineError, match="The grid of 1 points is too small"):
                session.call("echo").result(PATIENCE)


def test_a_service_that_crashes_while_it_is_built():
    with opened(spec={"crash": True}) as session, pytest.raises(errors.SessionEnded, match="code 7"):
        session.call("echo").result(PATIENCE)


def test_an_unknown_service_and_an_impossible_spec_are_told():
    with opened("nobody") as session, pytest.raises(errors.CallFailed, match="nobody"):
        session.call("echo").result(PATIENCE)
    with opened(spec={"x": object()}) as session, pytest.raises(errors.NotTransferable):
        session.call("echo").result(PATIENCE)


def test_an_interpreter_that_does_not_exist_is_told_each_time():
    with opened(launcher=lambda folders: (["/no/such/python"], {})) as session:
        for _ in range(2):
            with pytest.raises(errors.SessionNotStarted, match="no/such/python"):
                session.call("echo").result(PATIENCE)


# ------------------------------------------------------------------------------------------------ streams
def test_prints_and_native_output_stay_out_of_the_protocol(session):
    session.call("chatter", {"mib": 50}).result(PATIENCE)
    assert session.call("log_bytes").result(PATIENCE) <= 1 << 16
    assert session.call("echo", {"i": 1}).result(PATIENCE) == {"i": 1}


def test_what_the_interpreter_prints_at_start_is_skipped():
    with opened(launcher=fakes.noisy_launcher) as session:
        assert session.call("echo", {"i": 1}).result(PATIENCE) == {"i": 1}


def test_stdin_is_empty_for_users_code(session):
    assert session.call("read_stdin").result(PATIENCE) == ""


# ------------------------------------------------------------------------------------------------ life
def test_two_sessions_do_not_mind_each_other(session):
    with opened() as other:
        busy = started(session.call("sleep", {"s": 0.5}))
        assert other.call("pid").result(PATIENCE) != session.call("pid").result(PATIENCE)
        assert busy.state == "done"
        with pytest.raises(errors.SessionKilled):
            other.call("dies", {"how": "kill"}).result(PATIENCE)
        assert session.call("echo", {"i": 1}).result(PATIENCE) == {"i": 1}


def test_an_idle_session_leaves_and_comes_back_with_the_next_call():
    with opened(spec={"width": 3}, idle_s=0.2) as session:
        pid = session.call("pid").result(PATIENCE)
        wait_for(lambda: not psutil.pid_exists(pid))
        assert session.call("held").result(PATIENCE)["spec"] == {"width": 3}


def test_calls_that_meet_the_leaving_process_are_answered_by_the_next():
    with opened(idle_s=0.0) as session:
        for index in range(10):
            assert session.call("echo", {"i": index}).result(PATIENCE) == {"i": index}


def test_only_a_device_holder_leaves_for_a_waiting_run(tmp_path):
    with opened("on_device", runs=tmp_path / "cuda:0") as session:
        pid = session.call("pid").result(PATIENCE)
        wait_for(lambda: not psutil.pid_exists(pid))
        assert session.call("pid").result(PATIENCE) != pid
    for service, runs in (("fake", "cuda:0"), ("on_device", "cuda:1"), ("on_device", None)):
        with opened(service, runs=runs and tmp_path / runs) as session:
            pid = session.call("pid").result(PATIENCE)
            time.sleep(0.7)
            assert session.call("pid").result(PATIENCE) == pid


def test_close_fails_what_waits_and_removes_everything():
    before = leftovers()
    session = opened()
    pid = session.call("pid").result(PATIENCE)
    running, queued = started(session.call("native", {"s": 60})), session.call("echo")
    session.close(0.0)
    for call in (running, queued):
        with pytest.raises(errors.SessionClosed):
            call.result(PATIENCE)
    with pytest.raises(errors.SessionClosed):
        session.call("echo")
    wait_for(lambda: not psutil.pid_exists(pid) and leftovers() == before)


def test_close_before_the_process_has_started():
    session = opened()
    session.close(PATIENCE)
    session.close(PATIENCE)
    assert session._gone.is_set()


def test_a_result_may_be_waited_for_in_vain(session):
    call = session.call("sleep", {"s": 0.4})
    with pytest.raises(errors.CallTimeout, match=r"0\.05 s"):
        call.result(0.05)
    assert call.state == "waiting" and call.result(PATIENCE) == "slept"


CLIENT = """
import sys; sys.path[:0] = [{root!r}, {here!r}]
import numpy as np, time
import fakes
from engine.sessions.client import Session
session = Session.open("fake", launcher=fakes.launcher)
print(session.call("pid").result(30), flush=True)
session.call({method!r}, {{"s": 60}})
time.sleep(60)
"""


@pytest.mark.parametrize("method", ["echo", "sleep"])
def test_a_killed_client_takes_its_session_along(method):
    code = CLIENT.format(root=str(fakes.ROOT), here=str(Path(fakes.__file__).parent), method=method)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as client:
        pid = int(client.stdout.readline())
        assert len(leftovers(client.pid)) == len(folders.bases())
        client.kill()
    wait_for(lambda: not psutil.pid_exists(pid))
    assert leftovers(client.pid) == []


def test_folders_of_the_dead_are_swept_and_those_of_the_living_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "bases", lambda: [tmp_path])
    living = folders.SessionFolders()
    name = living.arrays[0].name
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    boot, _pid, start, token = name.removeprefix(folders._prefix()).split("-")
    reused, rebooted = f"{boot}-{os.getpid()}-0.00-{token}", f"otherbot-1-1.00-{token}"
    for dead in (f"{boot}-{child.pid}-{start}-{token}", reused, rebooted):
        (tmp_path / (folders._prefix() + dead)).mkdir()
    (tmp_path / "theodolite-of-somebody-else").mkdir()
    folders.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "theodolite-of-somebody-else"])


def test_a_full_shared_memory_falls_back_to_the_temporary_folder(tmp_path, monkeypatch):
    full, spare = tmp_path / "full", tmp_path / "spare"
    for folder in (full, spare):
        folder.mkdir()
    write = shared._write

    def limited(path, arrays):
        if path.parent == full:
            path.write_bytes(b"torn")
            raise OSError(28, "No space left on device")
        return write(path, arrays)

    monkeypatch.setattr(shared, "_write", limited)
    files = shared.ArrayFiles([full, spare])
    placed = files.put([np.arange(3.0)])
    assert Path(placed["file"]).parent == spare and not list(full.iterdir())
    np.testing.assert_array_equal(files.take(placed)[0], [0, 1, 2])
    with pytest.raises(errors.NoRoom, match="Free some space"):
        shared.ArrayFiles([full]).put([np.arange(3.0)])


def test_closing_in_the_middle_of_many_arrays_is_quiet():
    for _ in range(5):
        session = opened()
        session.call("pid").result(PATIENCE)
        call = session.call("count", {"n": 3000})
        started(call)
        session.close(PATIENCE)
        assert call.state == "failed" and leftovers() == []
