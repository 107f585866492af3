"""Identities of processes."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from engine.runs import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def child():
    with subprocess.Popen(SLEEP, start_new_session=True) as popen:
        yield popen
        popen.kill()


def test_a_process_is_alive_until_it_is_not(child):
    found = processes.process(child.pid)
    assert found.alive() and found.here
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not found.alive()
    child.wait()
    assert not found.alive()
    assert processes.process(child.pid) is None


@pytest.mark.skipif(not processes.LINUX, reason="reads /proc")
def test_a_process_whose_first_thread_has_ended_still_lives():
    code = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "print(flush=True); ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as popen:
        popen.stdout.readline()
        found, end = processes.process(popen.pid), time.monotonic() + 5
        while psutil.Process(popen.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
            time.sleep(0.01)
        assert psutil.Process(popen.pid).status() == psutil.STATUS_ZOMBIE
        assert found.alive()
        popen.kill()
    assert not found.alive()


def test_the_same_number_with_another_start_is_another_process():
    me = processes.this_process()
    assert me.alive()
    assert not me.model_copy(update={"start_time": me.start_time - 1}).alive()


def test_after_a_restart_nobody_lives():
    me = processes.this_process()
    assert not me.model_copy(update={"boot_id": "another"}).alive()
    assert not me.model_copy(update={"host": "elsewhere"}).alive()


def test_the_start_time_does_not_move_with_the_clock():
    me = processes.this_process()
    assert me.start_time == processes.this_process().start_time
    assert abs(me.start_time + psutil.boot_time() - psutil.Process().create_time()) < 2


TREE = """
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=odd)
            for odd in (False, True)]
print(*[child.pid for child in children], flush=True)
time.sleep(60)
"""


def gone(pid):
    found = processes.process(pid)
    end = time.monotonic() + 2
    while found is not None and found.alive() and time.monotonic() < end:
        time.sleep(0.01)
    return found is None or not found.alive()


def test_a_tree_is_killed_whole_and_fast():
    with subprocess.Popen([sys.executable, "-c", TREE], stdout=subprocess.PIPE, start_new_session=True) as top:
        pids = [int(word) for word in top.stdout.readline().split()]
        began = time.monotonic()
        assert processes.kill_tree(processes.process(top.pid))
        assert time.monotonic() - began < 0.3
    assert all(gone(pid) for pid in pids)


def test_what_a_dead_process_left_in_its_group_is_killed():
    with subprocess.Popen([sys.executable, "-c", TREE], stdout=subprocess.PIPE, start_new_session=True) as top:
        mine, other = [int(word) for word in top.stdout.readline().split()]
        worker = processes.process(top.pid)
        processes.kill_orphans(worker)
        assert worker.alive()  # nothing happens to the living
        top.kill()
        top.wait()
    try:
        processes.kill_orphans(worker)
        assert gone(mine)
        assert not gone(other)
    finally:
        os.kill(other, signal.SIGKILL)


def test_killing_the_dead_is_no_error(child):
    found = processes.process(child.pid)
    child.kill()
    child.wait()
    assert processes.kill_tree(found)


@pytest.mark.skipif(not processes.LINUX, reason="the count is the kernel's")
def test_the_kernel_counts_out_of_memory_kills(monkeypatch, tmp_path):
    assert processes.oom_kills() >= 0
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    monkeypatch.setattr(processes, "_oom_files", lambda: [tmp_path / "missing", tmp_path / "memory.events"])
    assert processes.oom_kills() == 2
