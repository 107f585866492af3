"""The page Model: the card of the mixture as tables, and a list of what to beware of."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QVBoxLayout, QWidget

from app.shell.text import tr
from app.shell.theme import SPACE_1, SPACE_2, SPACE_3, Tokens
from app.tabs.mixtures import model_card
from app.tabs.mixtures.model import MixturesModel
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.labels import Label, scrolled
from app.widgets.plot import Table
from app.widgets.table_view import TableModel


class Grid(QTableView):
    """A table of words in a card; files get ``file_table``, which may hold more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._file = Table([])
        self.setSelectionMode(QAbstractItemView.SelectionMode.ContiguousSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def show_table(self, shown: Table, file: Table | None = None) -> None:
        """Show this; None: files get the same."""
        self._file = shown if file is None else file
        self.setModel(TableModel(shown, self))
        self.resizeColumnsToContents()

    def table(self) -> Table:
        """The numbers for files."""
        return self._file

    def draw(self, painter: QPainter, size: QSizeF, look: Tokens, *, vector: bool = False) -> None:
        """As it is on the screen."""
        shot = self.grab()
        scale = min(size.width() / shot.width(), size.height() / shot.height())
        target = QRectF(0, 0, shot.width() * scale, shot.height() * scale)
        painter.drawPixmap(target, shot, QRectF(shot.rect()))


class AdviceList(QWidget):
    """Sentences one below the other: what to beware of, and in muted words what to do."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: list[model_card.Advice] | None = None
        self._calm = True  # there is nothing to say but so
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(SPACE_3, SPACE_1, SPACE_3, SPACE_2)
        self._column.setSpacing(SPACE_1)
        self._column.addStretch(1)

    def show_advice(self, found: list[model_card.Advice]) -> None:
        """Show these in place of what was there; nothing happens when they are the same."""
        calm, found = not found, found or [model_card.Advice(tr("Nothing to beware of."))]
        if found == self._shown:
            return
        self._shown, self._calm = found, calm
        while self._column.count() > 1:
            item = self._column.takeAt(0)
            assert item is not None
            if (widget := item.widget()) is not None:
                widget.hide()  # it is deleted only once control returns to the event loop
                widget.deleteLater()
        for one in found:
            what = Label(one.what, "good" if calm else "warn", wrap=True)
            self._column.insertWidget(self._column.count() - 1, what)
            if one.remedy:
                self._column.insertWidget(self._column.count() - 1, Label(one.remedy, "muted", wrap=True))

    def sentences(self) -> list[str]:
        """What is said, in order."""
        return [] if self._calm else [one.what for one in self._shown or []]


class ModelPage(CardGrid):
    """The model card.

    Signals:
        saved: the user wants the whole card as a Markdown file.
    """

    saved = Signal()

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self.components, self.made_from = Grid(), Grid()
        self.advice = AdviceList()
        self.components_card = self.add(
            Card("Components", empty="Weights, means and variances of the clusters appear here."), 2
        )
        self.advice_card = self.add(Card("Beware", empty="What to know before citing appears here."))
        self.made_card = self.add(Card("Made from", empty="Data, settings and seed of the mixture appear here."))
        self.components_card.set_body(self.components)
        self.advice_card.set_body(scrolled(self.advice))
        self.made_card.set_body(self.made_from)
        for card in self.cards():
            card.add_action("Save the model card as Markdown …", self.saved.emit, "save")
        self.made_from.setWordWrap(False)
        self.made_from.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.made_from.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.made_from.horizontalHeader().hide()
        self.made_from.horizontalHeader().setStretchLastSection(True)
        self.clear({"mixture"})

    def clear(self, gone: set[str]) -> None:
        """Take the old card away."""
        if "mixture" not in gone:
            return
        for card in self.cards():
            card.show_empty()
            card.set_caption("")

    def show_model(self, model: MixturesModel, changed: set[str]) -> None:
        """Show the mixture as far as it is known."""
        found = model.mixture
        if found is None:
            return
        self.advice.show_advice(model_card.advice(model))
        if not changed & {"mixture", "stability"}:
            return
        parts = model_card.components(found, model.stability)
        self.components.show_table(model_card.shown_table(found, parts), model_card.full_table(found, parts))
        self.made_from.show_table(model_card.identity(model))
        for card in self.cards():
            card.show_body()
        words = {"model": f"{found.family} {len(found.weights)}", "n": len(found.names)}
        template = "{model}; means ± standard deviations of {n} columns, in the table's units"
        if len(found.dof):  # a t distribution is wider than its scale, by nu / (nu - 2) in variance
            template = "{model}; centres ± scales of {n} columns, in the table's units"
        self.components_card.set_caption(template if found.complete else "the best start so far; {model}", **words)
        self.advice_card.set_caption("and what to do")
