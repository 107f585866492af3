import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QCoreApplication, QObject, QTranslator
from pytestqt.qtbot import QtBot

from app.shell.text import (
    Quantity,
    about,
    duration,
    language,
    live,
    number,
    plain,
    power,
    quantity,
    short,
    size,
    tr,
)


class Backwards(QTranslator):
    """Translates one text, one wrongly, and leaves the others."""

    TEXTS = {"Run {name}": "{name} nuR", "Bad {name}": "{name:d} daB", "Stop": "potS"}

    def translate(self, context: str, source: str, disambiguation: str | None = None, n: int = -1) -> str:  # type: ignore[override]
        return self.TEXTS.get(source, "") if context == "theodolite" else ""

    def isEmpty(self) -> bool:
        return False


def test_tr_without_translation_fills_the_names() -> None:
    assert tr("Run {name}", name="0427") == "Run 0427"
    assert tr("100 {percent}") == "100 {percent}"
    assert tr("") == ""


def test_tr_keeps_a_name_without_value() -> None:
    assert tr("{a} and {b}", a=1) == "1 and {b}"


def test_tr_translates_and_survives_a_bad_translation(qapp: QCoreApplication) -> None:
    translator = Backwards()
    qapp.installTranslator(translator)
    try:
        assert tr("Run {name}", name="x") == "x nuR"
        assert tr("Stop") == "potS"
        assert tr("Bad {name}", name="x") == "Bad x"
    finally:
        qapp.removeTranslator(translator)


def test_live_sets_again_when_the_language_changes_and_forgets_the_dead(qtbot: QtBot) -> None:
    class Holder(QObject):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0
            live(self.say)

        def say(self) -> None:
            self.count += 1

    holder = Holder()
    language().changed.emit()
    assert holder.count == 2
    holder.deleteLater()
    del holder
    QCoreApplication.processEvents()
    language().changed.emit()  # must not reach what is gone


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0312, 3, "0.0312"),
        (-0.0612, 2, "−0.061"),
        (118.0, 3, "118"),
        (1797, 4, "1797"),
        (12345, 4, "12\u202f345"),
        (-1234567, 4, "−1\u202f234\u202f567"),
        (14.2, 3, "14.2"),
        (1.0, 4, "1.000"),
        (9.9996, 4, "10.00"),
        (0.0, 4, "0"),
        (1.23e-7, 3, "1.23×10⁻⁷"),
        (-4.5e12, 2, "−4.5×10¹²"),
        (123456.7, 4, "123\u202f500"),
        (None, 4, "—"),
        (math.nan, 4, "NaN"),
        (math.inf, 4, "∞"),
        (-math.inf, 4, "−∞"),
        (True, 4, "yes"),
    ],
)
def test_number(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits) == text


@given(st.floats(-1e300, 1e300), st.integers(1, 8))
def test_number_reads_back_within_its_digits(value: float, digits: int) -> None:
    text = number(value, digits).replace("\u202f", "").replace("−", "-")
    head, times, exponent = text.partition("×10")
    shift = int(exponent.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))) if times else 0
    read = float(head) * 10.0**shift
    assert read == pytest.approx(value, rel=0.5001 * 10 ** (1 - digits), abs=1e-300)


def test_short_has_no_zeros_at_the_end() -> None:
    assert short(0.6) == "0.6"
    assert short(10.0) == "10"
    assert short(100) == "100"
    assert short(1.5e-9) == "1.5×10⁻⁹"
    assert short(None) == "—"


@pytest.mark.parametrize(
    ("value", "interval", "digits", "shown"),
    [
        (97.1, (96.3, 97.9), 3, Quantity("97.1", "%", "± 0.8")),
        (118.0, (114.0, 122.0), 3, Quantity("118", "%", "± 4")),
        (0.712, (0.692, 0.732), 2, Quantity("0.71", "%", "± 0.02")),
        (2.0, (1.5, 4.0), 3, Quantity("2", "%", "[2, 4]")),
        (2.0, (1.9, 2.5), 3, Quantity("2.00", "%", "[1.90, 2.50]")),
        (5.0, None, 2, Quantity("5.0", "%")),
        (None, (0.0, 1.0), 2, Quantity("—", "%")),
        (1.0, (1.0, 1.0), 2, Quantity("1.0", "%")),
        (1.0, (math.nan, 2.0), 2, Quantity("1.0", "%")),
        (3e9, (2e9, 4e9), 2, Quantity("3.0×10⁹", "%", "± 1.0×10⁹")),
    ],
)
def test_quantity(value: float | None, interval: tuple[float, float] | None, digits: int, shown: Quantity) -> None:
    assert quantity(value, "%", interval, digits) == shown


def test_quantity_of_zero_keeps_the_intervals_decimals() -> None:
    assert quantity(0.0, "", (-0.02, 0.02), 3) == Quantity("0.000", "", "± 0.020")


def test_quantity_as_text() -> None:
    assert str(quantity(97.1, "%", (96.3, 97.9), 3)) == "97.1 ± 0.8 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.42, "0.4 s"),
        (3, "3 s"),
        (9.96, "10 s"),
        (14.2, "14 s"),
        (59.7, "1 min"),
        (250, "4 min 10 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
        (172800, "2 d"),
        (None, "—"),
        (math.nan, "—"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "time unknown"),
        (0.3, "under 1 s"),
        (14.4, "about 14 s"),
        (247, "about 4 min 10 s"),
        (1250, "about 21 min"),
    ],
)
def test_about(seconds: float | None, text: str) -> None:
    assert about(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "—"),
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (60_000_000, "60 MB"),
        (3_200_000_000, "3.2 GB"),
        (5 * 10**12, "5.0 TB"),
    ],
)
def test_size(count: int | None, text: str) -> None:
    assert size(count) == text


def test_plain_reads_back() -> None:
    assert float(plain(0.1 + 0.2)) == 0.1 + 0.2
    assert plain(3) == "3"
    assert plain("word") == "word"  # type: ignore[arg-type]


def test_power() -> None:
    assert power(-12) == "10⁻¹²"
