"""Many families and numbers of components at once, from shared starts, in nested order.

For one family all numbers of components run as one batch. A family whose likelihood stays below that of one of its
special cases, or below its own with one component less, is stuck in a local maximum: this is the nested-model alarm,
and the fit is done again from the smaller model's solution, from where EM can only climb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.coordinates import Frame, frame_from, guard_for, mean_and_covariance
from engine.studies.mixture.criteria import Criteria, criteria
from engine.studies.mixture.em import Observe, Outcome, expectation_maximisation
from engine.studies.mixture.errors import TooFewRowsError, check_columns, check_finite
from engine.studies.mixture.families import DIAGONAL, SUBMODELS, Family, degrees_of_freedom, nested_order, own_matrices
from engine.studies.mixture.fit import DEFAULTS, Options, by_weight
from engine.studies.mixture.health import spurious
from engine.studies.mixture.kmeans import assign, lloyd, plus_plus
from engine.studies.mixture.maximise import maximise
from engine.studies.mixture.mixture import Mixture
from engine.studies.mixture.orientation import shared_axes
from engine.studies.mixture.parameters import Parameters, concatenate
from engine.studies.mixture.prior import THIN
from engine.studies.mixture.regularise import Guard, keep_above
from engine.studies.mixture.starts import WARD_ROWS
from engine.studies.mixture.sweep import MemoryRows, partition_moments

# Nats per row by which a smaller model must be ahead to raise the alarm.
ALARM = 1e-6
_ARRAYS = tuple(part.name for part in fields(Parameters))
_FACTS = ("objective", "log_likelihood", "converged", "alarm")


@dataclass(frozen=True)
class Cell:
    """One family with one number of components.

    Attributes:
        family, components: as asked. mixture: the best solution, in the user's units. criteria: of it.
        alarm: name of the smaller model that this family first stayed below, "" when none did.
        spurious, converged, prior: of the solution. seconds: never part of results, so absent.
    """

    family: Family
    components: int
    mixture: Mixture
    criteria: Criteria
    alarm: str
    spurious: bool
    converged: bool
    prior: bool


@dataclass
class _State:
    """Best solutions of one family: G -> one chain, in the common frame."""

    params: dict[int, Parameters]
    objective: dict[int, float]
    log_likelihood: dict[int, float]
    converged: dict[int, bool]
    alarm: dict[int, str]


class Selection:
    """A sweep over families and numbers of components of one table.

    Args:
        x: (n, d) finite rows. components: numbers to try. options: as for ``fit``; ``starts`` is not used.
        starts: partitions that each number of components begins from: Ward's, then k-means in turns on whitened and
            plain columns.
    """

    def __init__(
        self, x: NDArray[np.float64], components: Iterable[int], options: Options = DEFAULTS, starts: int = 3
    ) -> None:
        self.x = np.ascontiguousarray(x, dtype=np.float64)
        check_columns(self.x)
        check_finite(self.x)
        self.options = options
        self.components = sorted(set(components))
        self._mean, self._covariance = mean_and_covariance(self.x)
        self.frame = frame_from("columns" if options.scaling == "zscore" else "isotropic", self._mean, self._covariance)
        self.rows = MemoryRows(self.frame.to(self.x))
        self._labels = self._partitions(starts)
        self._states: dict[Family, _State] = {}
        self._single: dict[Family, float] = {}

    def family(self, family: Family, observe: Observe | None = None) -> list[Cell]:
        """Fit this family for every number of components; call families in nested order to have alarms repaired.

        Raises:
            TooFewRowsError: not more rows than columns for a family with free directions.
        """
        if own_matrices(family) and self.rows.n <= self.rows.dimension:
            raise TooFewRowsError(
                rows=self.rows.n,
                needed=self.rows.dimension + 1,
                family=family,
                components=self.components[-1],
                columns=self.rows.dimension,
            )
        state = _State({}, {}, {}, {}, {})
        guards = {g: self._guard(family, g) for g in self.components}
        begin = {g: self._begin(family, g, guards[g]) for g in self.components}
        self._run(family, state, guards, begin, observe)
        self._climb_from_submodels(family, state, guards, observe)
        self._climb_from_fewer(family, state, guards, observe)
        self._states[family] = state
        return [self._cell(family, g, state, guards[g]) for g in self.components]

    def state(self) -> dict[str, Any]:
        """What ``restore`` needs to go on after the families done so far: arrays and JSON values."""
        return {
            "single": dict(self._single),
            "families": {
                family: {
                    str(g): {
                        "params": {n: a for n in _ARRAYS if (a := getattr(state.params[g], n)) is not None},
                        "facts": {n: getattr(state, n)[g] for n in _FACTS if g in getattr(state, n)},
                    }
                    for g in state.params
                }
                for family, state in self._states.items()
            },
        }  # fmt: skip

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up the families that another Selection of the same table had done."""
        self._single = dict(saved["single"])
        for family, cells in saved["families"].items():
            state = _State({}, {}, {}, {}, {})
            for g, cell in cells.items():
                state.params[int(g)] = Parameters(**cell["params"])
                for name, value in cell["facts"].items():
                    getattr(state, name)[int(g)] = value
            self._states[family] = state

    def _partitions(self, count: int) -> dict[int, NDArray[np.int16]]:
        from scipy.cluster.hierarchy import fcluster, linkage

        plain = self.rows.x.astype(np.float32)
        white = frame_from("whitened", *mean_and_covariance(self.rows.x)).to(self.rows.x).astype(np.float32)
        n = len(plain)
        picked = np.arange(n) if n <= WARD_ROWS else generator(self.options.seed, "ward").choice(n, WARD_ROWS, False)
        tree = linkage(white[picked], "ward") if n > 1 else None
        found: dict[int, NDArray[np.int16]] = {}
        for g in self.components:
            parts = []
            if tree is not None:
                groups = fcluster(tree, g, "maxclust") - 1
                centres = np.array([white[picked][groups == k].mean(axis=0) for k in np.unique(groups)], np.float32)
                parts.append(assign(white, centres[None])[0])
            for index in range(max(count - 1, 1) if g > 1 else 0):
                space = white if index % 2 == 0 else plain
                seeds = plus_plus(space, g, [generator(self.options.seed, "select", g, k) for k in range(4)])
                parts.append(assign(space, _tightest(space, lloyd(space, seeds)))[0])
            found[g] = np.array(parts)
        return found

    def _guard(self, family: Family, g: int) -> Guard:
        thin = self.rows.n < THIN * degrees_of_freedom(family, g, self.rows.dimension)
        kind = ("pooled" if thin else "off") if self.options.prior == "auto" else self.options.prior
        scaled = mean_and_covariance(self.rows.x)
        unit = np.eye(self.rows.dimension)
        inner = Frame(np.zeros(self.rows.dimension), unit, unit, 0.0)
        resolution = self.options.resolution
        if resolution is not None:
            resolution = resolution * np.diagonal(self.frame.forward)
        return guard_for(inner, family, g, *scaled, prior=kind, ridge=self.options.ridge, resolution=resolution)

    def _begin(self, family: Family, g: int, guard: Guard) -> Parameters:
        moments = partition_moments(self.rows, self._labels[g], g, family in DIAGONAL)
        return maximise(family, moments, guard)

    def _run(
        self,
        family: Family,
        state: _State,
        guards: dict[int, Guard],
        begin: dict[int, Parameters],
        observe: Observe | None,
    ) -> None:
        """EM for all numbers of components that share a guard, as one batch; keeps what is better than before."""
        for batch in self._batches(guards, list(begin)):
            owners = np.repeat(batch, [begin[g].chains for g in batch])
            out = expectation_maximisation(
                self.rows,
                concatenate([begin[g] for g in batch]),
                family,
                guards[batch[0]],
                self.options.control(),
                observe=observe,
            )
            self._keep(state, out, owners, guards[batch[0]], family)

    def _keep(self, state: _State, out: Outcome, owners: NDArray[np.integer], guard: Guard, family: Family) -> None:
        bad = spurious(out.params, family, guard, float(self.rows.n))
        score = np.where(bad, -np.inf, out.score(guard))
        for g in np.unique(owners).tolist():
            chains = np.flatnonzero(owners == g)
            best = chains[int(np.argmax(score[chains]))] if np.isfinite(score[chains]).any() else chains[0]
            if out.objective[best] > state.objective.get(g, -np.inf):
                one = out.params.take(np.array([best]))
                state.params[g] = _shrink(one, g)
                state.objective[g] = float(out.objective[best])
                state.log_likelihood[g] = float(out.log_likelihood[best])
                state.converged[g] = bool(out.converged[best])

    def _climb_from_submodels(
        self, family: Family, state: _State, guards: dict[int, Guard], observe: Observe | None
    ) -> None:
        for smaller in SUBMODELS[family]:
            if smaller not in self._states:
                continue
            begin = {g: embed(params, family, guards[g]) for g, params in self._states[smaller].params.items()}
            value = self._objectives(family, guards, begin)
            ahead = [g for g in begin if value[g] > state.objective[g] + ALARM * self.rows.n]
            state.alarm.update(dict.fromkeys(ahead, smaller))
            self._run(family, state, guards, {g: begin[g] for g in ahead}, observe)

    def _objectives(self, family: Family, guards: dict[int, Guard], begin: dict[int, Parameters]) -> dict[int, float]:
        """The objective at each of these parameters."""
        look = replace(self.options.control(), max_iterations=0)
        found: dict[int, float] = {}
        for batch in self._batches(guards, list(begin)):
            params = concatenate([begin[g] for g in batch])
            value = expectation_maximisation(self.rows, params, family, guards[batch[0]], look).objective
            found.update(zip(batch, value.tolist(), strict=True))
        return found

    def _batches(self, guards: dict[int, Guard], members: list[int]) -> list[list[int]]:
        """Numbers of components that may share a batch: same guard; the conjugate prior depends on G."""
        if self.options.prior == "conjugate":
            return [[g] for g in members]
        groups = [[g for g in members if (guards[g].prior is None) == plain] for plain in (True, False)]
        return [group for group in groups if group]

    def _climb_from_fewer(
        self, family: Family, state: _State, guards: dict[int, Guard], observe: Observe | None
    ) -> None:
        for fewer, more in zip(self.components[:-1], self.components[1:], strict=True):
            if more != fewer + 1 or guards[more].prior is not None or guards[fewer].prior is not None:
                continue
            if state.objective[fewer] > state.objective[more] + ALARM * self.rows.n:
                state.alarm[more] = f"{family} {fewer}"
                self._run(family, state, guards, {more: split_largest(state.params[fewer])}, observe)

    def _cell(self, family: Family, g: int, state: _State, guard: Guard) -> Cell:
        params = state.params[g]
        mixture = by_weight(self.frame.mixture(params, 0, family))
        log_likelihood = state.log_likelihood[g] + self.rows.n * self.frame.log_volume
        if g == 1:
            self._single[family] = log_likelihood
        numbers = criteria(
            mixture, self.x, log_likelihood, mixture.free_parameters(), self._single.get(family, float("nan"))
        )
        bad = bool(spurious(params, family, guard, float(self.rows.n))[0])
        return Cell(
            family, g, mixture, numbers, state.alarm.get(g, ""), bad, state.converged[g], guard.prior is not None
        )


