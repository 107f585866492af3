"""A number field: whole or real, with limits; it steps by factors where the scale is logarithmic."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QValidator, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QWidget

from app.shell.text import MINUS
from app.widgets.form.shape import Limits

_ROUND = (1.0, 2.0, 5.0)


def parse(text: str, whole: bool) -> float | int | None:
    """The number that a person wrote, or None: "0.1", "1e-3", "1 797", "−2"; a comma is a decimal point."""
    cleaned = text.replace(MINUS, "-").replace("\u202f", "").replace("\u2009", "").replace(" ", "").replace(",", ".")
    try:
        value = float(cleaned)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    if not whole:
        return value
    try:
        return int(cleaned)
    except ValueError:
        return int(value) if value.is_integer() and abs(value) < 2**53 else None


def written(value: float | int) -> str:
    """A number as it stands in a field: the shortest text that reads back the same."""
    text = repr(value) if isinstance(value, int) else repr(float(value))
    if text.endswith(".0"):
        text = text[:-2]
    head, exponent, power = text.partition("e")
    return (head + (f"e{int(power)}" if exponent else "")).replace("-", MINUS)


def stepped(value: float, steps: int, *, whole: bool, log: bool) -> float:
    """The value after some steps up or down: by factors on a logarithmic scale, by its last digits on a linear one."""
    if log and value > 0:
        if whole:
            return float(max(1, value * 2**steps if steps > 0 else value // 2**-steps))
        exponent = math.floor(math.log10(value) + 1e-9)
        mantissa = value / 10.0**exponent
        rung = max(i for i, m in enumerate(_ROUND) if m <= mantissa * (1 + 1e-9)) + 3 * exponent
        between = mantissa > _ROUND[rung - 3 * exponent] * (1 + 1e-9)
        rung += steps + (1 if between and steps < 0 else 0)
        return float(f"{_ROUND[rung % 3] * 10.0 ** (rung // 3):.6g}")
    if whole:
        size = 10 ** max(0, len(str(abs(int(value)))) - 3)
        return value + steps * size
    size = 10.0 ** (math.floor(math.log10(abs(value)) + 1e-9) - 1) if value else 0.1
    return float(f"{value + steps * size:.12g}")


class NumberBox(QAbstractSpinBox):
    """Holds an int, a float or, where that is allowed, nothing.

    Signals:
        changed: the text became another number, nothing, or no number at all.
    """

    changed = Signal()

    def __init__(
        self, limits: Limits | None = None, *, whole: bool = False, log: bool = False, optional: bool = False,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.limits, self.whole, self.log, self.optional = limits or Limits(), whole, log, optional
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(60)
        self.lineEdit().textChanged.connect(self._typed)

    def value(self) -> float | int | None:
        """The number; None when the field is empty or holds none."""
        return parse(self.lineEdit().text(), self.whole)

    def is_number(self) -> bool:
        """Whether the field holds a number, or is rightly empty."""
        empty = not self.lineEdit().text().strip()
        return (empty and self.optional) or self.value() is not None

    def set_value(self, value: float | int | None) -> None:
        """Put a number, or nothing, into the field."""
        if value is None:
            self.lineEdit().setText("")
        elif value != self.value():
            self.lineEdit().setText(written(value))

    def _typed(self) -> None:
        self.changed.emit()

    # QAbstractSpinBox ------------------------------------------------------------------------------------------------
    def validate(self, text: str, pos: int) -> object:
        """Anything may be typed: what is wrong is said under the field, not swallowed."""
        return QValidator.State.Acceptable, text, pos

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        flags = QAbstractSpinBox.StepEnabledFlag.StepNone
        value, limits = self.value(), self.limits
        if value is None or limits.high is None or value < limits.high:
            flags |= QAbstractSpinBox.StepEnabledFlag.StepUpEnabled
        if value is None or limits.low is None or value > limits.low:
            flags |= QAbstractSpinBox.StepEnabledFlag.StepDownEnabled
        return flags

    def stepBy(self, steps: int) -> None:
        value = self.value()
        if value is None:
            start = self.limits.low if self.limits.low is not None and not self.limits.low_open else 1
            self.set_value(int(start) if self.whole else float(start))
            return
        found = stepped(float(value), steps, whole=self.whole, log=self.log)
        low, high = self.limits.low, self.limits.high
        if low is not None and (found < low or (found == low and self.limits.low_open)):
            found = value if self.limits.low_open else low
        if high is not None and (found > high or (found == high and self.limits.high_open)):
            found = value if self.limits.high_open else high
        self.set_value(int(found) if self.whole else float(found))
        self.selectAll()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Only a focused field turns with the wheel; the others let the form scroll."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()
