"""The fourteen parsimonious Gaussian families: degrees of freedom, nesting, admissible coordinates.

Each covariance is volume x shape x orientation, S_k = v_k D_k A_k D_k' with det A_k = 1 (Celeux & Govaert 1995,
"Gaussian parsimonious clustering models"). The three letters say of volume, shape and orientation whether they are
Equal over components, Variable, or the Identity.
"""

from __future__ import annotations

from typing import Literal, get_args

Family = Literal["EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"]
Coordinates = Literal["isotropic", "columns", "whitened"]

FAMILIES: tuple[Family, ...] = get_args(Family)
DIAGONAL: frozenset[Family] = frozenset({"EII", "VII", "EEI", "VEI", "EVI", "VVI"})
# One covariance for all components: a prior on it counts once, not once a component.
SHARED: frozenset[Family] = frozenset({"EII", "EEI", "EEE"})
# A component of these needs more than d rows of its own for a positive definite scatter.
OWN_SCATTER: frozenset[Family] = frozenset({"EVV", "VVV"})

# family -> the families that are its special cases with one constraint more, so that its likelihood is never lower.
SUBMODELS: dict[Family, tuple[Family, ...]] = {
    "EII": (),
    "VII": ("EII",),
    "EEI": ("EII",),
    "VEI": ("VII", "EEI"),
    "EVI": ("EEI",),
    "VVI": ("VEI", "EVI"),
    "EEE": ("EEI",),
    "VEE": ("EEE", "VEI"),
    "EVE": ("EEE", "EVI"),
    "VVE": ("VEE", "EVE", "VVI"),
    "EEV": ("EEE",),
    "VEV": ("EEV", "VEE"),
    "EVV": ("EEV", "EVE"),
    "VVV": ("VEV", "EVV", "VVE"),
}


def covariance_parameters(family: Family, components: int, dimension: int) -> int:
    """Free parameters of the G covariances in d dimensions (Celeux & Govaert 1995, table 1)."""
    g, d = components, dimension
    full = d * (d + 1) // 2
    counts = {
        "EII": 1, "VII": g, "EEI": d, "VEI": g + d - 1, "EVI": 1 + g * (d - 1), "VVI": g * d,
        "EEE": full, "VEE": full + g - 1, "EVE": full + (g - 1) * (d - 1), "VVE": full + (g - 1) * d,
        "EEV": g * full - (g - 1) * d, "VEV": g * full - (g - 1) * (d - 1), "EVV": g * full - (g - 1),
        "VVV": g * full,
    }  # fmt: skip
    return counts[family]


def degrees_of_freedom(family: Family, components: int, dimension: int) -> int:
    """All free parameters: G - 1 weights, G d means, and the covariances."""
    return components - 1 + components * dimension + covariance_parameters(family, components, dimension)


def invariance(family: Family) -> Coordinates:
    """The largest group of linear maps that keeps the family: what may be done to the data before fitting.

    Fits of EEE, VEE, EVV and VVV are the same after any invertible map, so they are computed in whitened coordinates;
    diagonal families only allow a scale per column, the others one scale for all columns.
    """
    if family in ("EEE", "VEE", "EVV", "VVV"):
        return "whitened"
    if family in ("EEI", "VEI", "EVI", "VVI"):
        return "columns"
    return "isotropic"


def rows_needed(family: Family, dimension: int) -> int:
    """Effective rows below which a component counts as collapsed: max(d + 1, 5) where its scatter stands alone.

    A component that only has a mean of its own cannot collapse onto few rows.
    """
    if family in SHARED:
        return 2
    return max(dimension + 1, 5) if family in OWN_SCATTER else 5


def own_matrices(family: Family) -> bool:
    """Whether covariances have free directions, so that more rows than columns are needed."""
    return family not in DIAGONAL


def nested_order() -> tuple[Family, ...]:
    """The families, each after all its special cases."""
    done: list[Family] = []
    while len(done) < len(FAMILIES):
        done += [f for f in FAMILIES if f not in done and all(s in done for s in SUBMODELS[f])]
    return tuple(done)
