"""Families: published degrees of freedom, closed forms of the M-step, nesting."""

from __future__ import annotations

import numpy as np
import pytest

from engine.studies.mixture.model.covariance import maximise_covariances
from engine.studies.mixture.model.families import (
    DIAGONAL,
    FAMILIES,
    SUBMODELS,
    covariance_parameters,
    degrees_of_freedom,
    nested_order,
    rows_needed,
)
from engine.studies.mixture.model.orientation import common_axes, misfit

# Free parameters as mclust prints them for iris (d = 4, G = 3).
IRIS = {
    "EII": 15, "VII": 17, "EEI": 18, "VEI": 20, "EVI": 24, "VVI": 26, "EEE": 24, "VEE": 26, "EVE": 30, "VVE": 32,
    "EEV": 36, "VEV": 38, "EVV": 42, "VVV": 44,
}  # fmt: skip


@pytest.fixture(scope="module")
def scatters() -> tuple[np.ndarray, np.ndarray]:
    """Rows (2, 3) and positive definite scatters (2, 3, 4, 4) of two chains."""
    rng = np.random.default_rng(1)
    n = rng.uniform(20, 60, (2, 3))
    roots = rng.standard_normal((2, 3, 4, 12)) * np.array([1.0, 2.0, 0.5, 3.0])[:, None]
    return n, roots @ roots.swapaxes(-1, -2)


def expected_loglik(n: np.ndarray, w: np.ndarray, s: np.ndarray) -> np.ndarray:
    """-1/2 sum_k [n_k log |S_k| + tr(S_k^-1 W_k)], what the M-step maximises: (R,)."""
    return -0.5 * (n * np.linalg.slogdet(s)[1] + np.trace(np.linalg.solve(s, w), axis1=-2, axis2=-1)).sum(axis=1)


def fitted(family: str, n: np.ndarray, w: np.ndarray, repeats: int = 60) -> np.ndarray:
    """Full covariances (R, G, d, d) of the family's M-step, iterated to rest."""
    fed = np.diagonal(w, axis1=-2, axis2=-1) if family in DIAGONAL else w
    volume, axes = np.ones(n.shape), None
    for _ in range(repeats if family in ("VEI", "VEE", "VEV", "EVE", "VVE") else 1):
        s, axes = maximise_covariances(family, n, fed, volume, axes)
        full = s[..., None] * np.eye(s.shape[-1]) if family in DIAGONAL else s
        volume = np.exp(np.linalg.slogdet(full)[1] / full.shape[-1])
    return full


def test_degrees_of_freedom_equal_mclust_on_iris() -> None:
    assert {f: degrees_of_freedom(f, 3, 4) for f in FAMILIES} == IRIS


def test_one_component_families_collapse_to_three() -> None:
    for family in FAMILIES:
        count = covariance_parameters(family, 1, 5)
        assert count == {"I": 1 if family[1] == "I" else 5, "E": 15, "V": 15}[family[2]]


def test_submodels_have_fewer_parameters_and_come_first() -> None:
    order = nested_order()
    assert sorted(order) == sorted(FAMILIES)
    for family, smaller in SUBMODELS.items():
        for sub in smaller:
            assert order.index(sub) < order.index(family)
            assert covariance_parameters(sub, 3, 4) < covariance_parameters(family, 3, 4)


def test_only_families_with_own_scatter_need_more_rows_than_columns() -> None:
    assert rows_needed("VVV", 20) == 21
    assert rows_needed("VVI", 20) == 5


@pytest.mark.parametrize("family", FAMILIES)
def test_no_covariance_of_the_family_does_better(family: str, scatters: tuple[np.ndarray, np.ndarray]) -> None:
    """Stationarity: the score is zero along volume, shape and orientation as far as the family has them free."""
    n, w = scatters
    s = fitted(family, n, w)
    best = expected_loglik(n, w, s)
    rng = np.random.default_rng(5)
    for moved in perturbed(family, s, rng):
        assert np.all(expected_loglik(n, w, moved) <= best + 1e-7 * np.abs(best))


