"""What the look is made of: colours of the light and the dark theme, sizes, and the palette for Qt."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QColor, QPalette

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


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        known = QColor(colour)
        parts = (known.redF(), known.greenF(), known.blueF())
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


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
