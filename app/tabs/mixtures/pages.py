"""The pages of the tab: which there are, what each shows of the model, and what is in front."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app.shell.text import language
from app.shell.theme import SPACE_2
from app.tabs.mixtures.choice import ChoicePage
from app.tabs.mixtures.clusters import ClustersPage
from app.tabs.mixtures.maxima import MaximaPage
from app.tabs.mixtures.model import MixturesModel
from app.tabs.mixtures.model_page import ModelPage
from app.tabs.mixtures.resampling import LabelsPage, StabilityPage
from app.tabs.mixtures.table_page import TablePage
from app.tabs.mixtures.traces import TracesPage
from app.widgets.card import Card
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


NAMES = ("choice", "mixture", "stability", "ratio")  # of the model's artifacts
TROUBLE = {"select": "choice", "fit": "clusters", "stability": "stability", "ratio": "choice"}


class Page(Protocol):
    """What shows results; a QWidget."""

    def show_model(self, model: MixturesModel, changed: set[str]) -> None:
        """Draw what is new: names of artifacts, or "numbers"."""

    def clear(self, gone: set[str]) -> None:
        """Take away what shows these artifacts, which are no longer there."""


class Troubled(Page, Protocol):
    """A page on which a failed stage is told."""

    def card_of(self, stage: str) -> Card:
        """Where the stage's picture would be."""


class Pages(QWidget):
    """The bar and the pages below it; a page is built when it is first looked at.

    Signals:
        chosen: the id of the page that the user wants. cell: the family and the number of clusters to be fitted.
        maximum: the local maximum to be shown. asked: the stage to be run on the fit that is shown.
        card_saved: the model card is wanted as a file. edited: changes of the table source. axes_chosen: q.
    """

    chosen = Signal(str)
    cell = Signal(str, int)
    maximum = Signal(int)
    asked = Signal(str)
    card_saved = Signal()
    edited = Signal(dict)
    axes_chosen = Signal(int)

    def __init__(self, model: MixturesModel, root: Path) -> None:
        """``root``: the runs' folder."""
        super().__init__()
        self.model, self._root = model, root
        self._built: dict[str, Page] = {}
        self._table: TablePage | None = None
        self._troubles: dict[str, str] = {}
        self.bar = PageBar(list(PAGES))
        self.bar.setProperty("tight", True)
        self.bar.chosen.connect(self.chosen)
        self.stack = QStackedWidget()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_2)
        column.addWidget(self.bar)
        column.addWidget(self.stack, 1)
        self.clusters = ClustersPage(model)
        self._add("clusters", self.clusters)
        language().changed.connect(self._say_again)

    def _add(self, name: str, page: Any) -> None:
        self._built[name] = page
        self.stack.addWidget(page)

    # Pages -----------------------------------------------------------------------------------------------------------
    def page(self, name: str) -> Any:
        """A page of results, with all that is known, or the table."""
        if name == "table":
            return self._table or self._make_table()
        if name not in self._built:
            makers: dict[str, Callable[[], Page]] = {
                "choice": self._make_choice, "maxima": self._make_maxima, "traces": TracesPage,
                "stability": self._make_stability, "labels": LabelsPage, "model": self._make_card,
            }  # fmt: skip
            self._add(name, makers[name]())
            self._built[name].show_model(self.model, {*NAMES, "numbers"})
            for stage, reason in self._troubles.items():
                self.show_trouble(stage, reason)
        return self._built[name]

    def _make_choice(self) -> ChoicePage:
        page = ChoicePage()
        page.opened.connect(self.cell)
        page.ratio.asked.connect(lambda: self.asked.emit("ratio"))
        return page

    def _make_maxima(self) -> MaximaPage:
        page = MaximaPage()
        page.opened.connect(self.maximum)
        return page

    def _make_stability(self) -> StabilityPage:
        page = StabilityPage()
        page.asked.connect(lambda: self.asked.emit("stability"))
        self.clusters.drawn.connect(page.show_doubt)
        return page

    def _make_card(self) -> ModelPage:
        page = ModelPage()
        page.saved.connect(self.card_saved)
        return page

    def _make_table(self) -> TablePage:
        page = TablePage(self._root)
        page.edited.connect(self.edited)
        page.axes_chosen.connect(self.axes_chosen)
        self._table = page
        self.stack.addWidget(page)
        return page

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""
        page = self.page(name)
        self.bar.set_current(name)
        self.stack.setCurrentWidget(page)
        self.look_again()

    def look_again(self) -> None:
        """The set-up changed: the page Table, where it is in front, follows."""
        if self.bar.current() == "table" and self._table is not None:
            self._table.look(self.model.config)

    # Model -----------------------------------------------------------------------------------------------------------
    def clear(self) -> None:
        """Take away what the model no longer has."""
        gone = {name for name in NAMES if getattr(self.model, name) is None}
        self._troubles = {}
        for page in self._built.values():
            page.clear(gone)

    def show_changed(self, changed: set[str]) -> None:
        """Draw what is new on the pages that are built."""
        for page in self._built.values():
            page.show_model(self.model, changed)

    def _say_again(self) -> None:
        """The names in pictures are words as well: draw all of them anew."""
        for page in self._built.values():
            page.clear({*NAMES})
        self.show_changed({*NAMES, "numbers"})

    def show_trouble(self, stage: str, reason: str) -> None:
        """Say where a stage's picture would be why it failed."""
        self._troubles[stage] = reason
        if TROUBLE[stage] in self._built:
            cast(Troubled, self._built[TROUBLE[stage]]).card_of(stage).show_empty("{error}", error=reason)

    def close_pages(self) -> None:
        """End the session and the thread behind the pages."""
        self.clusters.close_page()
        if self._table is not None:
            self._table.close_page()
