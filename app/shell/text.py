"""Words and numbers for people: translation, digits, intervals, durations, sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QCoreApplication, QObject, Signal

CONTEXT, PHRASES = "theodolite", "theodolite phrases"  # the contexts of ids and of what the engine put together
# Names of values that are words or sentences of ours themselves; all others are data and stay as they are
WORDED = frozenset({"function", "got", "inputs", "method", "path", "reason", "role", "state", "task", "title", "where"})
MINUS = "\u2212"
GROUP = "\u202f"  # a thin space that does not break
DASH = "\u2014"
_SUPER = str.maketrans("0123456789-\u2212", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")


class _Values(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def tr(text: str, /, **params: Any) -> str:
    """The text in the user's language with its {names} filled; works before there is an application.

    A translation that does not fit the values falls back to the English, and a name without value stays as written.
    Values under the names in WORDED are translated as well where they are known.
    """
    translated = QCoreApplication.translate(CONTEXT, text) if text else ""
    if not params:
        return translated
    params = {name: phrase(v) if name in WORDED and isinstance(v, str) else v for name, v in params.items()}
    for template in (translated, text):
        try:
            return template.format_map(_Values(params))
        except (ValueError, IndexError, AttributeError, TypeError):
            continue
    return text


def phrase(text: str) -> str:
    """A text that the engine may have put together of a template and values, in the user's language where known."""
    return QCoreApplication.translate(PHRASES, text) if text else ""


class Language(QObject):
    """Tells that the language changed.

    Signals:
        changed: every text is to be set again.
    """

    changed = Signal()


_language: Language | None = None


def language() -> Language:
    """The one messenger of the process; whoever installs a translator emits ``changed``."""
    global _language
    if _language is None:
        _language = Language()
    return _language


def live(apply: Callable[[], None]) -> None:
    """Call a method of a QObject now and after each change of the language, for as long as its object lives."""
    apply()
    language().changed.connect(apply)


def plain(value: float) -> str:
    """A number as Python and spreadsheets read it, shortest form that reads back the same."""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _grouped(digits: str) -> str:
    whole, dot, rest = digits.partition(".")
    sign, whole = (MINUS, whole[1:]) if whole.startswith("-") else ("", whole)
    if len(whole) > 4:
        head = len(whole) % 3
        parts = ([whole[:head]] if head else []) + [whole[i : i + 3] for i in range(head, len(whole), 3)]
        whole = GROUP.join(parts)
    return sign + whole + dot + rest


def power(exponent: int) -> str:
    """A power of ten: ``10⁻³``."""
    return "10" + str(exponent).translate(_SUPER)


def _decimals(value: float, digits: int) -> int:
    return max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0


def _scientific(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{max(0, digits - 1)}e}".partition("e")
    return f"{_grouped(mantissa)}×{power(int(exponent))}"


def number(value: float | int | None, digits: int = 4) -> str:
    """A number with this many significant digits, a true minus, thin spaces in long ones, powers of ten at the ends."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if isinstance(value, int):
        return _grouped(str(value))
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else MINUS + "∞")
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 10 ** max(6, digits):
        return _scientific(value, digits)
    rounded = float(f"{value:.{digits - 1}e}")
    return _grouped(f"{rounded:.{_decimals(rounded, digits)}f}")


def short(value: float | int | None, digits: int = 4) -> str:
    """The same without zeros at the end, for reading a value off a picture."""
    text = number(value, digits)
    head, times, tail = text.partition("×")
    if "." in head:
        head = head.rstrip("0").rstrip(".")
    return head + times + tail


@dataclass(frozen=True)
class Quantity:
    """A number ready to be shown.

    Attributes:
        value: the digits. unit: "" when dimensionless. spread: "± 0.8", "[1.2, 3.4]" or "".
    """

    value: str
    unit: str = ""
    spread: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.value, self.spread, self.unit) if part)


def quantity(
    value: float | int | None, unit: str = "", interval: tuple[float, float] | None = None, digits: int = 4
) -> Quantity:
    """A number with its unit and interval; the interval's width decides how many decimals the number keeps.

    Args:
        value: None is shown as a dash. interval: lower and upper end; written as ± when nearly symmetric.
        digits: significant digits at most.
    """
    shown = number(value, digits)
    if value is None or interval is None or not all(map(math.isfinite, (*interval, value))):
        return Quantity(shown, unit)
    below, above = value - interval[0], interval[1] - value
    half = (above + below) / 2
    if half <= 0 or not 1e-4 <= max(abs(value), half) < 1e6:
        spread = f"± {number(half, 2)}" if half > 0 else ""
        return Quantity(shown, unit, spread)
    decimals = min(_decimals(half, 1 if half >= 1 else 2), _decimals(value, digits) if value else 12)
    text = _grouped(f"{value:.{decimals}f}")
    if abs(above - below) <= 0.1 * (above + below):
        return Quantity(text, unit, f"± {_grouped(f'{half:.{decimals}f}')}")
    low, high = (_grouped(f"{end:.{decimals}f}") for end in interval)
    return Quantity(text, unit, f"[{low}, {high}]")


def duration(seconds: float | None) -> str:
    """How long: "0.4 s", "14 s", "4 min 10 s", "2 h 5 min", "3 d 4 h"; a dash when not known."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    if seconds < 9.95:
        return tr("{s} s", s=f"{seconds:.1f}" if seconds > 0 and seconds % 1 else f"{seconds:.0f}")
    whole = round(seconds)
    if whole < 60:
        return tr("{s} s", s=whole)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return tr("{m} min {s} s", m=minutes, s=rest) if rest else tr("{m} min", m=minutes)
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return tr("{h} h {m} min", h=hours, m=minutes) if minutes else tr("{h} h", h=hours)
    days, hours = divmod(hours, 24)
    return tr("{d} d {h} h", d=days, h=hours) if hours else tr("{d} d", d=days)


def about(seconds: float | None) -> str:
    """An estimate of time in rounded words: "about 14 s", "about 4 min"."""
    if seconds is None:
        return tr("time unknown")
    if seconds < 1:
        return tr("under 1 s")
    coarse = seconds if seconds < 60 else round(seconds / 10) * 10 if seconds < 600 else round(seconds / 60) * 60
    return tr("about {time}", time=duration(round(coarse)))


def size(count: int | None) -> str:
    """An amount of memory: "60 MB"; a dash when not known."""
    if count is None:
        return DASH
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
