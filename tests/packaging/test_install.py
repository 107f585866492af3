"""The environment is made, completed, repaired and left alone: with real pip and tiny wheels from a folder."""

import io
import json
import shutil
import subprocess
import sys
import time
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from steps import install, machine
from steps.machine import Refusal

LOCK = """\
# group: torch
torch==2.13.0
fakedep==1.0

# group: core
fakecore==1.0

# group: bare
fakebare==1.0; python_version >= "3"
fakeelsewhere==1.0; sys_platform == 'atari'

# group: test
faketest==1.0
"""


def wheel(folder: Path, name: str, version: str, requires: str = "", code: str = "") -> None:
    """Write a wheel with one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment, to be copied: making one takes seconds."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder


@pytest.fixture
def made(root: Path, venv: Path) -> Path:
    """The checkout with an empty environment, as a developer might have made by hand."""
    shutil.copytree(venv, root / ".venv", symlinks=True)
    return root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout under a name with a space and an accent, a lock of tiny packages, and a folder that has them."""
    root, wheels = tmp_path / "my châteaux", tmp_path / "wheels"
    wheels.mkdir()
    cpu = "class version:\n    cuda = None\n"
    wheel(wheels, "torch", "2.13.0+cpu", "fakedep", cpu)
    wheel(wheels, "torch", "2.13.0", "fakedep", cpu.replace("None", "'13.0'"))
    for name in ("fakedep", "fakecore", "faketest"):
        wheel(wheels, name, "1.0")
        wheel(wheels, name, "2.0")
    wheel(wheels, "fakebare", "1.0", "a-server-that-nobody-has")
    lock = root / "packaging" / "lock"
    lock.mkdir(parents=True)
    (lock / "cpu.txt").write_text(LOCK)
    (lock / "cuda.txt").write_text(LOCK)
    (root / "packaging" / "torch_indexes.toml").write_text("[cpu]\nlinux = 'file:///nowhere'\n")
    for package in ("engine", "app"):
        (root / package).mkdir()
        (root / package / "__init__.py").write_text("")
        (root / package / "__main__.py").write_text(f"import sys; print({package!r}, sys.argv[1:])")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setattr(machine, "require_libraries", lambda python: None)
    return root


def ensure(root: Path, groups: tuple[str, ...] = ("torch", "core", "bare"), gpu: str | None = None) -> Path:
    return install.ensure(root, gpu=gpu, groups=groups)


def installed(python: Path) -> dict[str, str]:
    packages = next((python.parents[1] / "lib").glob("python3*/site-packages"))
    return {
        one.metadata["Name"]: one.version
        for one in metadata.distributions(path=[str(packages)])
        if one.metadata["Name"].startswith(("fake", "torch"))
    }


