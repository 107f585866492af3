"""The rules of the house that no type checker knows: who imports whom, what stays light, how large things get."""

from __future__ import annotations

import ast
import json
import os
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "open3d", "sklearn", "polars", "scipy", "safetensors", "PySide6", "pyqtgraph", "app")

# What a process may import that must start at once: the app, the command line, readers of artifacts.
LIGHT = re.compile(
    r"engine/([\w/]+/)?__(init|main)__\.py|engine/(errors|seeding|devices|durable|models/consent|models/freeze)\.py"
    r"|engine/(runs/(?!worker|bootstrap|executors)|sessions/(?!server)|artifacts/|cli/).*\.py"
    r"|engine/studies/(contract|catalogue)\.py|engine/([\w/]+/)?(config|measures|kinds)\.py"
)
# What of the engine the app may name.
DOORS = re.compile(
    r"engine|engine\.(errors|seeding|devices|durable|scene\.view)"
    r"|engine\.(runs|sessions|artifacts|documents)(\..+)?"
    r"|engine\.models\.(consent|freeze)|engine\.studies\.(contract|catalogue)|engine\.([\w.]+\.)?(config|measures|kinds)"
)
IMPORT_NAME = {
    "PySide6-Essentials": "PySide6",
    "scikit-learn": "sklearn",
    "open3d-cpu": "open3d",
    "fastexcel": "polars",
    "pillow": "PIL",
}


def sources(*folders: str) -> list[Path]:
    """Python files below these folders of the repository, sorted."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, also inside functions; relative imports resolved."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module(path).split(".")[: -node.level + (path.name == "__init__.py") or None]
                base = ".".join([*above, *filter(None, [base])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if is_module(f"{base}.{alias.name}"))


def is_module(name: str) -> bool:
    """Whether a dotted name is a file or package of this repository."""
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def study_of(name: str) -> str:
    """The study that a module belongs to, or ""."""
    found = re.match(r"engine\.studies\.(\w+)(\.|$)", name)
    return found[1] if found and (ROOT / "engine" / "studies" / found[1]).is_dir() else ""


def test_light_modules_import_nothing_heavy() -> None:
    names = [module(path) for path in sources("engine") if LIGHT.fullmatch(path.relative_to(ROOT).as_posix())]
    assert {"engine.studies.contract", "engine.artifacts.refs", "engine.runs.run"} <= set(names)
    script = (
        "import importlib, json, sys\nblamed = {}\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    if name != 'engine.__main__': importlib.import_module(name)\n"
        "    for heavy in json.loads(sys.argv[2]):\n"
        "        if heavy in sys.modules: blamed.setdefault(heavy, name)\n"
        "print(json.dumps(blamed))"
    )
    command = [sys.executable, "-P", "-c", script, json.dumps(names), json.dumps(HEAVY)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}, "heavy module: the light one that imports it"


def test_app_comes_in_by_the_doors() -> None:
    through_the_wall = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("app")
        for name in imports(path)
        # Packages are named on the way to a door; importing one alone runs its empty __init__.
        if name.startswith("engine.") and not (ROOT / name.replace(".", "/")).is_dir() and not DOORS.fullmatch(name)
    ]
    assert through_the_wall == []


def test_nobody_imports_a_task() -> None:
    # Tasks are found by the catalogue; a study may use another's mathematics, never its study.py.
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("engine", "app")
        for name in imports(path)
        if re.fullmatch(r"engine\.studies\.\w+\.study(\..+)?", name)
    ] == []


def test_studies_use_each_other_in_no_circle() -> None:
    uses: dict[str, set[str]] = {}
    for path in sources("engine/studies"):
        if one := study_of(module(path)):
            uses.setdefault(one, set()).update({study_of(name) for name in imports(path)} - {"", one})
    while free := [one for one, others in uses.items() if not others & uses.keys()]:
        for one in free:
            del uses[one]
    assert not uses, "each of these needs another of these"


def dependencies() -> set[str]:
    """Import names of what pyproject asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=!;\s]", line)[0] for line in project["dependencies"]}
    return {IMPORT_NAME.get(name, name) for name in names}


def test_every_dependency_has_a_reader() -> None:
    files = sources("engine", "app")
    read = {name.split(".")[0] for path in files for name in imports(path)}
    read |= {name for path in files for name in re.findall(r'(?:import_module|find_spec)\("(\w+)"\)', path.read_text())}
    assert sorted(dependencies() - read) == []


def test_every_import_is_a_dependency() -> None:
    ours = {"engine", "app", *sys.stdlib_module_names}
    parts = {"shiboken6", "pydantic_core", "annotated_types"}  # of PySide6 and pydantic
    foreign = {name.split(".")[0]: path.name for path in sources("engine", "app") for name in imports(path)}
    assert {name: user for name, user in foreign.items() if name not in ours | parts | dependencies()} == {}


def test_packaging_is_no_package() -> None:
    # With an __init__.py it would hide the library of that name, which pytest and pip's kin import.
    assert not (ROOT / "packaging" / "__init__.py").exists()


# ------------------------------------------------------------------------------------------------------ proportions
def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and number of lines of each function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def percentile(values: list[int], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def test_files_stay_small() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources("engine", "app")}
    assert {name: lines for name, lines in lengths.items() if lines > 700} == {}
    assert statistics.median(lengths.values()) <= 150
    assert percentile(list(lengths.values()), 90) <= 400


def test_functions_stay_small() -> None:
    lengths = dict(item for path in sources("engine", "app", "packaging") for item in functions(path))
    assert {name: lines for name, lines in lengths.items() if lines > 80} == {}
    assert percentile(list(lengths.values()), 90) <= 30


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX", "raise NotImplementedError"])
def test_nothing_is_left_for_later(word: str) -> None:
    pattern = re.compile(rf"\b{word}\b")
    assert [
        str(path.relative_to(ROOT))
        for path in sources("engine", "app", "packaging")
        if pattern.search(path.read_text())
    ] == []


def test_torch_indexes_are_named_in_one_place() -> None:
    host = tomllib.loads((ROOT / "packaging" / "torch_indexes.toml").read_text())["cpu"]["linux"].split("/")[2]
    folders = ("engine", "app", "packaging", "tests")
    texts = [path for folder in folders for path in (ROOT / folder).rglob("*.*")] + [*ROOT.glob("*.md")]
    written = {".py", ".toml", ".md", ".txt", ".sh", ".spec"}
    assert [path.name for path in texts if path.suffix in written and host in path.read_text()] == [
        "torch_indexes.toml"
    ]
