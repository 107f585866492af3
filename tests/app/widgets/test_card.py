from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QLabel, QMenu, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from app.widgets.card import Card
from app.widgets.plot import Axis, LinePlot
from app.widgets.table_view import TableDialog


@pytest.fixture
def card(qtbot: QtBot) -> Card:
    made = Card("Loss plane", "train, {n} images", "The plane appears here.")
    qtbot.addWidget(made)
    made.set_caption("train, {n} images", n=1797)
    made.set_body(LinePlot(x=Axis("t"), y=Axis("loss")))
    made.resize(420, 320)
    made.show()
    return made


def fill(card: Card) -> LinePlot:
    plot = card.body
    assert isinstance(plot, LinePlot)
    plot.set_series("a", np.arange(5.0), np.arange(5.0))
    return plot


def button(card: Card, name: str) -> QToolButton:
    return next(found for found in card.findChildren(QToolButton) if name in found.accessibleName())


def entry(menu: QMenu, text: str):
    return next(action for action in menu.actions() if action.text().startswith(text))


def test_empty_card_says_what_will_appear(card: Card) -> None:
    assert card.is_empty()
    assert any(label.text() == "The plane appears here." and label.isVisible() for label in card.findChildren(QLabel))
    assert not button(card, "Save").isEnabled()
    fill(card)
    assert not card.is_empty()
    assert button(card, "Save").isEnabled()
    card.show_empty("Stopped after {n} rings.", n=3)
    assert any(label.text() == "Stopped after 3 rings." for label in card.findChildren(QLabel))


def test_caption_is_filled(card: Card) -> None:
    assert any(label.text() == "train, 1797 images" for label in card.findChildren(QLabel))


def test_card_that_lost_its_data_is_empty_again(card: Card) -> None:
    fill(card).clear()
    assert card.is_empty()


def test_expand_and_double_click_ask_to_maximise(card: Card, qtbot: QtBot) -> None:
    with qtbot.waitSignal(card.maximise):
        qtbot.mouseClick(button(card, "Maximise"), Qt.MouseButton.LeftButton)
    bar = card.findChild(QWidget, "cardBar")
    with qtbot.waitSignal(card.maximise):
        qtbot.mouseDClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(60, 8))
    with qtbot.assertNotEmitted(card.maximise):
        qtbot.keyClick(card, Qt.Key.Key_Escape)
    card.set_maximised(True)
    assert button(card, "Show all cards again")
    with qtbot.waitSignal(card.maximise):
        qtbot.keyClick(card, Qt.Key.Key_Escape)


def test_menu_switches_resets_copies(card: Card, qtbot: QtBot) -> None:
    plot = fill(card)
    opened: list[str] = []
    card.add_action("Open in Tails", lambda: opened.append("tails"), "tails")
    menu = card.menu()
    entry(menu, "Open in Tails").trigger()
    assert opened == ["tails"]
    entry(menu, "Logarithmic y").trigger()
    assert plot.axes[1].log
    plot.set_view(plot.view().zoomed(0.5))
    entry(menu, "Reset view").trigger()
    assert plot.view().x1 > 4
    QGuiApplication.clipboard().clear()
    entry(menu, "Copy image").trigger()
    assert not QGuiApplication.clipboard().image().isNull()


def test_menu_of_an_empty_card_offers_nothing_to_save(card: Card) -> None:
    menu = card.menu()
    assert not entry(menu, "Save as").isEnabled()
    assert not entry(menu, "View as table").isEnabled()


def test_table_opens(card: Card, qtbot: QtBot) -> None:
    fill(card)
    entry(card.menu(), "View as table").trigger()
    dialog = card.findChild(TableDialog)
    assert dialog is not None and dialog.isVisible()
    assert dialog.view.model().rowCount() == 5
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)


class Shown(QWidget):
    def provenance(self) -> str:
        return "run 0427\ntask landscape.surface"


