"""The mixture study's tasks."""

from typing import Any

from engine.studies.mixture.tasks.fit import FitMixture
from engine.studies.mixture.tasks.ratio import Ratio
from engine.studies.mixture.tasks.select import Select
from engine.studies.mixture.tasks.stability import Stable

TASKS: tuple[Any, ...] = (Select(), FitMixture(), Stable(), Ratio())