def select(
    x: NDArray[np.float64],
    families: Iterable[Family],
    components: Iterable[int],
    options: Options = DEFAULTS,
    *,
    starts: int = 3,
    observe: Observe | None = None,
    done: Callable[[list[Cell]], None] | None = None,
) -> list[Cell]:
    """Fit families x numbers of components; ``done`` sees the cells of each family as it ends.

    Args:
        x: (n, d) finite rows. Families are fitted in nested order whatever the order given.
    """
    sweep_over = Selection(x, components, options, starts)
    wanted = set(families)
    cells: list[Cell] = []
    for family in nested_order():
        if family in wanted:
            fresh = sweep_over.family(family, observe)
            cells += fresh
            if done is not None:
                done(fresh)
    return cells


def best_by_bic(cells: Iterable[Cell]) -> Cell:
    """The cell with the largest BIC that is not spurious."""
    return max(cells, key=lambda cell: (not cell.spurious, cell.criteria.bic))


def embed(params: Parameters, family: Family, guard: Guard) -> Parameters:
    """Parameters of a special case, written as parameters of ``family``."""
    if family in DIAGONAL:
        return params
    covariances, precisions, logs = keep_above(params.full_covariances().copy(), guard.floor)
    axes = None
    if family in ("EVE", "VVE"):
        axes = shared_axes(covariances)
    return replace(params, covariances=covariances, precisions=precisions, log_determinants=logs, orientation=axes)


