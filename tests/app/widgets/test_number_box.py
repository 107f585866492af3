import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.widgets.form.number_box import NumberBox, parse, stepped, written
from app.widgets.form.shape import Limits


@pytest.mark.parametrize(
    ("text", "whole", "value"),
    [
        ("51", True, 51),
        ("1 797", True, 1797),
        ("−2", True, -2),
        ("1e3", True, 1000),
        ("1.5", True, None),
        ("9007199254740993", True, 9007199254740993),
        ("1e-3", False, 0.001),
        ("0,5", False, 0.5),
        ("−0.5", False, -0.5),
        ("abc", False, None),
        ("", False, None),
        ("inf", False, None),
        ("nan", False, None),
    ],
)
def test_parse(text: str, whole: bool, value: float | None) -> None:
    assert parse(text, whole) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_written_reals_read_back(value: float) -> None:
    assert parse(written(value), False) == value


@given(st.integers(-(2**63), 2**63))
def test_written_integers_read_back(value: int) -> None:
    assert parse(written(value), True) == value


def test_written_is_short() -> None:
    assert [written(v) for v in (1.0, 0.001, 1e-5, -2, 1e22)] == ["1", "0.001", "1e-5".replace("-", "−"), "−2", "1e22"]


@pytest.mark.parametrize(
    ("value", "steps", "whole", "log", "found"),
    [
        (1.0, 1, False, True, 2.0),
        (2.0, 1, False, True, 5.0),
        (5.0, 1, False, True, 10.0),
        (1.0, -1, False, True, 0.5),
        (0.001, 1, False, True, 0.002),
        (0.003, 1, False, True, 0.005),
        (0.003, -1, False, True, 0.002),
        (0.3, 3, False, True, 2.0),
        (16, 1, True, True, 32),
        (16, -2, True, True, 4),
        (1, -1, True, True, 1),
        (51, 1, True, False, 52),
        (5000, 1, True, False, 5010),
        (0.5, 1, False, False, 0.51),
        (0.0, 1, False, False, 0.1),
        (0.3, -1, False, False, 0.29),
    ],
)
def test_stepped(value: float, steps: int, whole: bool, log: bool, found: float) -> None:
    assert stepped(value, steps, whole=whole, log=log) == pytest.approx(found)


@given(st.floats(1e-8, 1e8), st.integers(1, 5))
def test_log_steps_go_up_and_down_again(value: float, steps: int) -> None:
    up = stepped(value, steps, whole=False, log=True)
    assert up > value
    assert stepped(up, -steps, whole=False, log=True) <= value * (1 + 1e-6)


def box(qtbot: QtBot, **options: object) -> NumberBox:
    made = NumberBox(**options)  # type: ignore[arg-type]
    qtbot.addWidget(made)
    made.resize(120, 28)
    made.show()
    made.setFocus()
    return made


def test_arrow_keys_step_within_the_limits(qtbot: QtBot) -> None:
    made = box(qtbot, limits=Limits(1, 4), whole=True)
    made.set_value(3)
    for _ in range(3):
        qtbot.keyClick(made, Qt.Key.Key_Up)
    assert made.value() == 4
    for _ in range(5):
        qtbot.keyClick(made, Qt.Key.Key_Down)
    assert made.value() == 1


def test_open_limits_are_never_reached(qtbot: QtBot) -> None:
    made = box(qtbot, limits=Limits(0, 1, low_open=True, high_open=True))
    made.set_value(0.5)
    for _ in range(200):
        made.stepBy(1)
    assert 0.9 < made.value() < 1
    for _ in range(400):
        made.stepBy(-1)
    assert 0 < made.value() < 0.9


def test_typing_tells_and_nonsense_is_kept(qtbot: QtBot) -> None:
    made = box(qtbot)
    made.set_value(1.0)
    made.selectAll()
    with qtbot.waitSignal(made.changed):
        qtbot.keyClicks(made, "1e-3")
    assert made.value() == 0.001
    made.selectAll()
    qtbot.keyClicks(made, "fast")
    assert made.value() is None and not made.is_number()
    assert made.lineEdit().text() == "fast"


def test_optional_may_be_empty(qtbot: QtBot) -> None:
    made = box(qtbot, optional=True)
    made.set_value(None)
    assert made.is_number() and made.value() is None
    assert not box(qtbot).is_number()
    made.stepBy(1)
    assert made.value() == 1


def test_same_value_keeps_the_users_way_of_writing(qtbot: QtBot) -> None:
    made = box(qtbot)
    made.lineEdit().setText("1e0")
    made.set_value(1.0)
    assert made.lineEdit().text() == "1e0"
