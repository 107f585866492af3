"""The environment: made once from the lock, checked by importing all of it, skipped while nothing has changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from steps import machine
from steps.machine import Refusal

USERS = ("torch", "core", "bare")
TESTS = (*USERS, "test", "dev")
STAMP = "theodolite.json"  # what was installed; there only when it is whole
UNFINISHED = "unfinished"  # there while an installation is under way, and after an interrupted one
GIGABYTES = {"cpu": 4, "cuda": 14}
OFFLINE = re.compile(
    r"name resolution|Name or service not known|nodename nor servname|getaddrinfo|Network is unreachable|ConnectTimeout"
    r"|NewConnectionError|Connection refused|ProxyError|No route to host|\(from versions: none\)"
    r"|no matching distributions available|ResolutionImpossible"  # what pip says of a locked version that it can't find
)


def read_lock(path: Path) -> dict[str, list[str]]:
    """Group -> requirement lines of a lock file; a line ``# group: NAME`` begins a group."""
    groups: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# group:"):
            groups[line.removeprefix("# group:").strip()] = current = []
        elif line.strip() and not line.startswith("#"):
            current.append(line.strip())
    return groups


def place(root: Path, *, create: bool = True) -> Path:
    """Where the environment is: .venv in the checkout, or in the user's data folder where that is read-only."""
    local = root / ".venv"
    if local.exists() and os.access(local, os.W_OK):
        return local
    try:
        if create:
            local.mkdir()
        elif not os.access(root, os.W_OK):
            raise PermissionError(root)
        return local
    except OSError:
        data = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "share"
        digest = hashlib.sha256(str(root).encode()).hexdigest()[:8]
        return Path(data) / "theodolite" / f"venv-{digest}"


def script(venv: Path, name: str) -> Path:
    """The path of a program inside an environment."""
    return venv / ("Scripts" if os.name == "nt" else "bin") / (f"{name}.exe" if os.name == "nt" else name)


def ensure(root: Path, *, gpu: str | None, groups: Sequence[str]) -> Path:
    """Bring the environment up to date and return its Python; instant when it is.

    Args:
        root: the checkout. gpu: "cpu", "cuda", or None for what is installed. groups: of the lock.

    Raises:
        Refusal: with a sentence that says what is missing and what to do.
    """
    venv = place(root)
    stamp = _read_stamp(venv)
    gpu = gpu or stamp.get("gpu", "cpu")
    lock = root / "packaging" / "lock" / f"{gpu}.txt"
    python = script(venv, "python")
    want = {"gpu": gpu, "lock": _digest(lock), "python": str(python.resolve()), "root": str(root)}
    if python.exists() and want.items() <= stamp.items() and set(groups) <= set(stamp["groups"]):
        return python
    machine.check()
    machine.require_venv()
    _require_space(venv, gpu)
    with _alone(venv):
        if not _usable(python):
            _make(venv)
            want["python"] = str(python.resolve())
        (venv / UNFINISHED).touch()
        _link(root, venv)  # first: a checkout that was moved leaves a path behind at which pip may choke
        (venv / STAMP).unlink(missing_ok=True)
        try:
            _install(root, venv, gpu, groups)
            machine.require_libraries(python)
        except Refusal:
            (venv / UNFINISHED).unlink()  # pip and the system said no, and left whole what is there
            raise
        _verify(root, python, lock, groups)
        (venv / STAMP).write_text(json.dumps({**want, "groups": list(groups)}), encoding="utf-8")
        (venv / UNFINISHED).unlink()
    return python