def test_saving_writes_light_files_with_provenance(card: Card, qtbot: QtBot, tmp_path: Path) -> None:
    fill(card)
    tab = Shown()
    qtbot.addWidget(tab)
    page = QWidget(tab)
    card.setParent(page)
    for suffix in ("png", "svg", "pdf", "csv"):
        path = tmp_path / f"plane.{suffix}"
        with qtbot.waitSignal(card.saved) as heard:
            card.save_to(path)
        assert heard.args == [path] and path.stat().st_size > 50
    assert (
        (tmp_path / "plane.csv")
        .read_text()
        .startswith("# Loss plane: train, 1797 images\n# run 0427\n# task landscape")
    )
    assert "notes.txt".encode("utf-16-be") in (tmp_path / "plane.pdf").read_bytes()
    assert "run 0427" in QImage(str(tmp_path / "plane.png")).text("Description")
    card.setParent(None)
    card.save_to(tmp_path / "alone.csv")
    assert "0427" not in (tmp_path / "alone.csv").read_text()


def test_failed_save_is_told(card: Card, qtbot: QtBot, tmp_path: Path) -> None:
    fill(card)
    with qtbot.waitSignal(card.failed) as heard:
        card.save_to(tmp_path / "missing" / "plane.png")
    assert "was not saved" in heard.args[0].sentence()


def test_save_button_opens_a_file_dialog(card: Card, qtbot: QtBot, tmp_path: Path) -> None:
    fill(card)
    qtbot.mouseClick(button(card, "Save"), Qt.MouseButton.LeftButton)
    dialog = card.findChild(QFileDialog)
    assert (dialog is not None and not dialog.isModal()) or dialog.windowModality() == Qt.WindowModality.WindowModal
    dialog.filterSelected.emit("SVG (*.svg)")
    assert dialog.defaultSuffix() == "svg"
    with qtbot.waitSignal(card.saved):
        dialog.fileSelected.emit(str(tmp_path / "from_dialog.svg"))
    dialog.close()


@pytest.mark.qt_log_ignore(r"does not support (raise|grabbing)", extend=True)  # the offscreen platform, of any popup
def test_more_button_opens_the_menu(card: Card, qtbot: QtBot) -> None:
    fill(card)
    qtbot.mouseClick(button(card, "More"), Qt.MouseButton.LeftButton)
    menus = [menu for menu in card.findChildren(QMenu) if menu.isVisible()]
    assert len(menus) == 1
    menus[0].close()


def test_every_button_has_a_name_and_can_be_reached(card: Card) -> None:
    names = [found.accessibleName() for found in card.findChildren(QToolButton)]
    assert len(names) == len(set(names)) == 3
    assert all("Loss plane" in name for name in names)
    assert all(found.focusPolicy() & Qt.FocusPolicy.TabFocus for found in card.findChildren(QToolButton))
    assert card.accessibleName() == "Loss plane"
    assert card.body.accessibleName() == "Loss plane"


def test_other_body_is_shown_at_once_and_replaces_the_old(card: Card, qtbot: QtBot) -> None:
    label = QLabel("image")
    card.set_body(label)
    assert not card.is_empty()
    assert card.body is label


def test_long_caption_elides(card: Card) -> None:
    card.set_caption("words " * 60)
    card.resize(300, 200)
    note = next(label for label in card.findChildren(QLabel) if label.text().startswith("words"))
    assert note.elided()
    assert note.toolTip().startswith("words words")


def test_a_caption_without_room_beside_the_title_stands_below_it(card: Card) -> None:
    plot = fill(card)
    long = "larger is better; best VVV 12; click to fit"
    card.resize(700, 320)
    card.set_caption(long)
    assert card._note.isVisible() and not card._line.isVisible()
    high = plot.height()
    card.resize(330, 320)
    assert not card._note.isVisible() and card._under.isVisible() and not card._under.elided()
    assert card._under.text() == card._note.text() == long
    assert high - 30 < plot.height() < high
    card.set_caption("short")
    assert card._note.isVisible() and not card._line.isVisible()
    card.set_caption("")
    assert not card._line.isVisible()
