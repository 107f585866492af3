"""Spectrum of a curvature operator: extreme eigenvalues, trace, density and negative mass, from one set of products.

A leading Lanczos run finds the outer eigenvalues and a subspace that holds most of the matrix. Seeded probes then
measure only what is left: their quadrature gives the density of the rest, their first products its trace. Each probe
is a function of (seed, index) and of the leading run, so probes can be computed, kept and resumed one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from engine.studies.landscape.lanczos import Krylov, rademacher
from engine.studies.landscape.products import CurvatureOperator
from engine.studies.landscape.vectors import wide

Array = NDArray[np.float64]
Interval = tuple[float, float]
LOCK = 1e-4  # residual, relative to the largest absolute eigenvalue, below which a pair counts as known


@dataclass(frozen=True)
class Lead:
    """The leading run.

    Attributes:
        values: (m,) Ritz values, descending. residuals: (m,) an eigenvalue lies within this of each. known: (m,) pairs
            that converged; only these enter the density as exact. quadrature: (m,) weights of the start vector.
        vectors: (k, P) rows, the known eigenvectors in the order of ``values[known]``.
        basis: (m, P) orthonormal rows Q. images: (m, P) rows, H Q. trace: of Q' H Q.
        layer_traces: (layers,) share of the trace, per layer, that Q accounts for.
        size: P. products: how many it took.
    """

    values: Array
    residuals: Array
    known: NDArray[np.bool_]
    quadrature: Array
    vectors: Tensor
    basis: Tensor
    images: Tensor
    trace: float
    layer_traces: Array
    size: int
    products: int


@dataclass(frozen=True)
class Probe:
    """One random vector's view of what the leading run left over.

    Attributes:
        index: which. nodes, weights: (s,) its quadrature of the density of the remaining eigenvalues, weights sum to 1.
        trace: one unbiased sample of the remaining trace. layer_traces: (layers,) the same for each layer.
    """

    index: int
    nodes: Array
    weights: Array
    trace: float
    layer_traces: Array

    def arrays(self) -> dict[str, Any]:
        """For a checkpoint; ``Probe(**arrays)`` gives the probe back."""
        return {
            "index": self.index, "nodes": self.nodes, "weights": self.weights, "trace": self.trace,
            "layer_traces": self.layer_traces,
        }  # fmt: skip


def leading_run(
    operator: CurvatureOperator, *, largest: int = 1, smallest: int = 1, least: int = 20, most: int = 100, seed: int = 0
) -> Iterator[Lead]:
    """Lanczos from a seeded sign vector until the wanted ends converge; yields from time to time, at last the whole.

    Args:
        largest, smallest: eigenvalues wanted from each end, to a residual of LOCK. least, most: bounds on the steps;
            ``most`` vectors of length P are held.
    """
    before = operator.products
    krylov = Krylov(operator, rademacher(operator.size, seed, "lead", like=operator.point), min(most, operator.size))
    while not krylov.exhausted:
        krylov.step()
        values, _, residuals = krylov.ritz()
        good = residuals <= LOCK * np.abs(values).max()
        ends = bool(good[max(0, len(good) - largest) :].all() and good[:smallest].all())
        if krylov.steps >= min(least, operator.size) and ends and krylov.steps >= largest + smallest:
            break
        if krylov.steps % 10 == 0:
            yield _lead(operator, krylov, operator.products - before)
    yield _lead(operator, krylov, operator.products - before)


def _lead(operator: CurvatureOperator, krylov: Krylov, products: int) -> Lead:
    values, coordinates, residuals = (part[..., ::-1] for part in krylov.ritz())
    known = residuals <= LOCK * np.abs(values).max()
    basis = krylov.basis
    inside = torch.as_tensor(krylov.projected).to(basis) @ basis
    images = inside.clone()
    if krylov.next is not None:
        images[-1] += krylov.beta * krylov.next
    density = 2 * (basis * images).sum(0) - (inside * basis).sum(0)
    return Lead(
        values=values, residuals=residuals, known=known, quadrature=coordinates[0] ** 2,
        vectors=krylov.vectors(coordinates[:, known]), basis=basis, images=images,
        trace=float(np.trace(krylov.projected)), layer_traces=_by_layer(operator, density), size=operator.size,
        products=products,
    )  # fmt: skip


def probe(
    operator: CurvatureOperator, lead: Lead, indices: Sequence[int], *, steps: int = 20, seed: int = 0
) -> list[Probe]:
    """These probes, advanced side by side: ``steps`` products each; with 1 they sample the trace only.

    A trace sample is z'P H P z with P the projector off the whole leading subspace, so that
    trace(H) = trace(Q'HQ) + mean of the samples, without bias (Meyer et al. 2021, Hutch++, equation 3; Krylov sketch
    as in Epperly et al. 2024, XTrace). The quadrature is that of Ubaru et al. 2017, section 3, on the complement of
    the known eigenvectors.
    """
    signs = [rademacher(operator.size, seed, "probe", index, like=operator.point) for index in indices]
    runs = [Krylov(operator, start, max(1, steps), lead.vectors) for start in signs]
    for _ in range(max(1, steps)):
        live = [run for run in runs if not run.exhausted]
        if not live:
            break
        images = operator(torch.stack([run.next for run in live if run.next is not None]))
        for run, image in zip(live, images, strict=True):
            run.absorb(image)
    return [_probe(operator, lead, *one) for one in zip(indices, signs, runs, strict=True)]


def _probe(operator: CurvatureOperator, lead: Lead, index: int, signs: Tensor, run: Krylov) -> Probe:
    if run.first_product is None:
        return Probe(index, np.zeros(0), np.zeros(0), 0.0, np.zeros(len(operator.layout.layers())))
    overlap = run.norm * (lead.basis @ run.basis[0])
    image = run.norm * run.first_product - overlap @ lead.images  # H applied to the probe off the leading subspace
    sample = signs * (image - (lead.basis @ image) @ lead.basis)
    values, coordinates, _ = run.ritz()
    return Probe(index, values, coordinates[0] ** 2, float(wide(sample).sum()), _by_layer(operator, sample))


def _by_layer(operator: CurvatureOperator, vector: Tensor) -> Array:
    exact, parts = wide(vector), operator.layout.layers().values()
    return np.array([sum(float(exact[part].sum()) for part in layer) for layer in parts])


@dataclass(frozen=True)
class Spectrum:
    """What lead and probes say together.

    Attributes:
        lead: the leading run. probes: those done. layers: layer names, as in the parameters' names.
    """

    lead: Lead
    probes: Sequence[Probe] = field(default_factory=tuple)
    layers: Sequence[str] = field(default_factory=tuple)

    @property
    def products(self) -> int:
        """Matrix-vector products spent on all this."""
        return self.lead.products + sum(max(1, len(one.nodes)) for one in self.probes)

    @property
    def exact(self) -> bool:
        """The leading run holds the whole space: nothing is left to probe."""
        return len(self.lead.basis) == self.lead.size

    def trace(self, level: float = 0.95) -> tuple[float, Interval | None]:
        """Trace and Student interval over the probes; NaN without any, None with fewer than two."""
        return self._sum(self.lead.trace, np.array([one.trace for one in self.probes]), level)

    def layer_traces(self, level: float = 0.95) -> Mapping[str, tuple[float, Interval | None]]:
        """layer -> trace of its diagonal block, with its interval."""
        samples = np.array([one.layer_traces for one in self.probes]).reshape(len(self.probes), len(self.layers))
        known = self.lead.layer_traces
        return {name: self._sum(float(known[i]), samples[:, i], level) for i, name in enumerate(self.layers)}

    def quadratures(self) -> list[tuple[Array, Array]]:
        """Per vector, nodes and weights (summing to 1) of the whole spectral distribution: known values are exact."""
        lead = self.lead
        exact = lead.values[lead.known]
        rest = 1 - len(exact) / lead.size
        loose, share = lead.values[~lead.known], lead.quadrature[~lead.known]
        parts = [(one.nodes, one.weights) for one in self.probes if len(one.nodes) > 1]
        if len(loose) and share.sum() > 0:
            parts.insert(0, (loose, share / share.sum()))
        if not parts:
            parts = [(one.nodes, one.weights) for one in self.probes if len(one.nodes)] or [(np.zeros(1), np.ones(1))]
        known = np.full(len(exact), 1 / lead.size)
        return [(np.concatenate([exact, nodes]), np.concatenate([known, rest * weights])) for nodes, weights in parts]

    def density(self, grid: Array, sigma: float, level: float = 0.95) -> tuple[Array, Array, Array]:
        """Density (n,) on ``grid`` (n,) with Gaussians of width ``sigma``, and its interval's two bounds (n,)."""
        curves = np.stack([broaden(nodes, weights, grid, sigma) for nodes, weights in self.quadratures()])
        mean = curves.mean(0)
        if len(curves) < 2:
            return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
        half = stdtrit(len(curves) - 1, (1 + level) / 2) * curves.std(0, ddof=1) / np.sqrt(len(curves))
        return mean, np.maximum(mean - half, 0), mean + half

    def negative_mass(self, level: float = 0.95) -> tuple[float, Interval | None]:
        """Share of the sum of absolute eigenvalues that is negative (Ghorbani et al. 2019, section 4), in [0, 1]."""
        pairs = self.quadratures()
        shares = [-float(np.minimum(x, 0) @ w) / max(float(np.abs(x) @ w), 1e-300) for x, w in pairs]
        return self._mean(shares, level)

    def negative_fraction(self, tolerance: float = 1e-4, level: float = 0.95) -> tuple[float, Interval | None]:
        """Share of eigenvalues below -tolerance times the largest absolute one, in [0, 1]."""
        border = -tolerance * float(np.abs(self.lead.values).max())
        return self._mean([weights[nodes < border].sum() for nodes, weights in self.quadratures()], level)

    def _mean(self, samples: list[float], level: float) -> tuple[float, Interval | None]:
        value, values = float(np.mean(samples)), np.array(samples)
        interval = (value, value) if self.exact else mean_interval(values, level)
        return value, interval and (max(interval[0], 0.0), min(interval[1], 1.0))

    def _sum(self, base: float, samples: Array, level: float) -> tuple[float, Interval | None]:
        if self.exact:
            return base, (base, base)
        interval = mean_interval(base + samples, level)
        return base + float(samples.mean()) if len(samples) else float("nan"), interval


