"""What the mixture tasks share: the table with its notes as warnings, and a tick that lets Stop take effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.runs.run import Run
from engine.seeding import generator
from engine.studies.mixture.config import METHODS, FitConfig, SelectConfig
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.search.fit import Options
from engine.studies.mixture.tables.errors import OneRowError
from engine.studies.mixture.tables.size import MANY_ROWS, read_in_parts
from engine.studies.mixture.tables.source import Sampling, load_table, sampled
from engine.studies.mixture.tables.stream import Watch
from engine.studies.mixture.tables.table import Note, Table

POINT_SECONDS = 0.05
PICTURE_ROWS = 4000
SEVERAL = {
    "text": "These columns hold text and were left out: {columns}.",
    "constant": "These columns are the same in every row and were left out: {columns}.",
    "empty": "These columns have no values and were left out: {columns}.",
    "rounded": "Values move in steps, so variances are kept above step²/12: {columns}.",
}


@dataclass(frozen=True)
class Setting:
    """A table made ready.

    Attributes:
        table: cleaned. classes: names of the known classes. known: (n,) class of each row, -1 where unknown.
        sample: (m,) rows that pictures show. in_parts: whether these are rows of a larger table that is read in parts;
            a checkpoint keeps this as "in_parts", since free memory may be another when the run goes on.
    """

    table: Table
    classes: tuple[str, ...]
    known: NDArray[np.intp]
    sample: NDArray[np.intp]
    in_parts: bool = False

    @property
    def x(self) -> Array:
        """(n, d)."""
        return self.table.x


def prepare_table(
    config: SelectConfig | FitConfig, run: Run, *, complete: bool | Callable[[Table], bool], keep: bool = False
) -> Setting:
    """Read the table and warn of everything that was done to it.

    Args:
        complete: whether rows with missing values are left out, because the method needs all of a row; may depend on
            the table.
        keep: whether they stay in the table nevertheless, only to be given memberships in the end.

    Raises:
        TableError: the table cannot be used.
    """
    fresh, in_parts = run.restored() is None, reads_in_parts(config, run)
    size = MANY_ROWS if isinstance(config, SelectConfig) else 0
    sampling = Sampling(config.seed, size, reading_progress(run)) if in_parts else None
    table = load_table(config.data, run.input, sampling)
    if size and len(table.x) > size:
        table = sampled(table, size, config.seed)
    complete = complete(table) if callable(complete) else complete
    if fresh:
        passed = ("rounded", "missing") if complete else ("rounded",)
        for template, params in told([note for note in table.notes if note.kind not in passed]):
            run.warn(template, **params)
    if complete and keep and table.missing and fresh:
        template = (
            "{method} needs whole rows: {count} rows with missing values take no part in the estimates, and get"
            " memberships by what is known of them."
        )
        count = int(np.isnan(table.x).any(axis=1).sum())
        run.warn(
            template, method=METHODS[config.method] if isinstance(config, FitConfig) else config.title, count=count
        )
    elif complete and not keep and table.missing:
        whole = ~np.isnan(table.x).any(axis=1)
        if whole.sum() < 2:
            raise OneRowError(rows=int(whole.sum()))
        if fresh:
            template = "{task} leaves out {count} rows with missing values, since it needs whole rows."
            run.warn(template, task=config.title, count=int((~whole).sum()))
        labels = None if table.labels is None else table.labels[whole]
        table = replace(table, x=table.x[whole], rows=table.rows[whole], labels=labels)
    classes, known = codes(table.labels, len(table.x))
    return Setting(table, classes, known, sample_of(len(table.x), config.seed), in_parts)


def reads_in_parts(config: SelectConfig | FitConfig, run: Run) -> bool:
    """Whether the table is read in parts: as it was before the run was stopped, else by its size.

    Raises:
        TableError: the file is missing or broken, or cannot be read in parts.
    """
    saved = (run.restored() or {}).get("in_parts")
    return read_in_parts(config.data) if saved is None else bool(saved)


def reading_progress(run: Run) -> Watch:
    """Says that the table is being read, and lets Stop take effect."""

    def watch(share: float) -> None:
        run.progress(0.0, 1.0, "reading")
        run.point()

    return watch


def told(notes: Sequence[Note]) -> list[tuple[str, dict[str, Any]]]:
    """Templates and their values; what is the same of several columns is said once."""
    found: list[tuple[str, dict[str, Any]]] = []
    for kind in dict.fromkeys(note.kind for note in notes):
        alike = [note for note in notes if note.kind == kind]
        if kind in SEVERAL and len(alike) > 1:
            columns = ", ".join(str(note.params["column"]) for note in alike)
            found.append((SEVERAL[kind], {"columns": columns}))
        else:
            found += [(note.template, note.params) for note in alike]
    return found


def codes(labels: NDArray[np.str_] | None, n: int) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Names of the classes, sorted, and the class of each row, -1 where it is "" or nothing is known."""
    if labels is None:
        return (), np.full(n, -1)
    names = sorted(set(labels.tolist()) - {""})
    place: dict[str, int] = {name: index for index, name in enumerate(names)}
    return tuple(names), np.array([place.get(label, -1) for label in labels.tolist()], dtype=np.intp)


def sample_of(n: int, seed: int) -> NDArray[np.intp]:
    """The rows that pictures show: all, or a random few in their order."""
    if n <= PICTURE_ROWS:
        return np.arange(n)
    return np.sort(generator(seed, "picture").choice(n, PICTURE_ROWS, replace=False))


def options_of(config: SelectConfig | FitConfig, table: Table, run: Run) -> Options:
    """How the mathematics is asked to fit, and where."""
    return Options(prior=config.prior, scaling=config.data.scaling, resolution=table.resolution, seed=config.seed,
                   device=run.device, warn=run.warn)  # fmt: skip


class Tick:
    """Called after every pass: lets Stop take effect, not oftener than needed."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._due = 0.0

    def __call__(self, _seen: Any = None) -> None:
        now = time.monotonic()
        if now >= self._due:
            self.run.point()
            self._due = now + POINT_SECONDS
