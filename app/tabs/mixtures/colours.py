"""Colours of clusters, and of rows that belong to several: mixed in OKLab, where mixes look like what they mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.shell.theme import SERIES

MORE = ("#b5893b", "#3f8fa3", "#a5563f", "#6b8f3f", "#b06fae", "#5b6fa8")
PALETTE = (*SERIES[:5], *MORE)
STEPS = 8  # shades between two clusters

Array = NDArray[np.float64]

# Ottosson 2020, "A perceptual color space for image processing": linear sRGB -> cone responses -> Lab.
_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def cluster_colour(index: int) -> str:
    """The colour of a cluster, from 0."""
    return PALETTE[index % len(PALETTE)]


def to_oklab(colour: str) -> Array:
    """(3,) of "#rrggbb"."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return np.asarray(_LAB @ np.cbrt(_CONES @ linear))


def from_oklab(lab: Array) -> str:
    """The nearest "#rrggbb"."""
    return str(_hex(np.asarray(lab)[None])[0])


def blend(a: str, b: str, share: float = 0.5) -> str:
    """``share`` of b in a."""
    return from_oklab((1 - share) * to_oklab(a) + share * to_oklab(b))


@dataclass(frozen=True)
class Shades:
    """Rows in the colours of their clusters and in those between.

    Attributes:
        kinds: (likeliest cluster, second, colour) of each shade, sorted. shade: (n,) which one a row has.
    """

    kinds: list[tuple[int, int, str]]
    shade: NDArray[np.intp]


def shades(memberships: Array) -> Shades:
    """Each row's two likeliest clusters mixed by their shares of it (n, G), in steps of an eighth."""
    z = np.asarray(memberships)
    count = z.shape[1]
    each = np.arange(len(z))
    first = z.argmax(axis=1)
    rest = z.copy()
    rest[each, first] = -1
    second = rest.argmax(axis=1)
    other = np.maximum(rest[each, second], 0)
    step = np.rint(STEPS * other / np.maximum(z[each, first] + other, 1e-300)).astype(int)
    second = np.where(step == 0, first, second)
    found, shade = np.unique((first * count + second) * (STEPS + 1) + step, return_inverse=True)
    pairs, part = np.divmod(found, STEPS + 1)
    one, two = np.divmod(pairs, count)
    palette = np.array([to_oklab(cluster_colour(k)) for k in range(count)])
    share = (part / STEPS)[:, None]
    colours = _hex((1 - share) * palette[one] + share * palette[two])
    return Shades(list(zip(one.tolist(), two.tolist(), colours.tolist(), strict=True)), shade.reshape(-1))


def blended(memberships: Array) -> NDArray[np.str_]:
    """(n,) "#rrggbb": the shade of each row."""
    found = shades(memberships)
    return np.array([colour for _, _, colour in found.kinds], dtype="U7")[found.shade]


def _hex(lab: Array) -> NDArray[np.str_]:
    """(n,) "#rrggbb" of (n, 3)."""
    linear = np.clip(np.linalg.solve(_CONES, np.linalg.solve(_LAB, lab.T) ** 3), 0, 1)
    channels = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    levels = np.rint(255 * channels).astype(int)
    return np.array([f"#{r:02x}{g:02x}{b:02x}" for r, g, b in levels.T.tolist()], dtype="U7")
