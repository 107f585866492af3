"""Expected seconds and bytes of the mixture tasks, from rates measured on one core of a 2020s server processor."""

from __future__ import annotations

from pathlib import Path

from engine.errors import EngineError
from engine.studies.contract import Cost
from engine.studies.mixture.config import (
    BuiltinTable,
    FileTable,
    FitConfig,
    RatioConfig,
    RunTable,
    SelectConfig,
    StabilityConfig,
)
from engine.studies.mixture.model.families import DIAGONAL
from engine.studies.mixture.tables.parts import TEXT
from engine.studies.mixture.tables.size import (
    KEPT_BYTES,
    MANY_ROWS,
    FileSize,
    known_size,
    part_size,
    read_in_parts,
    sample_size,
)

SIZES = {"iris": (150, 4), "wine": (178, 13), "breast_cancer": (569, 30), "digits": (1797, 61), "faithful": (272, 2)}
START = 2.5  # seconds until scipy is imported and the table is read
BASE_BYTES = 160 * 2**20
RATE = 1.2e9  # of row x feature x component a second, in one pass
PASSES = 25  # of a start that runs out
RACED = 8  # of a start in a race: all make short runs, or only the first ten where these agree; a few run out
REFITTED = 12  # of a refit, which begins at a maximum of its like
REFIT = 0.35  # of a raced start: a refit on a resample begins at a solution, and not every model is refitted
FLAT = 20  # features a column, as it were, of a diagonal family on more columns than rows
PASS = 4e-4  # seconds of a pass besides its rows
TEXT_SECONDS, ARRAY_SECONDS = 1.6e-6, 1.6e-7  # to read a cell of a table whole
TEXT_RATE, CELL_RATE = 8e7, 3e7  # bytes of text, and other cells, read a second in parts
STREAM_PASSES = 9  # over all rows, until the best of a sample has come to rest
STREAM_BYTES = 300 * 2**20  # for chunks and the sample


def size_of(source: BuiltinTable | FileTable | RunTable) -> tuple[int, int] | None:
    """Rows and columns that a fit in memory sees, where they are known before reading: a sample of a large file."""
    if isinstance(source, FileTable):
        found = known_size(source)
        if found is None:
            return None
        rows = min(found.rows, sample_size(found.columns)) if _in_parts(source) else found.rows
        return rows, found.columns
    if not isinstance(source, BuiltinTable):
        return None
    return (source.rows, source.dimension) if source.name == "generated" else SIZES[source.name]


def select_cost(config: SelectConfig) -> Cost:
    """Families x numbers of clusters x starts."""
    size = size_of(config.data)
    if size is None:
        return Cost()
    size = (min(size[0], MANY_ROWS), size[1])
    clusters = sum(range(config.smallest, config.largest + 1))
    numbers = config.largest - config.smallest + 1
    each = config.starts + REFIT * config.resamples
    count = len(DIAGONAL & set(config.families)) if _flat(size) else len(config.families)
    cost = _cost(size, count * clusters * each, count * numbers, RACED)
    return _with_reading(cost, config.data)


def fit_cost(config: FitConfig) -> Cost:
    """Starts x clusters; the clusters that a choice will name are taken as those of the config."""
    size = size_of(config.data)
    if size is None:
        return Cost()
    if config.method in ("spectral_bootem", "bootspectral"):
        rows, columns = size
        cost = _cost((rows, min(columns, 8)), 6 * config.chains * config.components, 6)
    else:
        cost = _cost(size, config.starts * config.components, 2, RACED if config.method == "em" else PASSES)
    if isinstance(config.data, FileTable) and config.method == "em" and _in_parts(config.data):
        return _streamed(cost, config.data, config.components)
    return _with_reading(cost, config.data)


def _in_parts(source: FileTable) -> bool:
    try:
        return read_in_parts(source)
    except EngineError:
        return False


def _with_reading(cost: Cost, source: BuiltinTable | FileTable | RunTable) -> Cost:
    """Besides the fit: one pass over a file, or reading it whole."""
    found = known_size(source) if isinstance(source, FileTable) else None
    if found is None or not isinstance(source, FileTable) or cost.seconds is None or cost.bytes is None:
        return cost
    if _in_parts(source):
        return Cost(cost.seconds + _reading(source, found), cost.bytes + STREAM_BYTES)
    whole = found.cells * (TEXT_SECONDS if _is_text(source) else ARRAY_SECONDS)
    return Cost(cost.seconds + whole, max(cost.bytes, BASE_BYTES + found.needed))


def _streamed(race: Cost, source: FileTable, components: int) -> Cost:
    """The first look, the race on a sample, passes over all rows, labels."""
    found = known_size(source)
    if found is None or race.seconds is None or race.bytes is None:
        return Cost()
    d, features = found.columns, (found.columns + 1) * (found.columns + 2) / 2
    each = features * (4e-9 + components * 0.6e-9) + 5e-9 * (components + d)
    held = found.rows * d * 8
    reading = _reading(source, found)
    passes = STREAM_PASSES * (found.rows * each + (0 if held <= KEPT_BYTES else reading))
    looks = 2.5 * reading + found.rows * (1.5e-6 + 2e-9 * components * d * d)
    return Cost(race.seconds + passes + looks, race.bytes + min(held, KEPT_BYTES) + STREAM_BYTES)


def _reading(source: FileTable, found: FileSize) -> float:
    """Seconds of one pass over a file in parts."""
    return found.bytes / TEXT_RATE if _is_text(source) else found.rows * found.columns / CELL_RATE


def _is_text(source: FileTable) -> bool:
    return Path(source.path).suffix.lower() in TEXT


def stability_cost(config: StabilityConfig, fit: FitConfig | None) -> Cost:
    """Refits of each resample from each maximum."""
    size = _kept(fit)
    if fit is None or size is None:
        return Cost()
    return _cost(size, config.replicates * config.maxima * fit.components, config.maxima, REFITTED)


def ratio_cost(config: RatioConfig, fit: FitConfig | None) -> Cost:
    """Fits of G and G + 1 clusters to each drawn table, the splits of G counted as starts."""
    size = _kept(fit)
    if fit is None or size is None:
        return Cost()
    tests = 2 if config.fewer and fit.components > 1 else 1
    tables, g = tests * config.replicates, fit.components
    return _cost(size, tables * (2 * config.starts + min(g, 8)) * g, 4 * tables)


def _kept(fit: FitConfig | None) -> tuple[int, int] | None:
    """Rows and columns of a fit that are refitted: a part of a large table."""
    size = None if fit is None else size_of(fit.data)
    if fit is None or size is None:
        return None
    streamed = isinstance(fit.data, FileTable) and fit.method == "em" and _in_parts(fit.data)
    return (min(size[0], part_size(size[1])), size[1]) if streamed or size[0] > MANY_ROWS else size


def _flat(size: tuple[int, int]) -> bool:
    """Whether no family with free directions has rows enough, so that only diagonal ones are fitted."""
    return size[0] <= size[1]


def _cost(size: tuple[int, int], chains: float, batches: float, passes: float = PASSES) -> Cost:
    """``chains``: components times starts, all told; ``batches``: loops that carry them; ``passes``: of each."""
    rows, columns = size
    features = FLAT * columns if _flat(size) else (columns + 1) * (columns + 2) / 2
    work = rows * features * chains * passes / RATE
    algebra = 0.0 if _flat(size) else chains * passes * columns**3 * 3e-9
    return Cost(
        seconds=START + work + algebra + batches * PASSES * PASS,
        bytes=int(BASE_BYTES + 8 * rows * (columns + features) + 64 * 2**20),
    )
