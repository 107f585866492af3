"""The page Choice: criteria over numbers of clusters, a curve a family; a click opens that fit."""

from __future__ import annotations

from functools import partial

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QInputDialog

from app.shell.text import number, tr
from app.tabs.mixtures.colours import cluster_colour
from app.tabs.mixtures.model import MixturesModel
from app.tabs.mixtures.ratio import RatioPanel
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.plot import Axis, ScatterPlot
from app.widgets.plot.scale import View, padded
from engine.runs.state import OVER
from engine.studies.mixture.kinds import Choice

CRITERIA = {
    "bic": ("BIC", "nat", "BIC of every family and number of clusters appears here: tick Choice of model and run."),
    "out_of_bag": (
        "Out of bag", "nat", "The likelihood of rows that refits had not seen appears here: set Resamples.",
    ),
    "icl": ("ICL", "nat", "ICL, which punishes overlap, appears here."),
    "aic": ("AIC", "nat", "AIC, which punishes size least, appears here."),
    "nec": ("NEC", "", "Entropy over gain in likelihood appears here."),
}  # fmt: skip
BEST = "best"
LARGE = 14  # pixels of the dot at the best


class Curves(ScatterPlot):
    """Dots and lines with room for the large dot at the best of them, also in a low card."""

    def roomy(self, x0: float, x1: float, y0: float, y1: float) -> View:
        """All dots, with half a large dot and more around them."""
        share = (LARGE / 2 + 2) / max(LARGE * 2.0, self.area().height() - LARGE)
        return View(*padded(x0, x1, 0.04), *padded(y0, y1, max(0.06, share)))


