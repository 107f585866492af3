"""Every text of the program is found, and every catalogue has it with the same {names}."""

import json
from pathlib import Path

import pytest
import translations
from steps.texts import Texts, pattern, read, room, spoken

HERE = {
    "app/shell/errors.py": 'CAUSES = {"killed": "It was killed.", "full": "No room."}\nOTHER = "Other words"\n',
    "app/tabs/tails/view.py": """
from app.shell.errors import CAUSES
PAGES = (("plane", "The plane"), ("rest", "The rest"))
LABELS = {"a": ("First", "nat"), "b": ("Second", "%")}

class Lost(EngineError):
    what = "{name} was lost."
    why: ClassVar[str] = "Nobody " "knows."
    title = "No text of an error"

class Curves(Plot):
    pass

class View:
    def build(self, on, key):
        self.bar = PageBar(list(PAGES))
        self.card = Card("A card", empty="Nothing yet." if on else "Off.")
        self.curves = Curves("Some curves", x=Axis("steps"))
        for name, (title, unit) in LABELS.items():
            self.card.set_caption(title, unit=unit)
        words = [tr(text).lower() for _, text in PAGES[1:]]
        said = tr(CAUSES[key], host=1)
        template = "One row" if on else "{n} rows"
        self.tell(tr(template, n=3), tr(on or "or this"))
        self._hint("Drag it")
        self.label.setObjectName("No text")
        return f"{tr('inside')} {tr(helper())}"

    def _hint(self, words):
        self.setToolTip(tr(words))

def helper():
    return "From a function"
""",
    "engine/data/files.py": '''
def check(path, size):
    """No text."""
    if not path:
        raise BadFile(path=path, reason="It is empty.")
    raise BadFile(reason=f"It has {size} bytes, not {2 * size}.", path="a.csv", size="No text")

def note(run, notes):
    notes.append(("{n} rows were left out.", {"n": 3}))
    run.warn("It is slow.")
    log.info("no text at all")
''',
    "engine/data/config.py": 'def odd(n):\n    raise ValueError("must be odd")\n',
}


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    for name, source in HERE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    found = Texts(read(tmp_path, ("app", "engine")))
    found.collect()
    return found


def test_texts_are_followed_to_where_they_are_shown(texts: Texts) -> None:
    tab = {text for text, place in texts.found.items() if place == "app.tabs.tails"}
    assert tab >= {
        "The plane", "The rest", "First", "Second", "{name} was lost.", "Nobody knows.", "A card", "Nothing yet.",
        "Off.", "Some curves", "steps", "One row", "{n} rows", "or this", "Drag it", "inside", "From a function",
        "It was killed.", "No room.",
    }  # fmt: skip
    engine = {text for text, place in texts.found.items() if place == "engine.data"}
    assert engine == {
        "It is empty.", "It has {0} bytes, not {1}.", "{n} rows were left out.", "It is slow.", "must be odd",
    }  # fmt: skip


def test_what_nobody_sees_is_left_alone(texts: Texts) -> None:
    assert not [text for text in texts.found if "No text" in text or "no text" in text]
    assert "plane" not in texts.found and "nat" not in texts.found and "Other words" not in texts.found


def test_tables_of_texts_that_travel_through_objects(texts: Texts) -> None:
    texts.table("app.shell.errors", "CAUSES", keys=True)
    assert {"killed", "full", "It was killed."} <= texts.found.keys()


def test_an_argument_that_cannot_be_followed_is_told(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "a.py").write_text("def say(self):\n    return tr(self.words)\n", encoding="utf-8")
    texts = Texts(read(tmp_path, ("app",)))
    texts.collect()
    assert texts.loose == [("app.a", 2)] and not texts.found


@pytest.mark.parametrize(
    ("module", "place"),
    [
        ("app.window", "app.shell"), ("app.shell.text", "app.shell"), ("app.tabs.base", "app.tabs"),
        ("app.tabs.mixtures.view", "app.tabs.mixtures"), ("app.tabs.mixtures.__init__", "app.tabs.mixtures"),
        ("engine.errors", "engine"), ("engine.runs.executors.local", "engine.runs"),
        ("engine.studies.mixture.config", "engine.studies.mixture"),
    ],
)  # fmt: skip
def test_rooms(module: str, place: str) -> None:
    assert room(module) == place


@pytest.mark.parametrize(
    ("text", "words"),
    [("L", False), ("α, β", False), ("{a}: {b}", False), ("{s} s", True), ("Run", True), ("50 %", False)],
)
def test_symbols_and_values_are_no_words(text: str, words: bool) -> None:
    assert spoken(text) is words


def test_patterns_have_words_of_their_own() -> None:
    import ast

    def of(source: str) -> str:
        node = ast.parse(source, mode="eval").body
        assert isinstance(node, ast.JoinedStr)
        return pattern(node)

    assert of('f"It holds {x!r} of {y:.2f}."') == "It holds {0} of {1}."
    assert of('f"{x}: {y}"') == ""


# Catalogues ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(translations, "FOLDER", tmp_path)
    (tmp_path / "zh_CN").mkdir()
    return tmp_path / "zh_CN"


def test_what_is_wrong_with_a_catalogue_is_told(folder: Path) -> None:
    held = {"Run {name}": "运行 {nmae}", "Stop": " ", "Gone": "去", "{a:g} of {b}": "{b} 中的 {a:g}"}
    (folder / "app.json").write_text(json.dumps(held), encoding="utf-8")
    wanted = dict.fromkeys(["Run {name}", "Stop", "{a:g} of {b}", "New"], "app.shell")
    told = translations.complaints("zh_CN", wanted)
    assert len(told) == 4
    assert "lacks 'New'" in told[0] and "'Gone', which nothing asks for" in told[1]
    assert "Run {name}" in told[2] and "Stop" in told[3]


def test_every_text_gets_into_the_file_of_its_room(folder: Path) -> None:
    (folder / "old.json").write_text(json.dumps({"b": "乙", "a": "甲", "c": "丙", "gone": "去"}), encoding="utf-8")
    translations.sort("zh_CN", {"a": "app.shell", "b": "app.shell", "c": "engine.data", "missing": "engine.data"})
    assert {path.name for path in folder.iterdir()} == {"app.shell.json", "engine.data.json"}
    assert list(json.loads((folder / "app.shell.json").read_text(encoding="utf-8"))) == ["a", "b"]
    (folder / "twice.json").write_text(json.dumps({"a": "甲"}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"twice\.json has again: \['a'\]"):
        translations.catalogue_of("zh_CN")


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    return translations.collected()


def test_the_catalogues_are_complete(wanted: dict[str, str]) -> None:
    assert len(wanted) > 1500
    found = [told for language in translations.languages() for told in translations.complaints(language, wanted)]
    assert not found, "run packaging/translations.py collect, add what is missing, then sort"


def test_the_files_are_sorted_and_lie_in_their_rooms(wanted: dict[str, str]) -> None:
    for path in translations.FOLDER.rglob("*.json"):
        held = list(json.loads(path.read_text(encoding="utf-8")))
        assert held == sorted(held), path.name
        assert {wanted.get(id, path.stem) for id in held} == {path.stem}, "run packaging/translations.py sort"
