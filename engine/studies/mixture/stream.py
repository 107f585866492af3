"""Tables larger than memory: read in chunks, summed exactly, fitted with a few passes over all rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.coordinates import Frame, frame_from, guard_for, to_frame
from engine.studies.mixture.em import Observe
from engine.studies.mixture.errors import check_columns
from engine.studies.mixture.families import DIAGONAL, Family, degrees_of_freedom, invariance
from engine.studies.mixture.fit import DEFAULTS, Fit, Options, fit
from engine.studies.mixture.health import spurious
from engine.studies.mixture.kernels import Kernel
from engine.studies.mixture.mixture import Mixture
from engine.studies.mixture.parameters import Array, concatenate
from engine.studies.mixture.prior import THIN
from engine.studies.mixture.race import distinct, polished
from engine.studies.mixture.reading import array_columns
from engine.studies.mixture.sweep import Block
from engine.studies.mixture.table_errors import (
    BrokenFileError,
    InfiniteColumnError,
    NoColumnsError,
    NoFileError,
    OneRowError,
    UnknownColumnError,
    UnknownTableError,
)

CHUNK = 65_536
# Chunks read from Parquet at a time.
AHEAD = 4
SAMPLE = 100_000


class Source:
    """A file of rows read in chunks: Parquet and CSV through polars' lazy engine, NPY through a memory map.

    Args:
        path: the file. columns: names to use; default all columns of numbers. chunk: rows at a time.

    Attributes:
        names: of the columns used. left_out: names of columns that hold no numbers.

    Raises:
        TableError: no such file, unknown kind, no columns of numbers.
    """

    def __init__(self, path: Path, columns: Sequence[str] | None = None, chunk: int = CHUNK) -> None:
        if not path.is_file():
            raise NoFileError(path=path)
        self.path, self.chunk = path, chunk
        suffix = path.suffix.lower()
        self._array, self._sliced = suffix == ".npy", suffix in (".parquet", ".pq")
        if not self._array and suffix not in (".parquet", ".pq", ".csv", ".tsv"):
            raise UnknownTableError(path=path, suffix=suffix or "nothing")
        kinds = self._kinds()
        for name in columns or ():
            if name not in kinds:
                raise UnknownColumnError(column=name, names=", ".join(list(kinds)[:20]))
        wanted = list(columns) if columns is not None else list(kinds)
        self.names = tuple(name for name in wanted if kinds[name])
        self.left_out = tuple(name for name in wanted if not kinds[name])
        if not self.names:
            raise NoColumnsError(reason="Every column holds text or dates.")

    def _kinds(self) -> dict[str, bool]:
        """Column name -> whether it holds numbers."""
        if self._array:
            head = np.load(self.path, mmap_mode="r", allow_pickle=False)
            return {column.name: True for column in array_columns(np.asarray(head[:1]), self.path)}
        import polars as pl

        try:
            schema = self._scan().collect_schema()
        except pl.exceptions.PolarsError as error:
            reason = str(error).strip().splitlines()[0]
            raise BrokenFileError(path=self.path, format=self.path.suffix[1:], reason=f"{reason}.") from error
        return {name: dtype.is_numeric() or dtype == pl.Boolean for name, dtype in schema.items()}

    def _scan(self) -> Any:
        import polars as pl

        suffix = self.path.suffix.lower()
        if suffix in (".parquet", ".pq"):
            return pl.scan_parquet(self.path)
        return pl.scan_csv(self.path, separator="\t" if suffix == ".tsv" else ",", infer_schema_length=10_000)

    def _raw(self) -> Iterator[Array]:
        if self._array:
            array = np.load(self.path, mmap_mode="r", allow_pickle=False)
            array = array[:, None] if array.ndim == 1 else array
            index = [int(name.rsplit(" ", 1)[1]) - 1 for name in self.names]
            for start in range(0, len(array), self.chunk):
                yield np.asarray(array[start : start + self.chunk], dtype=np.float64)[:, index]
            return
        import polars as pl

        lazy = self._scan().select(pl.col(self.names).cast(pl.Float64))
        for batch in self._slices(lazy) if self._sliced else lazy.collect_batches(chunk_size=self.chunk):
            yield batch.fill_null(float("nan")).to_numpy()

    def _slices(self, lazy: Any) -> Iterator[Any]:
        """Parquet by row numbers: batches run ahead of a slow reader and would fill the memory."""
        start = 0
        while len(part := lazy.slice(start, AHEAD * self.chunk).collect()):
            yield from part.iter_slices(self.chunk)
            start += len(part)

    def chunks(self) -> Iterator[Array]:
        """Rows without missing values, (c, d) float64, in the order of the file.

        Raises:
            InfiniteColumnError: a value is infinite.
        """
        done = 0
        for raw in self._raw():
            infinite = np.isinf(raw)
            if infinite.any():
                column = int(np.argmax(infinite.any(axis=0)))
                raise InfiniteColumnError(
                    column=self.names[column],
                    count=int(infinite[:, column].sum()),
                    row=done + int(np.argmax(infinite[:, column])) + 1,
                )
            done += len(raw)
            whole = ~np.isnan(raw).any(axis=1)
            if whole.any():
                yield raw if whole.all() else raw[whole]

    def rows_read(self) -> int:
        """Rows of the file, complete or not."""
        return sum(len(raw) for raw in self._raw())


@dataclass(frozen=True)
class Summary:
    """One pass over a source.

    Attributes:
        n: complete rows. dropped: rows with missing values. mean: (d,). covariance: (d, d), divided by n.
    """

    n: int
    dropped: int
    mean: Array
    covariance: Array


def summarise(source: Source) -> Summary:
    """Exact mean and covariance by merging chunks about their own means (Chan, Golub & LeVeque 1983).

    Raises:
        OneRowError: fewer than two complete rows. InfiniteColumnError.
    """
    n, mean, scatter = 0, np.zeros(len(source.names)), np.zeros((len(source.names),) * 2)
    for x in source.chunks():
        m, centre = len(x), x.mean(axis=0)
        centred = x - centre
        away = centre - mean
        scatter += centred.T @ centred + np.outer(away, away) * (n * m / (n + m))
        mean += away * (m / (n + m))
        n += m
    if n < 2:
        raise OneRowError(rows=n)
    return Summary(n, source.rows_read() - n, mean, scatter / n)


class StreamRows:
    """A source in the coordinates of a fit.

    Args:
        source: the file. frame: from the user's units. n: its complete rows.
    """

    def __init__(self, source: Source, frame: Frame, n: int) -> None:
        self.source, self.frame, self.n, self.dimension = source, frame, n, len(source.names)

    def blocks(self, kernel: Kernel, dtype: Any, height: int) -> Iterator[Block]:
        """Consecutive blocks of all rows."""
        done = 0
        for x in self.source.chunks():
            y = self.frame.to(x).astype(dtype)
            for start in range(0, len(y), height):
                part = y[start : start + height]
                yield slice(done, done + len(part)), kernel.features(part)
                done += len(part)

    def row(self, index: int) -> Array:
        """One row."""
        return self.frame.to(take_rows(self.source, np.array([index])))[0]


def take_rows(source: Source, indices: NDArray[np.intp]) -> Array:
    """The complete rows with these numbers, (m, d); ``indices`` rising."""
    done, parts = 0, []
    for x in source.chunks():
        mine = indices[(indices >= done) & (indices < done + len(x))] - done
        parts.append(x[mine])
        done += len(x)
    return np.concatenate(parts)


def fit_stream(
    source: Source,
    components: int,
    family: Family = "VVV",
    options: Options = DEFAULTS,
    *,
    sample: int = SAMPLE,
    finalists: int = 2,
    summary: Summary | None = None,
    observe: Observe | None = None,
) -> Fit:
    """Race all starts on a random sample, then run the best few on all rows.

    Args:
        sample: rows of the race. finalists: distinct solutions that run on all rows.
        summary: of the source, when known. observe: sees the passes over all rows, chains counted from 0.
    """
    check_columns(np.empty((1, len(source.names))))
    found = summarise(source) if summary is None else summary
    rng = generator(options.seed, "stream sample")
    picked = np.arange(found.n) if found.n <= sample else np.sort(rng.choice(found.n, sample, replace=False))
    rough = fit(take_rows(source, picked), components, family, options)
    if found.n <= sample:
        return rough
    score = np.where(rough.finished & ~rough.spurious, rough.objectives, -np.inf)
    best = distinct(score, finalists, 1e-4 * len(picked))
    frame = _frame(found, family, options)
    thin = found.n < THIN * degrees_of_freedom(family, components, len(source.names))
    prior = ("pooled" if thin else "off") if options.prior == "auto" else options.prior
    guard = _guard(found, frame, family, components, options, prior)
    begin = concatenate([to_frame(frame, rough.solution(int(k)), family in DIAGONAL, guard) for k in best])
    out = polished(StreamRows(source, frame, found.n), begin, family, guard, options.control(), observe=observe)
    bad = spurious(out.params, family, guard, float(found.n))
    first = int(np.lexsort((-out.score(guard), bad))[0])
    shift = found.n * frame.log_volume
    mixture = frame.mixture(out.params, first, family)
    mixture = mixture.permuted(np.argsort(-mixture.weights, kind="stable"))
    return Fit(
        mixture,
        float(out.log_likelihood[first] + shift),
        first,
        family,
        components,
        degrees_of_freedom(family, mixture.components, mixture.dimension),
        found.n,
        prior != "off",
        rough.starts[best],
        [rough.kinds[k] for k in best],
        out.log_likelihood + shift,
        out.objective + shift,
        out.iterations,
        out.reseeds,
        out.converged,
        np.ones(len(best), bool),
        bad,
        False,
        out.params,
        frame,
    )


def _frame(found: Summary, family: Family, options: Options) -> Frame:
    if options.scaling == "none":
        return frame_from(invariance(family), found.mean, found.covariance)
    scaler = frame_from("columns", found.mean, found.covariance)
    return frame_from(invariance(family), np.zeros(len(found.mean)), scaler.matrix(found.covariance)).after(scaler)


def _guard(found: Summary, frame: Frame, family: Family, components: int, options: Options, prior: Any) -> Any:
    """The guard of a fit in memory: floor and ridge are set after scaling."""
    scaler = frame_from("columns" if options.scaling == "zscore" else "isotropic", found.mean, found.covariance)
    if options.scaling == "none":
        return guard_for(
            frame,
            family,
            components,
            found.mean,
            found.covariance,
            prior=prior,
            ridge=options.ridge,
            resolution=options.resolution,
        )
    scaled = scaler.matrix(found.covariance)
    inner = frame_from(invariance(family), np.zeros(len(found.mean)), scaled)
    resolution = None if options.resolution is None else options.resolution * np.diagonal(scaler.forward)
    return guard_for(
        inner,
        family,
        components,
        np.zeros(len(found.mean)),
        scaled,
        prior=prior,
        ridge=options.ridge,
        resolution=resolution,
    )


def labels_of(source: Source, mixture: Mixture) -> NDArray[np.int16]:
    """The most probable component of every complete row, (n,)."""
    return np.concatenate([mixture.labels(x).astype(np.int16) for x in source.chunks()])
