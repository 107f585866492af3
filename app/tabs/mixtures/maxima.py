"""The page Local maxima: where the starts ended, as dots, basins and a tree; a click loads that solution."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Signal

from app.shell.text import number, tr
from app.tabs.mixtures.colours import cluster_colour
from app.tabs.mixtures.model import MixturesModel
from app.tabs.mixtures.tree import disconnectivity
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.plot import Axis, BarPlot, ScatterPlot
from app.widgets.plot.scale import View
from engine.studies.mixture.kinds import Fitted

RANKED = 3  # maxima with a colour of their own
MOST = 12  # maxima in bars and in the tree
KINDS = {
    "whitened": "k-means on whitened axes", "kmeans": "k-means", "plusplus": "k-means++", "random": "random partition",
    "hierarchical": "hierarchical clustering", "escape": "found by resampling",
}  # fmt: skip


class Basins(BarPlot):
    """Bars that can be clicked.

    Signals:
        picked: the bar, from 0.
    """

    picked = Signal(int)

    def clicked(self, at: QPointF) -> None:
        """A click anywhere above a bar's name takes that bar."""
        index = round(self.place(at)[0])
        if 0 <= index < len(self.table()):
            self.picked.emit(index)


class Landings(ScatterPlot):
    """Where starts ended, without blowing up the last digits in which equal ends differ."""

    def __init__(self, name: str, *, x: Axis, y: Axis, least: tuple[float, float]) -> None:
        """``least``: what is seen across and up at least, in the axes' units."""
        super().__init__(name, x=x, y=y)
        self._least = least

    def roomy(self, x0: float, x1: float, y0: float, y1: float) -> View:
        """All dots, and no less than the least."""
        wide, high = (
            max(0.0, least - (b - a)) / 2 for least, a, b in zip(self._least, (x0, y0), (x1, y1), strict=True)
        )
        return super().roomy(x0 - wide, x1 + wide, y0 - high, y1 + high)


class MaximaPage(CardGrid):
    """Where the starts ended; a click loads that solution.

    Signals:
        opened: the local maximum of the dot that was clicked, 0 the best.
    """

    opened = Signal(int)

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self._members: dict[str, list[int]] = {}
        self._ended: list[int] = []
        self.starts = Landings(
            "Starts", x=Axis("agreement with the best (ARI)"), y=Axis("log L", "nat"), least=(0.1, 1.0)
        )
        self.map = Landings(
            "Map of solutions", x=Axis("first axis", "nat"), y=Axis("second axis", "nat"), least=(0.1, 0.1)
        )
        self.share = Basins("Basins", x=Axis("maximum", whole=True), y=Axis("starts", "%"))
        self.tree = ScatterPlot("Barriers", x=Axis("maximum"), y=Axis("log L", "nat"))
        self.starts_card = self.add(Card("Starts", empty="A dot for every start, with where it ended, appears here."))
        self.map_card = self.add(Card("Map of solutions", empty="How far apart the solutions lie appears here."))
        self.share_card = self.add(Card("Basins", empty="The share of the starts in each maximum appears here."))
        self.tree_card = self.add(
            Card("Barriers", empty="How far the likelihood falls between the maxima appears here.")
        )
        for card, plot in self._pairs():
            card.set_body(plot)
        for dots in (self.starts, self.map):
            dots.picked.connect(lambda name, index: self.opened.emit(self._members[name][index]))
        self.tree.picked.connect(lambda _name, index: self.opened.emit(self._ended[index]))
        self.share.picked.connect(lambda index: self.opened.emit(self._ended[index]))

    def _pairs(self) -> list[tuple[Card, BarPlot | ScatterPlot]]:
        return [
            (self.starts_card, self.starts),
            (self.map_card, self.map),
            (self.share_card, self.share),
            (self.tree_card, self.tree),
        ]

    def clear(self, gone: set[str]) -> None:
        """Take the old pictures away."""
        if "mixture" in gone:
            self._empty()

    def _empty(self) -> None:
        for card, plot in self._pairs():
            plot.clear()
            card.set_caption("")

    def show_model(self, model: MixturesModel, changed: set[str]) -> None:
        """Draw the starts of a finished fit."""
        found = model.mixture
        if "mixture" not in changed or found is None or not len(found.member):
            return
        self._empty()
        member, finished = np.asarray(found.member), np.asarray(found.finished)
        reached = np.isin(member, member[finished])
        rank = np.where(reached, np.minimum(member, RANKED), RANKED + 1)
        names = [tr("best")] + [tr("maximum {n}", n=k + 1) for k in range(1, RANKED)] + [tr("others")]
        colours = [cluster_colour(k) for k in range(RANKED + 1)]
        looks = [*zip(names, colours, strict=True), (tr("left the race"), "muted")]
        for r in (RANKED + 1, *range(RANKED, -1, -1)):  # the best on top
            name, colour = looks[r]
            chosen = np.flatnonzero(rank == r)
            if not len(chosen):
                continue
            self._members[name] = member[chosen].tolist()
            labels = [words(found, int(chain)) for chain in chosen]
            x, y = np.asarray(found.agreement)[chosen], np.asarray(found.log_likelihoods)[chosen]
            self.starts.set_points(name, x, y, labels=labels, colour=colour)
            place = np.asarray(found.position)[chosen]
            self.map.set_points(name, place[:, 0], place[:, 1], labels=labels, colour=colour)
        told = {"starts": len(member), "maxima": len(set(member[finished].tolist()))}
        self.starts_card.set_caption("starts: {starts}, maxima: {maxima}; click a dot", **told)
        self.map_card.set_caption("distances: variation of information")
        self._ended = sorted(set(member[finished].tolist()))[:MOST]
        self.share.set_bars([str(k + 1) for k in self._ended], 100 * np.asarray(found.share)[self._ended])
        self.share_card.set_caption("by falling likelihood; click a bar")
        self._show_tree(found)

    def _show_tree(self, found: Fitted) -> None:
        ended = self._ended
        if len(ended) < 2:
            self.tree_card.show_empty("All starts that ran to the end found the same maximum.")
            return
        barrier = np.asarray(found.barrier)[np.ix_(ended, ended)]
        if not np.isfinite(barrier).all():
            self.tree_card.show_empty("Resampled chains climb no common likelihood, so there are no ways to measure.")
            return
        levels = np.asarray(found.maxima_log_likelihoods)[ended]
        tree = disconnectivity(levels, barrier)
        for index, line in enumerate(tree.lines):
            self.tree.set_outline(str(index), line, "muted")
        labels = [tr("maximum {n}", n=k + 1) for k in ended]
        self.tree.set_points("", tree.place, levels, labels=labels, colour="accent")
        order = np.argsort(tree.place)
        names = tuple(str(ended[int(i)] + 1) for i in order)
        self.tree.axes = (Axis("maximum", names=names), Axis("log L", "nat"))
        fall = number(float(levels.max() - tree.passes.min()), 3)
        self.tree_card.set_caption("branches join at barriers; {fall} nat deep", fall=fall)


def words(found: Fitted, chain: int) -> str:
    """A start: its maximum, how many share it, how it began."""
    share = 100 * float(found.share[found.member[chain]])
    name = found.start_kinds[chain]
    said = [
        tr("maximum {n}", n=int(found.member[chain]) + 1),
        tr("{share} % of the starts", share=number(share, 3)),
        tr("chain {n}", n=chain + 1) if name == "chain" else tr(KINDS.get(name, name)),
    ]
    return ", ".join([*said, tr("spurious")] if found.spurious[chain] else said)
