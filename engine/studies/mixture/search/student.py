"""Mixtures of multivariate t distributions: clusters with heavy tails (Peel & McLachlan 2000).

ECM: u_ik = (nu_k + d) / (nu_k + m_ik) weighs down outlying rows; means and scatters use z u, weights and the divisor
of the covariances use z, and nu solves one equation per component, or one for all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from engine.studies.mixture.em.em import Control, Iteration, Observe, Outcome, expectation_maximisation
from engine.studies.mixture.em.kernels import choose
from engine.studies.mixture.em.maximise import maximise
from engine.studies.mixture.em.sweep import Moments, Rows, Visit, block_height, soft, sweep
from engine.studies.mixture.model.errors import check_finite
from engine.studies.mixture.model.families import Family
from engine.studies.mixture.model.parameters import NOTHING, Array, Parameters
from engine.studies.mixture.model.regularise import Guard
from engine.studies.mixture.search.fit import DEFAULTS, Fit, Options, Task, prepare
from engine.studies.mixture.search.race import Raced, distinct, overwrite, renumber
from engine.studies.mixture.search.staged import StagedFit

Freedom = Literal["each", "common", "fixed"]
SMALLEST, LARGEST = 2.0, 200.0
BISECTIONS = 40
BEGIN = 30.0
# Starts that go on as t.
FINALISTS = 10


def sweep_t(
    rows: Rows, params: Parameters, weights: Array | None = None, visit: Visit | None = None
) -> tuple[Moments, Array, Array]:
    """E-step of a t-mixture: moments weighted by z u, N = sum z (R, G), and sum z (log u - u) (R, G).

    Args:
        params: R chains with ``dof``. weights: (n,) or (R, n). visit: sees memberships before they are weighted.
    """
    from scipy.special import gammaln

    assert params.dof is not None
    kernel = choose(params.diagonal, params.dimension)
    r, g, d = params.means.shape
    theta = kernel.coefficients(params, np.float64, joint=False)
    nu = params.dof.T[:, :, None]
    log_weights = params.log_weights()
    constant = (
        log_weights
        - 0.5 * params.log_determinants
        + gammaln((params.dof + d) / 2)
        - gammaln(params.dof / 2)
        - 0.5 * d * np.log(params.dof * np.pi)
    ).T[:, :, None]
    constant = np.where(params.active.T[:, :, None], constant, NOTHING)
    sums: Any = 0.0
    n, spread, likelihood = np.zeros((g, r)), np.zeros((g, r)), np.zeros(r)
    for block, phi in rows.blocks(kernel, np.float64, block_height(r * g)):
        distance = np.maximum(-2 * kernel.evaluate(theta, phi).reshape(g, r, -1), 0.0)
        z = constant - 0.5 * (nu + d) * np.log1p(distance / nu)
        density = soft(z, block)
        if visit is not None:
            visit(block, z, density)
        if weights is not None:
            density = density * weights[..., block]
            z *= weights[..., block]
        likelihood += density.sum(axis=1)
        u = (nu + d) / (nu + distance)
        n += z.sum(axis=2)
        spread += (z * (np.log(u) - u)).sum(axis=2)
        sums = sums + kernel.gather((z * u).reshape(g * r, -1), phi)
    heavy, first, second = kernel.moments(np.asarray(sums), (r, g, d))
    return Moments(likelihood, heavy, first, second), n.T, spread.T


def look(rows: Rows, params: Parameters, visit: Visit | None = None) -> Array:
    """Log-likelihoods (R,) of Gaussian or t-mixtures, shown block by block on the way."""
    if params.dof is None:
        return sweep(rows, params, visit=visit).log_likelihood
    return sweep_t(rows, params, visit=visit)[0].log_likelihood


def solve_dof(spread: Array, n: Array, old: Array, d: int) -> Array:
    """nu with log(nu/2) - psi(nu/2) + 1 + spread/n + psi((old+d)/2) - log((old+d)/2) = 0, within [2, 200].

    The left side falls in nu, so bisection finds the only root (Peel & McLachlan 2000, equation 30).

    Args:
        spread: sum z (log u - u). n: sum z. old: the nu that u was computed with. d: columns.
    """
    from scipy.special import digamma

    level = 1 + spread / np.maximum(n, 1e-300) + digamma((old + d) / 2) - np.log((old + d) / 2)
    low, high = np.full(old.shape, SMALLEST), np.full(old.shape, LARGEST)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = np.log(middle / 2) - digamma(middle / 2) + level > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def _maximise_t(
    family: Family, moments: Moments, n: Array, spread: Array, guard: Guard, previous: Parameters, freedom: Freedom
) -> Parameters:
    """Means from z u; covariances from the scatter of z u divided by sum z; then nu."""
    assert previous.dof is not None
    d = previous.dimension
    # With the mean M1 / N_u the scatter is M2 - N_u mu mu'. Rescaled sums with weight N give the same mean and
    # scatter to the families' M-step, which divides by N.
    mean = moments.first / np.maximum(moments.n, 1e-300)[..., None]
    lost = (n - moments.n)[..., None]
    square = mean**2 if moments.second.ndim == 3 else mean[..., :, None] * mean[..., None, :]
    lift = lost if moments.second.ndim == 3 else lost[..., None]
    fed = Moments(moments.log_likelihood, n, mean * n[..., None], moments.second + lift * square)
    params = maximise(family, fed, guard, previous=previous)
    dof = previous.dof
    if freedom == "each":
        dof = np.where(previous.active, solve_dof(spread, n, dof, d), dof)
    elif freedom == "common":
        pooled = solve_dof(spread.sum(axis=1, keepdims=True), n.sum(axis=1, keepdims=True), dof[:, :1], d)
        dof = np.broadcast_to(pooled, dof.shape).copy()
    return replace(params, dof=dof)


def student_em(
    rows: Rows,
    params: Parameters,
    family: Family,
    guard: Guard,
    control: Control,
    freedom: Freedom = "each",
    *,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Outcome:
    """ECM of t-mixtures for all chains together; converged chains leave.

    Args:
        params: R chains with ``dof`` to start from. freedom: whether dof are fixed, one for all, or each its own.
        weights: (n,) row weights, or (R, n), one set a chain.
    """
    chains = params.chains
    total = np.full(chains, float(rows.n)) if weights is None else np.broadcast_to(weights.sum(-1), chains)
    out = Outcome(
        params,
        np.full(chains, -np.inf),
        np.full(chains, -np.inf),
        np.zeros(chains, int),
        np.zeros(chains, bool),
        np.zeros(chains, int),
    )
    alive, current, last, mine = np.arange(chains), params, np.full(chains, -np.inf), weights
    for step in range(control.max_iterations + 1):
        moments, n, spread = sweep_t(rows, current, mine)
        objective = moments.log_likelihood
        if guard.prior is not None:
            objective = objective + guard.prior.log_density(family, current)
        if observe is not None:
            observe(Iteration(step, alive, current, moments.log_likelihood, objective))
        still = np.abs(objective - last) < control.tolerance * total[alive]
        stop = still | (step == control.max_iterations)
        done = alive[stop]
        if len(done):
            out.params = out.params.put(done, current.take(stop)) if len(done) < chains else current
            out.log_likelihood[done], out.objective[done] = moments.log_likelihood[stop], objective[stop]
            out.iterations[done], out.converged[done] = step, still[stop]
        if stop.all():
            break
        go = ~stop
        alive, last = alive[go], objective[go]
        mine = weights if weights is None or weights.ndim == 1 else weights[alive]
        current = _maximise_t(family, moments.take(go), n[go], spread[go], guard, current.take(go), freedom)
    return out


class StagedT(StagedFit):
    """``fit_t`` in units: short Gaussian runs of all starts, then the best distinct ones as t.

    Args:
        task, options: as for ``StagedFit``. freedom, dof, finalists: as for ``fit_t``.
    """

    races = True

    def __init__(
        self, task: Task, options: Options, freedom: Freedom = "each", dof: float = BEGIN, finalists: int = FINALISTS
    ) -> None:
        super().__init__(task, options)
        self._freedom, self._dof, self._finalists = freedom, max(dof, SMALLEST), finalists

    def plan(self) -> list[str]:
        """Waves and finalists; there is no search by resampling for t."""
        return [label for label in super().plan() if not label.startswith("escape")]

    def run_wave(self, starts: list[int], observe: Observe | None) -> tuple[Outcome, Array]:
        """Short Gaussian runs, which rank the starts."""
        task = self.task
        short = replace(self.options.control(), max_iterations=self.rules.short)
        begin, seen = self.makes.parameters(starts), renumber(observe, np.array(starts))
        out = expectation_maximisation(
            task.rows, begin, task.family, task.guard, short, weights=task.weights, observe=seen
        )
        out.params = replace(out.params, dof=np.full(out.params.weights.shape, self._dof))
        return out, out.score(task.guard)

    def run_finalists(self, observe: Observe | None) -> Raced:
        """The best distinct starts as t-mixtures."""
        task, (out, score) = self.task, self.begun()
        picked = distinct(score, 1 if self.agreed else self._finalists, self.rules.agreement * task.total)
        final = student_em(
            task.rows,
            out.params.take(picked),
            task.family,
            task.guard,
            self.options.control(),
            self._freedom,
            weights=task.weights,
            observe=renumber(observe, picked),
        )
        final.iterations += out.iterations[picked]
        overwrite(out, picked, final)
        finished = np.zeros(len(score), bool)
        finished[picked] = True
        return Raced(out, np.arange(len(score)), finished, self.agreed)

    def result(self) -> Fit:
        """The fit, after the last unit."""
        found = super().result()
        found.degrees += {"each": found.mixture.components, "common": 1, "fixed": 0}[self._freedom]
        return found


def fit_t(
    x: Array,
    components: int,
    family: Family = "VVV",
    options: Options = DEFAULTS,
    *,
    freedom: Freedom = "each",
    dof: float = BEGIN,
    finalists: int = FINALISTS,
    weights: Array | None = None,
    observe: Observe | None = None,
) -> Fit:
    """Fit a t-mixture: short Gaussian runs of all starts, the best distinct ones continued as t.

    Args:
        x: (n, d) finite rows. freedom: of the dof. dof: fixed value, or where estimation starts, at least 2.
        finalists: chains that run as t-mixtures; of the others log-likelihoods are those of their short Gaussian runs.

    Raises:
        InfiniteValueError: a value is missing or infinite; t-mixtures take complete rows only.
    """
    check_finite(np.asarray(x, dtype=np.float64))
    staged = StagedT(prepare(x, components, family, options, weights), options, freedom, dof, finalists)
    for label in staged.plan():
        staged.run(label, observe)
    return staged.result()
