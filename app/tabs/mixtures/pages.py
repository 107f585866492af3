"""The pages Choice, Local maxima, Stability and Against labels: what the study found, as pictures."""

from __future__ import annotations

from functools import partial

import numpy as np
from PySide6.QtCore import Signal

from app.shell.text import number, tr
from app.tabs.mixtures.colours import cluster_colour
from app.tabs.mixtures.model import MixturesModel, Picture
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.plot import Axis, BarPlot, HeatMap, LinePlot, ScatterPlot

RANKED = 3  # maxima with a colour of their own


class ChoicePage(CardGrid):
    """Criteria over numbers of clusters, a curve a family; a click opens that fit.

    Signals:
        opened: the family and the number of clusters of the point that was clicked.
    """

    opened = Signal(str, int)

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self._cells: dict[tuple[str, str], list[int]] = {}
        self.plots: dict[str, ScatterPlot] = {}
        self.cards_of: dict[str, Card] = {}
        words = {
            "bic": ("BIC", "BIC of every family and number of clusters appears here: tick Choice of model and run."),
            "icl": ("ICL", "ICL, which punishes overlap, appears here."),
            "aic": ("AIC", "AIC, which punishes size least, appears here."),
            "nec": ("NEC", "Entropy over gain in likelihood appears here."),
        }
        for name, (title, empty) in words.items():
            plot = ScatterPlot(tr(title), x=Axis(tr("clusters")), y=Axis(title, "nat" if name != "nec" else ""))
            plot.picked.connect(partial(self._picked, name))
            self.plots[name] = plot
            self.cards_of[name] = self.add(Card(title, empty=empty))
            self.cards_of[name].set_body(plot)

    def clear(self) -> None:
        """Take the old pictures away."""
        for plot in self.plots.values():
            plot.clear()

    def show_model(self, model: MixturesModel) -> None:
        """Draw what is known of the choice."""
        found = model.choice
        if found is None:
            return
        for name, plot in self.plots.items():
            plot.clear()
            values = np.asarray(getattr(found, name))
            for row, family in enumerate(found.families):
                known = np.flatnonzero(np.isfinite(values[row]))
                if not len(known):
                    continue
                x, y = np.asarray(found.components)[known], values[row][known]
                self._cells[name, family] = [int(g) for g in x]
                labels = [self._words(model, row, int(column)) for column in known]
                plot.set_points(family, x, y, labels=labels, colour=cluster_colour(row))
                plot.set_outline(family, np.column_stack([x, y]), cluster_colour(row))
        for name in ("bic", "icl"):
            best = found.best(name)
            if best:
                words = {"model": f"{best[0]} {best[1]}"}
                self.cards_of[name].set_caption("larger is better; best {model}; click a point to fit it", **words)
        self.cards_of["aic"].set_caption("smaller is better")
        self.cards_of["nec"].set_caption("smaller is better; below 1 there are clusters")

    def _words(self, model: MixturesModel, row: int, column: int) -> str:
        found = model.choice
        assert found is not None
        said = [f"{found.families[row]} {int(found.components[column])}"]
        if found.spurious[row][column]:
            said.append(tr("spurious"))
        if found.prior[row][column]:
            said.append(tr("with prior"))
        if found.alarms[row][column]:
            said.append(tr("was below {model}", model=found.alarms[row][column]))
        return ", ".join(said)

    def _picked(self, name: str, family: str, index: int) -> None:
        self.opened.emit(family, self._cells[name, family][index])


