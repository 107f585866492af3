"""Devices: each proven, the answer remembered, a broken driver survived."""

import json
import os
import sys
from pathlib import Path

import pytest

from engine import device_probe, devices


def interpreter(tmp_path, script):
    """A stand-in for a Python whose torch sees other devices."""
    path, code = tmp_path / "python", tmp_path / "code.py"
    code.write_text(script)
    # Not as "#!python": a path with a space in it cannot stand there.
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{code}"\n')
    path.chmod(0o700)
    return str(path)


@pytest.fixture(autouse=True)
def a_trace_of_a_driver(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_TRACES", (str(tmp_path),))


CPU = f"print({devices.CPU.model_dump_json()!r}, flush=True); "
LINE = {"name": "cuda:0", "title": "A GPU", "memory": 80 << 30, "usable": True, "reason": ""}


def test_usable_devices_come_first_and_are_remembered(tmp_path):
    bad = {**LINE, "name": "cuda:1", "usable": False, "reason": "a matrix product on it came out wrong"}
    python = interpreter(tmp_path, CPU + f"print('noise'); print({json.dumps(LINE)!r}); print({json.dumps(bad)!r})")
    found = devices.discover(python, cache=tmp_path)
    assert [(device.name, device.usable) for device in found] == [("cuda:0", True), ("cuda:1", False), ("cpu", True)]
    assert found[0].memory == 80 << 30 and found[1].reason
    assert devices.accelerators(python, tmp_path) == ["cuda:0"]
    stamp = Path(python).stat()
    Path(python).write_text("#!/bin/false")
    os.utime(python, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert devices.discover(python, cache=tmp_path) == found  # from the cache: it would fail now


def test_another_interpreter_or_boot_is_asked_anew(tmp_path, monkeypatch):
    python = interpreter(tmp_path, CPU + f"print({json.dumps(LINE)!r})")
    assert devices.accelerators(python, tmp_path) == ["cuda:0"]
    interpreter(tmp_path, CPU)
    assert devices.accelerators(python, tmp_path) == []  # the file changed
    interpreter(tmp_path, CPU + f"print({json.dumps(LINE)!r})")
    monkeypatch.setattr(devices, "boot_id", lambda: "another")
    assert devices.accelerators(python, tmp_path) == ["cuda:0"]


def test_without_a_trace_of_a_driver_nobody_is_asked(tmp_path, monkeypatch):
    python = interpreter(tmp_path, CPU + f"print({json.dumps(LINE)!r})")
    monkeypatch.setattr(devices, "_TRACES", (str(tmp_path / "nvidia*"),))
    assert devices.accelerators(python, tmp_path) == []
    assert list(tmp_path.glob("devices-*")) == []
    (tmp_path / "nvidiactl").touch()
    assert devices.accelerators(python, tmp_path) == ["cuda:0"]


TROUBLE = [
    ("import time; time.sleep(60)", "did not answer within 0 s"),
    ("import os; os.abort()", "crashed"),
    ("raise ImportError('No module named torch')", "No module named torch"),
]


@pytest.mark.parametrize(("script", "reason"), TROUBLE)
def test_a_broken_driver_is_survived_and_named(tmp_path, script, reason):
    found = devices.discover(interpreter(tmp_path, CPU + script), cache=tmp_path, timeout=0.4)
    assert [device.usable for device in found] == [False, True]
    assert reason in found[0].reason
    assert found[-1] == devices.CPU


@pytest.mark.parametrize(("script", "reason"), [*TROUBLE, ("pass", "said nothing")])
def test_a_processor_that_is_not_proven_is_not_usable(tmp_path, script, reason):
    """A torch for another processor dies of an illegal instruction, a broken one raises or hangs."""
    (only,) = devices.discover(interpreter(tmp_path, script), cache=tmp_path / "cache", timeout=0.4)
    assert only.name == "cpu" and not only.usable and reason in only.reason
    assert not (tmp_path / "cache").exists()  # it may be mended: asked again


def test_an_interpreter_that_is_not_there_can_compute_nothing(tmp_path):
    (only,) = devices.discover(str(tmp_path / "nothing"), cache=tmp_path)
    assert only.name == "cpu" and not only.usable and "cannot be run" in only.reason


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    assert devices.discover(interpreter(tmp_path, CPU), cache=tmp_path / "file") == [devices.CPU]


@pytest.mark.parametrize(
    ("torch", "reason"),
    [
        ("raise ModuleNotFoundError(\"No module named 'torch'\")", "No module named 'torch'"),
        ("raise OSError('libtorch_cpu.so: cannot open shared object file')", "libtorch_cpu.so"),
    ],
)
def test_without_a_whole_torch_nothing_is_usable_and_nothing_is_remembered(tmp_path, torch, reason):
    (tmp_path / "torch.py").write_text(torch)
    here = str(Path(devices.__file__).parents[1])
    script = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {here!r}]\n"
    python = interpreter(tmp_path, script + "from engine import device_probe; device_probe.main()")
    (only,) = devices.discover(python, cache=tmp_path / "cache")
    assert only.name == "cpu" and not only.usable
    assert "torch is missing or broken" in only.reason and reason in only.reason
    assert not (tmp_path / "cache").exists()


def test_the_proof_is_a_product_that_must_be_exact():
    torch = pytest.importorskip("torch")
    assert device_probe.prove("cpu") == ""
    to = torch.Tensor.to
    try:
        torch.Tensor.to = lambda self, name, kind: to(self, kind) + 1e-3
        assert "wrong" in device_probe.prove("cpu")
    finally:
        torch.Tensor.to = to


def test_a_wrong_product_of_the_processor_is_said(monkeypatch, capsys):
    monkeypatch.setattr(device_probe, "prove", lambda name: "a matrix product on it came out wrong")
    device_probe.main()
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["name"] == "cpu" and first["usable"] is False and "wrong" in first["reason"]


def test_the_real_interpreter_answers(tmp_path):
    found = devices.discover(cache=tmp_path)
    assert found[-1] == devices.CPU
    assert all(device.usable or device.reason for device in found)
