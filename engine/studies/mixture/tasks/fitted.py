"""Makes the artifact of a fit: the mixture, the starts behind it, and the maxima that they ended in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.bootstrap.boot_fit import BootFit, on_columns
from engine.studies.mixture.bootstrap.chains import ChainRules
from engine.studies.mixture.config import FitConfig
from engine.studies.mixture.kinds import Fitted
from engine.studies.mixture.model.agreement import adjusted_rand_index
from engine.studies.mixture.model.discriminant import discriminant_axes
from engine.studies.mixture.model.errors import MOST_COLUMNS
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.search.basins import SAME, basins, grouped
from engine.studies.mixture.search.fit import Fit
from engine.studies.mixture.search.tracing import MOST_WEIGHTS, ChainTraces, sorted_weights, worth_showing
from engine.studies.mixture.tasks.gaps import merged, on_axes, whole_rows
from engine.studies.mixture.tasks.setting import Setting

SOLUTIONS = 12  # maxima that are kept with their parameters


def bare(config: FitConfig, setting: Setting, mixture: Mixture, memberships: Array, log_likelihood: float,
         family: Family, components: int, count: int) -> Fitted:  # fmt: skip
    """A mixture without the starts behind it; count: rows that take part in the estimates."""
    d, none = setting.x.shape[1], np.zeros(0)
    g = len(mixture.weights)
    return Fitted(
        names=setting.table.names, x=setting.x, rows=setting.table.rows, classes=setting.classes, known=setting.known,
        sample=setting.sample, memberships=memberships, weights=mixture.weights, means=mixture.means,
        covariances=mixture.covariances, dof=none if mixture.dof is None else mixture.dof, method=config.method,
        family=family, components=components, prior=config.prior, scaling=config.data.scaling,
        resolution=setting.table.resolution, log_likelihood=float(log_likelihood), degrees=0, start_kinds=(),
        log_likelihoods=none, objectives=none, finished=none.astype(bool), spurious=none.astype(bool),
        iterations=none.astype(int), member=none.astype(int), position=np.zeros((0, 2)), agreement=none, share=none,
        maxima_log_likelihoods=none, barrier=np.zeros((0, 0)), solution_weights=np.zeros((0, g)),
        solution_means=np.zeros((0, g, d)), solution_covariances=np.zeros((0, g, d, d)),
        solution_memberships=np.zeros((0, len(setting.sample), g), np.float32),
        discriminant=directions(mixture), trace=np.zeros((0, 0)),
        trace_out_of_bag=np.zeros((0, 0)), axes=np.zeros((d, 0)), scores_mean=np.zeros(d), scores_scale=np.ones(d),
        score_means=np.zeros((g, 0)), score_covariances=np.zeros((g, 0, 0)), eigenvalues=none, complete=False,
        data=config.data.model_dump(mode="json"), count=count,
    )  # fmt: skip


def directions(mixture: Mixture) -> Array:
    """Two discriminant axes (d, 2), or (d, 0) where the covariances cannot be inverted or d is 1."""
    d = mixture.dimension
    if d < 2:
        return np.zeros((d, 0))
    try:
        return discriminant_axes(mixture)[0]
    except np.linalg.LinAlgError:
        return np.zeros((d, 0))


def part_of(setting: Setting) -> Setting:
    """Only the rows that pictures show."""
    at = setting.sample
    labels = None if setting.table.labels is None else setting.table.labels[at]
    table = replace(setting.table, x=setting.table.x[at], rows=setting.table.rows[at], labels=labels)
    return Setting(table, setting.classes, setting.known[at], np.arange(len(at)))


def of_fit(config: FitConfig, setting: Setting, fit: Fit, traces: ChainTraces) -> Fitted:
    """The artifact of a fit by EM or one of its relatives.

    Args:
        setting: all rows; where some did not take part, they get memberships too. traces: of the fit's chains.
    """
    x = setting.x
    whole = whole_rows(x)
    # Partitions are compared on complete rows, or on all with gaps filled where hardly any row is complete.
    filled = fit.mixture.dof is None and whole.mean() <= 0.2
    rows = np.where(np.isnan(x), np.nanmean(x, axis=0), x) if filled else x[whole]
    found = basins(fit, rows, seed=config.seed)
    kept = found.chain[:SOLUTIONS]
    solutions = [fit.mixture if chain == fit.best else fit.solution(int(chain)) for chain in kept]
    memberships = [one.responsibilities(x[setting.sample]) for one in solutions]
    lower = np.minimum.outer(np.diagonal(found.barrier), np.diagonal(found.barrier))
    best = bare(config, setting, fit.mixture, fit.mixture.responsibilities(x), fit.log_likelihood, fit.family,
                fit.components, fit.n)  # fmt: skip
    shown = worth_showing(fit, found.chain, int(fit.iterations.max()) + 1)
    traced = traces.of(fit.starts[shown], fit.components)
    return replace(
        best, **_stacked(solutions, memberships, fit.components), degrees=fit.degrees, start_kinds=tuple(fit.kinds),
        log_likelihoods=fit.log_likelihoods, objectives=fit.objectives, finished=fit.finished, spurious=fit.spurious,
        iterations=fit.iterations, member=found.member, position=found.position, agreement=found.agreement,
        share=found.share, maxima_log_likelihoods=fit.log_likelihoods[found.chain], barrier=lower - found.barrier,
        trace=traced.values, trace_chain=shown, trace_weights=sorted_weights(traced.weights, fit.params.weights[shown]),
        complete=True,
    )  # fmt: skip


def of_boot(config: FitConfig, setting: Setting, boot: BootFit, rules: ChainRules, family: Family,
            components: int) -> Fitted:  # fmt: skip
    """The artifact of a resampled spectral fit; its maxima are those of the chains.

    Args:
        setting: all rows; those with gaps, which did not take part, get memberships too.
    """
    took, chains = whole_rows(setting.x), boot.chains
    scaled = (setting.x[~took] - boot.mean) / boot.scale
    z, scores = on_axes(boot.projection, boot.mixture, scaled)
    wide = setting.x.shape[1] > MOST_COLUMNS
    if wide:
        setting = renamed(setting, merged(took, boot.scores, scores))
    window = chains.out_of_bag[-rules.window :].mean(axis=0)
    labels = chains.memberships.argmax(axis=2)
    pictured = np.flatnonzero(np.isin(np.flatnonzero(took), setting.sample))
    groups = grouped(labels[:, pictured], window, chains.best, SAME)
    member, leaders = groups.member, groups.leaders
    mixture = boot.mixture if wide else boot.on_all_columns()
    memberships, solutions = [merged(took, boot.memberships, z)], [mixture]
    for chain in leaders[1:SOLUTIONS]:
        inner, own = boot.solution(int(chain))
        memberships.append(merged(took, own, on_axes(boot.projection, inner, scaled)[0]))
        solutions.append(inner if wide else on_columns(inner, boot.projection, boot.mean, boot.scale))
    likelihoods, count, n = chains.log_likelihood[-1] * took.sum(), len(labels), int(took.sum())
    log_likelihood = float(mixture.log_density(setting.x[took]).sum())
    best = bare(config, setting, mixture, memberships[0], log_likelihood, family, components, n)
    return replace(
        best, **_stacked(solutions, [one[setting.sample] for one in memberships], components),
        start_kinds=("chain",) * count, log_likelihoods=likelihoods, objectives=window * n,
        finished=np.ones(count, bool), spurious=np.zeros(count, bool),
        iterations=np.full(count, len(chains.out_of_bag)),
        member=member, position=groups.position(),
        agreement=np.array([adjusted_rand_index(labels[chains.best], one) for one in labels]),
        share=np.bincount(member, minlength=len(leaders)) / count, maxima_log_likelihoods=likelihoods[leaders],
        barrier=np.full((len(leaders), len(leaders)), np.nan), eigenvalues=boot.spectrum.values, complete=True,
        **traces_of(chains.log_likelihood, chains.out_of_bag, chains.weights, chains.cosine, chains.params.weights,
                    np.lexsort((-window, np.arange(count) != chains.best)), rules, config.method),
        **({"scaling": "none"} if wide else _axes(boot)),
    )  # fmt: skip


def traces_of(likelihood: Array, out_of_bag: Array, weights: Array, cosine: Array, final: Array,
              chains: NDArray[np.intp], rules: ChainRules, method: str) -> dict[str, Any]:  # fmt: skip
    """The traces of resampled chains: (T, R) each, weights (T, R, G).

    Args:
        final: (R, G) weights by which each chain's components are ordered. chains: the best first.
    """
    chains = chains[: max(1, MOST_WEIGHTS // max(len(weights) * weights.shape[2], 1))]
    angle = cosine[:, chains].astype(np.float32) if method == "bootspectral" else np.zeros((0, len(chains)), np.float32)
    return {
        "trace": likelihood[:, chains].astype(np.float32),
        "trace_chain": chains,
        "trace_out_of_bag": out_of_bag[:, chains].astype(np.float32),
        "trace_angle": angle,
        "trace_weights": sorted_weights(weights[:, chains].astype(np.float32), final[chains]),
        "burn": rules.burn,
        "window": rules.window,
    }


def _axes(boot: BootFit) -> dict[str, Any]:
    return {
        "axes": boot.projection.axes,
        "scores_mean": boot.mean + boot.scale * boot.projection.mean,
        "scores_scale": boot.scale,
        "score_means": boot.mixture.means,
        "score_covariances": boot.mixture.covariances,
    }


def renamed(setting: Setting, scores: Array) -> Setting:
    """A table too wide for covariances of its columns, in the coordinates of its axes; scores (n, q)."""
    names = tuple(f"axis {i + 1}" for i in range(scores.shape[1]))
    return replace(setting, table=replace(setting.table, x=scores, names=names, resolution=np.zeros(scores.shape[1])))


def _stacked(solutions: list[Mixture], memberships: list[Array], components: int) -> dict[str, Any]:
    """Solutions as arrays of one shape; weight 0 where a component is gone."""
    d = solutions[0].dimension
    found: dict[str, NDArray[Any]] = {
        "solution_weights": np.zeros((len(solutions), components)),
        "solution_means": np.zeros((len(solutions), components, d)),
        "solution_covariances": np.zeros((len(solutions), components, d, d)),
        "solution_memberships": np.zeros((len(solutions), len(memberships[0]), components), np.float32),
    }
    for s, (one, z) in enumerate(zip(solutions, memberships, strict=True)):
        g = one.components
        found["solution_weights"][s, :g] = one.weights
        found["solution_means"][s, :g] = one.means
        found["solution_covariances"][s, :g] = one.covariances
        found["solution_memberships"][s, :, :g] = z
    return found
