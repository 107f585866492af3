import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLabel, QToolButton
from pytestqt.qtbot import QtBot

from app.widgets.card import Card
from app.widgets.grid import CardGrid


@pytest.fixture
def grid(qtbot: QtBot) -> CardGrid:
    made = CardGrid()
    qtbot.addWidget(made)
    for name in ("Plane", "Surface", "Spectrum"):
        card = Card(name)
        card.set_body(QLabel(name))
        made.add(card)
    made.resize(900, 700)
    made.show()
    return made


def place(grid: CardGrid, index: int) -> tuple[int, int, int, int]:
    card = grid.cards()[index]
    at = card.mapTo(grid.viewport(), QPoint(0, 0))
    return at.x(), at.y(), card.width(), card.height()


def test_two_columns_and_the_last_card_fills_its_row(grid: CardGrid) -> None:
    (x0, y0, w0, _), (x1, y1, w1, _), (x2, y2, w2, _) = (place(grid, i) for i in range(3))
    assert y0 == y1 < y2
    assert x0 == x2 == 0 and x1 > x0
    assert w0 == pytest.approx(w1, abs=2)
    assert w2 == pytest.approx(900, abs=12)


def test_narrow_page_has_one_column(grid: CardGrid) -> None:
    grid.resize(500, 700)
    assert grid.columns() == 1
    xs = {place(grid, i)[0] for i in range(3)}
    ys = [place(grid, i)[1] for i in range(3)]
    assert xs == {0} and ys == sorted(ys) and len(set(ys)) == 3


def test_low_page_scrolls_instead_of_squashing(grid: CardGrid) -> None:
    grid.resize(900, 300)
    assert all(place(grid, i)[3] >= 240 for i in range(3))
    assert grid.verticalScrollBar().maximum() > 0


def test_maximise_and_back_by_button_and_escape(grid: CardGrid, qtbot: QtBot) -> None:
    card = grid.cards()[1]
    expand = next(b for b in card.findChildren(QToolButton) if b.accessibleName() == "Maximise Surface")
    qtbot.mouseClick(expand, Qt.MouseButton.LeftButton)
    assert grid.maximised() is card
    assert [found.isVisible() for found in grid.cards()] == [False, True, False]
    assert card.width() > 850
    qtbot.keyClick(card, Qt.Key.Key_Escape)
    assert grid.maximised() is None
    assert all(found.isVisible() for found in grid.cards())
    qtbot.mouseClick(expand, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(expand, Qt.MouseButton.LeftButton)
    assert grid.maximised() is None


def test_another_card_takes_over(grid: CardGrid) -> None:
    grid.maximise(grid.cards()[0])
    grid.maximise(grid.cards()[2])
    assert [found.isVisible() for found in grid.cards()] == [False, False, True]
    assert any(b.accessibleName() == "Maximise Plane" for b in grid.cards()[0].findChildren(QToolButton))


def test_cards_can_be_left_out(grid: CardGrid) -> None:
    grid.set_shown(grid.cards()[0], False)
    assert not grid.cards()[0].isVisible()
    assert place(grid, 1)[1] == place(grid, 2)[1] == 0
    grid.maximise(grid.cards()[2])
    grid.set_shown(grid.cards()[2], False)
    assert grid.maximised() is None
    grid.set_shown(grid.cards()[0], True)
    assert grid.shown() == grid.cards()[:2]


def test_wide_cards(qtbot: QtBot) -> None:
    grid = CardGrid()
    qtbot.addWidget(grid)
    grid.resize(900, 700)
    grid.show()
    for name, span in (("wide", 2), ("a", 1), ("b", 1)):
        grid.add(Card(name), span)
    assert place(grid, 0)[2] > 850
    assert place(grid, 1)[1] == place(grid, 2)[1] > place(grid, 0)[1]