class MaximaPage(CardGrid):
    """Where the starts ended; a click loads that solution.

    Signals:
        opened: the local maximum of the dot that was clicked, 0 the best.
    """

    opened = Signal(int)

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self._members: dict[str, list[int]] = {}
        self.starts = ScatterPlot(tr("Starts"), x=Axis(tr("agreement with the best (ARI)")), y=Axis("log L", "nat"))
        self.map = ScatterPlot(
            tr("Map of solutions"), x=Axis(tr("first axis"), "nat"), y=Axis(tr("second axis"), "nat")
        )
        self.share = BarPlot(tr("Basins"), y=Axis(tr("starts"), "%"))
        self.barrier = BarPlot(tr("Barriers"), y=Axis(tr("barrier"), "nat"))
        self.trace = LinePlot(tr("Chains"), x=Axis(tr("iteration")), y=Axis(tr("out-of-bag log L a row"), "nat"))
        self.starts_card = self.add(Card("Starts", empty="A dot for every start, with where it ended, appears here."))
        self.map_card = self.add(Card("Map of solutions", empty="How far apart the solutions lie appears here."))
        self.share_card = self.add(Card("Basins", empty="The share of the starts in each maximum appears here."))
        self.barrier_card = self.add(
            Card("Barriers", empty="How far the likelihood falls between the best maximum and the others appears here.")
        )
        self.trace_card = self.add(Card("Chains", empty="The resampled chains appear here."))
        for card, plot in self._pairs():
            card.set_body(plot)
        self.set_shown(self.trace_card, False)
        for plot in (self.starts, self.map):
            plot.picked.connect(lambda name, index: self.opened.emit(self._members[name][index]))

    def _pairs(self) -> list[tuple[Card, BarPlot | LinePlot | ScatterPlot]]:
        return [
            (self.starts_card, self.starts),
            (self.map_card, self.map),
            (self.share_card, self.share),
            (self.barrier_card, self.barrier),
            (self.trace_card, self.trace),
        ]

    def clear(self) -> None:
        """Take the old pictures away."""
        for _, plot in self._pairs():
            plot.clear()

    def show_model(self, model: MixturesModel) -> None:
        """Draw the starts of a finished fit."""
        found = model.mixture
        if found is None or not len(found.member):
            return
        self.clear()
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
            labels = [self._words(model, int(chain)) for chain in chosen]
            x, y = np.asarray(found.agreement)[chosen], np.asarray(found.log_likelihoods)[chosen]
            self.starts.set_points(name, x, y, labels=labels, colour=colour)
            place = np.asarray(found.position)[chosen]
            self.map.set_points(name, place[:, 0], place[:, 1], labels=labels, colour=colour)
        words = {"starts": len(member), "maxima": len(set(member[finished].tolist()))}
        self.starts_card.set_caption("{starts} starts, {maxima} maxima; click a dot to see its solution", **words)
        self.map_card.set_caption("distances: variation of information of the partitions")
        self._show_basins(model)
        resampled = len(found.trace_out_of_bag) > 0
        self.set_shown(self.trace_card, resampled)
        self.set_shown(self.barrier_card, not resampled)
        for chain, values in enumerate(np.asarray(found.trace_out_of_bag).T):
            self.trace.set_series(tr("chain {n}", n=chain + 1), np.arange(len(values)), values)
        self.trace_card.set_caption("every iteration has a resample of its own")

    def _show_basins(self, model: MixturesModel) -> None:
        found = model.mixture
        assert found is not None
        ended = sorted(set(np.asarray(found.member)[np.asarray(found.finished)].tolist()))[:12]
        labels = [str(k + 1) for k in ended]
        self.share.set_bars(labels, 100 * np.asarray(found.share)[ended])
        self.share_card.set_caption("maxima by falling likelihood")
        falls = np.asarray(found.barrier)[0][ended]
        if np.isfinite(falls).all() and len(ended) > 1:
            self.barrier.set_bars(labels[1:], falls[1:])
            self.barrier_card.set_caption("fall of log L on the straight way to the best")
        elif len(ended) == 1:
            self.barrier_card.show_empty("All starts that ran to the end found the same maximum.")

    def _words(self, model: MixturesModel, chain: int) -> str:
        found = model.mixture
        assert found is not None
        share = 100 * float(found.share[found.member[chain]])
        kind = {"escape": tr("found by resampling"), "chain": tr("chain {n}", n=chain + 1)}
        said = [
            tr("maximum {n}", n=int(found.member[chain]) + 1),
            tr("{share} % of the starts", share=number(share, 3)),
            kind.get(found.start_kinds[chain], found.start_kinds[chain].replace("_", " ")),
        ]
        return ", ".join([*said, tr("spurious")] if found.spurious[chain] else said)


