"""The landscape study's tasks."""

from typing import Any

from engine.studies.landscape.tasks_connect import Connect
from engine.studies.landscape.tasks_hessian import Hessian
from engine.studies.landscape.tasks_plane import Surface, Through
from engine.studies.landscape.tasks_sharpness import Sharp
from engine.studies.landscape.tasks_similarity import Similar

TASKS: tuple[Any, ...] = (Surface(), Through(), Hessian(), Connect(), Similar(), Sharp())
