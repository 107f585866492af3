"""The look in one place: colours, sizes and fonts of the light and the dark theme, switched while the program runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontInfo, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

Mode = Literal["light", "dark", "system"]
Level = Literal["info", "good", "warn", "bad"]

SPACE_1, SPACE_2, SPACE_3, SPACE_4 = 4, 8, 12, 16
RADIUS = 8
TEXT, CAPTION, TITLE = 13, 12, 18

# Told apart by colour-blind readers, and at least 3:1 against the panels of both themes.
SERIES = ("#4c78d0", "#cf781c", "#3f9e78", "#c4578d", "#8a6fd1", "#7a8699")
PHASES = ("#4c78d0", "#3f9e78", "#cf781c", "#c4578d", "#8a6fd1")


@dataclass(frozen=True)
class Tokens:
    """The colours of one theme, as ``#rrggbb``.

    Attributes:
        bg: window. panel: cards. field: what can be typed into. line: borders and grids. edge: borders of controls.
        hover: below the pointer. text, muted: words. accent: the primary action, selection, running.
        soft: behind what is selected. on_accent: words on the accent. good, warn, bad: states.
        series: colours of curves. phases: colours of named regions.
    """

    name: str
    bg: str
    panel: str
    field: str
    line: str
    edge: str
    hover: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    soft: str
    on_accent: str
    good: str
    warn: str
    bad: str
    series: tuple[str, ...] = SERIES
    phases: tuple[str, ...] = PHASES

    @property
    def dark(self) -> bool:
        return self.name == "dark"

    def colour(self, role: str, alpha: float = 1.0) -> QColor:
        """The colour of a role; a role that starts with # is a colour already. ``alpha`` in [0, 1]."""
        colour = QColor(role if role.startswith("#") else getattr(self, role))
        colour.setAlphaF(alpha)
        return colour

    def level(self, level: str) -> QColor:
        """The colour of a notice's level."""
        return self.colour("accent" if level == "info" else level)


LIGHT = Tokens(
    name="light", bg="#f6f7f9", panel="#ffffff", field="#ffffff", line="#e3e6eb", edge="#cfd5de", hover="#eef0f4",
    text="#1d2430", muted="#667085", accent="#3558c9", accent_hover="#2b49ab", soft="#eaf0ff", on_accent="#ffffff",
    good="#2e7d4f", warn="#a05e00", bad="#b3372f",
)  # fmt: skip
DARK = Tokens(
    name="dark", bg="#14171c", panel="#1b1f26", field="#171b21", line="#2b313b", edge="#3b4350", hover="#242a33",
    text="#e4e8ee", muted="#98a2b3", accent="#8fa8ff", accent_hover="#a9bcff", soft="#242c44", on_accent="#14171c",
    good="#6fcf97", warn="#e0a84e", bad="#f08a80",
)  # fmt: skip

_CJK = {
    "win32": ["Microsoft YaHei UI", "Yu Gothic UI", "Malgun Gothic"],
    "darwin": ["PingFang SC", "Hiragino Sans GB", "Apple SD Gothic Neo"],
}
_CJK_LINUX = ["Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Droid Sans Fallback"]


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        known = QColor(colour)
        parts = (known.redF(), known.greenF(), known.blueF())
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


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
        from app.shell.style import sheet

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


def palette(look: Tokens) -> QPalette:
    """The palette for everything the style sheet leaves to Fusion."""
    role = QPalette.ColorRole
    result = QPalette()
    pairs = {
        role.Window: look.bg, role.WindowText: look.text, role.Base: look.panel, role.AlternateBase: look.hover,
        role.Text: look.text, role.Button: look.panel, role.ButtonText: look.text, role.BrightText: look.bad,
        role.Highlight: look.accent, role.HighlightedText: look.on_accent, role.Link: look.accent,
        role.LinkVisited: look.accent, role.ToolTipBase: look.panel, role.ToolTipText: look.text,
        role.PlaceholderText: look.muted, role.Light: look.panel, role.Midlight: look.line, role.Mid: look.line,
        role.Dark: look.edge, role.Shadow: look.edge, role.Accent: look.accent,
    }  # fmt: skip
    for name, colour in pairs.items():
        result.setColor(name, QColor(colour))
    for name in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        result.setColor(QPalette.ColorGroup.Disabled, name, look.colour("muted", 0.6))
    return result
