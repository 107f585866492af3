"""The look in one place: colours, sizes and fonts of the light and the dark theme, switched while the program runs."""

from __future__ import annotations

import sys
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFont, QFontDatabase, QFontInfo, QGuiApplication
from PySide6.QtWidgets import QApplication

from app.shell.look import (
    CAPTION,
    DARK,
    LIGHT,
    PHASES,
    RADIUS,
    SERIES,
    SPACE_1,
    SPACE_2,
    SPACE_3,
    SPACE_4,
    TEXT,
    TITLE,
    Tokens,
    contrast,
    palette,
)
from app.shell.style import sheet

__all__ = [  # widgets ask here for all of the look
    "CAPTION", "DARK", "LIGHT", "PHASES", "RADIUS", "SERIES", "SPACE_1", "SPACE_2", "SPACE_3", "SPACE_4", "TEXT",
    "TITLE", "Level", "Mode", "Theme", "Tokens", "contrast", "install", "palette", "system_font", "theme", "tokens",
]  # fmt: skip
Mode = Literal["light", "dark", "system"]
Level = Literal["info", "good", "warn", "bad"]

_CJK = {
    "win32": ["Microsoft YaHei UI", "Yu Gothic UI", "Malgun Gothic"],
    "darwin": ["PingFang SC", "Hiragino Sans GB", "Apple SD Gothic Neo"],
}
_CJK_LINUX = ["Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Droid Sans Fallback"]


class Theme(QObject):
    """The theme in force.

    Signals:
        changed: colours or sizes changed; whoever paints by itself repaints.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._mode: Mode = "system"
        self._scale = 1.0
        self._dark = False
        self._applied: tuple[str, float] | None = None
        self._watching = False

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def scale(self) -> float:
        """The user's font size, 1.0 being 13 px."""
        return self._scale

    @property
    def tokens(self) -> Tokens:
        return DARK if self._dark else LIGHT

    def px(self, size: float) -> int:
        """A size of the sketch in pixels, grown with the user's font size."""
        return round(size * self._scale)

    def set_mode(self, mode: Mode) -> None:
        """Choose light, dark or what the system says, and apply it at once."""
        self._mode = mode
        self._refresh()

    def set_scale(self, scale: float) -> None:
        """Choose the font size relative to 13 px, clamped to 0.7 - 2.0, and apply it at once."""
        self._scale = min(2.0, max(0.7, float(scale)))
        self._refresh()

    def font(self, size: int = TEXT, *, bold: bool = False, tabular: bool = False) -> QFont:
        """The window's font at a size of the sketch in px; ``tabular`` makes all digits equally wide."""
        font = QFont(QApplication.font()) if QApplication.instance() else QFont()
        font.setPixelSize(self.px(size))
        font.setBold(bold)
        if tabular:
            font.setFeature(QFont.Tag("tnum"), 1)
        return font

    def mono(self, size: int = CAPTION) -> QFont:
        """A fixed-width font at a size of the sketch in px."""
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(self.px(size))
        return font

    def _refresh(self) -> None:
        hints = QGuiApplication.styleHints()
        if not self._watching and QGuiApplication.instance() is not None:
            hints.colorSchemeChanged.connect(self._system_changed)
            self._watching = True
        self._dark = hints.colorScheme() == Qt.ColorScheme.Dark if self._mode == "system" else self._mode == "dark"
        wanted = (self.tokens.name, self._scale)
        app = QApplication.instance()
        if not isinstance(app, QApplication) or wanted == self._applied:
            return
        self._applied = wanted
        app.setFont(system_font(self.px(TEXT)))
        app.setPalette(palette(self.tokens))
        app.setStyleSheet(sheet(self.tokens, self._scale))
        self.changed.emit()

    def _system_changed(self, _scheme: Qt.ColorScheme) -> None:
        if self._mode == "system":
            self._refresh()


_theme: Theme | None = None


def theme() -> Theme:
    """The one theme of the process."""
    global _theme
    if _theme is None:
        _theme = Theme()
    return _theme


def tokens() -> Tokens:
    """The colours in force now; ask at paint time."""
    return theme().tokens


def install(app: QApplication, mode: Mode = "system", scale: float = 1.0) -> Theme:
    """Dress the application: Fusion, palette, style sheet, fonts. Call it once before the first widget is made."""
    app.setStyle("Fusion")
    found = theme()
    found._scale = min(2.0, max(0.7, float(scale)))
    found._applied = None
    found.set_mode(mode)
    return found


def system_font(pixels: int) -> QFont:
    """The system's interface font at a size in px, with fallbacks that hold Chinese, Japanese and Korean."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    # A generic name such as "Sans Serif" is no real family: with fallbacks behind it, the first fallback would win.
    families = [name if QFontDatabase.hasFamily(name) else QFontInfo(font).family() for name in font.families()]
    font.setFamilies([*families, *_CJK.get(sys.platform, _CJK_LINUX)])
    font.setPixelSize(pixels)
    return font
