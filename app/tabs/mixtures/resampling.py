"""The pages Stability and Against labels: what survives resampling, and what agrees with known classes."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal

from app.shell.text import number, tr
from app.tabs.mixtures.model import MixturesModel
from app.tabs.mixtures.picture import Picture
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.plot import Axis, BarPlot, HeatMap, LinePlot


class StabilityPage(CardGrid):
    """How much of the clustering survives resampling.

    Signals:
        asked: the user wants the fit that is shown resampled.
    """

    asked = Signal()

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self.bars = BarPlot("Stability", x=Axis("cluster"), y=Axis("Jaccard similarity"))
        self.matrix = HeatMap(
            "Who stays together", x=Axis("row"), y=Axis("row"), value=Axis("share of resamples"),
            contour_count=0, smooth=False,
        )  # fmt: skip
        self.bars_card = self.add(
            Card("Stability", empty="How alike each cluster is to itself in refits: tick Stability.")
        )
        self.matrix_card = self.add(
            Card("Who stays together", empty="How often two rows fall into one cluster of a refit appears here.")
        )
        self.doubt = LinePlot("Uncertainty", x=Axis("rows, by doubt", "%"), y=Axis("1 − largest z"))
        self.doubt_card = self.add(Card("Uncertainty", empty="How unsure each row is appears here."), 2)
        self.bars_card.add_action("Resample this fit", self.asked.emit, "play")
        self.bars_card.set_body(self.bars)
        self.matrix_card.set_body(self.matrix)
        self.doubt_card.set_body(self.doubt)

    def clear(self, gone: set[str]) -> None:
        """Take the old pictures away."""
        if "mixture" in gone:
            self.doubt.clear()
            self.doubt_card.set_caption("")
        if "stability" in gone:
            for card, plot in ((self.bars_card, self.bars), (self.matrix_card, self.matrix)):
                plot.clear()
                card.set_caption("")

    def card_of(self, stage: str) -> Card:
        """Where the stability would be."""
        return self.bars_card

    def show_doubt(self, picture: Picture) -> None:
        """Draw how unsure the rows of a picture are, in order."""
        doubt = np.sort(1 - picture.memberships.max(axis=1))
        self.doubt.set_series(tr("all rows"), 100 * np.arange(1, len(doubt) + 1) / len(doubt), doubt)
        self.doubt_card.set_caption("1 − largest membership of each row, in order")

    def show_model(self, model: MixturesModel, changed: set[str]) -> None:
        """Draw what resamples say so far."""
        shown = model.picture() if "mixture" in changed else None
        if shown is not None:
            self.show_doubt(shown)
        report = model.stability
        if "stability" not in changed or report is None:
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
        self.bars = BarPlot("Classes", x=Axis("class"), y=Axis("rows", whole=True))
        self.matrix = HeatMap(
            "Confusion", x=Axis("cluster"), y=Axis("class"), value=Axis("rows", whole=True), contour_count=0,
            smooth=False, figures=True,
        )  # fmt: skip
        self.bars_card = self.add(
            Card("Classes", empty="Name a column of known classes to compare the clusters with it.")
        )
        self.matrix_card = self.add(Card("Confusion", empty="Rows of each class in each cluster appear here."))
        self.bars_card.set_body(self.bars)
        self.matrix_card.set_body(self.matrix)

    def clear(self, gone: set[str]) -> None:
        """Take the old pictures away."""
        if "mixture" in gone:
            for card, plot in ((self.bars_card, self.bars), (self.matrix_card, self.matrix)):
                plot.clear()
                card.set_caption("")

    def show_model(self, model: MixturesModel, changed: set[str]) -> None:
        """Draw the rows of each class in each cluster."""
        self._show_agreement(model)
        found = model.confusion() if "mixture" in changed else None
        if found is None:
            return
        classes, table = found
        self.bars.set_bars(classes, {tr("cluster {k}", k=k + 1): column for k, column in enumerate(table.T)})
        clusters, names = np.arange(1, table.shape[1] + 1), tuple(classes)
        self.matrix.set_axes(Axis("cluster", whole=True), Axis("class", names=names))
        self.matrix.set_field(clusters, np.arange(1, len(classes) + 1), table)
        self.matrix_card.set_caption("{count} rows with a known class", count=number(int(table.sum())))

    def _show_agreement(self, model: MixturesModel) -> None:
        by_id = {n.measure.id: n.value for n in model.numbers}
        if "ari" in by_id and "nmi" in by_id:
            words = {"ari": number(by_id["ari"], 3), "nmi": number(by_id["nmi"], 3)}
            self.bars_card.set_caption("ARI {ari}, NMI {nmi}", **words)
