"""A page of cards: two columns or one, any card alone on demand, scrolling before anything gets too small."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QWidget

from app.shell.theme import SPACE_3, theme
from app.widgets.card import Card


class CardGrid(QScrollArea):
    """Lays cards out in rows; the last card of an unfilled row takes the rest of it."""

    def __init__(
        self, columns: int = 2, narrow: int = 620, row_height: int = 250, parent: QWidget | None = None
    ) -> None:
        """``columns`` at most; one column below ``narrow`` px; rows are at least ``row_height`` px high."""
        super().__init__(parent)
        self._most, self._narrow, self._row_height = columns, narrow, row_height
        self._cards: list[tuple[Card, int]] = []
        self._alone: Card | None = None
        self._shape: tuple[int, Card | None, int] | None = None
        self._page = QWidget()
        self._page.setProperty("role", "page")
        self._layout = QGridLayout(self._page)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(theme().px(SPACE_3) - 2)
        self.setWidget(self._page)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def add(self, card: Card, span: int = 1) -> Card:
        """Put a card at the end; ``span`` columns wide where there are so many."""
        self._cards.append((card, span))
        card.setParent(self._page)
        card.maximise.connect(self._toggle)
        card.installEventFilter(self)
        self.arrange()
        return card

    def cards(self) -> list[Card]:
        """All cards, in order."""
        return [card for card, _ in self._cards]

    def shown(self) -> list[Card]:
        """The cards that take part: all that were not hidden, or the one that is alone."""
        return [self._alone] if self._alone else [card for card, _ in self._cards if not card.property("left_out")]

    def set_shown(self, card: Card, shown: bool) -> None:
        """Leave a card out of the page, or take it in again."""
        card.setProperty("left_out", not shown)
        if self._alone is card and not shown:
            self.maximise(None)
        self.arrange()

    def maximised(self) -> Card | None:
        """The card that is alone, if one is."""
        return self._alone

    def maximise(self, card: Card | None) -> None:
        """Show one card alone; None brings all back."""
        if self._alone is not None:
            self._alone.set_maximised(False)
        self._alone = card
        if card is not None:
            card.set_maximised(True)
        self.arrange()
        if card is not None:
            (card.body or card).setFocus()

    def _toggle(self) -> None:
        card = self.sender()
        if isinstance(card, Card):
            self.maximise(None if self._alone is card else card)

    def columns(self) -> int:
        """How many columns there are at this width."""
        return 1 if self._alone is not None or self.viewport().width() < theme().px(self._narrow) else self._most

    def arrange(self) -> None:
        """Lay out anew; nothing happens when nothing changed."""
        columns, shown = self.columns(), self.shown()
        key = (columns, self._alone, hash(tuple(id(card) for card in shown)))
        if key == self._shape:
            return
        self._shape = key
        while self._layout.takeAt(0) is not None:
            pass
        for row in range(self._layout.rowCount()):
            self._layout.setRowStretch(row, 0)
            self._layout.setRowMinimumHeight(row, 0)
        for column in range(self._layout.columnCount()):
            self._layout.setColumnStretch(column, 1 if column < columns else 0)
        for card, _ in self._cards:
            card.setVisible(card in shown)
        spans = {card: min(span, columns) for card, span in self._cards}
        row = column = 0
        for index, card in enumerate(shown):
            following = spans[shown[index + 1]] if index + 1 < len(shown) else columns
            span = spans[card]
            if column + span + following > columns:
                span = columns - column
            self._layout.addWidget(card, row, column, 1, span)
            self._layout.setRowStretch(row, 1)
            self._layout.setRowMinimumHeight(row, theme().px(self._row_height))
            column += span
            if column >= columns:
                row, column = row + 1, 0
        self._layout.activate()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.arrange()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if self._alone is not None and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            if event.type() == QEvent.Type.KeyPress:
                self.maximise(None)
            return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._alone is not None:
            self.maximise(None)
            return
        super().keyPressEvent(event)
