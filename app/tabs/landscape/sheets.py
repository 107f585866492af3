"""The middle of the Landscape tab: a bar of pages with what the plane shows, and the pages, built when looked at."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from app.shell.text import live, tr
from app.shell.theme import SPACE_2
from app.tabs.landscape.cards import SHORT, PlaneCards
from app.tabs.landscape.model import LandscapeModel
from app.tabs.landscape.pages import ConnectPage, HessianPage, SimilarityPage
from app.tabs.landscape.preview import NetworkPage
from app.widgets.grid import CardGrid
from app.widgets.rail import PageBar

PAGES = (
    ("plane", "Plane"),
    ("hessian", "Hessian"),
    ("connect", "Connectivity"),
    ("similarity", "Similarity"),
    ("network", "Network"),
)
Report = HessianPage | ConnectPage | SimilarityPage
PAGE_CLASSES: dict[str, type[Report]] = {"hessian": HessianPage, "connect": ConnectPage, "similarity": SimilarityPage}
REPORTS = {"spectrum": "hessian", "curve": "connect", "similarity": "similarity"}


class Sheets(QWidget):
    """All pages.

    Signals:
        chosen: a page was asked for by its name. field_chosen: another field of the plane.

    Attributes:
        cards: those of the page Plane. network: the page Network. reports: the other pages built so far, by name.
    """

    chosen = Signal(str)
    field_chosen = Signal(str)

    def __init__(self, model: LandscapeModel) -> None:
        super().__init__()
        self.model = model
        grid = CardGrid(narrow=500, row_height=226)
        self.cards = PlaneCards(grid, model)
        self.network = NetworkPage()
        self.reports: dict[str, Report] = {}
        self.page_widgets: dict[str, QWidget] = {"plane": grid, "network": self.network}
        self.stack = QStackedWidget()
        for widget in self.page_widgets.values():
            self.stack.addWidget(widget)
        self.page_bar = PageBar(list(PAGES))
        self.page_bar.chosen.connect(self.chosen)
        self.field = QComboBox()
        self.field.activated.connect(self._choose_field)
        self.log = QToolButton()
        self.log.setCheckable(True)
        self.log.setChecked(model.log)
        self.log.toggled.connect(self._choose_log)
        bar = QHBoxLayout()
        bar.addWidget(self.page_bar, 1)
        bar.addWidget(self.field)
        bar.addWidget(self.log)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_2)
        column.addLayout(bar)
        column.addWidget(self.stack, 1)
        live(self._say)

    def _say(self) -> None:
        self.log.setText("log")
        self.log.setAccessibleName(tr("Logarithmic losses"))
        self.log.setToolTip(tr("Show losses on a logarithmic scale"))
        self.field.setAccessibleName(tr("Field of the plane"))
        self.field.setToolTip(tr("What the plane shows"))
        self.list_fields()
        if self.model.readers:  # the names of curves are words as well
            self.clear()
            self.show_changes({"curves", "plane", *REPORTS})

    def show_page(self, name: str) -> None:
        """Bring a page to the front; it is built when it is first looked at, so that the window is there sooner."""
        if name not in self.page_widgets:
            page = PAGE_CLASSES[name]()
            self.reports[name] = page
            self.page_widgets[name] = page
            self.stack.addWidget(page)
            page.show_model(self.model)
        self.page_bar.set_current(name)
        self.stack.setCurrentWidget(self.page_widgets[name])
        for widget in (self.field, self.log):
            widget.setVisible(name == "plane")

    def clear(self) -> None:
        """Take the old pictures away."""
        self.cards.show_waiting()
        for page in self.reports.values():
            page.clear()

    def show_changes(self, changed: set[str]) -> None:
        """Draw what is new, as `LandscapeModel.read` names it."""
        if "curves" in changed:
            self.cards.show_training()
        if "plane" in changed:
            self.list_fields()
            self.cards.show_plane()
        for artifact in changed & set(REPORTS):
            if (page := self.reports.get(REPORTS[artifact])) is not None:
                page.show_model(self.model)

    def list_fields(self) -> None:
        """Offer the fields that the plane has."""
        names = self.model.fields() or ["train_loss"]
        self.field.clear()
        for name in names:
            self.field.addItem(tr(SHORT[name]), name)
        self.field.setCurrentIndex(max(0, self.field.findData(self.model.field)))

    def _choose_field(self, _index: int) -> None:
        self.model.field = self.field.currentData()
        self.log.setEnabled(self.model.field.endswith("loss"))
        self.cards.show_plane()
        self.field_chosen.emit(self.model.field)

    def _choose_log(self, on: bool) -> None:
        self.model.log = on
        self.cards.show_plane()
