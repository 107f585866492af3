"""Many families and numbers of components at once, from shared starts, in nested order.

For one family all numbers of components run as one batch. A family whose likelihood stays below that of one of its
special cases, or below its own with one component less, is stuck in a local maximum: this is the nested-model alarm,
and the fit is done again from the smaller model's solution, from where EM can only climb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.choice.out_of_bag import out_of_bag
from engine.studies.mixture.choice.partitions import distinct_partitions, partitions
from engine.studies.mixture.choice.pools import Pool, by_likelihood, embed, heaviest, shrunk, split, together
from engine.studies.mixture.em.accelerate import Bars, accelerated_em
from engine.studies.mixture.em.em import Iteration, Observe, Outcome, expectation_maximisation
from engine.studies.mixture.em.maximise import maximise
from engine.studies.mixture.em.missing import IncompleteRows, nan_mean_and_covariance
from engine.studies.mixture.em.sweep import MemoryRows, partition_moments
from engine.studies.mixture.model.coordinates import Frame, frame_from, guard_for, mean_and_covariance
from engine.studies.mixture.model.criteria import Criteria, criteria
from engine.studies.mixture.model.errors import TooFewRowsError, check_columns, check_finite, check_known
from engine.studies.mixture.model.families import (
    DIAGONAL,
    SUBMODELS,
    Coordinates,
    Family,
    degrees_of_freedom,
    nested_order,
    own_matrices,
)
from engine.studies.mixture.model.health import spurious
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Parameters, concatenate
from engine.studies.mixture.model.prior import THIN
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.fit import DEFAULTS, Options, by_weight, rows_for

# Nats per row by which a smaller model must be ahead to raise the alarm.
ALARM = 1e-6
# Iterations that every start makes and the number that go on; then again; and the end's share of the tolerance given.
EARLY, HALF, SHORT, FINALISTS, FINE = 2, 8, 5, 3, 0.05
CROSS = 3  # other families, first in nested order, whose partitions are begun from too
LONGEST = 150  # iterations of the end
ALIKE = 1e-6  # nats per row that different solutions are apart
SPLITS = 5  # components that are split in turn
_ARRAYS = tuple(part.name for part in fields(Parameters))
_FACTS = ("objective", "log_likelihood", "converged", "spurious", "alarm")


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
    """Best solutions of one family: G -> one chain, in the common frame.

    ``objective`` is what chains of this guard are compared by, see ``Outcome.score``.
    """

    params: dict[int, Parameters]
    objective: dict[int, float]
    log_likelihood: dict[int, float]
    converged: dict[int, bool]
    spurious: dict[int, bool]
    alarm: dict[int, str]
    labels: dict[int, NDArray[np.int16]] = field(default_factory=dict)
    repaired: set[int] = field(default_factory=set)


class Selection:
    """A sweep over families and numbers of components of one table.

    Args:
        x: (n, d) rows, nan where missing. components: numbers to try. options: as for ``fit``; ``starts`` is not used.
        starts: partitions that each number of components begins from, see ``partitions``. To these come the solutions
            of special cases, of families fitted before, and of one component less with one of them split; after a few
            iterations only the best of all go on.
    """

    def __init__(
        self, x: NDArray[np.float64], components: Iterable[int], options: Options = DEFAULTS, starts: int = 7
    ) -> None:
        self.x = np.ascontiguousarray(x, dtype=np.float64)
        check_columns(self.x)
        check_known(self.x)
        check_finite(np.where(np.isnan(self.x), 0.0, self.x))
        self.options = options
        self.components = sorted(set(components))
        known = ~np.isnan(self.x)
        kind: Coordinates = "columns" if options.scaling == "zscore" else "isotropic"
        self.frame = frame_from(kind, *(mean_and_covariance if known.all() else nan_mean_and_covariance)(self.x))
        scaled = self.frame.to(self.x)
        # Gaps are integrated out; partitions see them filled with means.
        self.rows: MemoryRows | IncompleteRows
        if known.all():
            self.rows = self._whole = rows_for(scaled, options)
        else:
            self.rows = incomplete = IncompleteRows(scaled)
            self._whole = MemoryRows(incomplete.filled())
        self.volume = float(known.sum(axis=0) @ np.log(np.diagonal(self.frame.forward)))
        self._moments = mean_and_covariance(self._whole.x)
        self._labels = partitions(self._whole.x, self.components, starts, options.seed)
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
        state = _State({}, {}, {}, {}, {}, {})
        guards = {g: self._guard(family, g) for g in self.components}
        pools = [self._pool(family, guards, batch) for batch in self._batches(guards, self.components)]
        for pool in pools:
            self._short(pool, observe)
            self._finish(pool, state, observe)
        for pool in self._splits(family, guards, state):
            self._short(pool, observe)
            self._finish(pool, state, observe)
        self._climb_from_fewer(family, state, guards, observe)
        self._states[family] = state
        return [self._cell(family, g, state, guards[g]) for g in self.components]

    def out_of_bag(
        self, family: Family, components: Iterable[int], resamples: int, observe: Observe | None = None
    ) -> dict[int, float]:
        """Mean log density per row, in the user's units, of rows that refits on resamples have not seen.

        Args:
            components: numbers that ``family`` was fitted with. resamples: bootstrap resamples, alike for all models.
        """
        state = self._states[family]
        guards = {g: self._guard(family, g) for g in self.components}
        found: dict[int, float] = {}
        for batch in self._batches(guards, [g for g in components if g in state.params]):
            solutions = together([state.params[g] for g in batch], family)
            value = out_of_bag(
                self.rows, solutions, family, guards[batch[0]], self.options.seed, resamples, observe=observe
            )
            found.update(zip(batch, (value + self.volume / self.rows.n).tolist(), strict=True))
        return found

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
            state = _State({}, {}, {}, {}, {}, {})
            for g, cell in cells.items():
                state.params[int(g)] = Parameters(**cell["params"])
                for name, value in cell["facts"].items():
                    getattr(state, name)[int(g)] = value
                mixture = by_weight(self.frame.mixture(state.params[int(g)], 0, family))
                state.labels[int(g)] = mixture.labels(self.x).astype(np.int16)
            self._states[family] = state

    def _guard(self, family: Family, g: int) -> Guard:
        thin = self.rows.n < THIN * degrees_of_freedom(family, g, self.rows.dimension)
        kind = ("pooled" if thin else "off") if self.options.prior == "auto" else self.options.prior
        unit = np.eye(self.rows.dimension)
        inner = Frame(np.zeros(self.rows.dimension), unit, unit, 0.0)
        resolution = self.options.resolution
        if resolution is not None:
            resolution = resolution * np.diagonal(self.frame.forward)
        return guard_for(inner, family, g, *self._moments, prior=kind, ridge=self.options.ridge, resolution=resolution)

    def _pool(self, family: Family, guards: dict[int, Guard], batch: list[int]) -> Pool:
        """Chains from the partitions and from the solutions of the special cases, for numbers that share a guard."""
        guard = guards[batch[0]]
        labels = [distinct_partitions([*self._labels[g], *self._ends(family, g)]) for g in batch]
        owners = [g for g, some in zip(batch, labels, strict=True) for _ in some]
        origins = [""] * len(owners)
        moments = partition_moments(self._whole, np.concatenate(labels), max(batch), family in DIAGONAL)
        parts = [maximise(family, moments, guard, active=np.arange(max(batch)) < np.array(owners)[:, None])]
        for smaller in SUBMODELS[family]:
            known = self._states[smaller].params if smaller in self._states else {}
            near = [g for g in batch if g > 1 and g in known]
            if near:
                parts.append(embed(concatenate([known[g] for g in near]), family, guard))
                owners += near
                origins += [smaller] * len(near)
        return Pool(family, guard, together(parts, family), np.array(owners), origins)

    def _ends(self, family: Family, g: int) -> list[NDArray[np.int16]]:
        """Partitions that other families ended in; special cases are begun from with their covariances instead."""
        others = [state for name, state in self._states.items() if name not in SUBMODELS[family]][:CROSS]
        return [state.labels[g] for state in others if g > 1 and g in state.labels]

    def _splits(self, family: Family, guards: dict[int, Guard], state: _State) -> list[Pool]:
        """Chains from the solutions of one component less, the heaviest components split in turn."""
        pools = []
        for batch in self._batches(guards, [g for g in guards if g - 1 in state.params]):
            few = {g: state.params[g - 1] for g in batch}
            parts = [split(few[g], heaviest(few[g])[:SPLITS]) for g in batch]
            owners = [g for g, part in zip(batch, parts, strict=True) for _ in range(part.chains)]
            origins = [f"{family} {g - 1}" for g in owners]
            pools.append(Pool(family, guards[batch[0]], together(parts, family), np.array(owners), origins))
        return pools

    def _short(self, pool: Pool, observe: Observe | None) -> None:
        """A few iterations, after which only the best chains of each number go on; notes where each one began."""

        def look(seen: Iteration) -> None:
            if seen.step == 0:
                pool.note(seen.log_likelihood if by_likelihood(pool.guard) else seen.objective)
            if observe is not None:
                observe(seen)

        see: Observe | None = look
        control = self.options.control()
        for steps, kept in ((EARLY, HALF), (SHORT, FINALISTS)):
            bounded = replace(control, max_iterations=steps)
            out = expectation_maximisation(self.rows, pool.params, pool.family, pool.guard, bounded, observe=see)
            pool.thin_out(out, kept, ALIKE * self.rows.n)
            see = observe

    def _finish(self, pool: Pool, state: _State, observe: Observe | None) -> None:
        """Run the best chains out, keep what is best, tell where a special case was ahead of what partitions gave."""
        control, owners = self.options.control(), pool.owners
        fine = replace(control, tolerance=FINE * control.tolerance, max_iterations=LONGEST)
        bars = None
        if not by_likelihood(pool.guard):
            bars = Bars(owners, np.array([state.objective.get(g, -np.inf) for g in owners.tolist()]))
        out = accelerated_em(self.rows, pool.params, pool.family, pool.guard, fine, bars=bars, observe=observe)
        self._keep(state, out, owners, pool.guard, pool.family)
        for g in np.unique(owners).tolist():
            mine = np.flatnonzero(owners == g)
            reached = max((out.score(pool.guard)[c] for c in mine if not pool.origins[c]), default=np.inf)
            for name, begun in pool.special.get(g, {}).items():
                if begun > reached + ALARM * self.rows.n:
                    state.alarm[g] = name

    def _keep(self, state: _State, out: Outcome, owners: NDArray[np.integer], guard: Guard, family: Family) -> None:
        bad = spurious(out.params, family, guard, float(self.rows.n))
        score = out.score(guard)
        for g in np.unique(owners).tolist():
            chains = np.flatnonzero(owners == g)
            best = int(chains[np.lexsort((-score[chains], bad[chains]))[0]])
            rank = (not bad[best], float(score[best]))
            if g not in state.params or rank > (not state.spurious[g], state.objective[g]):
                state.params[g] = shrunk(out.params.take(np.array([best])), g)
                state.objective[g] = float(score[best])
                state.log_likelihood[g] = float(out.log_likelihood[best])
                state.converged[g] = bool(out.converged[best])
                state.spurious[g] = bool(bad[best])

    def _objectives(self, family: Family, guards: dict[int, Guard], params: dict[int, Parameters]) -> dict[int, float]:
        """What these parameters, one chain each, are compared by."""
        look = replace(self.options.control(), max_iterations=0)
        found: dict[int, float] = {}
        for batch in self._batches(guards, list(params)):
            chains = concatenate([params[g] for g in batch])
            guard = guards[batch[0]]
            value = expectation_maximisation(self.rows, chains, family, guard, look).score(guard)
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
        """Where one component less is ahead still, tell so and climb from its solution.

        Priors of different numbers do not compare: the smaller solution is judged under the guard of the larger, with
        its heaviest component written twice.
        """
        pairs = [(fewer, more) for fewer, more in pairwise(self.components) if more == fewer + 1]
        for _ in pairs:
            twice = {m: split(state.params[f], heaviest(state.params[f])[0], 0.0) for f, m in pairs}
            value = self._objectives(family, guards, twice)
            behind = [m for _, m in pairs if value[m] > state.objective[m] + ALARM * self.rows.n]
            fresh = [m for m in behind if m not in state.repaired]
            if not fresh:
                return
            state.repaired.add(fresh[0])
            state.alarm[fresh[0]] = f"{family} {fresh[0] - 1}"
            for pool in self._splits(family, {fresh[0]: guards[fresh[0]]}, state):
                self._short(pool, observe)
                self._finish(pool, state, observe)

    def _cell(self, family: Family, g: int, state: _State, guard: Guard) -> Cell:
        params = state.params[g]
        mixture = by_weight(self.frame.mixture(params, 0, family))
        log_likelihood = state.log_likelihood[g] + self.volume
        if g == 1:
            self._single[family] = log_likelihood
        z = mixture.responsibilities(self.x)
        self._states[family].labels[g] = z.argmax(axis=1).astype(np.int16)
        single = self._single.get(family, float("nan"))
        numbers = criteria(mixture, self.x, log_likelihood, mixture.free_parameters(), single, z=z)
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
    starts: int = 7,
    observe: Observe | None = None,
    done: Callable[[list[Cell]], None] | None = None,
) -> list[Cell]:
    """Fit families x numbers of components; ``done`` sees the cells of each family as it ends.

    Args:
        x: (n, d) rows, nan where missing. Families are fitted in nested order whatever the order given.
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