def perturbed(family: str, s: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Members of the family near ``s``: each letter that is not the identity moves, alike where it says E."""
    r, g, d = s.shape[:3]
    found = []
    for _ in range(6):
        volume = np.exp(0.05 * rng.standard_normal((r, 1 if family[0] == "E" else g)))
        moved = s * volume[..., None, None]
        if family[2] != "I":
            k = 1 if family[2] == "E" else g
            skew = 0.05 * rng.standard_normal((r, k, d, d))
            skew -= skew.swapaxes(-1, -2)
            turn = np.linalg.solve(np.eye(d) - skew, np.eye(d) + skew)
            moved = turn @ moved @ turn.swapaxes(-1, -2)
        found.append(moved)
        if family[1] == "V" or family[1] == "E":
            log = 0.05 * rng.standard_normal((r, 1 if family[1] == "E" else g, d))
            log -= log.mean(-1, keepdims=True)
            found.append(stretched(family, s, np.exp(log)))
    return found


def stretched(family: str, s: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """``s`` with its principal values multiplied by ``factors`` (determinant 1), axes kept."""
    if family[2] == "I":
        axes = np.broadcast_to(np.eye(s.shape[-1]), s.shape)
    elif family[2] == "E":
        weights = np.arange(1, s.shape[1] + 1)[:, None, None]
        axes = np.broadcast_to(np.linalg.eigh((s * weights).sum(axis=1))[1][:, None], s.shape)
    else:
        axes = np.linalg.eigh(s)[1]
    half = axes * np.sqrt(np.broadcast_to(factors, s.shape[:2] + factors.shape[-1:]))[..., None, :]
    root = half @ axes.swapaxes(-1, -2)
    return root @ s @ root.swapaxes(-1, -2)


def test_bigger_families_fit_at_least_as_well(scatters: tuple[np.ndarray, np.ndarray]) -> None:
    n, w = scatters
    value = {family: expected_loglik(n, w, fitted(family, n, w)) for family in FAMILIES}
    for family, smaller in SUBMODELS.items():
        for sub in smaller:
            assert np.all(value[family] >= value[sub] - 1e-6), (family, sub)


@pytest.mark.parametrize("family", FAMILIES)
def test_structure_is_what_the_letters_say(family: str, scatters: tuple[np.ndarray, np.ndarray]) -> None:
    s = fitted(family, *scatters)
    d = s.shape[-1]
    volumes = np.linalg.det(s) ** (1 / d)
    shapes = np.linalg.eigvalsh(s / volumes[..., None, None])
    if family[0] == "E":
        np.testing.assert_allclose(volumes, volumes[:, :1].repeat(3, 1), rtol=1e-9)
    if family[1] == "E":
        np.testing.assert_allclose(shapes, shapes[:, :1].repeat(3, 1), rtol=1e-7)
    if family[1] == "I":
        np.testing.assert_allclose(shapes, 1, rtol=1e-9)
    if family[2] == "I":
        np.testing.assert_allclose(s, np.diagonal(s, axis1=-2, axis2=-1)[..., None] * np.eye(d), atol=1e-12)
    if family[2] == "E":
        np.testing.assert_allclose(s[:, 0] @ s[:, 1], s[:, 1] @ s[:, 0], atol=1e-7 * np.abs(s).max() ** 2)


def test_rotations_never_raise_the_misfit(scatters: tuple[np.ndarray, np.ndarray]) -> None:
    _, w = scatters
    rng = np.random.default_rng(2)
    b = rng.uniform(0.1, 5, w.shape[:3])
    for _ in range(20):
        axes = np.linalg.qr(rng.standard_normal((2, 4, 4)))[0]
        before = misfit(w, b, axes)
        fresh, settled = common_axes(w, b, axes)
        assert np.all(misfit(w, b, fresh) < before)
        assert not settled
        np.testing.assert_allclose(fresh @ fresh.swapaxes(-1, -2), np.tile(np.eye(4), (2, 1, 1)), atol=1e-12)


def test_rotations_find_the_minimum_that_others_find(scatters: tuple[np.ndarray, np.ndarray]) -> None:
    """Against BFGS on the exponentials of skew matrices, from the same axes."""
    from scipy.linalg import expm
    from scipy.optimize import minimize

    _, w = scatters
    b = np.random.default_rng(4).uniform(0.1, 5, w.shape[:3])
    axes = np.tile(np.eye(4), (2, 1, 1))
    for _ in range(100):
        axes, settled = common_axes(w, b, axes)
    assert settled
    upper = np.triu_indices(4, 1)

    def turned(t: np.ndarray) -> float:
        skew = np.zeros((4, 4))
        skew[upper] = t
        return float(misfit(w[:1], b[:1], (axes[0] @ expm(skew - skew.T))[None])[0])

    there = minimize(turned, np.full(6, 0.05), method="BFGS").fun
    assert turned(np.zeros(6)) == pytest.approx(there, rel=1e-5)


def test_common_axes_recover_a_shared_orientation() -> None:
    rng = np.random.default_rng(3)
    true = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    values = np.array([[1.0, 4, 9], [8, 2, 1], [3, 7, 1]])
    w = (true * values[:, None, :]) @ true.T
    axes = np.linalg.eigh(w.sum(axis=0))[1][None]
    for _ in range(200):
        inner = np.einsum("rai,gab,rbi->rgi", axes, w, axes)
        axes, settled = common_axes(w[None], 1 / inner, axes)
    turned = axes[0].T @ w @ axes[0]
    off = turned - np.diagonal(turned, axis1=-2, axis2=-1)[..., None] * np.eye(3)
    assert settled
    np.testing.assert_allclose(off, 0, atol=1e-3)
