"""What every fit tells of itself: its numbers, what makes it less than it seems, and the labels of its rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.runs.run import Run
from engine.studies.mixture.bootstrap.boot_fit import BootFit
from engine.studies.mixture.bootstrap.chains import ChainRules
from engine.studies.mixture.bootstrap.spectral import bootstrap_allowed, rows_wanted
from engine.studies.mixture.kinds import Fitted
from engine.studies.mixture.model.agreement import adjusted_rand_index, normalised_mutual_information
from engine.studies.mixture.model.criteria import entropy as entropy_of
from engine.studies.mixture.model.health import GAP, examine
from engine.studies.mixture.model.mixture import Mixture

LABELS = np.dtype([("row", np.int64), ("cluster", np.int32), ("membership", np.float64)])


def labels_table(fitted: Fitted) -> NDArray[np.void]:
    """The table "labels" of a fit in memory: row of the file from 1, cluster from 1, largest membership."""
    table = np.empty(len(fitted.x), LABELS)
    table["row"] = np.asarray(fitted.rows) + 1
    table["cluster"] = fitted.labels() + 1
    table["membership"] = np.asarray(fitted.memberships).max(axis=1)
    return table


def warn_of_resampling(found: BootFit, gap: float, rules: ChainRules, run: Run) -> None:
    """What makes a resampled fit less than it seems.

    Args:
        gap: training minus out-of-bag log-likelihood per row.
    """
    if not found.chains.settled:
        run.warn("The resampled likelihood had not settled after {steps} iterations.", steps=rules.most)
    if found.q < found.suggested:
        template = "Only {q} of {suggested} axes were kept: for more, the rows are too few to resample the clusters."
        run.warn(template, q=found.q, suggested=found.suggested)
    rows = found.mixture.weights.min() * len(found.memberships)
    if not bootstrap_allowed(np.array([rows]), found.q):
        run.warn(
            "The smallest cluster ended with about {rows} rows; resampled EM on {q} axes needs {needed}, else the"
            " widest cluster swallows rows. Use fewer axes or clusters, or EM with the stability stage.",
            rows=round(float(rows)), q=found.q, needed=rows_wanted(found.q),
        )  # fmt: skip
    if gap > GAP:
        run.warn(
            "The mixture is overfitted: rows left out of a resample are {gap} nat less likely. Use fewer axes or"
            " clusters.",
            gap=f"{gap:.2f}",
        )  # fmt: skip


def tell(fitted: Fitted, mixture: Mixture, run: Run) -> None:
    """The numbers that every method has."""
    n = fitted.took_part
    health = examine(mixture, float(n))
    run.measure("mixture_rows", n)
    run.measure("mixture_columns", fitted.x.shape[1])
    run.measure("mixture_components", len(fitted.weights))
    run.measure("mixture_log_likelihood", fitted.log_likelihood)
    run.measure("training_likelihood", fitted.log_likelihood / n)
    run.measure("membership_entropy", entropy_of(fitted.memberships) / len(fitted.memberships))
    run.measure("basin_share", 100 * float(fitted.share[0]), n=_starts(fitted))
    run.measure("local_maxima", len(set(fitted.member[fitted.finished].tolist())))
    run.measure("smallest_share", 100 * float(fitted.weights.min()))
    run.measure("smallest_eigenvalue", float(health.smallest.min()))
    run.measure("condition_number", float(health.condition.max()))
    if len(fitted.weights) < fitted.components:
        run.warn("{gone} of {asked} clusters collapsed and are gone.", gone=fitted.components - len(fitted.weights),
                 asked=fitted.components)  # fmt: skip
    least, columns = n * float(fitted.weights.min()), len(fitted.names)
    if least < columns + 1:
        template = "The smallest cluster holds about {rows} rows in {columns} columns: it may be nothing but outliers."
        run.warn(template, rows=round(least), columns=columns)
    told = fitted.known >= 0
    if told.sum() > 1 and len(fitted.classes) > 1:
        labels = fitted.labels()[told]
        run.measure("ari", adjusted_rand_index(fitted.known[told], labels), n=int(told.sum()))
        run.measure("nmi", normalised_mutual_information(fitted.known[told], labels), n=int(told.sum()))


def _starts(fitted: Fitted) -> int:
    """Solutions found by resampling are not starts."""
    return max(1, sum(kind != "escape" for kind in fitted.start_kinds))
