"""The picture of the clusters: rows in the plane of two axes, coloured by cluster, by doubt or by known class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.shell.text import number, tr
from app.tabs.mixtures.colours import blend, cluster_colour
from app.tabs.mixtures.model import DISCRIMINANT, PRINCIPAL, ROW, MixturesModel, Picture
from app.widgets.plot import Axis, ScatterPlot

SURE = 0.9
COLOURINGS = {"clusters": "Clusters", "doubt": "Uncertainty", "classes": "Known classes"}
DOUBTS = ((0.0, 0.02, "#3f9e78"), (0.02, 0.1, "#8fb85a"), (0.1, 0.3, "#e0b13c"), (0.3, 1.01, "#c4453f"))


def axis_title(key: str) -> str:
    """What an axis is called."""
    kind, _, index = key.partition(" ")
    if key == ROW:
        return tr("row")
    if kind == DISCRIMINANT and index.isdigit():
        return tr("discriminant axis {n}", n=index)
    if kind == PRINCIPAL and index.isdigit():
        return tr("principal axis {n}", n=index)
    return key


def draw(plot: ScatterPlot, model: MixturesModel, colouring: str) -> None:
    """Show the picture of the model anew."""
    picture = model.picture()
    plot.clear()
    if picture is None:
        return
    across, up = model.axes
    plot.axes = (Axis(axis_title(across)), Axis(axis_title(up)))
    if colouring == "doubt":
        _by_doubt(plot, picture)
    elif colouring == "classes" and model.mixture is not None and model.mixture.classes:
        _by_class(plot, picture, model.mixture.classes)
    else:
        _by_cluster(plot, picture)
    for k, curves in enumerate(picture.ellipses):
        for ring, curve in enumerate(curves):
            plot.set_outline(f"{k + 1}.{ring + 1}", curve, cluster_colour(k))


def _by_cluster(plot: ScatterPlot, picture: Picture) -> None:
    z = picture.memberships
    order = np.argsort(-z, axis=1, kind="stable")
    first, best = order[:, 0], z.max(axis=1)
    sure = best >= SURE
    for k in range(z.shape[1]):
        _group(plot, picture, tr("cluster {k}", k=k + 1), (first == k) & sure, cluster_colour(k))
    if z.shape[1] < 2 or sure.all():
        return
    pairs = np.sort(order[:, :2], axis=1)
    for a, b in np.unique(pairs[~sure], axis=0).tolist():
        both = ~sure & (pairs[:, 0] == a) & (pairs[:, 1] == b)
        share = float((z[both, b] / (z[both, a] + z[both, b])).mean())
        name = tr("between {a} and {b}", a=a + 1, b=b + 1)
        _group(plot, picture, name, both, blend(cluster_colour(a), cluster_colour(b), share))


def _by_doubt(plot: ScatterPlot, picture: Picture) -> None:
    doubt = 1 - picture.memberships.max(axis=1)
    for low, high, colour in DOUBTS:
        name = tr("above {low}", low=low) if high > 1 else tr("{low} to {high}", low=low, high=high)
        _group(plot, picture, name, (doubt >= low) & (doubt < high), colour)


def _by_class(plot: ScatterPlot, picture: Picture, classes: tuple[str, ...]) -> None:
    for c, name in enumerate(classes):
        _group(plot, picture, name, picture.known == c, cluster_colour(c))
    _group(plot, picture, tr("unknown"), picture.known < 0, "muted")


def _group(plot: ScatterPlot, picture: Picture, name: str, chosen: NDArray[np.bool_], colour: str) -> None:
    if chosen.any():
        z = picture.memberships[chosen]
        words = [_words(row) for row in z] if len(z) <= 3000 else None
        plot.set_points(name, picture.x[chosen], picture.y[chosen], labels=words, colour=colour)


def _words(memberships: NDArray[np.float64]) -> str:
    """The largest memberships of a row: "1: 0.93, 2: 0.07"."""
    best = [k for k in np.argsort(-memberships, kind="stable")[:3] if memberships[k] >= 0.005]
    return ", ".join(f"{k + 1}: {number(float(memberships[k]), 2)}" for k in best)
