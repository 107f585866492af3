"""What `pip install` of the project brings: both packages, the assets beside them, the two programs."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from steps.commands import ROOT


def test_wheel_holds_all_that_the_program_needs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("engine", "app", "assets"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "-w", str(tmp_path), str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("theodolite-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        programs = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
        about = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    wanted = {
        path.relative_to(ROOT).as_posix()
        for folder in ("engine", "app", "assets")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - names == set()
    assert not [name for name in names if name.split("/")[0] in ("tests", "packaging")]
    entries = configparser.ConfigParser()
    entries.read_string(programs)
    assert entries["gui_scripts"]["theodolite"] == "app.main:main"
    assert entries["console_scripts"]["theodolite-engine"] == "engine.cli.main:main"
    assert "License-Expression: Apache-2.0" in about and "Requires-Python: <3.14,>=3.11" in about
    assert 'Requires-Dist: open3d-cpu==0.20.0; sys_platform == "linux"' in about
