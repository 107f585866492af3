"""What the machine itself must offer: processor, C library, display, programs and libraries of the system."""

from __future__ import annotations

import json
import os
import platform
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

GLIBC = (2, 35)  # open3d's wheels need it

# What Debian and Ubuntu call the package of a library that Qt or Open3D loads; elsewhere the library's name says it.
DEBIAN = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libOpenGL.so.0": "libopengl0",
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libXext.so.6": "libxext6",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libgomp.so.1": "libgomp1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libbrotlidec.so.1": "libbrotli1",
    "libbrotlicommon.so.1": "libbrotli1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
}


class Refusal(Exception):
    """Why the bootstrap goes no further, and what to do about it; shown as it is."""


def check() -> None:
    """Refuse a machine for which there are no wheels.

    Raises:
        Refusal: a 32-bit Python, an Intel Mac, a Linux that is too old or not built on glibc.
    """
    if struct.calcsize("P") != 8:
        raise Refusal("This Python is a 32-bit program; torch needs 64 bits. Install a 64-bit Python and use that.")
    if sys.platform == "darwin" and platform.machine() != "arm64":
        raise Refusal("There is no torch 2.13 for Macs with an Intel processor; Theodolite needs Apple silicon.")
    if sys.platform == "linux":
        name, version = platform.libc_ver()
        found = tuple(int(part) for part in version.split(".")[:2]) if name == "glibc" else ()
        if found < GLIBC:
            here = f"glibc {version}" if found else "another C library"
            raise Refusal(
                f"Theodolite needs glibc 2.35 or newer (Ubuntu 22.04, Debian 12 or later); this system has {here}."
                " Run it on a newer system or in a container of one."
            )


def has_display() -> bool:
    """Whether a window can be opened, or the user chose a Qt platform that needs none."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in names)


def require_venv() -> None:
    """See to it that this Python can make virtual environments.

    Raises:
        Refusal: it can't, and nothing could be installed.
    """
    command = [sys.executable, "-c", "import ensurepip, venv"]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    _provide([f"{version}-venv"], [], f"This Python ({sys.executable}) has no venv and ensurepip")
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        raise Refusal(f"This Python ({sys.executable}) has no venv and ensurepip; use another Python 3.11 to 3.13.")


def require_program(name: str, package: str) -> None:
    """See to it that a program is there.

    Raises:
        Refusal: it is not, and could not be installed.
    """
    if sys.platform == "linux" and not shutil.which(name):
        _provide([package], [f"/usr/bin/{name}"], f"{name} is missing, in which the window tests run")


def require_libraries(python: Path) -> None:
    """See to it that Qt and Open3D load, by loading them in a child of ``python``.

    Raises:
        Refusal: libraries of the system are missing and could not be installed.
    """
    missing = _missing(python)
    if missing:
        packages = sorted({DEBIAN[name] for name in missing if name in DEBIAN})
        reason = f"Libraries of the system are missing that Qt or Open3D loads: {', '.join(missing)}"
        _provide(packages, [f"{name}()(64bit)" for name in missing], reason)
        if left := _missing(python):
            raise Refusal(f"{reason}. After installing {' '.join(packages)}, still missing: {', '.join(left)}.")


def _missing(python: Path) -> list[str]:
    if sys.platform != "linux":
        return []
    probe = Path(__file__).with_name("probe.py")
    done = subprocess.run([str(python), "-I", str(probe)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refusal(f"Qt or Open3D does not load, and not for want of a library:\n{done.stderr.strip()[-2000:]}")
    return list(json.loads(done.stdout.splitlines()[-1]))


def _provide(debian: Sequence[str], redhat: Sequence[str], reason: str) -> None:
    """Install packages of the system where that is ours to do (root on Debian), else say the one line that does."""
    apt = ["apt-get", "install", "-y", "--no-install-recommends", *debian]
    if shutil.which("apt-get") and debian:
        if os.geteuid() != 0:
            raise Refusal(f"{reason}.\nInstall what is missing and start again:\n    sudo {' '.join(apt)}")
        print(f"{reason}: installing {' '.join(debian)}", file=sys.stderr)
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True, "text": True}
        subprocess.run(["apt-get", "update"], check=False, **quiet)
        done = subprocess.run(apt, check=False, **quiet)
        if done.returncode != 0:
            raise Refusal(
                f"{reason}, and installing failed: {done.stderr.strip()[-500:]}\n"
                f"Start again after this succeeds:\n    apt-get update && {' '.join(apt)}"
            )
        return
    for tool in ("dnf", "zypper"):
        if shutil.which(tool) and redhat:
            line = " ".join([tool, "install", *(f"'{name}'" for name in redhat)])
            raise Refusal(f"{reason}.\nInstall what is missing and start again:\n    sudo {line}")
    raise Refusal(f"{reason}.\nInstall the packages of your system that carry it, and start again.")
