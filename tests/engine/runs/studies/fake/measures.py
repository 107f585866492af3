"""Measures of the tiny tasks."""

from engine.studies.contract import Measure

MEASURES = (
    Measure("fake_total", "Total", "s", "", "The sum of all steps.", "own: a test needs one"),
    Measure("fake_position", "Position", "x", "", "Where the walk is.", "own: a test needs one"),
)