def mean_interval(samples: Array, level: float = 0.95) -> Interval | None:
    """Student interval of the mean of independent samples (k,); None for fewer than two or for NaN."""
    if len(samples) < 2 or not np.isfinite(samples).all():
        return None
    half = float(stdtrit(len(samples) - 1, (1 + level) / 2) * samples.std(ddof=1) / np.sqrt(len(samples)))
    return float(samples.mean()) - half, float(samples.mean()) + half


def broaden(nodes: Array, weights: Array, grid: Array, sigma: float) -> Array:
    """(n,) sum of weighted Gaussians at the nodes, on a sorted or unsorted grid (n,); integrates to the weights' sum.

    Source: Lin, Saad and Yang 2016, Approximating Spectral Densities of Large Matrices, equation 2.6.
    """
    scaled = (np.asarray(grid)[:, None] - np.asarray(nodes)) / sigma
    return np.exp(-0.5 * scaled**2) @ np.asarray(weights) / (sigma * np.sqrt(2 * np.pi))


def density_grid(spectrum: Spectrum, bins: int = 2000) -> tuple[Array, float]:
    """A grid (bins,) over the whole spectrum, and a width for `Spectrum.density`: 0.3 % of the range."""
    low, high = float(spectrum.lead.values.min()), float(spectrum.lead.values.max())
    sigma = 0.003 * max(high - low, 1e-6 * max(abs(high), abs(low)), 1e-12)
    return np.linspace(low - 5 * sigma, high + 5 * sigma, bins), sigma


