"""The languages of the window: catalogues of translated texts, the translator that serves them, and the switch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator
from PySide6.QtGui import QFontDatabase

from app.shell.text import CONTEXT, PHRASES, language
from engine.errors import EngineError

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "translations"
# Every language that can be chosen, in its own words; the texts of the program are English
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
WRITING = {"zh_CN": QFontDatabase.WritingSystem.SimplifiedChinese}
_HOLE = re.compile(r"\\{\d+\\}")


class NoFontForLanguage(EngineError):
    """Raised when the window would show boxes instead of letters."""

    what = "The window stays English."
    why = "No font on this computer has the characters of {language}."
    remedy = "Install one, such as Noto Sans CJK SC or WenQuanYi Micro Hei, and start the program again."


class Catalogue:
    """The texts of one language.

    Attributes:
        texts: English id -> translation. Ids with the holes {0}, {1} ... are patterns of what the engine puts together.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)

    def text(self, source: str) -> str:
        """The translation of an id; "" where there is none."""
        return self.texts.get(source, "")

    def phrase(self, source: str) -> str:
        """The translation of an id, of several joined by commas, or of a text that fits a pattern; "" where none is."""
        if found := self.text(source):
            return found
        parts = [self.text(part) for part in source.split(", ")]
        if all(parts):
            return ", ".join(parts)
        for pattern, translation in self._patterns:
            if fit := pattern.fullmatch(source):
                return translation.format(*(self.text(value) or value for value in fit.groups()))
        return ""

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The patterns with most words first, so that the closest fit wins."""
        escaped = [(re.escape(source), translation) for source, translation in self.texts.items() if "{0}" in source]
        escaped.sort(key=lambda pair: len(_HOLE.sub("", pair[0])), reverse=True)
        return [(re.compile(_HOLE.sub("(.+)", source), re.DOTALL), translation) for source, translation in escaped]


@cache
def load(code: str) -> Catalogue:
    """The catalogue of a language: all files of its folder, one for each room of the program."""
    texts: dict[str, str] = {}
    for path in sorted((FOLDER / code).glob("*.json")):
        texts |= json.loads(path.read_text(encoding="utf-8"))
    return Catalogue(texts)


class Translator(QTranslator):
    """Serves a catalogue to Qt."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self.catalogue = catalogue

    def translate(  # type: ignore[override]  # the stubs forget that there may be none
        self, context: str, sourceText: str, disambiguation: str | None = None, n: int = -1
    ) -> str | None:
        """The text of an id; None makes Qt ask the next translator, and at last show the id itself."""
        if context == CONTEXT:
            return self.catalogue.text(sourceText) or None
        return self.catalogue.phrase(sourceText) or None if context == PHRASES else None

    def isEmpty(self) -> bool:
        """Qt tells its windows of a new language only when this is false."""
        return not self.catalogue.texts


_installed: list[QTranslator] = []


def closest(wanted: Iterable[str]) -> str:
    """The language of the window for what a user reads first, such as zh-Hans-CN; else English."""
    first = QLocale(next(iter(wanted), "en"))
    simplified = first.script() == QLocale.Script.SimplifiedHanScript
    return "zh_CN" if first.language() == QLocale.Language.Chinese and simplified else "en"


def current() -> str:
    """The language that is shown."""
    return next((code for code in LANGUAGES if any(one.objectName() == code for one in _installed)), "en")


def drawable(code: str) -> bool:
    """Whether some font here has the characters of a language."""
    return code not in WRITING or WRITING[code] in QFontDatabase.writingSystems()


def use(choice: str) -> None:
    """Show the window in a language from now on, Qt's own dialogs included.

    Args:
        choice: one of LANGUAGES, or "system".

    Raises:
        NoFontForLanguage: no font has its characters; English is shown.
    """
    code = closest(QLocale.system().uiLanguages()) if choice == "system" else choice
    shown = code if drawable(code) else "en"
    if shown != current():
        _install(shown)
        language().changed.emit()
    if shown != code:
        raise NoFontForLanguage(language=QLocale.languageToString(QLocale(code).language()))


def _install(code: str) -> None:
    application = QCoreApplication.instance()
    assert application is not None
    while _installed:
        application.removeTranslator(_installed.pop())
    if code == "en":
        return
    for translator in (_of_qt(code), Translator(load(code))):  # the last is asked first
        translator.setObjectName(code)
        application.installTranslator(translator)
        _installed.append(translator)


def _of_qt(code: str) -> QTranslator:
    """Qt's own texts: the buttons of dialogs, the menus of text fields."""
    translator = QTranslator()
    translator.load(f"qtbase_{code}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath))
    return translator
