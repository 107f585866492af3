"""Expected seconds and bytes of the mixture tasks, from rates measured on one core of a 2020s server processor."""

from __future__ import annotations

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

SIZES = {"iris": (150, 4), "wine": (178, 13), "breast_cancer": (569, 30), "digits": (1797, 61), "faithful": (272, 2)}
START = 2.5  # seconds until scipy is imported and the table is read
BASE_BYTES = 160 * 2**20
RATE = 1.2e9  # of row x feature x component a second, in one pass
PASSES = 25  # of a start, short runs and finalists together
PASS = 4e-4  # seconds of a pass besides its rows


def size_of(source: BuiltinTable | FileTable | RunTable) -> tuple[int, int] | None:
    """Rows and columns where they are known before reading."""
    if not isinstance(source, BuiltinTable):
        return None
    return (source.rows, source.dimension) if source.name == "generated" else SIZES[source.name]


def select_cost(config: SelectConfig) -> Cost:
    """Families x numbers of clusters x starts."""
    size = size_of(config.data)
    if size is None:
        return Cost()
    clusters = sum(range(config.smallest, config.largest + 1))
    numbers = config.largest - config.smallest + 1
    return _cost(size, len(config.families) * clusters * config.starts, len(config.families) * numbers)


def fit_cost(config: FitConfig) -> Cost:
    """Starts x clusters; the clusters that a choice will name are taken as those of the config."""
    size = size_of(config.data)
    if size is None:
        return Cost()
    if config.method in ("spectral_bootem", "bootspectral"):
        rows, columns = size
        return _cost((rows, min(columns, 8)), 6 * config.chains * config.components, 6)
    return _cost(size, config.starts * config.components, 2)


def stability_cost(config: StabilityConfig, fit: FitConfig | None) -> Cost:
    """Refits of each resample from each maximum."""
    size = None if fit is None else size_of(fit.data)
    if fit is None or size is None:
        return Cost()
    return _cost(size, config.replicates * config.maxima * fit.components, config.maxima)


def ratio_cost(config: RatioConfig, fit: FitConfig | None) -> Cost:
    """Fits of G and G + 1 clusters to each drawn table, the splits of G counted as starts."""
    size = None if fit is None else size_of(fit.data)
    if fit is None or size is None:
        return Cost()
    tests = 2 if config.fewer and fit.components > 1 else 1
    tables, g = tests * config.replicates, fit.components
    return _cost(size, tables * (2 * config.starts + min(g, 8)) * g, 4 * tables)


def _cost(size: tuple[int, int], chains: float, batches: float) -> Cost:
    """``chains``: components times starts, all told; ``batches``: loops that carry them."""
    rows, columns = size
    features = (columns + 1) * (columns + 2) / 2
    work = rows * features * chains * PASSES / RATE
    algebra = chains * PASSES * columns**3 * 3e-9
    return Cost(
        seconds=START + work + algebra + batches * PASSES * PASS,
        bytes=int(BASE_BYTES + 8 * rows * (columns + features) + 64 * 2**20),
    )
