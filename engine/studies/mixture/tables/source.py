"""Brings the table that a config names: built in, generated, a file, or another run's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.artifacts.refs import ArtifactRef
from engine.data.builtin import read_builtin
from engine.data.config import BuiltinData
from engine.seeding import generator
from engine.studies.mixture.config import BuiltinTable, FileTable, RunTable
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.tables.errors import TableError
from engine.studies.mixture.tables.parts import open_parts
from engine.studies.mixture.tables.reading import Column, parse, read_columns
from engine.studies.mixture.tables.stream import Source, Watch
from engine.studies.mixture.tables.survey import draw
from engine.studies.mixture.tables.table import Note, Table, clean

Input = Callable[[ArtifactRef], Any]
CLASS = "class"
OLD_FAITHFUL = Path(__file__).parents[3] / "data" / "old_faithful.csv"


class NoTableChosen(TableError):
    """Raised when a run's table is asked for without naming one."""

    what = "No table of another run is chosen."
    remedy = "Choose one, or another source of data."


def load_table(source: BuiltinTable | FileTable | RunTable, read: Input, sampling: Sampling | None = None) -> Table:
    """The cleaned table, or a random sample of one that is too large, with a note that says so.

    Args:
        read: brings an artifact. sampling: how a table that is read in parts is sampled; None reads the table whole.

    Raises:
        TableError: with what is wrong and what to do.
    """
    columns = source.columns or None
    if sampling is None or not isinstance(source, FileTable):
        return clean(read_source(source, read), columns=columns, label=label_of(source))
    drawn = draw(source_of(source, sampling.watch), sampling.seed, sampling.size)
    table = clean(drawn.columns, columns=columns, label=label_of(source))
    table = replace(table, rows=drawn.rows[table.rows])
    return table if len(drawn.rows) == drawn.total else _noted(table, drawn.total, len(drawn.rows))


def sampled(table: Table, size: int, seed: int) -> Table:
    """A random ``size`` of its rows, in their order, with a note that says so."""
    n = len(table.x)
    picked = np.sort(generator(seed, "table sample").choice(n, size, replace=False))
    labels = None if table.labels is None else table.labels[picked]
    return _noted(replace(table, x=table.x[picked], rows=table.rows[picked], labels=labels), n, size)


def _noted(table: Table, rows: int, sample: int) -> Table:
    template = "The table has {rows} rows; a random {sample} of them are used here."
    return replace(table, notes=(Note("sample", template, {"rows": rows, "sample": sample}, True), *table.notes))


@dataclass(frozen=True)
class Sampling:
    """How a table is sampled in one pass over its file.

    Attributes:
        seed: of the sample. size: rows, 0 for the usual. watch: see ``Source``.
    """

    seed: int
    size: int = 0
    watch: Watch | None = None


def source_of(source: FileTable, watch: Watch | None = None) -> Source:
    """A file that is read in parts.

    Raises:
        TableError: its beginning cannot be read.
    """
    return Source(
        Path(source.path).expanduser(), source.columns or None, label=source.label, separator=source.separator,
        decimal=source.decimal, header=source.header, watch=watch,
    )  # fmt: skip


@dataclass(frozen=True)
class Glimpse:
    """A few rows of a large file.

    Attributes:
        columns: all of them. rows: of the file. exact: whether the file says so itself, else told from its length.
    """

    columns: list[Column]
    rows: int
    exact: bool


def glimpse(source: FileTable, count: int) -> Glimpse:
    """About ``count`` rows from several places of a file, without reading it whole.

    Raises:
        TableError: its beginning cannot be read.
    """
    file = open_parts(
        Path(source.path).expanduser(), separator=source.separator, decimal=source.decimal, header=source.header
    )
    return Glimpse(file.glimpse(count), file.rows, file.exact)


def label_of(source: BuiltinTable | FileTable | RunTable) -> str | None:
    """The column of known classes."""
    if isinstance(source, BuiltinTable):
        return None if source.name == "faithful" else CLASS
    return source.label or None


def read_source(source: BuiltinTable | FileTable | RunTable, read: Input) -> list[Column]:
    """All columns, before anything is left out."""
    if isinstance(source, BuiltinTable):
        makers = {"generated": lambda: generated(source), "faithful": old_faithful}
        return makers.get(source.name, lambda: _builtin(source.name))()
    if isinstance(source, FileTable):
        return read_columns(
            Path(source.path).expanduser(),
            separator=source.separator,
            decimal=source.decimal,
            header=source.header,
            sheet=source.sheet,
        )
    if source.table is None:
        raise NoTableChosen
    return _of_run(read(source.table))


def _of_run(table: Mapping[str, NDArray[Any]]) -> list[Column]:
    return [
        parse(name, [str(cell) for cell in values], comma=False)
        if values.dtype.kind == "U"
        else Column(name, "number", np.asarray(values, np.float64))
        for name, values in table.items()
    ]


def _builtin(name: str) -> list[Column]:
    raw = read_builtin(BuiltinData.model_validate({"name": name}))
    # float32 is how networks take these tables; the measurements have fewer digits than that.
    x = np.array([float(f"{value:.7g}") for value in raw.x.reshape(-1).tolist()]).reshape(len(raw.x), -1)
    names = raw.features or tuple(f"pixel {i // 8 + 1}.{i % 8 + 1}" for i in range(x.shape[1]))
    classes = np.array(raw.classes)[raw.y]
    columns = [Column(name, "number", column) for name, column in zip(names, x.T, strict=True)]
    return [*columns, Column(CLASS, "text", classes)]


def old_faithful() -> list[Column]:
    """Minutes that 272 eruptions of the geyser lasted, and until the next (Azzalini & Bowman 1990, August 1985)."""
    table = np.loadtxt(OLD_FAITHFUL, delimiter=",", skiprows=1)
    names = ("eruption (min)", "waiting (min)")
    return [Column(name, "number", column) for name, column in zip(names, table.T, strict=True)]


def generated_mixture(source: BuiltinTable) -> Mixture:
    """The true mixture of a generated table: weights from 1 to 2 : 1, turned ellipsoids about a random lattice."""
    rng = generator(source.data_seed, "truth", source.clusters, source.dimension)
    g, d = source.clusters, source.dimension
    weights = rng.uniform(1, 2, g)
    side = int(np.ceil(g ** (1 / min(d, g)))) if g > 1 else 1
    places = rng.choice(side ** min(d, g), g, replace=False)
    lattice = np.zeros((g, d))
    for axis in range(min(d, g)):
        lattice[:, axis] = places // side**axis % side
    means = source.separation * (lattice + 0.15 * rng.standard_normal((g, d)))
    covariances = np.empty((g, d, d))
    for k in range(g):
        turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
        covariances[k] = (turn * rng.uniform(0.3, 1.7, d)) @ turn.T
    return Mixture(weights / weights.sum(), means, covariances)


def generated(source: BuiltinTable) -> list[Column]:
    """Rows drawn from ``generated_mixture`` with the components that they came from."""
    rng = generator(source.data_seed, "rows", source.rows)
    x, labels = generated_mixture(source).sample(source.rows, rng)
    words = np.array([f"component {k + 1}" for k in range(source.clusters)])[labels]
    return [*(Column(f"x{i + 1}", "number", column) for i, column in enumerate(x.T)), Column(CLASS, "text", words)]
