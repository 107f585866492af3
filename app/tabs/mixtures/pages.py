"""The pages of the tab: which there are, what each shows of the model, and what is in front."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app.shell.text import tr
from app.shell.theme import SPACE_2
from app.tabs.mixtures.choice import ChoicePage
from app.tabs.mixtures.clusters import ClustersPage
from app.tabs.mixtures.maxima import MaximaPage
from app.tabs.mixtures.model import MixturesModel
from app.tabs.mixtures.model_page import ModelPage
from app.tabs.mixtures.resampling import LabelsPage, StabilityPage
from app.tabs.mixtures.table_page import TablePage
from app.tabs.mixtures.traces import TracesPage
from app.widgets.rail import PageBar

PAGES = (
    ("clusters", "Clusters"),
    ("choice", "Choice"),
    ("maxima", "Maxima"),
    ("traces", "Traces"),
    ("stability", "Stability"),
    ("labels", "Against labels"),
    ("model", "Model"),
    ("table", "Table"),
)


class Pages(QWidget):
    """All pages and the bar above them.

    Signals:
        chosen: the id of the page that the user wants.
    """

    chosen = Signal(str)

    def __init__(self, model: MixturesModel, root: Path) -> None:
        """``root``: the runs' folder."""
        super().__init__()
        self.model = model
        self.clusters = ClustersPage(model)
        self.choice, self.maxima, self.traces = ChoicePage(), MaximaPage(), TracesPage()
        self.stability, self.labels, self.card = StabilityPage(), LabelsPage(), ModelPage()
        self.table = TablePage(root)
        self.choice.ratio.set_possible(tr("There is no finished fit to test."))
        self.clusters.drawn.connect(self.stability.show_doubt)
        self.bar = PageBar(list(PAGES))
        self.bar.setProperty("tight", True)
        self.bar.chosen.connect(self.chosen)
        self.stack = QStackedWidget()
        self.by_name: dict[str, QWidget] = {
            "clusters": self.clusters, "choice": self.choice, "maxima": self.maxima, "traces": self.traces,
            "stability": self.stability, "labels": self.labels, "model": self.card, "table": self.table,
        }  # fmt: skip
        for widget in self.by_name.values():
            self.stack.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_2)
        column.addWidget(self.bar)
        column.addWidget(self.stack, 1)

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""
        self.bar.set_current(name)
        self.stack.setCurrentWidget(self.by_name[name])
        self.look_again()

    def look_again(self) -> None:
        """The set-up changed: the page Table, where it is in front, follows."""
        if self.bar.current() == "table":
            self.table.look(self.model.config)

    def clear(self) -> None:
        """Take away what the model no longer has."""
        if self.model.choice is None:
            self.choice.clear()
        if self.model.ratio is None:
            self.choice.ratio.clear()
        if self.model.mixture is None:
            for page in (self.clusters, self.maxima, self.traces, self.labels, self.card):
                page.clear()
            self.stability.doubt.clear()
        if self.model.stability is None:
            self.stability.clear()

    def show_changed(self, changed: set[str]) -> None:
        """Draw what is new: names of artifacts, or "numbers"."""
        if "choice" in changed:
            self.choice.show_model(self.model)
        if "ratio" in changed:
            self.choice.ratio.show_report(self.model.ratio)
        if "mixture" in changed:
            self.clusters.show_model()
            self.maxima.show_model(self.model)
            self.traces.show_model(self.model)
        if "stability" in changed:
            self.stability.show_model(self.model)
        self.labels.show_model(self.model)
        self.card.show_model(self.model)
        possible = self.model.after_fit("ratio") is not None
        self.choice.ratio.set_possible("" if possible else tr("There is no finished fit to test."))

    def show_trouble(self, stage: str, reason: str) -> None:
        """Say where a stage's picture would be why it failed."""
        cards = {
            "select": self.choice.cards_of["bic"], "fit": self.clusters.card, "stability": self.stability.bars_card,
            "ratio": self.choice.ratio_card,
        }  # fmt: skip
        cards[stage].show_empty("{error}", error=reason)

    def close_pages(self) -> None:
        """End the session and the thread behind the pages."""
        self.table.close_page()
        self.clusters.close_page()
