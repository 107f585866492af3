"""Finds every text of the program that people read, and holds the catalogues of its translations to them.

    python packaging/translations.py collect [LANGUAGE]    what a catalogue lacks, and what nothing asks for any more
    python packaging/translations.py check                 the catalogues are complete, and their {names} agree
    python packaging/translations.py sort [LANGUAGE]       put every text into the file of its room, sorted by id

A catalogue is a folder assets/translations/LANGUAGE with a file for each room of the sources (app.tabs.mixtures.json
...): {"English id": "translation"}. Texts come from the sources (steps/texts.py follows them to where they are shown)
and, for fields, presets and measures, from the light modules of the engine themselves.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "packaging")]

from steps.texts import Texts, read, room, spoken  # noqa: E402

FOLDER = ROOT / "assets" / "translations"
NAME = re.compile(r"\{(\w*)(?:[:!][^}]*)?\}")
# The command line and the self-test speak English: they are for terminals and scripts.
ENGLISH = ("engine.cli", "app.shell.selftest", "app.main")
# Constants whose texts travel through objects or files, so that the sources do not show how they reach the window
TABLES = (
    ("app.tabs.mixtures.model_card", "REMEDIES"),
    ("app.shell.translation", "LANGUAGES"),
    ("engine.runs.failures", "UNKNOWN"),
    ("engine.studies.landscape.similarity", "CONSTANT"),
    ("engine.studies.landscape.similarity", "INFINITE"),
    ("engine.studies.landscape.similarity", "FEW"),
    ("engine.studies.landscape.similarity", "NOISE"),
    ("engine.studies.mixture.tasks.setting", "SEVERAL"),
)
# Words that are put together at run time, by the room that says them: parts of a source, kinds of columns, verdicts,
# dimensions of measures with their values
WORDS = {
    "app.shell": ("Graphics card",),
    "app.tabs.mixtures": (
        "path", "name", "label", "rows", "dimension", "clusters", "separation", "data seed", "number", "text", "date",
        "class", "constant", "stable", "doubtful", "dissolved",
    ),
    "app.widgets": (
        "cluster", "clusters", "curve", "layer", "matrix", "of", "split", "train", "test", "model", "bezier", "chain",
        "linear", "hessian", "ggn", "softmax", "logits", "features", "Custom", "Try the example", ".",
    ),
    "engine.models": ("The loss", "The network's output"),
    "engine.studies.landscape": ("weight vector", "path", "second model", "third model"),
}  # fmt: skip


def collected() -> dict[str, str]:
    """Every id -> the room that it belongs to."""
    texts = Texts(read(ROOT, ("app", "engine")))
    texts.collect(skip=lambda name: name.startswith(ENGLISH))
    for module, name in TABLES:
        if name in texts.modules[module].constants:
            texts.table(module, name)
    texts.table("engine.runs.state", "CAUSES", keys=True)
    for text, place in (*_of_configs(), *_of_measures(), *_words()):
        texts.found.setdefault(text, place)
    return {text: texts.found[text] for text in sorted(texts.found)}


def _words() -> Iterator[tuple[str, str]]:
    for place, words in WORDS.items():
        yield from ((word, place) for word in words)


def _of_measures() -> Iterator[tuple[str, str]]:
    from engine.studies import catalogue

    places = {
        measure.id: f"engine.studies.{study}"
        for study in catalogue.studies()
        if importlib.util.find_spec(f"engine.studies.{study}.measures")
        for measure in importlib.import_module(f"engine.studies.{study}.measures").MEASURES
    }
    for id, measure in catalogue.measures().items():
        yield from ((text, places[id]) for text in (measure.title, measure.definition, measure.source) if text)


def _of_configs() -> Iterator[tuple[str, str]]:
    """Titles, summaries, presets, and all that forms show of fields."""
    from engine.studies import catalogue

    shapes = _shapes()
    seen: set[type] = set()
    for config in (*catalogue.configs().values(), *catalogue.pipelines().values()):
        place = room(config.__module__)
        yield from ((text, place) for text in (config.title, config.summary))
        yield from ((name.replace("_", " ").capitalize(), "app.widgets") for name in config.presets())
        yield from _of_fields(shapes, config, seen)


def _of_fields(shapes: Any, config: type, seen: set[type]) -> Iterator[tuple[str, str]]:
    if config in seen:
        return
    seen.add(config)
    place = room(config.__module__)
    for spec in shapes.fields(config):
        if len(spec.shape.choices) == 1:
            continue  # the key by which members of a union are told apart: no form shows it
        shown = [spec.labels.get(str(choice), str(choice).replace("_", " ")) for choice in spec.shape.choices]
        yield from ((text, place) for text in (spec.title, spec.help, *shown) if spoken(text))
        for model in spec.shape.models:
            if spec.shape.sort == "union":
                yield shapes.title(model), room(model.__module__)
            yield from _of_fields(shapes, model, seen)


def _shapes() -> Any:
    """The module that reads fields for forms; by its path, since its package needs Qt."""
    path = ROOT / "app" / "widgets" / "form" / "shape.py"
    spec = importlib.util.spec_from_file_location("form_shape", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def languages() -> list[str]:
    """The languages that there are catalogues for."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def catalogue_of(language: str) -> dict[str, str]:
    """All texts of a language.

    Raises:
        ValueError: an id is in two files.
    """
    found: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.json")):
        texts = json.loads(path.read_text(encoding="utf-8"))
        if twice := found.keys() & texts.keys():
            raise ValueError(f"{path.name} has again: {sorted(twice)}")
        found |= texts
    return found


def disagreements(texts: Mapping[str, str]) -> list[str]:
    """Ids whose translation is empty or fills other {names} than they do."""
    return [
        f"{id!r}: {text!r}"
        for id, text in texts.items()
        if not text.strip() or set(NAME.findall(id)) != set(NAME.findall(text))
    ]


def complaints(language: str, wanted: Mapping[str, str]) -> list[str]:
    """What is wrong with a language; empty when it is complete."""
    texts = catalogue_of(language)
    found = [f"{language} lacks {id!r} ({place})" for id, place in wanted.items() if id not in texts]
    found += [f"{language} has {id!r}, which nothing asks for" for id in texts if id not in wanted]
    found += [f"{language}: the {{names}} differ in {both}" for both in disagreements(texts)]
    return found


def sort(language: str, wanted: Mapping[str, str]) -> None:
    """Write every text into the file of its room, sorted; what nothing asks for is dropped."""
    texts, rooms = catalogue_of(language), {}
    for id in wanted.keys() & texts.keys():
        rooms.setdefault(wanted[id], {})[id] = texts[id]
    for path in (FOLDER / language).glob("*.json"):
        path.unlink()
    for place, held in rooms.items():
        text = json.dumps(dict(sorted(held.items())), ensure_ascii=False, indent=0)
        (FOLDER / language / f"{place}.json").write_text(text + "\n", encoding="utf-8")


def main(verb: str = "check", *chosen: str) -> int:
    """Do one of the verbs; returns 1 when a catalogue is not complete."""
    wanted = collected()
    lacking = 0
    for language in chosen or languages():
        if verb == "sort":
            sort(language, wanted)
            continue
        found = complaints(language, wanted)
        lacking += len(found)
        print("\n".join(found), file=sys.stdout if verb == "collect" else sys.stderr)
        print(f"{language}: {len(wanted)} texts, {len(found)} complaints")
    return 1 if verb == "check" and lacking else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
