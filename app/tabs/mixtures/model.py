"""The Mixtures tab's state: what is set up, which runs are shown, what they have found so far. No Qt."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.runs.events import Warned
from engine.runs.reader import RunReader
from engine.studies import catalogue
from engine.studies.contract import Measure
from engine.studies.mixture.config import BuiltinTable, FileTable, FitConfig, MixtureConfig
from engine.studies.mixture.kinds import Choice, Fitted, StabilityReport

Array = NDArray[np.float64]

TASKS = {"mixture.select": "select", "mixture.fit": "fit", "mixture.stability": "stability"}
ARTIFACTS = ("choice", "mixture", "stability")
GROUPS = {
    "Mixture": (
        "mixture_components",
        "mixture_log_likelihood",
        "mixture_parameters",
        "mixture_bic",
        "mixture_icl",
        "mixture_aic",
        "mixture_nec",
        "membership_entropy",
        "axes_kept",
    ),
    "Known classes": ("ari", "nmi"),
    "Generalisation": ("training_likelihood", "out_of_bag", "likelihood_gap"),
    "Stability": ("jaccard", "weight_error"),
    "Local maxima": ("basin_share", "local_maxima"),
    "Health": ("smallest_share", "smallest_eigenvalue", "condition_number", "rows_per_parameter"),
    "Table": ("mixture_rows", "mixture_columns"),
}
COUNTS = ("mixture_rows", "mixture_columns", "mixture_components", "mixture_parameters", "axes_kept", "local_maxima")
ORDER = [name for names in GROUPS.values() for name in names]
DISCRIMINANT, PRINCIPAL, ROW = "discriminant", "principal", "row"


@dataclass(frozen=True)
class Number:
    """One line of the numbers panel."""

    measure: Measure
    value: float | int
    interval: tuple[float, float] | None = None
    n: int | None = None
    dims: tuple[tuple[str, str], ...] = ()
    group: str = ""


@dataclass(frozen=True)
class Picture:
    """The rows of the sample in the plane of two axes.

    Attributes:
        x, y: (m,). memberships: (m, G). known: (m,) class or -1. ellipses: two closed curves (p, 2) for each of the G
            clusters, at one and two standard deviations; empty where an axis is no combination of columns.
    """

    x: Array
    y: Array
    memberships: Array
    known: NDArray[np.intp]
    ellipses: list[list[Array]]


@dataclass
class MixturesModel:
    """Everything the view shows.

    Attributes:
        config: what the setup form says. runs: stage -> id of the run shown.
        choice, mixture, stability: newest versions read. axes: what is drawn across and up, as keys of ``axis_names``;
        solution: which local maximum is shown, 0 the best.
    """

    config: MixtureConfig = dataclasses.field(default_factory=lambda: preset("quick"))
    runs: dict[str, str] = dataclasses.field(default_factory=dict)
    readers: dict[str, RunReader] = dataclasses.field(default_factory=dict)
    choice: Choice | None = None
    mixture: Fitted | None = None
    stability: StabilityReport | None = None
    axes: tuple[str, str] = ("", "")
    solution: int = 0
    _versions: dict[str, int] = dataclasses.field(default_factory=dict)

    def show(self, runs: Mapping[str, str]) -> None:
        """Show these runs (stage -> id) from now on; what is still shown of the old ones stays."""
        for stage, artifact in zip(TASKS.values(), ARTIFACTS, strict=True):
            if self.runs.get(stage) != runs.get(stage):
                self.readers.pop(stage, None)
                self._versions.pop(artifact, None)
                setattr(self, artifact, None)
        self.runs, self.solution = dict(runs), 0

    def read(self, stage: str, reader: RunReader) -> set[str]:
        """Take in what a run has told; returns what changed: numbers, or the name of an artifact."""
        self.readers[stage] = reader
        changed = {"numbers"}
        for artifact in ARTIFACTS:
            ref = reader.artifacts.get(artifact)
            if ref is not None and ref.version != self._versions.get(artifact):
                self._versions[artifact] = ref.version or 0
                setattr(self, artifact, reader.artifact(artifact))
                changed.add(artifact)
        if "mixture" in changed:
            self._keep_axes()
        return changed

    def _keep_axes(self) -> None:
        names = self.axis_names()
        if not set(self.axes) <= set(names):
            self.axes = (names[0], names[1])

    # Words -----------------------------------------------------------------------------------------------------------
    @property
    def state(self) -> str:
        """The shown runs taken together: the first stage that is not finished speaks for all; "" before any run."""
        states = [self.readers[stage].state for stage in self.runs if stage in self.readers]
        unfinished = [state for state in states if state != "finished"]
        return unfinished[0] if unfinished else (states[-1] if states else "")

    @property
    def numbers(self) -> list[Number]:
        """The final measures of the shown runs, in a fixed order; those of the fit go before those of the choice."""
        known = catalogue.measures()
        found: dict[tuple[str, tuple[tuple[str, str], ...]], Number] = {}
        for stage in ("stability", "fit", "select"):
            for item in self.readers[stage].measures if stage in self.readers else []:
                dims = tuple((name, str(value)) for name, value in item.dims.items())
                if item.id in ORDER and not (stage == "select" and (item.id, ()) in found):
                    value = int(item.value) if item.id in COUNTS else item.value
                    number = Number(known[item.id], value, item.interval, item.n, dims, _group(item.id))
                    found.setdefault((item.id, dims), number)
        return sorted(found.values(), key=lambda number: ORDER.index(number.measure.id))

    @property
    def warnings(self) -> list[Warned]:
        """What the shown runs said about their numbers, each thing once."""
        said: dict[tuple[str, str], Warned] = {}
        for reader in self.readers.values():
            for warned in reader.warnings:
                said.setdefault((warned.template, str(warned.params)), warned)
        return list(said.values())

    def run_name(self) -> str:
        """What runs of this setup are called: the table."""
        data = self.config.data
        if isinstance(data, BuiltinTable):
            return f"Clusters of {data.name.replace('_', ' ')}"
        return f"Clusters of {Path(data.path).name if isinstance(data, FileTable) else 'a table'}"

    def subject(self) -> list[str]:
        """Model and size of what is shown, in words; empty before any."""
        if self.mixture is None:
            return []
        return [
            f"{self.mixture.family} {len(self.mixture.weights)}",
            f"{len(self.mixture.x)} × {len(self.mixture.names)}",
        ]

    # Pictures --------------------------------------------------------------------------------------------------------
    def axis_names(self) -> list[str]:
        """What can be drawn along an axis: combinations first where there are more than two columns."""
        if self.mixture is None:
            return []
        mixed = [f"{kind} {i}" for kind in (DISCRIMINANT, PRINCIPAL) for i in (1, 2)]
        if self.mixture.discriminant.shape[1] < 2:
            mixed = mixed[2:]
        columns = list(self.mixture.names)
        if len(columns) == 1:
            return [*columns, ROW]
        return [*columns, *mixed] if len(columns) == 2 else [*mixed, *columns]

    def picture(self) -> Picture | None:
        """What the scatter shows, of the solution chosen; None before the first version."""
        found = self.mixture
        if found is None:
            return None
        sample = np.asarray(found.sample)
        rows = np.asarray(found.x)[sample]
        weights, means, covariances, memberships = self._solution(found)
        directions = [self._direction(found, rows, name) for name in self.axes]
        filled = np.where(np.isnan(rows), np.nanmean(rows, axis=0), rows)
        across, up = (
            found.rows[sample].astype(float) if direction is None else _along(rows, filled, direction)
            for direction in directions
        )
        ellipses: list[list[Array]] = []
        first, second = directions
        if first is not None and second is not None:
            turn = np.column_stack([first, second])
            used = weights > 0
            centres, shapes = means[used] @ turn, turn.T @ covariances[used] @ turn
            ellipses = [[ellipse(c, s, r) for r in (1.0, 2.0)] for c, s in zip(centres, shapes, strict=True)]
        return Picture(across, up, memberships, np.asarray(found.known)[sample], ellipses)

    def _solution(self, found: Fitted) -> tuple[Array, Array, Array, Array]:
        s = self.solution
        if 0 < s < len(found.solution_weights):
            parts = (found.solution_weights, found.solution_means, found.solution_covariances)
            weights, means, covariances = (np.asarray(part[s]) for part in parts)
            return weights, means, covariances, np.asarray(found.solution_memberships[s])
        z = np.asarray(found.memberships)[np.asarray(found.sample)]
        return np.asarray(found.weights), np.asarray(found.means), np.asarray(found.covariances), z

    def _direction(self, found: Fitted, rows: Array, name: str) -> Array | None:
        """(d,) the combination of columns behind an axis; None for row numbers."""
        if name in found.names:
            return np.eye(len(found.names))[found.names.index(name)]
        if name == ROW:
            return None
        kind, _, index = name.partition(" ")
        if kind == DISCRIMINANT:
            return np.asarray(found.discriminant)[:, int(index) - 1]
        return principal_axes(rows)[:, int(index) - 1]

    def confusion(self) -> tuple[list[str], Array] | None:
        """(names of the classes, (C, G) rows of each class in each cluster); None where no class is known."""
        found = self.mixture
        if found is None or len(found.classes) < 1 or not found.complete:
            return None
        known, labels = np.asarray(found.known), found.labels()
        table = np.zeros((len(found.classes), len(found.weights)))
        told = known >= 0
        np.add.at(table, (known[told], labels[told]), 1)
        return list(found.classes), table

    def fit_of(self, family: str, components: int) -> FitConfig:
        """The fit of a cell of the shown choice, with the other settings as they are set up."""
        assert self.choice is not None
        base = self.config.fit or FitConfig()
        changes = {"data": self.choice.data, "family": family, "components": components, "choice": None}
        return FitConfig.model_validate({**base.model_dump(), **changes})


def _group(measure: str) -> str:
    return next(group for group, names in GROUPS.items() if measure in names)


def _along(rows: Array, filled: Array, direction: Array) -> Array:
    """Rows along a direction; a single column keeps its gaps, a combination fills them with means."""
    if np.count_nonzero(direction) == 1:
        return np.asarray(rows[:, int(np.argmax(direction != 0))])
    return np.asarray(filled @ direction)


def principal_axes(rows: Array) -> Array:
    """(d, 2) combinations of the columns, each in its own units, that are the leading axes of the standardised rows."""
    filled = np.where(np.isnan(rows), np.nanmean(rows, axis=0), rows)
    scale = filled.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    _, _, axes = np.linalg.svd((filled - filled.mean(axis=0)) / scale, full_matrices=False)
    return np.asarray((axes[:2] / scale).T)


def ellipse(centre: Array, covariance: Array, radius: float, points: int = 73) -> Array:
    """(points, 2) the closed curve at Mahalanobis distance ``radius`` of a covariance (2, 2)."""
    values, axes = np.linalg.eigh(covariance)
    angle = np.linspace(0, 2 * np.pi, points)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return np.asarray(centre + radius * (circle * np.sqrt(np.maximum(values, 0))) @ axes.T)


def preset(name: str) -> MixtureConfig:
    """A preset of the whole tab."""
    found = MixtureConfig.presets()[name]
    assert isinstance(found, MixtureConfig)
    return found