class StabilityPage(CardGrid):
    """How much of the clustering survives resampling."""

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self.bars = BarPlot(tr("Stability"), x=Axis(tr("cluster")), y=Axis(tr("Jaccard similarity")))
        self.matrix = HeatMap(
            tr("Who stays together"), x=Axis(tr("row")), y=Axis(tr("row")), value=Axis(tr("share of resamples")),
            contour_count=0, smooth=False,
        )  # fmt: skip
        self.bars_card = self.add(
            Card("Stability", empty="How alike each cluster is to itself in refits: tick Stability.")
        )
        self.matrix_card = self.add(
            Card("Who stays together", empty="How often two rows fall into one cluster of a refit appears here.")
        )
        self.doubt = LinePlot(tr("Uncertainty"), x=Axis(tr("rows, by doubt"), "%"), y=Axis(tr("1 − largest z")))
        self.doubt_card = self.add(Card("Uncertainty", empty="How unsure each row is appears here."), 2)
        self.bars_card.set_body(self.bars)
        self.matrix_card.set_body(self.matrix)
        self.doubt_card.set_body(self.doubt)

    def clear(self) -> None:
        """Take the old pictures of resamples away."""
        self.bars.clear()
        self.matrix.clear()

    def show_doubt(self, picture: Picture) -> None:
        """Draw how unsure the rows of a picture are, in order."""
        doubt = np.sort(1 - picture.memberships.max(axis=1))
        self.doubt.set_series(tr("all rows"), 100 * np.arange(1, len(doubt) + 1) / len(doubt), doubt)
        self.doubt_card.set_caption("1 − largest membership of each row, in order")

    def show_model(self, model: MixturesModel) -> None:
        """Draw what resamples say so far."""
        report = model.stability
        if report is None:
            return
        jaccard = np.asarray(report.jaccard)
        labels = [f"{k + 1}: {tr(word)}" for k, word in enumerate(report.verdicts)]
        low, high = np.quantile(jaccard, [0.05, 0.95], axis=0)
        self.bars.set_bars(labels, jaccard.mean(axis=0), (low, high))
        words = {"count": report.replicates}
        self.bars_card.set_caption("{count} resamples, 5 to 95 %; stable from 0.75, dissolved below 0.5", **words)
        matrix = np.asarray(report.consensus)
        self.matrix.set_levels(0.0, 1.0)
        self.matrix.set_field(np.arange(1, len(matrix) + 1), np.arange(1, len(matrix) + 1), matrix)
        self.matrix_card.set_caption("{count} rows, sorted by cluster", count=len(matrix))


class LabelsPage(CardGrid):
    """Clusters against known classes."""

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=300)
        self.bars = BarPlot(tr("Classes"), x=Axis(tr("class")), y=Axis(tr("rows")))
        self.matrix = HeatMap(
            tr("Confusion"), x=Axis(tr("cluster")), y=Axis(tr("class")), value=Axis(tr("rows")), contour_count=0,
            smooth=False,
        )  # fmt: skip
        self.bars_card = self.add(
            Card("Classes", empty="Name a column of known classes to compare the clusters with it.")
        )
        self.matrix_card = self.add(Card("Confusion", empty="Rows of each class in each cluster appear here."))
        self.bars_card.set_body(self.bars)
        self.matrix_card.set_body(self.matrix)

    def clear(self) -> None:
        """Take the old pictures away."""
        self.bars.clear()
        self.matrix.clear()

    def show_model(self, model: MixturesModel) -> None:
        """Draw the rows of each class in each cluster."""
        found = model.confusion()
        if found is None:
            return
        classes, table = found
        self.bars.set_bars(classes, {tr("cluster {k}", k=k + 1): column for k, column in enumerate(table.T)})
        self.matrix.set_field(np.arange(1, table.shape[1] + 1), np.arange(1, table.shape[0] + 1), table)
        by_id = {n.measure.id: n.value for n in model.numbers}
        if "ari" in by_id and "nmi" in by_id:
            words = {"ari": number(by_id["ari"], 3), "nmi": number(by_id["nmi"], 3)}
            self.bars_card.set_caption("adjusted Rand index {ari}, normalised mutual information {nmi}", **words)
        self.matrix_card.set_caption("classes from bottom to top: {names}", names=", ".join(classes))