def estimate_spectrum(
    operator: CurvatureOperator,
    *,
    largest: int = 1,
    smallest: int = 1,
    density_probes: int = 2,
    density_steps: int = 20,
    trace_tolerance: float = 0.02,
    max_probes: int = 100,
    lead_steps: tuple[int, int] = (20, 100),
    seed: int = 0,
    done: Sequence[Probe] = (),
) -> Iterator[Spectrum]:
    """The whole measurement, sharpening with every result; stop when it is good enough, or let it end by itself.

    Args:
        density_probes, density_steps: probes with full quadrature; later ones sample the trace with one product each.
        trace_tolerance: ends when the trace's 95 % interval is within this share of it (5 probes at least).
        done: probes of an interrupted measurement with the same settings; the leading run is repeated, as it must be.

    Source: Ghorbani et al. 2019, An Investigation into Neural Net Optimization via Hessian Eigenvalue Density.
    """
    layers = tuple(operator.layout.layers())
    spectrum = None
    for lead in leading_run(
        operator, largest=largest, smallest=smallest, least=lead_steps[0], most=lead_steps[1], seed=seed
    ):
        spectrum = Spectrum(lead, (), layers)
        yield spectrum
    assert spectrum is not None
    spectrum = Spectrum(spectrum.lead, tuple(done), layers)
    group = max(operator.together, 1 if len(operator.batches) == 1 else 8)
    while not spectrum.exact and not _settled(spectrum, density_probes, trace_tolerance):
        first = len(spectrum.probes)
        if first >= max_probes:
            break
        dense = first < density_probes
        base, limit = (0, density_probes) if dense else (density_probes, max_probes)
        last = min(base + ((first - base) // group + 1) * group, limit)  # the same groups after a resume
        found = probe(operator, spectrum.lead, range(first, last), steps=density_steps if dense else 1, seed=seed)
        spectrum = Spectrum(spectrum.lead, (*spectrum.probes, *found), layers)
        yield spectrum


def _settled(spectrum: Spectrum, density_probes: int, tolerance: float) -> bool:
    value, interval = spectrum.trace()
    if interval is None or len(spectrum.probes) < max(5, density_probes):
        return False
    return (interval[1] - interval[0]) / 2 <= tolerance * abs(value)
