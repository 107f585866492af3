"""What goes into the packaged program, by its recipe; building it is a lane of its own."""

import sys
import types
from pathlib import Path

import pytest
from bundle import left_behind
from steps.commands import ROOT


class Table(list):
    """PyInstaller's tables of contents are lists."""


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Source -> folder of every data file, as the recipe hands them to PyInstaller."""
    seen: dict[str, str] = {}

    def analysis(_scripts: list[str], **options: list[tuple[str, str]]) -> types.SimpleNamespace:
        seen.update(options["datas"])
        return types.SimpleNamespace(binaries=Table(), datas=Table(), pure=None, scripts=None)

    hooks = types.ModuleType("PyInstaller.utils.hooks")
    hooks.collect_submodules = lambda name: [name]  # type: ignore[attr-defined]
    for name in ("PyInstaller", "PyInstaller.utils"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", hooks)
    recipe = ROOT / "packaging" / "theodolite.spec"
    names = {"SPECPATH": str(recipe.parent), "Analysis": analysis}
    names |= dict.fromkeys(("PYZ", "EXE", "COLLECT"), lambda *_args, **_options: None)
    exec(compile(recipe.read_text(encoding="utf-8"), str(recipe), "exec"), names)
    return seen


def test_tables_and_sources_of_the_engine_are_packed(packed: dict[str, str]) -> None:
    assert packed[str(ROOT / "engine" / "data" / "old_faithful.csv")] == "engine/data"
    assert packed[str(ROOT / "engine" / "runs" / "worker.py")] == "engine/runs"
    assert packed[str(ROOT / "assets")] == "assets"
    assert not [source for source in packed if "__pycache__" in source or source.endswith(".pyc")]


def test_what_is_left_behind_is_named(packed: dict[str, str], tmp_path: Path) -> None:
    for source, folder in packed.items():
        if Path(source).is_file():
            (tmp_path / "_internal" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "_internal" / folder / Path(source).name).touch()
    assert left_behind(tmp_path) == []
    (tmp_path / "_internal" / "engine" / "data" / "old_faithful.csv").unlink()
    assert left_behind(tmp_path) == ["engine/data/old_faithful.csv"]