class ChoicePage(CardGrid):
    """The curves, and the test of one cluster more.

    Signals:
        opened: the family and the number of clusters of the point that was clicked or chosen.
    """

    opened = Signal(str, int)

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self._found: Choice | None = None
        self._cells: dict[tuple[str, str], list[tuple[str, int]]] = {}
        self.plots: dict[str, ScatterPlot] = {}
        self.cards_of: dict[str, Card] = {}
        self.ratio = RatioPanel()
        self.ratio_card = Card("Likelihood ratio")
        self.ratio_card.set_body(self.ratio)
        self.ratio.said.connect(lambda words: self.ratio_card.set_caption("{words}", words=words))
        self.ratio.show_report(None)
        for name in CRITERIA:
            self._add_curves(name)
            if name == "icl":
                self.add(self.ratio_card)

    def _add_curves(self, name: str) -> None:
        title, unit, empty = CRITERIA[name]
        label = "log L a row" if name == "out_of_bag" else title
        plot = Curves(title, x=Axis("clusters", whole=True), y=Axis(label, unit))
        plot.picked.connect(partial(self._picked, name))
        self.plots[name] = plot
        self.cards_of[name] = self.add(Card(title, empty=empty))
        self.cards_of[name].set_body(plot)
        self.cards_of[name].add_action("Fit a model of this choice …", self.ask_cell, "play")

    def clear(self, gone: set[str]) -> None:
        """Take the old curves, or the old test, away."""
        if "choice" in gone:
            self._found = None
            for name, plot in self.plots.items():
                plot.clear()
                self.cards_of[name].set_caption("")
        if "ratio" in gone:
            self.ratio.show_report(None)
        if "mixture" in gone:
            self._allow(possible=False)

    def card_of(self, stage: str) -> Card:
        """Where the choice, or the test, would be."""
        return self.ratio_card if stage == "ratio" else self.cards_of["bic"]

    def show_model(self, model: MixturesModel, changed: set[str]) -> None:
        """Draw what is known of the choice and of the test."""
        if "ratio" in changed:
            self.ratio.show_report(model.ratio)
        self._allow(possible=model.after_fit("ratio") is not None)
        if "choice" in changed and model.choice is not None:
            self._show_choice(model.choice)
        if model.choice is not None:
            reader = model.readers.get("select")
            self._say(model.choice, final=reader is None or reader.state in OVER)

    def _allow(self, *, possible: bool) -> None:
        self.ratio.set_possible("" if possible else tr("There is no finished fit to test."))

    def _show_choice(self, found: Choice) -> None:
        self._found = found
        for name, plot in self.plots.items():
            plot.clear()
            values = np.asarray(getattr(found, name))
            known = values.shape == (len(found.families), len(found.components))
            self.set_shown(self.cards_of[name], known)
            if known:
                self._draw(name, values, found)

    def _draw(self, name: str, values: np.ndarray, found: Choice) -> None:
        plot = self.plots[name]
        best = best_of(found, name)
        if best is not None:  # a larger dot below the others
            cell = (found.families[best[0]], int(found.components[best[1]]))
            self._cells[name, tr(BEST)] = [cell]
            label = in_words(found, *best)
            plot.set_points(tr(BEST), [cell[1]], [values[best]], labels=[label], colour="text", sizes=LARGE)
        for row, family in enumerate(found.families):
            known = np.flatnonzero(np.isfinite(values[row]))
            if not len(known):
                continue
            x, y = np.asarray(found.components)[known], values[row][known]
            self._cells[name, family] = [(family, int(g)) for g in x]
            labels = [in_words(found, row, int(column)) for column in known]
            plot.set_points(family, x, y, labels=labels, colour=cluster_colour(row))
            plot.set_outline(family, np.column_stack([x, y]), cluster_colour(row))

    def _say(self, found: Choice, *, final: bool) -> None:
        for name, card in self.cards_of.items():
            best = best_of(found, name)
            if best is None:
                continue
            model = f"{found.families[best[0]]} {int(found.components[best[1]])}"
            if not final:
                card.set_caption("best so far {model}", model=model)
            elif name in ("bic", "icl"):
                card.set_caption("larger is better; best {model}; click to fit", model=model)
            elif name == "out_of_bag":
                words = {"model": model, "count": found.resamples}
                card.set_caption("best {model}; {count} resamples; larger is better", **words)
            elif name == "aic":
                card.set_caption("smaller is better; best {model}", model=model)
            else:
                card.set_caption("smaller is better; below 1 there are clusters")

    def _picked(self, name: str, group: str, index: int) -> None:
        self.opened.emit(*self._cells[name, group][index])

    # By keyboard -----------------------------------------------------------------------------------------------------
    def cells(self) -> list[tuple[str, int, str]]:
        """Family, clusters and words of every fitted model, the largest BIC first."""
        found = self._found
        if found is None:
            return []
        values = np.asarray(found.bic)
        rows, columns = np.nonzero(np.isfinite(values))
        order = np.argsort(-values[rows, columns], kind="stable")
        cells = [(int(rows[i]), int(columns[i])) for i in order]
        said = [f"{in_words(found, r, c)}   ·   BIC {number(float(values[r, c]), 6)}" for r, c in cells]
        return [(found.families[r], int(found.components[c]), text) for (r, c), text in zip(cells, said, strict=True)]

    def ask_cell(self) -> None:
        """Choose a model from a list, for those who do not click points."""
        cells = self.cells()
        if not cells:
            return
        dialog = QInputDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(tr("Fit a model of this choice"))
        dialog.setLabelText(tr("Family and number of clusters"))
        dialog.setOption(QInputDialog.InputDialogOption.UseListViewForComboBoxItems)
        dialog.setComboBoxItems([said for _, _, said in cells])
        by_words = {said: (family, clusters) for family, clusters, said in cells}
        dialog.textValueSelected.connect(lambda said: self.opened.emit(*by_words[said]))
        dialog.open()


def best_of(found: Choice, name: str) -> tuple[int, int] | None:
    """Row and column of the best cell by a criterion; for BIC, ICL and out-of-bag as the fit takes it."""
    if name in ("bic", "icl", "out_of_bag"):
        best = found.best(name)
        if not best:
            return None
        return found.families.index(best[0]), int(np.flatnonzero(np.asarray(found.components) == best[1])[0])
    values = np.where(np.asarray(found.spurious), np.nan, np.asarray(getattr(found, name)))
    if not np.isfinite(values).any():
        return None
    row, column = np.unravel_index(int(np.nanargmin(values)), values.shape)
    return int(row), int(column)


def in_words(found: Choice, row: int, column: int) -> str:
    """A cell with what is to be known of it: "VVV 3, with prior"."""
    said = [f"{found.families[row]} {int(found.components[column])}"]
    if found.spurious[row][column]:
        said.append(tr("spurious"))
    if found.prior[row][column]:
        said.append(tr("with prior"))
    if found.alarms[row][column]:
        said.append(tr("was below {model}", model=found.alarms[row][column]))
    return ", ".join(said)
