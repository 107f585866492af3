"""What the bootstrap says of a machine that does not fit, and how it mends one that can be mended."""

import ast
import os
import platform
import runpy
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from steps import machine, probe
from steps.machine import Refusal

ROOT = Path(__file__).parents[2]
BOOTSTRAP = ROOT / "packaging" / "bootstrap.py"


# ----------------------------------------------------------------------------------------------------------- Python
def test_bootstrap_itself_is_readable_by_old_pythons() -> None:
    ast.parse(BOOTSTRAP.read_text(), feature_version=(3, 4))


def test_old_python_is_named_with_the_way_out(
    fake_program: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(BOOTSTRAP))["main"]
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert main() == 2
    said = capsys.readouterr().err
    assert "needs Python 3.11, 3.12 or 3.13; this is 3.9" in said and "python3.11-venv" in said


def test_old_python_hands_over_to_a_newer_one(fake_program, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_program("python3.12")
    main = runpy.run_path(str(BOOTSTRAP))["main"]
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(sys, "argv", ["packaging/bootstrap.py", "run", "--", "a b.py"])
    assert main() == 0
    assert "packaging/bootstrap.py run -- a b.py" in log.read_text()


def test_broken_newer_python_is_passed_over(fake_program, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program("python3.13", code=127)
    fake_program("python3.11")
    assert runpy.run_path(str(BOOTSTRAP))["newer_python"]().endswith("python3.11")


def test_run_without_display_says_so_at_once() -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run([sys.executable, str(BOOTSTRAP), "run"], capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "no display" in done.stderr and "theodolite-engine run landscape" in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------------------------------------------------- machine
def test_this_machine_fits() -> None:
    machine.check()


def test_32_bits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(struct, "calcsize", lambda _: 4)
    with pytest.raises(Refusal, match="32-bit"):
        machine.check()


@pytest.mark.parametrize(
    ("libc", "named"),
    [(("glibc", "2.31"), "glibc 2.31"), (("glibc", "2.9"), "glibc 2.9"), (("", ""), "another C library")],
)
def test_old_or_other_c_library_is_refused(monkeypatch: pytest.MonkeyPatch, libc: tuple[str, str], named: str) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    with pytest.raises(Refusal, match=f"2.35 or newer.*{named}"):
        machine.check()


def test_intel_mac_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(Refusal, match="Apple silicon"):
        machine.check()


@pytest.mark.parametrize("variable", ["DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"])
def test_display(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert not machine.has_display()
    monkeypatch.setenv(variable, "x")
    assert machine.has_display()


# ------------------------------------------------------------------------------------------------- what is missing
def test_root_on_debian_gets_it_installed(fake_program, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_program("apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    machine.require_program("Xvfb", "xvfb")
    assert log.read_text().splitlines() == ["update", "install -y --no-install-recommends xvfb"]


def test_failing_apt_is_reported_with_the_line(fake_program, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program("apt-get", code=100)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Refusal, match="apt-get update && apt-get install -y --no-install-recommends xvfb"):
        machine.require_program("Xvfb", "xvfb")


def test_user_on_debian_gets_one_line_to_copy(fake_program, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_program("apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refusal) as refusal:
        machine.require_program("Xvfb", "xvfb")
    lines = [line for line in str(refusal.value).splitlines() if "sudo" in line]
    assert lines == ["    sudo apt-get install -y --no-install-recommends xvfb"]
    assert not log.exists()


def test_fedora_is_asked_by_the_names_of_the_libraries(fake_program, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program("dnf")
    monkeypatch.setattr(machine, "_missing", lambda python: ["libusb-1.0.so.0", "libxcb-icccm.so.4"])
    with pytest.raises(
        Refusal, match=r"sudo dnf install 'libusb-1.0.so.0\(\)\(64bit\)' 'libxcb-icccm.so.4\(\)\(64bit\)'"
    ):
        machine.require_libraries(Path("python"))


def test_missing_libraries_are_installed_by_package(fake_program, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_program("apt-get")
    answers = iter([["libusb-1.0.so.0", "libxcb-icccm.so.4"], []])
    monkeypatch.setattr(machine, "_missing", lambda python: next(answers))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    machine.require_libraries(Path("python"))
    assert log.read_text().splitlines()[1].endswith("libusb-1.0-0 libxcb-icccm4")


def test_library_that_stays_missing_is_named(fake_program, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program("apt-get")
    monkeypatch.setattr(machine, "_missing", lambda python: ["libusb-1.0.so.0"])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Refusal, match=r"still missing: libusb-1\.0\.so\.0"):
        machine.require_libraries(Path("python"))


def test_python_without_venv_gets_the_package(fake_program, monkeypatch: pytest.MonkeyPatch) -> None:
    python = fake_program("python3", code=1).with_suffix("")
    fake_program("apt-get")
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    with pytest.raises(Refusal, match=f"sudo apt-get install -y --no-install-recommends {version}"):
        machine.require_venv()


# ------------------------------------------------------------------------------------------------------------ probe
def qt_plugin() -> Path:
    return Path(sysconfig.get_path("purelib")) / "PySide6" / "Qt" / "plugins" / "platforms" / "libqxcb.so"


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the probe is for Linux")


@linux_only
def test_probe_finds_nothing_missing_here() -> None:
    assert machine._missing(Path(sys.executable)) == []


@linux_only
def test_probe_names_all_libraries_that_are_missing(tmp_path: Path) -> None:
    broken = tmp_path / "plugin.so"
    spoilt = qt_plugin().read_bytes().replace(b"libxcb-icccm.so.4", b"libxcb-icccz.so.4")
    broken.write_bytes(spoilt.replace(b"libxcb-keysyms.so.1", b"libxcb-keysymz.so.1"))
    assert {"libxcb-icccz.so.4", "libxcb-keysymz.so.1"} <= probe.missing(broken)


@linux_only
def test_probe_does_not_take_a_broken_file_for_a_missing_library(tmp_path: Path) -> None:
    (tmp_path / "plugin.so").write_bytes(b"not a library")
    with pytest.raises(OSError, match=r"plugin\.so"):
        probe.missing(tmp_path / "plugin.so")
