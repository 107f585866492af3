"""Racing: few iterations for all starts, then only the best distinct ones run out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.studies.mixture.em.em import Control, Iteration, Observe, Outcome, expectation_maximisation
from engine.studies.mixture.em.sweep import Rows
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.parameters import Array, Parameters, concatenate
from engine.studies.mixture.model.regularise import Guard

# Short and float32 fits are enough to rank starts; statistics of this many entries make float32 pay.
FLOAT32_FROM = 20_000
# Columns from which on an iteration is dear.
WIDE = 30


@dataclass(frozen=True)
class RaceRules:
    """How starts are thinned out.

    Attributes:
        short: iterations for every start. finalists: distinct starts that run out. first: size of the first wave.
            Ten, since with five the best maximum of 24 simulated tables was lost twice as often.
        wide, early: from so many columns on an iteration is dear; there the worse half of each kind of start leaves
            after ``early`` iterations already, and half as many finalists run out.
        wave: size of the later waves; larger batches gain little and can be stopped less often.
        agree: the race ends when this many of the first wave agree to ``agreement`` nats per row.
    """

    short: int = 8
    finalists: int = 10
    first: int = 10
    wave: int = 40
    agree: int = 5
    agreement: float = 1e-6
    wide: int = WIDE
    early: int = 4


@dataclass
class Raced:
    """All starts of a fit.

    Attributes:
        outcome: one chain per start that was begun, in order of ``starts``. starts: (R,) their numbers.
        finished: (R,) bool, run out to convergence; the others stopped after the short run.
        agreed: whether the first wave agreed, so that later starts were not begun.
    """

    outcome: Outcome
    starts: NDArray[np.intp]
    finished: NDArray[np.bool_]
    agreed: bool


class Trace:
    """Remembers the last three objectives of every start, to see where its climb would end.

    Args:
        observe: called in turn, or None.
    """

    def __init__(self, observe: Observe | None) -> None:
        self._observe = observe
        self._last: dict[int, list[float]] = {}

    def __call__(self, seen: Iteration) -> None:
        for chain, value in zip(seen.chains.tolist(), seen.objective.tolist(), strict=True):
            self._last[chain] = [*self._last.get(chain, [])[-2:], value]
        if self._observe is not None:
            self._observe(seen)

    def limits(self, starts: NDArray[np.intp], reached: Array) -> Array:
        """Aitken's extrapolation of each objective (Boehning et al. 1994); at most ten times the last gain is added."""
        out = reached.copy()
        for place, start in enumerate(starts.tolist()):
            values = self._last.get(start, [])
            if len(values) == 3 and values[2] > values[1] > values[0]:
                ratio = (values[2] - values[1]) / (values[1] - values[0])
                out[place] += (values[2] - values[1]) * min(ratio / max(1 - ratio, 0.1), 10.0)
        return out


RULES = RaceRules()


def waves(starts: list[int], rules: RaceRules = RULES) -> list[list[int]]:
    """The starts in the batches that they run in."""
    cuts = [0, *range(rules.first, len(starts), rules.wave), len(starts)]
    return [starts[a:b] for a, b in pairwise(cuts)]


Begin = Callable[[list[int]], Parameters]
Kind = Callable[[int], str]


