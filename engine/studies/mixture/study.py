"""The mixture study's tasks."""

from typing import Any

from engine.studies.mixture.tasks_fit import FitMixture
from engine.studies.mixture.tasks_ratio import Ratio
from engine.studies.mixture.tasks_select import Select
from engine.studies.mixture.tasks_stability import Stable

TASKS: tuple[Any, ...] = (Select(), FitMixture(), Stable(), Ratio())
