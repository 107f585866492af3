"""The Landscape tab's state: what is set up, which runs are shown, what they have found so far. No Qt."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.tabs.results import Number, Results
from engine.models.config import UserModel
from engine.runs.reader import RunReader
from engine.studies import catalogue
from engine.studies.landscape.config import DIRECTIONS, LandscapeConfig
from engine.studies.landscape.kinds import CurveReport, Line, Plane, SimilarityReport, SpectrumReport

Array = NDArray[np.float64]

TASKS = {
    "training.train": "train",
    "landscape.surface": "surface",
    "landscape.line": "line",
    "landscape.hessian": "hessian",
    "landscape.connect": "connect",
    "landscape.similarity": "similarity",
    "landscape.sharpness": "sharpness",
}
ARTIFACTS = ("plane", "line", "spectrum", "curve", "similarity")
NUMBERS = (
    "train_loss",
    "test_loss",
    "train_accuracy",
    "test_accuracy",
    "generalisation_gap",
    "plane_loss_centre",
    "plane_loss_min",
    "plane_loss_max",
    "plane_nonfinite",
    "explained_variance",
    "path_residual",
    "line_loss_min",
    "line_offset_min",
    "lambda_max",
    "lambda_min",
    "curvature_trace",
    "negative_mass",
    "mc_error",
    "mc_loss",
    "barrier_loss",
    "curve_loss",
    "cka",
    "weight_distance",
    "disagreement",
    "epsilon_sharpness",
    "sam_sharpness",
    "asam_sharpness",
    "ball_mean",
    "ball_max",
)
GROUPS = {
    "plane_loss_centre": "Plane",
    "lambda_max": "Curvature",
    "mc_error": "Connectivity",
    "cka": "Similarity",
    "epsilon_sharpness": "Sharpness",
}
CURVES = ("train_loss", "test_loss")


@dataclass
class LandscapeModel(Results):
    """Everything the view shows.

    Attributes:
        config: what the setup form says.
        plane, line, spectrum, curve, similarity: newest versions read. curves: measure id -> (n, 2) of step and value.
        field: which field of the plane is shown. log: whether as log10. cursor: where the cursor stands.
    """

    config: LandscapeConfig = dataclasses.field(default_factory=lambda: preset("quick"))
    plane: Plane | None = None
    line: Line | None = None
    spectrum: SpectrumReport | None = None
    curve: CurveReport | None = None
    similarity: SimilarityReport | None = None
    curves: dict[str, Array] = dataclasses.field(default_factory=dict)
    field: str = "train_loss"
    log: bool = True
    cursor: tuple[float, float] = (0.0, 0.0)

    def show(self, runs: Mapping[str, str]) -> None:
        """Show these runs (stage -> id) from now on; everything read of the old ones is dropped."""
        self.runs = dict(runs)
        self.readers, self.curves = {}, {}
        for artifact in ARTIFACTS:
            self.drop(artifact)
        self.cursor = (0.0, 0.0)

    def read(self, stage: str, reader: RunReader) -> set[str]:
        """Take in what a run has told; returns what changed: numbers, curves, or the name of an artifact."""
        self.readers[stage] = reader
        changed = {"numbers"}
        if stage == "train" and self._read_curves(reader):
            changed.add("curves")
        return changed | self.read_artifacts(reader, ARTIFACTS)

    def _read_curves(self, reader: RunReader) -> bool:
        before = {name: len(values) for name, values in self.curves.items()}
        for name in CURVES:
            values = reader.series(name)
            if len(values):
                self.curves[name] = np.array(values)
        return before != {name: len(values) for name, values in self.curves.items()}

    @property
    def trouble(self) -> RunReader | None:
        """The first stage that failed or was lost; those that build on it only follow. None when all goes well."""
        readers = [self.readers[stage] for stage in self.runs if stage in self.readers]
        return next((reader for reader in readers if reader.state in ("failed", "lost")), None)

    @property
    def numbers(self) -> list[Number]:
        """The final measures of the shown runs, in a fixed order."""
        known = catalogue.measures()
        found: list[Number] = []
        for stage, reader in self.readers.items():
            if stage not in TASKS.values():
                continue  # replicas: their numbers are those of other networks
            for item in reader.measures:
                if item.id in NUMBERS:
                    dims = tuple((name, str(value)) for name, value in item.dims.items())
                    found.append(Number(known[item.id], item.value, item.interval, item.n, dims))
        found.sort(key=lambda number: NUMBERS.index(number.measure.id))
        for index, number in enumerate(found):
            later = [g for id, g in GROUPS.items() if NUMBERS.index(number.measure.id) >= NUMBERS.index(id)]
            found[index] = dataclasses.replace(number, group=later[-1] if later else "Training")
        return found

    def run_name(self) -> str:
        """What runs of this setup are called: the network and its data."""
        train = self.config.train
        if train is None:
            return ""
        names = ("widths", "channels", "width", "dim")
        sizes = [str(value) for name in names for value in _listed(getattr(train.model, name, ()))]
        network = Path(train.model.path).name if isinstance(train.model, UserModel) else train.model.builder.upper()
        data = getattr(train.data, "name", "") or Path(getattr(train.data, "path", "")).name or "own data"
        return f"{' '.join([network, '-'.join(sizes)]).strip()} on {data}"

    def subject(self) -> list[str]:
        """Network and data of the shown runs, in words; empty before any run."""
        for reader in self.readers.values():
            for published in reversed(reader.versions.get("model", [])):
                facts = published.describe
                return [str(facts[key]) for key in ("network", "data") if key in facts]
        return []

    def cursor_spec(self) -> dict[str, Any] | None:
        """What the session "landscape.cursor" needs of the shown plane; None while there is none."""
        reader = self.readers.get("surface")
        if reader is None or reader.started is None or "directions" not in reader.artifacts:
            return None
        directions = reader.artifacts["directions"].model_copy(update={"run": reader.id})
        return {
            "model": reader.started.inputs["model"].model_dump(),
            "directions": directions.model_dump(),
            "examples": reader.config.get("examples", 0),
        }

    def picture(self) -> tuple[Array, Array, Array] | None:
        """(alpha, beta, field) to draw, on the finest complete lattice; None before the first ring."""
        if self.plane is None or self.field not in self.plane.fields or not len(self.plane.rows):
            return None
        return self.plane.picture(self.field)

    def fields(self) -> list[str]:
        """The fields that the plane has."""
        return list(self.plane.fields) if self.plane is not None else []

    def slices(self) -> dict[str, tuple[Array, Array]]:
        """Cuts through the picture at the cursor: name -> (coordinate, value), at the nearest row and column."""
        picture = self.picture()
        if picture is None:
            return {}
        alpha, beta, values = picture
        row = int(np.argmin(np.abs(beta - self.cursor[1])))
        column = int(np.argmin(np.abs(alpha - self.cursor[0])))
        return {"alpha": (alpha, values[row]), "beta": (beta, values[:, column])}

    def caption(self) -> str:
        """What the plane shows and with what data, English (translation id)."""
        if self.plane is None:
            return ""
        settings = self.plane.settings
        return DIRECTIONS.get(str(settings.get("directions")), "")


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else (value,)


def preset(name: str) -> LandscapeConfig:
    """A preset of the whole tab."""
    found = LandscapeConfig.presets()[name]
    assert isinstance(found, LandscapeConfig)
    return found
