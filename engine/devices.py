"""Which devices can compute here: proven by a matrix product in a child process, remembered until the next boot."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from engine import device_probe
from engine.durable import write_atomic
from engine.runs.processes import boot_id

TIMEOUT = 120.0


class Device(BaseModel):
    """One device.

    Attributes:
        name: as torch names it: "cpu", "cuda:0", "mps". title: for people. memory: bytes, None when unknown.
        usable: whether a matrix product on it came out right. reason: why not, "" when usable.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    title: str
    memory: int | None = None
    usable: bool = True
    reason: str = ""


CPU = Device(name="cpu", title="Processor")
_LIST = TypeAdapter(list[Device])

_SCRIPT = Path(device_probe.__file__)


def discover(interpreter: str | None = None, *, timeout: float = TIMEOUT, cache: Path | None = None) -> list[Device]:
    """All devices, the processor last; asks a child process once for each boot and interpreter.

    Where the interpreter has no torch, or a broken one, the processor is all there is, and is not usable.

    Args:
        interpreter: path of the Python that will compute, None for this one.
        timeout: seconds for the child, which imports torch. cache: folder for the answer, None for the user's.
    """
    file = _cache_file(interpreter, cache)
    known = _read(file)
    if known is not None:
        return known
    found = _probe(interpreter or sys.executable, timeout)
    if not found[-1].usable:
        return found  # torch may be there, or answer, the next time
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, _LIST.dump_json(found), sync=False)
    except OSError:
        pass
    return found


def accelerators(interpreter: str | None = None, cache: Path | None = None) -> list[str]:
    """Names of the usable accelerators; quick, except at the first call after a boot where there may be some."""
    found = discover(interpreter, cache=cache) if any(map(_exists, _TRACES)) else []
    return [device.name for device in found if device.usable and device.name != CPU.name]


# Files that are there when a driver is: NVIDIA, AMD, WSL, Windows; Apple's own processors have theirs built in.
_TRACES = (
    "/dev/nvidiactl",
    "/dev/kfd",
    "/dev/dxg",
    "C:\\Windows\\System32\\nvcuda.dll",
    "/System/Library/Extensions/AGXG*",
)


def _exists(pattern: str) -> bool:
    return bool(glob.glob(pattern))


def _probe(interpreter: str, timeout: float) -> list[Device]:
    if getattr(sys, "frozen", False) and interpreter == sys.executable:
        arguments = [interpreter, "--worker", "--devices"]
    else:
        arguments = [interpreter, "-P", str(_SCRIPT)]
    output, trouble = b"", ""
    try:
        done = subprocess.run(arguments, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)
        output = done.stdout
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            trouble = said[-1] if said else "the test of devices crashed"
    except subprocess.TimeoutExpired as error:
        output, trouble = error.stdout or b"", f"it did not answer within {timeout:.0f} s"
    except OSError as error:
        trouble = f"{interpreter} cannot be run ({error.strerror})"
    found = _parse(output)
    # The processor is proven first: trouble after that is of an accelerator.
    cpu = found.pop(CPU.name, None)
    if cpu is None:
        return [CPU.model_copy(update={"usable": False, "reason": trouble or "the test of devices said nothing"})]
    if trouble:
        found[""] = Device(name="accelerator", title="Accelerator", usable=False, reason=trouble)
    return [*found.values(), cpu]


def _parse(output: bytes) -> dict[str, Device]:
    found = {}
    for line in output.splitlines():
        try:
            device = Device.model_validate(json.loads(line))
        except (ValueError, ValidationError):
            continue
        found[device.name] = device
    return found


def _cache_file(interpreter: str | None, cache: Path | None) -> Path:
    program = Path(interpreter or sys.executable)
    try:
        changed = program.stat().st_mtime_ns
    except OSError:
        changed = 0
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    key = hashlib.blake2b(f"{boot_id()}\0{program}\0{changed}\0{hidden}".encode(), digest_size=8).hexdigest()
    return (cache or Path(platformdirs.user_cache_dir("theodolite", False))) / f"devices-{key}.json"


def _read(file: Path) -> list[Device] | None:
    try:
        return _LIST.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
