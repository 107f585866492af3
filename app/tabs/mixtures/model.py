"""The Mixtures tab's state: what is set up, which runs are shown, what they have found so far. No Qt."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.shell.text import number
from app.tabs.mixtures import picture
from app.tabs.mixtures.picture import Array, Density, Picture
from app.tabs.results import Number, Results
from engine.runs.reader import RunReader
from engine.studies import catalogue
from engine.studies.mixture.config import (
    BuiltinTable,
    FileTable,
    FitConfig,
    MixtureConfig,
    RatioConfig,
    StabilityConfig,
    TableSource,
)
from engine.studies.mixture.kinds import Choice, Fitted, RatioReport, StabilityReport

TASKS = {
    "mixture.select": "select",
    "mixture.fit": "fit",
    "mixture.stability": "stability",
    "mixture.ratio": "ratio",
}
ARTIFACTS = ("choice", "mixture", "stability", "ratio")  # of the tasks, in their order
AFTER_FIT = ("stability", "ratio")
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
    "One cluster more": ("ratio_p", "ratio_statistic"),
    "Local maxima": ("basin_share", "local_maxima"),
    "Health": ("smallest_share", "smallest_eigenvalue", "condition_number", "rows_per_parameter"),
    "Table": ("mixture_rows", "mixture_columns"),
}
COUNTS = ("mixture_rows", "mixture_columns", "mixture_components", "mixture_parameters", "axes_kept", "local_maxima")
ORDER = [name for names in GROUPS.values() for name in names]


@dataclass
class MixturesModel(Results):
    """Everything the view shows.

    Attributes:
        config: what the setup form says.
        choice, mixture, stability, ratio: newest versions read.
        axes: what is drawn across and up, as keys of ``axis_names``.
        solution: which local maximum is shown, 0 the best.
    """

    config: MixtureConfig = dataclasses.field(default_factory=lambda: preset("quick"))
    choice: Choice | None = None
    mixture: Fitted | None = None
    stability: StabilityReport | None = None
    ratio: RatioReport | None = None
    axes: tuple[str, str] = ("", "")
    solution: int = 0

    def show(self, runs: Mapping[str, str]) -> None:
        """Show these runs (stage -> id) from now on; what is still shown of the old ones stays."""
        for stage, artifact in zip(TASKS.values(), ARTIFACTS, strict=True):
            if self.runs.get(stage) != runs.get(stage):
                self.readers.pop(stage, None)
                self.drop(artifact)
        self.runs, self.solution = dict(runs), 0

    def read(self, stage: str, reader: RunReader) -> set[str]:
        """Take in what a run has told; returns what changed: numbers, or the name of an artifact."""
        self.readers[stage] = reader
        changed = {"numbers"} | self.read_artifacts(reader, ARTIFACTS)
        if "mixture" in changed:
            self._keep_axes()
        return changed

    def _keep_axes(self) -> None:
        names = self.axis_names()
        if not set(self.axes) <= set(names):
            self.axes = (names[0], names[1])

    # Words -----------------------------------------------------------------------------------------------------------
    @property
    def numbers(self) -> list[Number]:
        """The final measures of the shown runs, in a fixed order; those of the fit go before those of the choice."""
        known = catalogue.measures()
        found: dict[tuple[str, tuple[tuple[str, str], ...]], Number] = {}
        for stage in ("ratio", "stability", "fit", "select"):
            for item in self.readers[stage].measures if stage in self.readers else []:
                dims = tuple((name, str(value)) for name, value in item.dims.items())
                if item.id in ORDER and not (stage == "select" and (item.id, ()) in found):
                    value = int(item.value) if item.id in COUNTS else item.value
                    number = Number(known[item.id], value, item.interval, item.n, dims, _group(item.id))
                    found.setdefault((item.id, dims), number)
        return sorted(found.values(), key=lambda number: ORDER.index(number.measure.id))

    def run_name(self, data: TableSource | None = None) -> str:
        """What runs on a table are called, on that of the setup unless told; the form may have moved on since."""
        data = data or self.config.data
        if isinstance(data, BuiltinTable):
            return f"Clusters of {data.name.replace('_', ' ')}"
        return f"Clusters of {Path(data.path).name if isinstance(data, FileTable) else 'a table'}"

    def subject(self) -> list[str]:
        """Model and size of what is shown, in words; empty before any."""
        if self.mixture is None:
            return []
        return [
            f"{self.mixture.family} {len(self.mixture.weights)}",
            f"{number(int(self.mixture.took_part))} × {len(self.mixture.names)}",
        ]

    # Pictures --------------------------------------------------------------------------------------------------------
    def axis_names(self) -> list[str]:
        """What can be drawn along an axis; nothing before the first version."""
        return [] if self.mixture is None else picture.axis_names(self.mixture)

    def picture(self) -> Picture | None:
        """What the scatter shows, of the solution chosen; None before the first version."""
        return None if self.mixture is None else picture.picture(self.mixture, self.axes, self.solution)

    def density_key(self) -> tuple[int, tuple[str, str]] | None:
        """What tells the density of all rows from others: the version and the axes; None where rows are drawn."""
        found = self.mixture
        if found is None or self.solution or not found.complete or not picture.is_dense(found):
            return None
        return self._versions["mixture"], self.axes

    def density(self) -> Density:
        """All rows along the axes; slow for many."""
        assert self.mixture is not None
        return picture.density(self.mixture, self.axes)

    def confusion(self) -> tuple[list[str], Array] | None:
        """(names of the classes, (C, G) rows of each class in each cluster); None where no class is known."""
        found = self.mixture
        if found is None or len(found.classes) < 1 or not found.complete:
            return None
        known, clusters = np.asarray(found.known), len(found.weights)
        told = known >= 0
        cells = known[told] * clusters + found.labels()[told]
        table = np.bincount(cells, minlength=len(found.classes) * clusters).astype(float)
        return list(found.classes), table.reshape(len(found.classes), clusters)

    def fit_of(self, family: str, components: int) -> FitConfig:
        """The fit of a cell of the shown choice, with the other settings as they are set up."""
        assert self.choice is not None
        base = self.config.fit or FitConfig()
        changes = {"data": self.choice.data, "family": family, "components": components, "choice": None}
        return FitConfig.model_validate({**base.model_dump(), **changes})

    def fitted_data(self) -> TableSource:
        """The table of the shown fit."""
        return FitConfig.model_validate({"data": self.readers["fit"].config["data"]}).data

    def maxima(self) -> int:
        """How many local maxima the starts that ran to the end have found."""
        found = self.mixture
        return 0 if found is None else len(set(np.asarray(found.member)[np.asarray(found.finished)].tolist()))

    def after_fit(self, stage: str) -> StabilityConfig | RatioConfig | None:
        """The resamples or the test of the shown fit, as they are set up; None before it is finished."""
        if self.mixture is None or not self.mixture.complete or "fit" not in self.runs:
            return None
        ref = self.readers["fit"].artifacts["mixture"]
        found = self.config.ratio or RatioConfig() if stage == "ratio" else self.config.stability or StabilityConfig()
        return found.model_copy(update={"mixture": ref})


def _group(measure: str) -> str:
    return next(group for group, names in GROUPS.items() if measure in names)


def preset(name: str) -> MixtureConfig:
    """A preset of the whole tab."""
    found = MixtureConfig.presets()[name]
    assert isinstance(found, MixtureConfig)
    return found
