"""The picture of the clusters: rows in the plane of two axes, coloured by cluster, by doubt or by known class."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from app.shell.text import number, tr
from app.tabs.mixtures.colours import blended, cluster_colour, shades
from app.tabs.mixtures.picture import DISCRIMINANT, PRINCIPAL, ROW, Array, Density, Picture
from app.widgets.plot import ScatterPlot
from app.widgets.plot.legend import SYMBOLS, Entry
from engine.studies.mixture.kinds import Fitted

COLOURINGS = {"clusters": "By cluster", "doubt": "By uncertainty", "classes": "By known class"}
DOUBTS = ((0.0, 0.02, "#3f9e78"), (0.02, 0.1, "#8fb85a"), (0.1, 0.3, "#e0b13c"), (0.3, 1.01, "#c4453f"))
LABELLED = 3000  # rows whose memberships are told on hover
SWELL = 1.6  # by how much a row grows that could belong to either of two clusters
Named = tuple[str, NDArray[np.intp], str]
BLEND = " "  # ends the names of blends: spaces tell shades apart where names are alike


class ClusterPlot(ScatterPlot):
    """A scatter whose dots swell with doubt, and whose legend names clusters, not the blends between them.

    Attributes:
        swelling: whether dots grow with the doubt where their rows belong. redraw: called when that is switched.
        blends: cluster -> groups of rows that lean from it to another.
    """

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.swelling = True
        self.blends: dict[str, list[str]] = {}
        self.redraw: Callable[[], None] = lambda: None

    def entries(self) -> list[Entry]:
        return [entry for entry in super().entries() if not entry.name.endswith(BLEND)]

    def toggle(self, name: str) -> None:
        super().toggle(name)
        for blend in self.blends.get(name, ()):
            super().toggle(blend)

    def choices(self) -> list[tuple[str, bool, Callable[[bool], None]]]:
        return [(tr("Dots grow with uncertainty"), self.swelling, self.swell), *super().choices()]

    def swell(self, on: bool) -> None:
        """Switch whether dots grow with doubt."""
        self.swelling = on
        self.redraw()


def axis_title(key: str) -> str:
    """What an axis is called."""
    kind, _, index = key.partition(" ")
    if key == ROW:
        return tr("row")
    if kind == DISCRIMINANT and index.isdigit():
        return tr("discriminant {n}", n=index)
    if kind == PRINCIPAL and index.isdigit():
        return tr("principal {n}", n=index)
    return key


def draw(plot: ClusterPlot, shown: Picture, colouring: str, classes: tuple[str, ...]) -> None:
    """Show rows one by one, in place of what was there; the view stays."""
    doubt = 1 - shown.memberships.max(axis=1)
    sizes = dot_sizes(doubt) if plot.swelling else None
    words = [_words(row) for row in shown.memberships] if len(shown.x) <= LABELLED else None
    kept: list[str] = []
    plot.blends, cluster, place = {}, "", -1  # shades have the symbol of their cluster
    for name, at, colour in _groups(shown, doubt, colouring, classes):
        if not len(at) and (name.endswith(BLEND) or colouring != "clusters"):
            continue
        if name.endswith(BLEND):
            plot.blends.setdefault(cluster, []).append(name)
        else:
            cluster, place = name, place + 1
        symbol = SYMBOLS[place % len(SYMBOLS)]
        labels = [words[i] for i in at.tolist()] if words is not None else None
        size = None if sizes is None else sizes[at]
        plot.set_points(name, shown.x[at], shown.y[at], labels=labels, colour=colour, sizes=size, symbol=symbol)
        kept.append(name)
    plot.keep([*kept, *_outline(plot, shown)])


def draw_density(
    plot: ClusterPlot, cloud: Density, shown: Picture, colouring: str, classes: tuple[str, ...], doubt: Array
) -> None:
    """Show very many rows as a density; ``doubt`` (n,) is 1 - the largest membership of each."""
    if colouring == "doubt":
        labels = np.searchsorted([low for low, _, _ in DOUBTS[1:]], doubt, side="right")
        colours = {_doubt_name(low, high): colour for low, high, colour in DOUBTS}
    elif colouring == "classes" and classes:
        labels = np.where(cloud.known < 0, len(classes), cloud.known)
        colours = {name: cluster_colour(c) for c, name in enumerate(classes)} | {tr("unknown"): "muted"}
    else:
        labels = cloud.labels
        colours = {tr("cluster {k}", k=k + 1): cluster_colour(k) for k in range(shown.memberships.shape[1])}
    share = 1 - doubt if colouring == "clusters" else None
    plot.set_density(cloud.x, cloud.y, labels, colours, share)
    plot.keep(_outline(plot, shown))


def dot_sizes(doubt: Array) -> Array:
    """(m,) diameters in pixels of rows by their doubt (m,)."""
    count = len(doubt)
    base = 7.0 if count <= 300 else 5.2 if count <= 3000 else 2.6
    return np.asarray(base * (1 + (SWELL - 1) * np.minimum(doubt, 0.5) / 0.5))


def _outline(plot: ScatterPlot, shown: Picture) -> list[str]:
    names = []
    for k, curves in enumerate(shown.ellipses):
        for ring, curve in enumerate(curves):
            names.append(f"{k + 1}.{ring + 1}")
            plot.set_outline(names[-1], curve, cluster_colour(k))
    return names


def legend(found: Fitted, colouring: str) -> tuple[tuple[str, str], ...]:
    """Name and colour of each group of a colouring."""
    if colouring == "doubt":
        return tuple((_doubt_name(low, high), colour) for low, high, colour in DOUBTS)
    if colouring == "classes" and found.classes:
        return tuple((name, cluster_colour(c)) for c, name in enumerate(found.classes))
    return tuple((tr("cluster {k}", k=k + 1), cluster_colour(k)) for k in range(len(found.weights)))


def row_colours(shown: Picture, colouring: str) -> NDArray[np.str_]:
    """(m,) the colour of each row."""
    if colouring == "doubt":
        doubt = 1 - shown.memberships.max(axis=1)
        place = np.searchsorted([low for low, _, _ in DOUBTS[1:]], doubt, side="right")
        return np.array([colour for _, _, colour in DOUBTS])[place]
    if colouring == "classes" and shown.known.max(initial=-1) >= 0:
        count = int(shown.known.max(initial=-1)) + 1
        return np.array([*(cluster_colour(c) for c in range(count)), cluster_colour(5)])[
            np.where(shown.known < 0, count, shown.known)
        ]
    return blended(shown.memberships)


def _groups(shown: Picture, doubt: Array, colouring: str, classes: tuple[str, ...]) -> Iterator[Named]:
    """Name, rows and colour of each group."""
    if colouring == "doubt":
        for low, high, colour in DOUBTS:
            yield _doubt_name(low, high), np.flatnonzero((doubt >= low) & (doubt < high)), colour
    elif colouring == "classes" and classes:
        for c, name in enumerate(classes):
            yield name, np.flatnonzero(shown.known == c), cluster_colour(c)
        yield tr("unknown"), np.flatnonzero(shown.known < 0), "muted"
    else:
        yield from _blends(shown.memberships)


def _doubt_name(low: float, high: float) -> str:
    return tr("above {low}", low=low) if high > 1 else tr("{low} to {high}", low=low, high=high)


def _blends(memberships: Array) -> Iterator[Named]:
    """The rows of each cluster in its colour, after each those that lean to another, in the shades between."""
    found = shades(memberships)
    order = np.argsort(found.shade, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(found.shade, minlength=len(found.kinds)))[:-1])
    used = set()
    for k in range(memberships.shape[1]):
        own = [(other, colour, at) for (one, other, colour), at in zip(found.kinds, parts, strict=True) if one == k]
        sure = [at for other, _, at in own if other == k]
        yield tr("cluster {k}", k=k + 1), sure[0] if sure else order[:0], cluster_colour(k)
        for other, colour, at in own:
            if other == k:
                continue
            name = tr("between {a} and {b}", a=min(k, other) + 1, b=max(k, other) + 1) + BLEND
            while name in used:
                name += BLEND
            used.add(name)
            yield name, at, colour


def _words(memberships: Array) -> str:
    """The largest memberships of a row: "1: 0.93, 2: 0.07"."""
    best = [k for k in np.argsort(-memberships, kind="stable")[:3] if memberships[k] >= 0.005]
    return ", ".join(f"{k + 1}: {number(float(memberships[k]), 2)}" for k in best)
