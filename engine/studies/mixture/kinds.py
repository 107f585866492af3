"""Artifact kinds of the mixture study: the choice of a model, a fitted mixture, its stability."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Choice:
    """Families x numbers of clusters; cells that are still to come, or cannot be fitted, are NaN.

    Attributes:
        families: F names. components: (C,) numbers. bic, icl, aic, nec, log_likelihood, entropy: (F, C).
        degrees: (F, C) free parameters. spurious, prior, converged: (F, C) bool.
        alarms: F lists of C names of the smaller model that the cell first stayed below, "" when none did.
        rows, columns: of the table. data: the source, as JSON. best_bic, best_icl, best_out_of_bag: (family, clusters)
            or (). out_of_bag: (F, C) mean log density per row of rows that refits on resamples had not seen; NaN where
            it was not asked for. resamples: refits behind it.
    """

    families: tuple[str, ...]
    components: Array
    bic: Array
    icl: Array
    aic: Array
    nec: Array
    log_likelihood: Array
    entropy: Array
    degrees: Array
    spurious: Array
    prior: Array
    converged: Array
    alarms: tuple[tuple[str, ...], ...]
    rows: int
    columns: int
    data: dict[str, Any]
    best_bic: tuple[str, int] | tuple[()]
    best_icl: tuple[str, int] | tuple[()]
    best_out_of_bag: tuple[str, int] | tuple[()] = ()
    out_of_bag: Array = field(default_factory=lambda: np.zeros((0, 0)))
    resamples: int = 0

    def best(self, criterion: str) -> tuple[str, int] | tuple[()]:
        """Family and clusters with the largest "bic", "icl" or "out_of_bag" that is not spurious; () before any."""
        return {"icl": self.best_icl, "out_of_bag": self.best_out_of_bag}.get(criterion, self.best_bic)


@dataclass(frozen=True)
class Fitted:
    """One mixture and the starts behind it.

    Attributes:
        names: d columns. x: (n, d) rows of the table, NaN where missing; of a table larger than memory a random part.
        rows: (n,) their numbers in the file, from 0. count: rows that took part in the fit; n where 0.
        classes: names of known classes, () when unknown. known: (n,) class of each row, -1 where unknown.
        sample: (m,) positions among the rows that pictures show.
        memberships: (n, G), rows sum to 1. weights (G,), means (G, d), covariances (G, d, d): in the table's units;
            dof: (G,) degrees of freedom of t components, else (0,).
        method, family: how. components: asked for. prior, scaling: as in the settings. resolution: (d,) rounding steps.
        log_likelihood: nats. degrees: free parameters, 0 where the method has no maximum likelihood.
        start_kinds: R names. log_likelihoods, objectives: (R,). finished, spurious: (R,) bool. iterations: (R,).
        member: (R,) the maximum that each start ended in, best first, those that no start reached last.
        position: (R, 2) a map of the solutions.
        agreement: (R,) adjusted Rand index with the solution shown. share: (K,) of starts in each maximum.
        maxima_log_likelihoods: (K,). barrier: (K, K) nats by which the log-likelihood falls on the straight way
            from the lower of two maxima to the other; NaN beyond the first twelve that a start has reached.
        solution_weights (S, G), solution_means (S, G, d), solution_covariances (S, G, d, d): of the first S <= K
            maxima; weight 0 where a component is gone. solution_memberships: (S, m, G) of the rows in ``sample``.
        discriminant: (d, 2) directions along which the clusters differ most, (d, 0) where there are none.
        trace: (T, C) log-likelihood per row of C traced chains in every iteration, NaN once a chain has stopped.
        trace_chain: (C,) their starts. trace_weights: (T, C, G) their weights. trace_out_of_bag: (T, C) of resampled
            chains, else (0, C). trace_angle: (T, C) smallest cosine between successive subspaces, else (0, C).
        burn, window: iterations before memberships are collected, and those that the stop rule compares, else 0.
        axes: (d, q), scores_mean (d,), scores_scale (d,): t = ((x - mean) / scale) axes, else (d, 0).
        score_means (G, q), score_covariances (G, q, q): the mixture on these axes, else (G, 0) and (G, 0, 0).
        eigenvalues: (k,) of the spectral step, else (0,).
        complete: whether the fit is over; else this is the best start so far. data: the source, as JSON.
    """

    names: tuple[str, ...]
    x: Array
    rows: Array
    classes: tuple[str, ...]
    known: Array
    sample: Array
    memberships: Array
    weights: Array
    means: Array
    covariances: Array
    dof: Array
    method: str
    family: str
    components: int
    prior: str
    scaling: str
    resolution: Array
    log_likelihood: float
    degrees: int
    start_kinds: tuple[str, ...]
    log_likelihoods: Array
    objectives: Array
    finished: Array
    spurious: Array
    iterations: Array
    member: Array
    position: Array
    agreement: Array
    share: Array
    maxima_log_likelihoods: Array
    barrier: Array
    solution_weights: Array
    solution_means: Array
    solution_covariances: Array
    solution_memberships: Array
    discriminant: Array
    trace: Array
    trace_out_of_bag: Array
    axes: Array
    scores_mean: Array
    scores_scale: Array
    score_means: Array
    score_covariances: Array
    eigenvalues: Array
    complete: bool
    data: dict[str, Any]
    count: int = 0
    trace_chain: Array = field(default_factory=lambda: np.zeros(0, int))
    trace_weights: Array = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    trace_angle: Array = field(default_factory=lambda: np.zeros((0, 0)))
    burn: int = 0
    window: int = 0

    @property
    def took_part(self) -> int:
        """Rows behind the fit."""
        return self.count or len(self.x)

    def labels(self) -> NDArray[np.intp]:
        """(n,) the most probable cluster of each row."""
        return np.asarray(self.memberships).argmax(axis=1)

    def parameters(self) -> dict[str, Any]:
        """Weights, means and covariances as JSON values; of t components centres and scale matrices."""
        means, covariances = ("centres", "scale_matrices") if len(self.dof) else ("means", "covariances")
        found = {
            "method": self.method,
            "family": self.family,
            "columns": list(self.names),
            "weights": self.weights.tolist(),
            means: self.means.tolist(),
            covariances: self.covariances.tolist(),
            "log_likelihood": self.log_likelihood,
            "free_parameters": self.degrees,
        }
        return found | ({"degrees_of_freedom": self.dof.tolist()} if len(self.dof) else {})


@dataclass(frozen=True)
class StabilityReport:
    """What resamples say about a mixture.

    Attributes:
        jaccard: (B, G) similarity of each cluster with its like in each resample. verdicts: G of "stable", "doubtful",
            "dissolved". consensus: (m, m) share of resamples in which two rows fall together; order: (m,) the rows,
            sorted by cluster; groups: (m,) their clusters. memberships: (n, G) out-of-bag. weights: (B, G).
        training, out_of_bag: log-likelihood per row. replicates: B so far.
    """

    jaccard: Array
    verdicts: tuple[str, ...]
    consensus: Array
    order: Array
    groups: Array
    memberships: Array
    weights: Array
    training: float
    out_of_bag: float
    replicates: int


@dataclass(frozen=True)
class RatioReport:
    """Likelihood-ratio tests of G against G + 1 components by the parametric bootstrap.

    Attributes:
        family: of the mixtures. null: (K,) numbers G that were tested. statistic: (K,) 2 (ll of G + 1 - ll of G).
        replicates: (K, B) the statistic in tables drawn from the mixture of G; NaN for those still to come.
        p: (K,) (1 + number of replicates >= statistic) / (B + 1). rows: n.
    """

    family: str
    null: Array
    statistic: Array
    replicates: Array
    p: Array
    rows: int


class _Record:
    """A dataclass: arrays as .npy files of their names, the rest as facts.json."""

    schema_version = 1

    def __init__(self, name: str, title: str, record: type[Any]) -> None:
        self.name, self.title, self._record = name, title, record

    def write(self, value: Any, folder: Path) -> None:
        facts = {}
        for part in fields(self._record):
            member = getattr(value, part.name)
            if isinstance(member, np.ndarray):
                np.save(folder / f"{part.name}.npy", np.ascontiguousarray(member), allow_pickle=False)
            else:
                facts[part.name] = member
        (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")

    def read(self, folder: Path) -> Any:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        known = {part.name for part in fields(self._record)}
        found = {name: _tuples(member) for name, member in facts.items() if name in known}
        arrays = {
            path.stem: np.load(path, mmap_mode="r", allow_pickle=False)
            for path in folder.glob("*.npy")
            if path.stem in known
        }
        return self._record(**found, **arrays)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


class ChoiceKind(_Record):
    """A choice of model."""

    def describe(self, value: Choice) -> dict[str, str | int | float]:
        best = value.best("bic")
        facts: dict[str, str | int | float] = {"families": len(value.families), "rows": value.rows}
        return facts | ({"best": f"{best[0]} {best[1]}"} if best else {})


class MixtureKind(_Record):
    """A fitted mixture."""

    def describe(self, value: Fitted) -> dict[str, str | int | float]:
        return {
            "model": f"{value.family} {len(value.weights)}",
            "rows": value.took_part,
            "columns": len(value.names),
            "log-likelihood": float(value.log_likelihood),
        }


class StabilityKind(_Record):
    """Stability of a mixture."""

    def describe(self, value: StabilityReport) -> dict[str, str | int | float]:
        mean = value.jaccard.mean(axis=0)
        return {"resamples": value.replicates, "clusters": len(mean), "least stable": float(mean.min())}


class RatioKind(_Record):
    """Likelihood-ratio tests."""

    def describe(self, value: RatioReport) -> dict[str, str | int | float]:
        tests = {f"p of {g} against {g + 1}": float(p) for g, p in zip(value.null.tolist(), value.p, strict=True)}
        return {"family": value.family, **tests}


KINDS = (
    ChoiceKind("choice", "Choice of model", Choice),
    MixtureKind("mixture", "Mixture", Fitted),
    StabilityKind("stability", "Stability of clusters", StabilityReport),
    RatioKind("ratio", "Likelihood-ratio test", RatioReport),
)