def test_from_nothing_to_whole_and_then_left_alone(root: Path, tmp_path: Path) -> None:
    python = ensure(root)
    assert installed(python) == {"torch": "2.13.0+cpu", "fakedep": "1.0", "fakecore": "1.0", "fakebare": "1.0"}
    assert not (root / ".venv" / install.UNFINISHED).exists()

    # The programs start from anywhere, through a link too, and find the checkout.
    link = tmp_path / "link"
    link.symlink_to(root / ".venv" / "bin" / "theodolite-engine")
    done = subprocess.run([str(link), "run", "a b"], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == "engine ['run', 'a b']\n"

    before = (root / ".venv" / "setup.log").stat().st_mtime_ns
    start = time.process_time()
    assert ensure(root) == python
    assert time.process_time() - start < 0.1
    assert (root / ".venv" / "setup.log").stat().st_mtime_ns == before

    # More groups are added; fewer are already there.
    assert "faketest" in installed(ensure(root, ("torch", "core", "bare", "test")))
    assert "faketest" in json.dumps(installed(ensure(root)))

    # A changed lock is followed.
    lock = root / "packaging" / "lock" / "cpu.txt"
    lock.write_text(LOCK.replace("fakecore==1.0", "fakecore==2.0"))
    assert installed(ensure(root))["fakecore"] == "2.0"


def test_interrupted_installation_is_made_anew(made: Path) -> None:
    # A torso: killed while pip wrote, so that what is there may be half a file.
    (made / ".venv" / install.UNFINISHED).touch()
    torso = made / ".venv" / "torso.py"
    torso.write_text("this is half a file (")
    assert installed(ensure(made))["fakecore"] == "1.0"
    assert not torso.exists()


def test_environment_made_by_hand_is_completed(made: Path) -> None:
    mine = made / ".venv" / "mine.txt"
    mine.touch()
    assert installed(ensure(made))["fakebare"] == "1.0"
    assert mine.exists()


def test_moved_checkout_is_found_again(made: Path, tmp_path: Path) -> None:
    ensure(made)
    moved = made.rename(tmp_path / "elsewhere")
    python = ensure(moved)
    where = subprocess.run([str(python), "-P", "-c", "import engine; print(engine.__file__)"], capture_output=True)
    assert where.stdout.decode().startswith(str(moved))
    assert subprocess.run([str(python.with_name("theodolite")), "x"], capture_output=True).stdout == b"app ['x']\n"


def test_cuda_takes_the_default_build_and_is_remembered(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(made)
    # Local files are ignored for CUDA: nothing is found without a registry, and that is said.
    with pytest.raises(Refusal, match="registry does not answer"):
        ensure(made, gpu="cuda")
    monkeypatch.setattr(install.tempfile, "TemporaryDirectory", lambda: io_folder(tmp_path / "default"))
    (tmp_path / "default").mkdir()
    for path in (tmp_path / "wheels").glob("*.whl"):
        if "+cpu" not in path.name:
            (tmp_path / "default" / path.name).symlink_to(path)
    python = ensure(made, gpu="cuda")
    assert installed(python)["torch"] == "2.13.0"
    assert json.loads((made / ".venv" / install.STAMP).read_text())["gpu"] == "cuda"
    assert installed(ensure(made))["torch"] == "2.13.0"


class io_folder:
    """Stands in for the empty folder with one that plays the registry."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> str:
        return str(self.path)

    def __exit__(self, *_: object) -> None:
        pass


def test_offline_machine_is_told_so(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels" / "fakecore-1.0-py3-none-any.whl").unlink()
    with pytest.raises(Refusal, match=r"registry does not answer.*what is installed stays"):
        ensure(made)
    assert not (made / ".venv" / install.STAMP).exists()
    # pip said no and left whole what is there: the next start goes on.
    inode = (made / ".venv" / "pyvenv.cfg").stat().st_ino
    wheel(tmp_path / "wheels", "fakecore", "1.0")
    ensure(made)
    assert (made / ".venv" / "pyvenv.cfg").stat().st_ino == inode


def test_package_that_cannot_be_imported_is_named(made: Path, tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", "fakecore", "1.0", code="import nothing_of_this_name")
    with pytest.raises(Refusal, match=r"fakecore==1\.0: import fakecore: ModuleNotFoundError"):
        ensure(made)
    assert (made / ".venv" / install.UNFINISHED).exists()


def test_cpu_build_is_never_replaced_by_the_default_one(made: Path, tmp_path: Path) -> None:
    (tmp_path / "wheels" / "torch-2.13.0+cpu-py3-none-any.whl").unlink()
    if sys.platform == "linux":
        with pytest.raises(Refusal):
            ensure(made)
    else:
        assert installed(ensure(made))["torch"] == "2.13.0"


def test_read_only_checkout_uses_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    one, two = install.place(Path("/dev/null/one")), install.place(Path("/dev/null/two"))
    assert one != two and one.parent == two.parent == tmp_path / "theodolite"
    assert install.place(Path("/dev/null/one"), create=False) == one


def test_asking_for_the_place_makes_nothing(tmp_path: Path) -> None:
    assert install.place(tmp_path, create=False) == tmp_path / ".venv"
    assert not (tmp_path / ".venv").exists()


def test_full_disk_is_said_before_anything_is_made(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(install.GIGABYTES, "cpu", 10**9)
    with pytest.raises(Refusal, match="Make room"):
        ensure(root)


def test_second_start_waits_for_the_first(tmp_path: Path) -> None:
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from steps import install\n"
        "with install._alone(Path(sys.argv[2])):\n"
        "    print('in', flush=True); time.sleep(0.3); print('out', flush=True)"
    )
    command = [sys.executable, "-c", script, str(Path(install.__file__).parents[1]), str(tmp_path)]
    with io.TextIOWrapper(open(tmp_path / "out", "wb")) as out:
        both = [subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL) for _ in range(2)]
        assert [one.wait() for one in both] == [0, 0]
    assert (tmp_path / "out").read_text().split() == ["in", "out", "in", "out"]


def test_lock_groups_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(LOCK)
    groups = install.read_lock(tmp_path / "lock")
    assert list(groups) == ["torch", "core", "bare", "test"]
    assert groups["torch"] == ["torch==2.13.0", "fakedep==1.0"]


@pytest.mark.parametrize("gpu", ["cpu", "cuda"])
def test_real_locks_have_all_groups_and_exact_versions(gpu: str) -> None:
    groups = install.read_lock(Path(install.__file__).parents[1] / "lock" / f"{gpu}.txt")
    assert set(groups) == set(install.TESTS)
    lines = [line for lines in groups.values() for line in lines]
    assert all("==" in line for line in lines)
    assert len({line.split("==")[0].lower() for line in lines}) == len(lines)
    assert "torch==2.13.0" in groups["torch"] and "PySide6_Essentials==6.10.3" in groups["core"]
    assert any(line.startswith("nvidia-") for line in groups["torch"]) == (gpu == "cuda")
