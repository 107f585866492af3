"""Extreme eigenpairs of a symmetric operator: Lanczos with full reorthogonalisation, restarts and locking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine import seeding
from engine.studies.landscape.products import CurvatureOperator
from engine.studies.landscape.vectors import wide

Array = NDArray[np.float64]


class Krylov:
    """An orthonormal basis grown by one product a step, and the operator's projection on it.

    Each new vector is orthogonalised twice against the whole basis and against ``locked``, so no ghost copies of
    eigenvalues appear (Golub and Van Loan 2013, section 10.3). After ``restart`` the projection is an arrowhead and
    then tridiagonal; residual bounds hold all along (Wu and Simon 2000, Thick-Restart Lanczos, section 2).

    Attributes:
        basis: (steps, P) rows. projected: (steps, steps). beta: norm of the residual that starts the next vector.
        next: (P,) that vector, or None once the space is invariant. exhausted: no further step is possible.
        norm: of the start vector off the locked ones. first_product: the operator times the first basis vector.
    """

    def __init__(
        self, operator: Callable[[Tensor], Tensor], start: Tensor, capacity: int, locked: Tensor | None = None
    ) -> None:
        self.operator = operator
        self.locked = locked if locked is not None and len(locked) else None
        self.dimension = len(start) - (0 if self.locked is None else len(self.locked))
        self._rows = start.new_empty(min(capacity, self.dimension), len(start))
        self._matrix = np.zeros((len(self._rows), len(self._rows)))
        self.steps = 0
        self.beta = 0.0
        self.first_product: Tensor | None = None
        rest = self._project(self._project(start))
        self.norm = float(rest.norm())
        lost = self.dimension == 0 or self.norm <= 64 * torch.finfo(start.dtype).eps * float(start.norm())
        self.next: Tensor | None = None if lost else self._project(rest / self.norm)

    @property
    def basis(self) -> Tensor:
        return self._rows[: self.steps]

    @property
    def projected(self) -> Array:
        return self._matrix[: self.steps, : self.steps]

    @property
    def exhausted(self) -> bool:
        return self.next is None or self.steps == len(self._rows)

    def step(self) -> None:
        """Take ``next`` into the basis, with one product."""
        assert self.next is not None
        self.absorb(self.operator(self.next))

    def absorb(self, image: Tensor) -> None:
        """Take ``next`` into the basis, given its product ``image`` (P,)."""
        assert self.next is not None
        j = self.steps
        self._rows[j] = self.next
        self.steps += 1
        if self.first_product is None:
            self.first_product = image
        rest, row = self._project(image), np.zeros(self.steps)
        for _ in range(2):
            overlaps = self.basis @ rest
            rest = self._project(rest - overlaps @ self.basis)
            row += wide(overlaps).cpu().numpy()
        self._matrix[j, : j + 1] = self._matrix[: j + 1, j] = row
        self.beta = float(rest.norm())
        scale = float(np.abs(self.projected).max())
        if self.steps == self.dimension or self.beta <= 8 * torch.finfo(rest.dtype).eps * scale:
            self.next, self.beta = None, 0.0
            return
        self.next = rest / self.beta
        if self.beta < 1e-2 * scale:  # rounding has grown with the division; take it out again
            self.next = self._project(self.next - (self.basis @ self.next) @ self.basis)
            self.next /= self.next.norm()

    def ritz(self) -> tuple[Array, Array, Array]:
        """Ritz values (m,) ascending, their coordinates in the basis (m, m) by columns, and residual norms (m,)."""
        values, coordinates = np.linalg.eigh(self.projected)
        return values, coordinates, self.beta * np.abs(coordinates[-1])

    def vectors(self, coordinates: Array) -> Tensor:
        """(k, P) the vectors with these coordinates (m, k) by columns."""
        return torch.as_tensor(coordinates.T).to(self._rows) @ self.basis

    def restart(self, keep: NDArray[np.intp]) -> None:
        """Shrink the basis to these Ritz vectors; the next step goes on from the same residual."""
        values, coordinates, _ = self.ritz()
        kept = self.vectors(coordinates[:, keep])
        self.steps = len(keep)
        self._rows[: self.steps] = kept
        self._matrix[: self.steps, : self.steps] = np.diag(values[keep])

    def _project(self, vector: Tensor) -> Tensor:
        return vector if self.locked is None else vector - (self.locked @ vector) @ self.locked


@dataclass(frozen=True)
class Eigenpairs:
    """Extreme eigenpairs.

    Attributes:
        values: (k,) descending. vectors: (k, P) orthonormal rows. residuals: (k,) norms |H v - value v|: an
            eigenvalue of the operator lies within this distance of each value.
        converged: (k,) residual below the tolerance. products: how many it took. complete: all asked for are there.
    """

    values: Array
    vectors: Tensor
    residuals: Array
    converged: NDArray[np.bool_]
    products: int
    complete: bool


def rademacher(size: int, seed: int, *names: str | int, like: Tensor) -> Tensor:
    """(size,) seeded signs +-1, with the number type and device of ``like``."""
    bits = seeding.generator(seed, *names).integers(0, 2, size, dtype=np.int8)
    return torch.as_tensor(bits * 2 - 1).to(like)


def eigenpairs(
    operator: CurvatureOperator,
    largest: int = 1,
    smallest: int = 0,
    *,
    tolerance: float = 1e-4,
    max_products: int = 1000,
    basis: int = 80,
    seed: int = 0,
    every: int = 5,
) -> Iterator[Eigenpairs]:
    """The algebraically largest and smallest eigenvalues with their vectors, and copies of multiple ones.

    One Krylov space holds a single vector of each eigenspace. So the pairs found are locked, and a new run from a fresh
    seeded start, deflated by them, either finds further copies (which are locked too) or shows that none is left.

    Args:
        operator: (P,) -> (P,). largest, smallest: how many from each end; fewer where P is smaller.
        tolerance: on residuals, relative to the largest absolute eigenvalue. basis: vectors held before a restart.
        every: steps between two results.

    Yields:
        Ever better Eigenpairs, the last one ``complete`` unless ``max_products`` ran out.

    Source: Wu and Simon 2000; locking as in Parlett 1998, The Symmetric Eigenvalue Problem, section 13.
    """
    largest = min(largest, operator.size)
    search = _Search(operator, largest, min(smallest, operator.size - largest), tolerance)
    capacity = min(max(basis, 2 * (largest + smallest) + 8), operator.size)
    limit = operator.products + max_products
    for run in range(operator.size):
        draw = seeding.generator(seed, "lanczos", run).standard_normal(operator.size)
        start = torch.as_tensor(draw).to(operator.point)
        krylov = Krylov(operator, start, capacity, search.vectors)
        while not search.settled(krylov) and operator.products < limit:
            if krylov.exhausted:
                krylov.restart(search.keep(krylov))
            for _ in range(min(every, limit - operator.products)):
                if not krylov.exhausted:
                    krylov.step()
            yield search.result(krylov, complete=False)
        finished = search.settled(krylov)
        if not search.lock(krylov) or not finished:
            break
    yield search.result(None, complete=finished)


class _Search:
    """The pairs that `eigenpairs` has locked so far, and which it still wants."""

    def __init__(self, operator: CurvatureOperator, largest: int, smallest: int, tolerance: float) -> None:
        self.largest, self.smallest, self.tolerance = largest, smallest, tolerance
        self.operator, self.before = operator, operator.products
        self.values: Array = np.zeros(0)
        self.residuals: Array = np.zeros(0)
        self.vectors = operator.point.new_zeros(0, operator.size)

    def settled(self, krylov: Krylov) -> bool:
        """Whether this run has all that it can add: its wanted pairs converged, or none of its values can be wanted."""
        if krylov.next is None:
            return True
        if krylov.steps == 0:
            return False
        values, _, residuals = krylov.ritz()
        slack = self._slack(values)
        wanted = self._wanted(values, slack)
        if len(self.values) + len(values) < self.largest + self.smallest:
            return False
        if len(wanted):
            return bool((residuals[wanted] <= slack).all())
        top, bottom = self._borders()
        above = self.largest == 0 or values[-1] + residuals[-1] <= top + slack
        below = self.smallest == 0 or values[0] - residuals[0] >= bottom - slack
        return bool(above and below)

    def lock(self, krylov: Krylov) -> bool:
        """Take in this run's wanted pairs; False when there are none."""
        if krylov.steps == 0:
            return False
        values, coordinates, residuals = krylov.ritz()
        wanted = self._wanted(values, self._slack(values))
        self.values = np.concatenate([self.values, values[wanted]])
        self.residuals = np.concatenate([self.residuals, residuals[wanted]])
        self.vectors = torch.cat([self.vectors, krylov.vectors(coordinates[:, wanted])])
        return len(wanted) > 0 and len(self.values) < self.operator.size

    def keep(self, krylov: Krylov) -> NDArray[np.intp]:
        """Ritz vectors to go on with after a restart: the wanted ends and as many again beside them."""
        count = krylov.steps
        top, bottom = (min(count // 3, 2 * k + 4 if k else 0) for k in (self.largest, self.smallest))
        return np.unique(np.concatenate([np.arange(bottom), np.arange(count - top, count)]))

    def result(self, krylov: Krylov | None, complete: bool) -> Eigenpairs:
        """The best of what is locked and of the run's Ritz pairs."""
        values, residuals, vectors = self.values, self.residuals, self.vectors
        if krylov is not None and krylov.steps:
            more, coordinates, bounds = krylov.ritz()
            chosen = self._wanted(more, self._slack(more))
            values, residuals = np.concatenate([values, more[chosen]]), np.concatenate([residuals, bounds[chosen]])
            vectors = torch.cat([vectors, krylov.vectors(coordinates[:, chosen])])
        order = np.argsort(values)[::-1]
        order = np.concatenate([order[: self.largest], order[max(self.largest, len(order) - self.smallest) :]])
        reached = residuals[order] <= self._slack(values)
        spent = self.operator.products - self.before
        return Eigenpairs(values[order], vectors[order.tolist()], residuals[order], reached, spent, complete)

    def _slack(self, values: Array) -> float:
        return self.tolerance * float(np.abs(np.concatenate([values, self.values])).max(initial=0.0))

    def _borders(self) -> tuple[float, float]:
        """What a new value must exceed to be among the largest, or undercut to be among the smallest."""
        ordered = np.sort(self.values)
        top, bottom = (-np.inf if self.largest else np.inf), (np.inf if self.smallest else -np.inf)
        enough = len(ordered) >= self.largest + self.smallest
        if enough and self.largest:
            top = float(ordered[-self.largest])
        if enough and self.smallest:
            bottom = float(ordered[self.smallest - 1])
        return top, bottom

    def _wanted(self, values: Array, slack: float) -> NDArray[np.intp]:
        """Indices of the run's Ritz values (ascending) that belong to the ends asked for."""
        top, bottom = self._borders()
        index = np.arange(len(values))
        high = (index >= len(values) - self.largest) & (values > top + slack)
        low = (index < self.smallest) & (values < bottom - slack)
        return index[high | low]
