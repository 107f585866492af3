import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.widgets.plot.scale import Axis, View, linear_ticks, log_ticks, nice_step, padded, ticks


@pytest.mark.parametrize(
    ("span", "most", "step"), [(10, 5, 2), (1, 4, 0.5), (7, 7, 1), (0.03, 3, 0.01), (999, 2, 500), (2, 4, 0.5)]
)
def test_nice_step(span: float, most: int, step: float) -> None:
    assert nice_step(span, most) == pytest.approx(step)


@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.integers(2, 10))
def test_linear_ticks_lie_inside_evenly_and_are_few(span: float, shift: float, most: int) -> None:
    low = shift * span
    high = low + span
    found = linear_ticks(low, high, most)
    # Where a step leaves one tick, the next finer one is at most 2.5 times as fine and leaves five.
    assert 2 <= len(found.places) <= max(most + 2, 5)
    assert all(low - 1e-6 * span <= place <= high + 1e-6 * span for place in found.places)
    gaps = np.diff(found.places)
    assert gaps == pytest.approx(gaps[0], rel=1e-6)
    assert len(set(found.labels)) == len(found.labels)


def test_linear_labels() -> None:
    assert linear_ticks(-1, 1, 4).labels == ["−1.0", "−0.5", "0.0", "0.5", "1.0"]
    assert linear_ticks(0, 80, 4).labels == ["0", "20", "40", "60", "80"]
    assert linear_ticks(-0.4, 0.4, 2).labels == ["−0.4", "−0.2", "0.0", "0.2", "0.4"]  # never −0


def test_factor_of_tiny_and_huge_ranges() -> None:
    tiny = linear_ticks(0, 4e-5, 4)
    assert (tiny.labels, tiny.factor) == (["0", "1", "2", "3", "4"], "×10⁻⁵")
    huge = linear_ticks(0, 2e6, 4)
    assert (huge.labels, huge.factor) == (["0.0", "0.5", "1.0", "1.5", "2.0"], "×10⁶")


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_no_ticks_without_a_range(low: float, high: float) -> None:
    assert linear_ticks(low, high, 5).places == []
    assert log_ticks(low, high, 5).places == []


def test_log_ticks() -> None:
    found = log_ticks(-4, 1, 8)
    assert found.labels == ["0.0001", "0.001", "0.01", "0.1", "1", "10"]
    assert found.places == [-4, -3, -2, -1, 0, 1]
    assert pytest.approx(math.log10(2)) in found.minor
    wide = log_ticks(-30, 0, 6)
    assert wide.labels == ["10⁻³⁰", "10⁻²⁵", "10⁻²⁰", "10⁻¹⁵", "10⁻¹⁰", "10⁻⁵", "10⁰"]


def test_log_ticks_within_few_decades() -> None:
    found = log_ticks(math.log10(0.19), math.log10(4.7), 6)
    assert found.labels == ["0.2", "0.5", "1", "2"]
    narrow = log_ticks(math.log10(1.01), math.log10(1.09), 4)
    assert narrow.labels[:2] == ["1.02", "1.04"]
    assert 10 ** narrow.places[0] == pytest.approx(1.02)


def test_ticks_follow_the_axis() -> None:
    assert ticks(Axis(log=True), 0, 3, 5).labels == ["1", "10", "100", "1000"]
    assert ticks(Axis(), 0, 3, 3).labels == ["0", "1", "2", "3"]


def test_axis() -> None:
    axis = Axis("train loss", "nats", log=True)
    assert axis.title() == "train loss (nats)"
    np.testing.assert_array_equal(np.isnan(axis.scaled(np.array([-1.0, 0.0, 10.0, np.nan]))), [True, True, False, True])
    assert axis.scaled(np.array([100.0]))[0] == 2
    assert axis.unscaled(-2) == pytest.approx(0.01)
    assert math.isfinite(axis.unscaled(1e9))
    assert Axis("x").title() == "x"


def test_padded() -> None:
    low, high = padded(0, 10, 0.1)
    assert (low, high) == (-1, 11)
    low, high = padded(5, 5)
    assert low < 5 < high
    assert padded(0, 0) == (-1, 1)
    assert padded(math.nan, 1) == (0, 1)


def test_view_moves_and_zooms_about_a_point() -> None:
    view = View(0, 10, 0, 1)
    assert view.moved(0.1, -0.5) == View(1, 11, -0.5, 0.5)
    inside = view.zoomed(0.5, (0.0, 1.0))
    assert (inside.x0, inside.y1) == (0, 1)
    assert inside.x1 == pytest.approx(5)
    there = view.zoomed(0.5).zoomed(2)
    assert (there.x0, there.x1) == (pytest.approx(0), pytest.approx(10))


def test_zoom_stops_before_digits_run_out() -> None:
    view = View(1.0, 2.0, 1.0, 2.0)
    for _ in range(400):
        view = view.zoomed(0.5)
    assert view.x1 > view.x0
    assert view.x1 - view.x0 > 1e-10
    far = View(0, 1e300, 0, 1e300)
    for _ in range(100):
        far = far.zoomed(10)
    assert math.isfinite(far.x1)


@given(st.floats(0.3, 1e7), st.floats(-10, 10), st.integers(1, 10))
def test_whole_axes_have_integer_ticks_only(span: float, shift: float, most: int) -> None:
    found = ticks(Axis(whole=True), shift * span, shift * span + span, most)
    assert all(place == round(place) for place in found.places)
    assert not any("." in label for label in found.labels) and found.factor == ""


def test_whole_axes_in_words() -> None:
    assert ticks(Axis(whole=True), 0.9, 3.1, 8).labels == ["1", "2", "3"]
    assert ticks(Axis(whole=True), 0.0, 300_000.0, 3).labels[1] == "100\u202f000"  # no factor of 10⁵
    assert ticks(Axis(whole=True, log=True), math.log10(0.7), math.log10(4.2), 8).labels == ["1", "2", "3", "4"]
    assert ticks(Axis(whole=True, log=True), -0.2, 2.1, 8).labels == ["1", "10", "100"]


def test_names_stand_at_one_to_n() -> None:
    axis = Axis("layer", names=("input", "hidden", "output"))
    found = ticks(axis, 0.5, 3.5, 8)
    assert (found.places, found.labels) == ([1.0, 2.0, 3.0], ["input", "hidden", "output"])
    assert ticks(axis, 1.5, 2.5, 8).labels == ["hidden"]
    assert ticks(axis, 0.5, 3.5, 2).labels == ["input", "output"]  # every second
    assert (axis.word(2.0), axis.word(2.5), axis.word(9.0)) == ("hidden", "2.5", "9")
    assert axis.column(np.array([3.0, 1.0])) == ["output", "input"]


def test_no_digit_of_a_count_is_rounded_away() -> None:
    rows = Axis("rows", whole=True)
    assert rows.word(12_345.0) == "12\u202f345"
    assert rows.word(0.0) == "0"
    assert Axis("loss").word(12_345.0) != rows.word(12_345.0)
    assert rows.word(float("nan")) == Axis("loss").word(float("nan"))
