"""Services that misbehave in every way a real one may, and the process that serves them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def launcher(folders):
    """Command line and environment of a session of these fakes."""
    return [sys.executable, "-P", __file__, *map(str, folders)], dict(os.environ)


def noisy_launcher(folders):
    """The same, by an interpreter whose start-up prints."""
    return [sys.executable, "-P", __file__, "--noise", *map(str, folders)], dict(os.environ)


def serve():
    sys.path.insert(0, str(ROOT))
    import numpy as np

    from engine.errors import EngineError
    from engine.sessions import server
    from engine.sessions.service import method

    class TooSmall(EngineError):
        what = "The grid of {points} points is too small."
        why = "Curvature needs {needed}."
        remedy = "Take more points."

    class Fake:
        device = "cpu"

        def __init__(self, spec, inputs):
            self.spec, self.inputs = spec, inputs
            self.device = spec.get("device", self.device)
            time.sleep(spec.get("load_s", 0))
            if spec.get("refuse"):
                raise TooSmall(points=1, needed=3)
            if spec.get("crash"):
                os._exit(7)

        @method
        def pid(self, params, context):
            return os.getpid()

        @method
        def echo(self, params, context):
            return params

        @method
        def tf32(self, params, context):
            torch = sys.modules.get("torch")
            return torch and [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32]

        @method
        def held(self, params, context):
            return {"spec": self.spec, "inputs": self.inputs}

        @method
        def count(self, params, context):
            for index in range(params["n"]):
                context.partial({"index": index, "array": np.full(3, index)})
            return "counted"

        @method
        def until_superseded(self, params, context):
            context.partial("started")
            while not context.superseded():
                time.sleep(0.002)
            return "left early"

        @method
        def until_pointed(self, params, context):
            context.partial("started")
            while True:
                context.point()
                time.sleep(0.002)

        @method
        def sleep(self, params, context):
            context.partial("started")
            time.sleep(params["s"])
            return "slept"

        @method
        def native(self, params, context):
            """Never lets go of the interpreter, as a long computation in a library may."""
            context.partial("started")
            ctypes.PyDLL(None).usleep(int(params["s"] * 1e6))

        @method
        def chatter(self, params, context):
            line = "x" * 1023 + "\n"
            for _ in range(int(params["mib"]) * 512):
                sys.stdout.write(line)
                os.write(1, line.encode())
            return len(os.listdir("."))

        @method
        def log_bytes(self, params, context):
            return os.fstat(1).st_size

        @method
        def read_stdin(self, params, context):
            return sys.stdin.read()

        @method
        def raises(self, params, context):
            raise {"engine": TooSmall(points=2, needed=3), "plain": ValueError("odd {thing}"), "exit": SystemExit(3)}[
                params["kind"]
            ]

        @method
        def dies(self, params, context):
            context.partial("started")
            if params["how"] == "segfault":
                ctypes.string_at(0)
            if params["how"] == "exit":
                sys.stderr.write("the reason why\n")
                os._exit(5)
            os.kill(os.getpid(), signal.SIGKILL)

        @method
        def leaves_child(self, params, context):
            """A child that was forked, not executed, holds copies of the descriptors of its parent."""
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            os._exit(5)

        @method
        def spawns(self, params, context):
            return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid

        @method
        def big(self, params, context):
            return {"big": np.arange(params["n"], dtype=np.float64)}

        @method
        def unsendable(self, params, context):
            return {"value": object()}

        def private(self, params, context):
            return "not a session method"

    class OnDevice(Fake):
        device = "cuda:0"

    arguments = sys.argv[1:]
    if arguments[0] == "--noise":
        print("Welcome to a talkative interpreter", end="")
    folders = [argument for argument in arguments if not argument.startswith("--")]
    server.main(folders, {"fake": Fake, "on_device": OnDevice}.__getitem__, lambda runs, device: runs.name == device)


if __name__ == "__main__":
    serve()
