"""What a fitted mixture is refitted from: its rows, its first maxima as starts, and the rows that only look on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.seeding import generator
from engine.studies.mixture.bootstrap.bagged import Bagged
from engine.studies.mixture.bootstrap.spectral import Projection
from engine.studies.mixture.kinds import Fitted
from engine.studies.mixture.model.coordinates import to_frame
from engine.studies.mixture.model.families import DIAGONAL, FAMILIES, Family
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array, Parameters, concatenate
from engine.studies.mixture.search.fit import DEFAULTS, Options, Task, prepare
from engine.studies.mixture.tables.size import MANY_ROWS, part_size
from engine.studies.mixture.tasks.gaps import on_axes, whole_rows
from engine.studies.mixture.tasks.setting import sample_of


@dataclass(frozen=True)
class Refits:
    """The setting of bagged EM.

    Attributes:
        task: rows and guard in fit coordinates; mixtures of the resampled methods live on their axes. start: the fit
            and further maxima. took: (n,) rows that take part: all under EM, which takes gaps, else whole ones.
    """

    fitted: Fitted
    task: Task
    start: Parameters
    family: Family
    took: NDArray[np.bool_]

    def others(self, found: Bagged) -> Array:
        """Memberships (B, m, G) of the rows that take no part, in each refit, by what is known of them."""
        fitted, x = self.fitted, np.asarray(self.fitted.x)[~self.took]
        out = np.zeros((len(found.weights), len(x), found.weights.shape[1]))
        if len(x):
            for b in range(len(out)):
                mixture = self._mixture(found, b)
                if fitted.axes.shape[1]:
                    scaled = (x - fitted.scores_mean) / fitted.scores_scale
                    out[b] = on_axes(projection_of(fitted), mixture, scaled)[0]
                else:
                    out[b] = mixture.responsibilities(x)
        return out

    def _mixture(self, found: Bagged, b: int) -> Mixture:
        back = self.task.frame.backward
        covariances = found.covariances[b]
        if covariances.ndim == 2:
            covariances = covariances[..., None] * np.eye(covariances.shape[1])
        means = found.means[b] @ back.T + self.task.frame.shift
        dof = found.dof[b] if found.dof.shape[1] else None
        return Mixture(found.weights[b], means, back @ covariances @ back.T, self.family, dof)


def projection_of(fitted: Fitted) -> Projection:
    """The axes of a mixture by a resampled method, for columns that are centred and scaled already."""
    p, q = fitted.axes.shape
    total = np.trace(fitted.covariances[0] / np.outer(fitted.scores_scale, fitted.scores_scale))
    residual = (total - np.trace(fitted.score_covariances[0])) / max(p - q, 1)
    return Projection(np.zeros(p), np.asarray(fitted.axes), max(float(residual), 1e-9 * float(total) / p))


def manageable(fitted: Fitted, seed: int) -> Fitted:
    """The mixture with a random part of its rows where there are many: refits see as many as of a table on disk."""
    n, d = fitted.x.shape
    if n <= MANY_ROWS:
        return fitted
    picked = np.sort(generator(seed, "refitted part").choice(n, part_size(d), replace=False))
    names = ("x", "rows", "known", "memberships")
    arrays: dict[str, Any] = {name: np.asarray(getattr(fitted, name))[picked] for name in names}
    return replace(fitted, **arrays, sample=sample_of(len(picked), seed), count=fitted.took_part)


def refit_setting(fitted: Fitted, maxima: int, options: Options = DEFAULTS) -> Refits:
    """What bagged EM needs, from so many of the first maxima; of the options, where it runs."""
    family: Family = next(name for name in FAMILIES if name == fitted.family)
    prior: Any = fitted.prior
    scaling: Any = fitted.scaling
    x = np.array(fitted.x)
    took = np.ones(len(x), bool)
    if fitted.axes.shape[1]:
        took = whole_rows(x)
        x = ((x[took] - fitted.scores_mean) / fitted.scores_scale) @ fitted.axes
        solutions = [Mixture(np.array(fitted.weights), fitted.score_means, fitted.score_covariances, family)]
        options = replace(options, prior=prior, scaling="none")
    else:
        if len(fitted.dof):
            took = whole_rows(x)
        x, solutions = x[took], _solutions(fitted, family)
        options = replace(options, prior=prior, scaling=scaling, resolution=np.array(fitted.resolution))
    task = prepare(x, len(fitted.weights), family, options)
    diagonal = family in DIAGONAL
    starts = [to_frame(task.frame, one, diagonal, task.guard) for one in solutions[:maxima]]
    return Refits(fitted, task, concatenate(starts), family, took)


def _solutions(fitted: Fitted, family: Family) -> list[Mixture]:
    """The fit and the other maxima that kept all components; t-mixtures begin from the fit's degrees of freedom."""
    dof = np.array(fitted.dof) if len(fitted.dof) else None
    found = [Mixture(fitted.weights, fitted.means, fitted.covariances, family, dof)]
    if len(fitted.weights) < fitted.components:
        return found
    usual = None if dof is None else np.full(len(dof), np.median(dof))
    parts = (fitted.solution_weights, fitted.solution_means, fitted.solution_covariances)
    return found + [
        Mixture(weights, means, covariances, family, usual)
        for weights, means, covariances in list(zip(*parts, strict=True))[1:]
        if (weights > 0).all()
    ]
