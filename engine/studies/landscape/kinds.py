"""Artifact kinds of the landscape study: planes, lines, directions, and reports of its measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FIELDS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@dataclass(frozen=True)
class Path2D:
    """The optimiser's path seen from a plane.

    Attributes:
        steps: (S,) update counts. points: (S, 2) coordinates of the projections.
        distance: (S,) Euclidean distance of each snapshot from the plane, in weight space.
        loss: (S,) training loss at the snapshot itself, not at its projection.
    """

    steps: Array
    points: Array
    distance: Array
    loss: Array


@dataclass(frozen=True)
class Plane:
    """Loss on a regular lattice; points that are still to come are NaN in ``fields`` and False in ``known``.

    Attributes:
        alpha: (n,) coordinates along the first direction (columns). beta: (m,) along the second (rows).
        fields: name -> (m, n); names are those of FIELDS. known: (m, n) evaluated so far.
        rows, columns: indices of the finest lattice that is complete; the picture to show.
        settings: how the plane was made: directions, seed, radius, norms, examples.
        path: the optimiser's path, when one was given. marks: label -> (2,) points to mark, such as other models.
    """

    alpha: Array
    beta: Array
    fields: Mapping[str, Array]
    known: Array
    rows: Array
    columns: Array
    settings: Mapping[str, Any]
    path: Path2D | None = None
    marks: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def picture(self, name: str) -> tuple[Array, Array, Array]:
        """(alpha (c,), beta (r,), field (r, c)) on the finest complete lattice."""
        return self.alpha[self.columns], self.beta[self.rows], self.fields[name][np.ix_(self.rows, self.columns)]


@dataclass(frozen=True)
class Line:
    """Loss along a line: ``alpha`` (n,), each of ``fields`` (n,), ``settings`` as for a plane."""

    alpha: Array
    fields: Mapping[str, Array]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Directions:
    """What spans a line or plane, in the order of the model's trainable parameters.

    Attributes:
        vectors: (k, P). settings: how they were made. origin: (P,) weights at coordinates 0, None for the model's own.
    """

    vectors: Array
    settings: Mapping[str, Any]
    origin: Array | None = None


class PlaneKind:
    """A plane: arrays as .npy files, settings as JSON."""

    name = "plane"
    title = "Loss plane"
    schema_version = 1

    def write(self, value: Plane, folder: Path) -> None:
        arrays = {
            "alpha": value.alpha,
            "beta": value.beta,
            "known": value.known,
            "rows": value.rows,
            "columns": value.columns,
        }
        _save(folder, {**arrays, **{f"field_{name}": array for name, array in value.fields.items()}})
        if value.path is not None:
            _save(folder, {f"path_{name}": array for name, array in asdict(value.path).items()})
        _write_json(folder / "plane.json", {"settings": dict(value.settings), "marks": dict(value.marks)})

    def read(self, folder: Path) -> Plane:
        facts = _read_json(folder / "plane.json")
        path = (
            Path2D(*(_load(folder, f"path_{name}") for name in ("steps", "points", "distance", "loss")))
            if (folder / "path_points.npy").exists()
            else None
        )
        return Plane(
            **{name: _load(folder, name) for name in ("alpha", "beta", "known", "rows", "columns")},
            fields={name: _load(folder, f"field_{name}") for name in FIELDS if (folder / f"field_{name}.npy").exists()},
            settings=facts["settings"],
            path=path,
            marks={name: (point[0], point[1]) for name, point in facts["marks"].items()},
        )

    def describe(self, value: Plane) -> dict[str, str | int | float]:
        return {"points": int(value.known.sum()), "grid": f"{len(value.alpha)} x {len(value.beta)}"}


class LineKind:
    """A line: arrays as .npy files, settings as JSON."""

    name = "line"
    title = "Loss line"
    schema_version = 1

    def write(self, value: Line, folder: Path) -> None:
        _save(folder, {"alpha": value.alpha, **{f"field_{name}": array for name, array in value.fields.items()}})
        _write_json(folder / "line.json", {"settings": dict(value.settings)})

    def read(self, folder: Path) -> Line:
        fields = {name: _load(folder, f"field_{name}") for name in FIELDS if (folder / f"field_{name}.npy").exists()}
        return Line(_load(folder, "alpha"), fields, _read_json(folder / "line.json")["settings"])

    def describe(self, value: Line) -> dict[str, str | int | float]:
        return {"points": len(value.alpha)}


class DirectionsKind:
    """Directions: .npy files of (k, P) and perhaps (P,) numbers."""

    name = "directions"
    title = "Directions in weight space"
    schema_version = 1

    def write(self, value: Directions, folder: Path) -> None:
        _save(folder, {"vectors": value.vectors} | ({} if value.origin is None else {"origin": value.origin}))
        _write_json(folder / "directions.json", {"settings": dict(value.settings)})

    def read(self, folder: Path) -> Directions:
        origin = _load(folder, "origin") if (folder / "origin.npy").exists() else None
        return Directions(_load(folder, "vectors"), _read_json(folder / "directions.json")["settings"], origin)

    def describe(self, value: Directions) -> dict[str, str | int | float]:
        return {"directions": value.vectors.shape[0], "parameters": value.vectors.shape[1]}


@dataclass(frozen=True)
class SpectrumReport:
    """What is known of a curvature matrix of size P x P.

    Attributes:
        values, residuals: (k,) eigenvalues that converged, falling, each within its residual. grid, density, low, high:
            (n,) spectral density with the bounds of its 95 % interval (NaN without one). layers: names;
            layer_traces: (l,). history: (v, 3) of step, largest eigenvalue, trace. sigma: width of the broadening.
        products: matrix-vector products spent. size: P. matrix: "hessian" or "ggn". examples: behind the loss.
        copies: whether equal eigenvalues are listed as often as they occur, not once.
    """

    values: Array
    residuals: Array
    grid: Array
    density: Array
    low: Array
    high: Array
    layers: tuple[str, ...]
    layer_traces: Array
    history: Array
    sigma: float
    products: int
    size: int
    matrix: str
    examples: int
    copies: bool = False


class SpectrumKind:
    """A spectrum: .npy files and a JSON file of facts."""

    name = "spectrum"
    title = "Curvature spectrum"
    schema_version = 1

    def write(self, value: SpectrumReport, folder: Path) -> None:
        _write_record(value, folder)

    def read(self, folder: Path) -> SpectrumReport:
        return _read_record(SpectrumReport, folder)

    def describe(self, value: SpectrumReport) -> dict[str, str | int | float]:
        top = float(value.values[0]) if len(value.values) else float("nan")
        return {"matrix": value.matrix, "eigenvalues": len(value.values), "largest": top}


@dataclass(frozen=True)
class CurveReport:
    """A curve between two networks.

    Attributes:
        times: (n,) in [0, 1]. train_loss, test_loss: (n,) nats. train_error, test_error: (n,) percent, NaN where there
            are no classes.
        linear_loss, linear_error: (n,) the same on the straight line, training set.
        steps, losses: (b,) progress of the bends' training. round_means: (r,) mean loss on the curve after each round.
        corners: (k, 2) coordinates of ends and bends in their plane; path: (n, 2) of the curve.
        plane_x, plane_y: (m,) coordinates, plane_loss: (m, m) training loss on that plane; all empty without one.
        form: "linear", "bezier" or "chain". converged: whether another round would change nothing. aligned: units were
            permuted first.
    """

    times: Array
    train_loss: Array
    train_error: Array
    test_loss: Array
    test_error: Array
    linear_loss: Array
    linear_error: Array
    steps: Array
    losses: Array
    round_means: Array
    corners: Array
    path: Array
    plane_x: Array
    plane_y: Array
    plane_loss: Array
    form: str
    converged: bool
    aligned: bool


class CurveKind:
    """A curve: .npy files and a JSON file of facts."""

    name = "curve"
    title = "Curve between networks"
    schema_version = 1

    def write(self, value: CurveReport, folder: Path) -> None:
        _write_record(value, folder)

    def read(self, folder: Path) -> CurveReport:
        return _read_record(CurveReport, folder)

    def describe(self, value: CurveReport) -> dict[str, str | int | float]:
        return {"curve": value.form, "points": len(value.times), "converged": "yes" if value.converged else "no"}


@dataclass(frozen=True)
class SimilarityReport:
    """How alike networks are.

    Attributes:
        networks: (r,) names. cka, weight_distance, disagreement: (r, r). layers_first, layers_second: names;
        layer_cka: (a, b) of the first two networks. read: what was compared. debiased, mixup: how. inputs: on how many.
    """

    networks: tuple[str, ...]
    cka: Array
    weight_distance: Array
    disagreement: Array
    layers_first: tuple[str, ...]
    layers_second: tuple[str, ...]
    layer_cka: Array
    read: str
    debiased: bool
    mixup: bool
    inputs: int


class SimilarityKind:
    """Similarities: .npy files and a JSON file of facts."""

    name = "similarity"
    title = "Similarity of networks"
    schema_version = 1

    def write(self, value: SimilarityReport, folder: Path) -> None:
        _write_record(value, folder)

    def read(self, folder: Path) -> SimilarityReport:
        return _read_record(SimilarityReport, folder)

    def describe(self, value: SimilarityReport) -> dict[str, str | int | float]:
        return {"networks": len(value.networks), "compared": value.read}


KINDS = (PlaneKind(), LineKind(), DirectionsKind(), SpectrumKind(), CurveKind(), SimilarityKind())


Report = TypeVar("Report", SpectrumReport, CurveReport, SimilarityReport)


def _save(folder: Path, arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)


def _load(folder: Path, name: str) -> Array:
    return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)


def _write_record(value: Any, folder: Path) -> None:
    """Arrays of a dataclass as .npy files of their names, the rest as facts.json."""
    members = {name: getattr(value, name) for name in value.__dataclass_fields__}
    arrays = {name: member for name, member in members.items() if isinstance(member, np.ndarray)}
    _save(folder, arrays)
    _write_json(folder / "facts.json", {name: member for name, member in members.items() if name not in arrays})


def _read_record(cls: type[Report], folder: Path) -> Report:
    """What _write_record wrote; fields that a newer program has added are left out, new ones take their defaults."""
    facts = {name: tuple(v) if isinstance(v, list) else v for name, v in _read_json(folder / "facts.json").items()}
    arrays = {path.stem: _load(folder, path.stem) for path in folder.glob("*.npy")}
    known = {item.name for item in fields(cls)}
    read: dict[str, Any] = {name: value for name, value in {**facts, **arrays}.items() if name in known}
    return cls(**read)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
