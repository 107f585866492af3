"""Which process is it, is it alive, how did it die: identities that survive the reuse of process numbers."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

LINUX = sys.platform.startswith("linux")


class Process(BaseModel):
    """One process of one boot of one machine.

    Attributes:
        pid: its number. start_time: seconds since boot (Linux) or since 1970 (elsewhere). host: the machine's name.
        boot_id: differs after each restart of the machine; "" where the system has none.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    start_time: float
    host: str
    boot_id: str

    @property
    def here(self) -> bool:
        """Whether it is (or was) on this machine."""
        return self.host == host()

    @property
    def same_boot(self) -> bool:
        """Whether the machine has not been restarted since."""
        return self.here and self.boot_id == boot_id()

    def alive(self) -> bool:
        """Whether it still runs on this machine; a zombie does not."""
        if not self.same_boot:
            return False
        now = _start_time(self.pid)
        return now is not None and abs(now - self.start_time) < 0.5


@functools.cache
def host() -> str:
    """This machine's name."""
    return socket.gethostname()


@functools.cache
def boot_id() -> str:
    """The identity of this boot of the machine."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def process(pid: int) -> Process | None:
    """The process that has the number ``pid`` now; None when there is none."""
    start = _start_time(pid)
    return None if start is None else Process(pid=pid, start_time=start, host=host(), boot_id=boot_id())


def this_process() -> Process:
    """The calling process."""
    found = process(os.getpid())
    assert found is not None
    return found


def _start_time(pid: int) -> float | None:
    """When the process began; None when there is none or it is a zombie."""
    if LINUX:
        # psutil's create_time moves with the wall clock; the kernel's tick count does not.
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        fields = stat[stat.rindex(b")") + 2 :].split()
        state, threads, ticks = fields[0], int(fields[17]), int(fields[19])
        # A zombie with threads is one whose first thread has ended before the others.
        dead = state == b"X" or (state == b"Z" and threads <= 1)
        return None if dead else ticks / os.sysconf("SC_CLK_TCK")
    try:
        found = psutil.Process(pid)
        return None if found.status() == psutil.STATUS_ZOMBIE else found.create_time()
    except psutil.Error:
        return None


def kill_tree(target: Process, timeout: float = 0.3) -> bool:
    """Kill a process, its children and its process group; True when it is gone within ``timeout`` seconds."""
    if not target.alive():
        return True
    for _ in range(3):  # children may be born while we look
        victims = _tree(target.pid)
        if target.pid != os.getpid() and sys.platform != "win32":
            _kill_group(target.pid)
        for victim in victims:
            with contextlib.suppress(psutil.Error):
                victim.kill()
        if len(victims) <= 1:
            break
    end = time.monotonic() + timeout
    while target.alive():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def kill_orphans(dead: Process) -> None:
    """Kill what a dead process left behind in its group. Its number is not given to others while that lives."""
    if dead.same_boot and not dead.alive() and sys.platform != "win32" and not psutil.pid_exists(dead.pid):
        with contextlib.suppress(OSError):
            os.killpg(dead.pid, signal.SIGKILL)


def kill_children() -> None:
    """Kill all that the calling process started."""
    for victim in _tree(os.getpid())[1:]:
        with contextlib.suppress(psutil.Error):
            victim.kill()


def _tree(pid: int) -> list[psutil.Process]:
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.Error:
        return []


if sys.platform != "win32":

    def _kill_group(pid: int) -> None:
        # Workers lead their own session; a group of another number is not ours to kill.
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)


def oom_kills() -> int | None:
    """How many processes the kernel killed for want of memory, in this control group or else on this machine."""
    for path in _oom_files():
        with contextlib.suppress(OSError, ValueError):
            for line in path.read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
    return None


def _oom_files() -> list[Path]:
    files: list[Path] = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                files.append(Path(f"/sys/fs/cgroup{path}/memory.events"))
            elif "memory" in controllers.split(","):
                files.append(Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control"))
    return [*files, Path("/proc/vmstat")]
