"""Locks and licences: how lines are read, and what may be passed on."""

import licences
import locks
import pytest


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("PySide6_Essentials==6.10.3", "pyside6-essentials"),
        ("numpy>=2.3,<2.5", "numpy"),
        ("open3d-cpu==0.20.0; sys_platform == 'linux'", "open3d-cpu"),
        ("ruamel.yaml [x] >1", "ruamel-yaml"),
    ],
)
def test_names_are_normalised(line: str, name: str) -> None:
    assert locks.name_of(line) == name


def test_cuda_libraries_are_marked_for_linux() -> None:
    assert locks._line("nvidia-cublas", "13.1") == "nvidia-cublas==13.1; sys_platform == 'linux'"
    assert locks._line("torch", "2.13.0+cpu") == "torch==2.13.0"


def test_groups_follow_pyproject() -> None:
    wanted = locks.wanted()
    assert wanted["torch"] == ["torch==2.13.0"]
    assert {locks.name_of(line) for line in wanted["bare"]} <= set(locks.BARE)
    assert list(wanted) == ["torch", "core", "bare", "test", "dev"]


def test_check_tells_missing_from_left_over(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = locks.ROOT / "packaging" / "lock" / "cpu.txt"
    lines = [line for group, lines in locks.read_lock(path).items() if group != "bare" for line in lines]
    found = {locks.name_of(line): line for line in lines}
    monkeypatch.setattr(locks, "resolve", lambda requirements, gpu, lock: found)
    assert locks.check("cpu", path)
    del found["mpmath"]
    found["new"] = "new==1"
    assert not locks.check("cpu", path)
    said = capsys.readouterr().out
    assert "mpmath==1.3.0 is locked, but nothing needs it" in said and "new==1 is needed, but not locked" in said


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("MIT", False),
        ("LGPL-3.0-only OR GPL-2.0-only", False),
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0-only OR GPL-2.0-only", True),
        ("MIT AND GPL-2.0-only", True),
    ],
)
def test_copyleft_is_refused_unless_there_is_a_choice(expression: str, verdict: bool) -> None:
    assert licences.forbidden(expression) is verdict


def test_list_names_every_package_of_the_users_lock() -> None:
    text = licences.TARGET.read_text()
    for name in ("torch", "PySide6_Essentials", "open3d-cpu", "numpy"):
        assert f"\n| {name} | " in text
    assert "pytest" not in text
