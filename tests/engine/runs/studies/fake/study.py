"""The tiny tasks."""

import ctypes
import errno
import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np

from engine.studies.contract import Cost

from .config import Act, Sum, Walk


class WalkTask:
    """Units of seeded steps; position and generator state travel in the checkpoint."""

    Config = Walk

    def estimate(self, config):
        return Cost(seconds=config.units * config.steps * config.pause)

    def run(self, config, run):
        state = run.restored() or {"position": 0.0, "path": np.empty(0)}
        position, path = float(state["position"]), state["path"]
        for unit in run.units(config.units):
            generator = np.random.default_rng(unit.seed)
            for step in range(config.steps):
                run.point()
                if config.pause:
                    time.sleep(config.pause)
                position += generator.normal()
                path = np.append(path, position)
                run.measure("fake_position", position, step=unit.index * config.steps + step, side="left")
                run.progress(unit.index * config.steps + step + 1, config.units * config.steps, f"unit {unit.label}")
                if unit.index == config.die_in and not (run.folder / "died").exists():
                    (run.folder / "died").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            run.publish("walk", {"x": path})
            run.checkpoint({"position": position, "path": path})
        run.measure("fake_total", position)
        run.publish("walk", {"x": path}, complete=True)


class SumTask:
    """Adds up its input."""

    Config = Sum

    def estimate(self, config):
        return Cost()

    def run(self, config, run):
        table = run.input(config.walk)
        run.measure("fake_total", table["x"].sum(), n=len(table["x"]), interval=(0.0, 1.0), split="all")
        run.measure("fake_total", sum(len(run.input(other)["x"]) for other in config.others), split="others")


class ActTask:
    """One odd thing each."""

    Config = Act

    def estimate(self, config):
        return Cost()

    def run(self, config, run):
        getattr(self, config.what)(config, run)

    def nothing(self, config, run):
        run.progress(1, 1)

    def raise_key(self, config, run):
        raise KeyError("the key")

    def memory(self, config, run):
        raise MemoryError

    def full(self, config, run):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/file")

    def fill(self, config, run):
        """Publish until the disk is full."""
        for step in range(10_000):
            run.publish("big", {"x": np.arange(config.amount) + 0.5}, kind="table")
            run.measure("fake_position", step, step=step)
            run.checkpoint({"step": step})

    def missing(self, config, run):
        import a_package_that_nobody_has  # noqa: F401

    def segfault(self, config, run):
        ctypes.string_at(0)

    def exit(self, config, run):
        os._exit(config.amount)

    def shout(self, config, run):
        for _ in range(config.amount):
            os.write(1, b"x" * 99_999 + b"\n")
        print("the end")

    def native(self, config, run):
        """One call that never comes back to Python."""
        run.progress(0, 1, "inside")
        hashlib.pbkdf2_hmac("sha512", b"a", b"b", 2_000_000_000)

    def hold_lock(self, config, run):
        """A native call that keeps the interpreter's lock."""
        run.progress(0, 1, "inside")
        ctypes.PyDLL(None).sleep(600)

    def family(self, config, run):
        children = [
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=odd)
            for odd in (False, True)
        ]
        run.progress(0, 1, ",".join(str(child.pid) for child in children))
        while True:
            time.sleep(0.01)
            run.point()

    def paths(self, config, run):
        import engine

        print("\n".join([engine.__file__, os.getcwd(), *sys.path]))
        run.warn("engine is {file}", file=engine.__file__)
        run.warn("engine is {file}", file=engine.__file__)

    def unregistered(self, config, run):
        run.measure("nobody_knows_it", 1.0)

    def wait(self, config, run):
        while True:
            time.sleep(0.002)
            run.point()


TASKS = (WalkTask(), SumTask(), ActTask())