def run_all(
    rows: Rows,
    begin: Begin,
    starts: list[int],
    family: Family,
    guard: Guard,
    control: Control,
    *,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Raced:
    """Every start to convergence."""
    done = [
        polished(rows, begin(wave), family, guard, control, weights, renumber(observe, np.array(wave)))
        for wave in waves(starts)
    ]
    return Raced(join(done), np.array(starts), np.ones(len(starts), bool), False)


def race(
    rows: Rows,
    begin: Begin,
    starts: list[int],
    family: Family,
    guard: Guard,
    control: Control,
    rules: RaceRules = RULES,
    *,
    kind: Kind | None = None,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Raced:
    """Short runs of all starts, the best distinct ones run out.

    Args:
        begin: makes starting parameters for start numbers. starts: the numbers to race. kind: of a start; kinds are
            never thinned out against each other. observe: sees every pass, with start numbers as chains.
    """
    total = float(rows.n) if weights is None else float(weights.sum())
    done: list[Outcome] = []
    scores: list[Array] = []
    ended = False
    for wave in waves(starts, rules):
        if not ended:
            out, score = short_wave(
                rows, begin, wave, family, guard, control, rules, kind=kind, weights=weights, observe=observe
            )
            done.append(out)
            scores.append(score)
            ended = agree(done[0], guard, rules, total)
    return run_out(
        rows,
        join(done),
        np.concatenate(scores),
        np.array(starts),
        ended,
        family,
        guard,
        control,
        rules,
        weights=weights,
        observe=observe,
    )


def short_wave(
    rows: Rows,
    begin: Begin,
    wave: list[int],
    family: Family,
    guard: Guard,
    control: Control,
    rules: RaceRules = RULES,
    *,
    kind: Kind | None = None,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> tuple[Outcome, Array]:
    """Short runs of some starts, and where each climb seems to end, (R,), by which starts are ranked."""
    brief = replace(control, max_iterations=rules.short, dtype=fast_type(rows, control))
    trace, numbers = Trace(observe), np.array(wave)
    out = _short(
        rows,
        begin(wave),
        family,
        guard,
        brief,
        rules,
        [kind(s) for s in wave] if kind else None,
        weights,
        renumber(trace, numbers),
    )
    score = out.score(guard)
    if score is out.objective:
        # A prior that ranks by likelihood is ranked by what is known; else by where the climb seems to end.
        score = np.where(out.converged, score, trace.limits(numbers, score))
    return out, score


def agree(first: Outcome, guard: Guard, rules: RaceRules, total: float) -> bool:
    """Whether enough of the first wave agree, so that no further start is needed.

    Args:
        total: sum of row weights.
    """
    best = np.sort(first.score(guard))[::-1]
    return len(best) >= rules.first and bool(best[0] - best[rules.agree - 1] <= rules.agreement * total)


def run_out(
    rows: Rows,
    joined: Outcome,
    score: Array,
    starts: NDArray[np.intp],
    agreed: bool,
    family: Family,
    guard: Guard,
    control: Control,
    rules: RaceRules = RULES,
    *,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Raced:
    """Run the best distinct starts to convergence.

    Args:
        joined, score: of all short runs. starts: the numbers asked for, of which the first have been begun.
    """
    total = float(rows.n) if weights is None else float(weights.sum())
    numbers = starts[: len(joined.objective)]
    most = rules.finalists if rows.dimension < rules.wide else (rules.finalists + 1) // 2
    picked = distinct(score, 1 if agreed else most, rules.agreement * total)
    final = polished(
        rows, joined.params.take(picked), family, guard, control, weights, renumber(observe, numbers[picked])
    )
    final.iterations += joined.iterations[picked]
    final.reseeds += joined.reseeds[picked]
    overwrite(joined, picked, final)
    finished = np.zeros(len(numbers), bool)
    finished[picked] = True
    return Raced(joined, numbers, finished, agreed)


def _short(
    rows: Rows,
    params: Parameters,
    family: Family,
    guard: Guard,
    brief: Control,
    rules: RaceRules,
    kinds: list[str] | None,
    weights: Array | None,
    observe: Observe | None,
) -> Outcome:
    """The short runs of one wave."""
    if rows.dimension < rules.wide or kinds is None or rules.short <= rules.early:
        return expectation_maximisation(rows, params, family, guard, brief, weights=weights, observe=observe)
    first = replace(brief, max_iterations=rules.early)
    out = expectation_maximisation(rows, params, family, guard, first, weights=weights, observe=observe)
    score, names = out.score(guard), np.array(kinds)
    going = np.zeros(len(score), bool)
    for name in set(kinds):
        mine = np.flatnonzero(names == name)
        going[mine[np.argsort(-score[mine], kind="stable")[: (len(mine) + 1) // 2]]] = True
    chosen = np.flatnonzero(going & ~out.converged)
    if len(chosen) == 0:
        return out
    rest = replace(brief, max_iterations=rules.short - rules.early)
    later = expectation_maximisation(
        rows, out.params.take(chosen), family, guard, rest, weights=weights, observe=renumber(observe, chosen)
    )
    later.iterations += out.iterations[chosen]
    later.reseeds += out.reseeds[chosen]
    overwrite(out, chosen, later)
    return out


def polished(
    rows: Rows,
    params: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Outcome:
    """Run to convergence in float32 where that pays, then to convergence in float64."""
    fast = replace(control, dtype=fast_type(rows, control))
    if fast.dtype == np.float64:
        return expectation_maximisation(rows, params, family, guard, control, weights=weights, observe=observe)
    rough = expectation_maximisation(rows, params, family, guard, fast, weights=weights, observe=observe)
    left = max(control.max_iterations - int(rough.iterations.min()), 1)
    exact = replace(control, dtype=np.float64, max_iterations=left)
    fine = expectation_maximisation(rows, rough.params, family, guard, exact, weights=weights, observe=observe)
    fine.iterations += rough.iterations
    fine.reseeds += rough.reseeds
    return fine


def distinct(objective: Array, most: int, apart: float) -> NDArray[np.intp]:
    """Indices of the best ``most`` chains whose objectives differ by more than ``apart``, best first."""
    picked: list[int] = []
    for chain in np.argsort(-objective, kind="stable"):
        if len(picked) == most:
            break
        if all(abs(objective[chain] - objective[other]) > apart for other in picked):
            picked.append(int(chain))
    return np.array(picked)


def join(parts: list[Outcome]) -> Outcome:
    """Several outcomes as one."""
    if len(parts) == 1:
        return parts[0]
    names = ("log_likelihood", "objective", "iterations", "converged", "reseeds")
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Outcome(params=concatenate([part.params for part in parts]), **joined)


def overwrite(outcome: Outcome, chains: NDArray[np.intp], other: Outcome) -> None:
    """Replace these chains by those of ``other``."""
    outcome.params = outcome.params.put(chains, other.params)
    for name in ("log_likelihood", "objective", "iterations", "converged", "reseeds"):
        getattr(outcome, name)[chains] = getattr(other, name)


def fast_type(rows: Rows, control: Control) -> Any:
    """The type of rough climbs: float32 where it pays, else what was asked for."""
    if control.dtype == np.float64 and rows.n * rows.dimension >= FLOAT32_FROM:
        return np.float32
    return control.dtype


def renumber(observe: Observe | None, numbers: NDArray[np.intp]) -> Observe | None:
    """``observe`` with these numbers in place of positions in the batch."""
    if observe is None:
        return None
    return lambda seen: observe(replace_chains(seen, numbers))


def replace_chains(seen: Iteration, numbers: NDArray[np.intp]) -> Iteration:
    """The same pass with start numbers in place of positions in the batch."""
    return replace(seen, chains=numbers[seen.chains])