def split_largest(params: Parameters) -> Parameters:
    """One component more: the heaviest in two halves, their means half a deviation apart along its longest axis."""
    k = int(np.argmax(params.weights[0]))
    full = params.full_covariances()[0, k]
    values, axes = np.linalg.eigh(full)
    step = 0.5 * np.sqrt(values[-1]) * axes[:, -1]
    order = np.append(np.arange(params.components), k)
    picked = {
        name: getattr(params, name)[:, order].copy()
        for name in ("weights", "means", "covariances", "precisions", "log_determinants", "active")
    }
    picked["weights"][0, [k, -1]] /= 2
    picked["means"][0, k] += step
    picked["means"][0, -1] -= step
    return replace(params, **picked)


def _shrink(params: Parameters, components: int) -> Parameters:
    """Drop padding beyond ``components``."""
    cut = {
        name: getattr(params, name)[:, :components]
        for name in ("weights", "means", "covariances", "precisions", "log_determinants", "active")
    }
    return replace(params, **cut)


def _tightest(space: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of several sets of centres (R, G, d) the one with the least distances to the rows: (1, G, d)."""
    cost = []
    for one in centres:
        distance = (space * space).sum(1)[:, None] - 2 * space @ one.T + (one * one).sum(1)
        cost.append(float(distance.min(axis=1).sum()))
    return centres[int(np.argmin(cost))][None]