def _read_stamp(venv: Path) -> dict[str, str]:
    try:
        return dict(json.loads((venv / STAMP).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _digest(lock: Path) -> str:
    sources = [lock, Path(__file__)]  # a change of how things are installed counts too
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def _require_space(venv: Path, gpu: str) -> None:
    venv.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(venv).free / 1e9
    if free < GIGABYTES[gpu] and not (venv / "pyvenv.cfg").exists():
        raise Refusal(f"{venv} needs {GIGABYTES[gpu]} GB; {free:.1f} GB are free there. Make room and start again.")


@contextlib.contextmanager
def _alone(venv: Path) -> Iterator[None]:
    """Hold the environment while it is changed; a second start waits. (On Windows nobody waits.)"""
    with (venv / "lock").open("w") as handle:
        if os.name == "posix":
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Another start is installing; waiting for it ...", file=sys.stderr)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _usable(python: Path) -> bool:
    """Whether what is there may be built on: a working environment of a Python that fits, not an interrupted one."""
    if not python.exists() or (python.parent.parent / UNFINISHED).exists():
        return False
    fits = "import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
    return subprocess.call([str(python), "-c", fits], stderr=subprocess.DEVNULL) == 0


def _make(venv: Path) -> None:
    """Make an empty environment in place of whatever is there."""
    for entry in venv.iterdir():
        if entry.name != "lock":
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    print(f"Making {venv} (once; about 2 minutes) ...", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refusal(f"{venv} could not be made: {(done.stderr or done.stdout).strip()[-800:]}")


def _install(root: Path, venv: Path, gpu: str, groups: Sequence[str]) -> None:
    """Install the groups in order, each with dependencies, held to the lock; "bare" without."""
    path = root / "packaging" / "lock" / f"{gpu}.txt"
    lock = read_lock(path)
    _torch(root, venv, gpu, lock["torch"], path)
    for group in groups:
        if group in lock and group != "torch":
            print(f"Installing {group}: {len(lock[group])} packages ...", file=sys.stderr)
            _pip(venv, [*(["--no-deps"] if group == "bare" else ["-c", str(path)]), *lock[group]])


def _torch(root: Path, venv: Path, gpu: str, lines: Sequence[str], lock: Path) -> None:
    """Install torch first, so that nothing else decides which build comes.

    On Linux the CPU build is not the default one: it is taken from where the user's own pip settings have it,
    else from torch's index, and never replaced by the CUDA build in silence. For CUDA, local files are ignored.
    """
    pinned = next(line for line in lines if line.startswith("torch=="))
    index = tomllib.loads((root / "packaging" / "torch_indexes.toml").read_text(encoding="utf-8"))
    url = index.get(gpu, {}).get(sys.platform)
    python = script(venv, "python")
    has = subprocess.run(
        [str(python), "-c", "import torch; print('cuda' if torch.version.cuda else 'cpu')"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    if has and has != gpu and sys.platform != "darwin":
        subprocess.run([str(python), "-m", "pip", "uninstall", "-y", "--quiet", "torch"], check=False)
    print(f"Installing torch for {gpu} ...", file=sys.stderr)
    with tempfile.TemporaryDirectory() as empty:
        only = {"PIP_FIND_LINKS": empty} if gpu == "cuda" else {}
        extra = {"PIP_EXTRA_INDEX_URL": url} if url else {}
        if gpu == "cpu" and url and has != "cpu":
            exact = [f"{pinned}+cpu", *(line for line in lines if line != pinned)]
            if not _pip(venv, ["-c", str(lock), *exact], refuse=False):
                _pip(venv, ["-c", str(lock), *exact], **extra)
        else:
            _pip(venv, ["-c", str(lock), *lines], **only, **extra)


def _pip(venv: Path, arguments: Sequence[str], *, refuse: bool = True, **environment: str) -> bool:
    """Run pip install; returns whether it succeeded.

    Raises:
        Refusal: it failed and ``refuse`` is set.
    """
    ours = {"PYTHONNOUSERSITE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0"}
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(script(venv, "python")), "-m", "pip", "install", "--progress-bar", "off", *arguments],
        capture_output=True, text=True, check=False, env={"PIP_RETRIES": "2", **inherited, **ours, **environment},
    )  # fmt: skip
    with (venv / "setup.log").open("a", encoding="utf-8") as log:
        log.write(f"pip install {' '.join(arguments)}\n{done.stdout}\n{done.stderr}\n")
    if done.returncode == 0 or not refuse:
        return done.returncode == 0
    if "No space left" in done.stderr:
        raise Refusal(f"The disk is full. Make room for {venv} and start again.")
    if OFFLINE.search(done.stdout + done.stderr):
        raise Refusal(
            "Packages have to be downloaded, and the package registry does not answer or does not have them."
            " Connect this machine (or set pip's proxy or mirror for it) and start again; what is installed stays."
            f"\nDetails: {venv / 'setup.log'}"
        )
    raise Refusal(f"pip failed; details in {venv / 'setup.log'}:\n{done.stderr.strip()[-1500:]}")


def _link(root: Path, venv: Path) -> None:
    """Make ``engine`` and ``app`` importable from any folder, and write the two programs."""
    python = script(venv, "python")
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    # Read by site in the locale's encoding before 3.13, hence the escape: the line is Python, and ASCII.
    (Path(packages) / "theodolite.pth").write_text(f"import sys; sys.path.append({str(root)!a})\n")
    for name, module in (("theodolite", "app"), ("theodolite-engine", "engine")):
        if os.name == "nt":
            script(venv, name).with_suffix(".cmd").write_text(f'@"%~dp0python.exe" -P -m {module} %*\n')
        else:
            target = script(venv, name)
            target.write_text(f'#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/python" -P -m {module} "$@"\n')
            target.chmod(0o755)


def _verify(root: Path, python: Path, lock: Path, groups: Sequence[str]) -> None:
    """Import every locked package in a child.

    Raises:
        Refusal: one is missing, of another version, or can't be imported.
    """
    print("Checking that all of it can be imported ...", file=sys.stderr)
    lines = [line for group in groups for line in read_lock(lock).get(group, [])]
    command = [str(python), "-P", str(Path(__file__).with_name("verify.py")), *lines]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    if done.returncode != 0:
        raise Refusal(
            f"The installation is not whole:\n{(done.stdout + done.stderr).strip()[-2000:]}\n"
            "Start again: everything will be installed anew."
        )
