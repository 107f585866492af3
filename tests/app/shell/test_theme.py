import re

import pytest
from PySide6.QtCore import QDir, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QPushButton,
    QStyle,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QTreeWidget,
    QTreeWidgetItem,
)
from pytestqt.qtbot import QtBot

from app.shell import style
from app.shell.theme import DARK, LIGHT, PHASES, SERIES, Theme, Tokens, contrast, install, system_font, theme, tokens

BOTH = pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])


def test_contrast_of_known_pairs() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#ffffff", "#000000") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the grey that just fails
    assert contrast("#3558c9", "#3558c9") == 1.0


@BOTH
@pytest.mark.parametrize("ground", ["bg", "panel", "field"])
@pytest.mark.parametrize("role", ["text", "muted", "good", "warn", "bad", "accent"])
def test_words_can_be_read(look: Tokens, ground: str, role: str) -> None:
    assert contrast(getattr(look, role), getattr(look, ground)) >= 4.5


@BOTH
def test_words_on_colours_can_be_read(look: Tokens) -> None:
    assert contrast(look.on_accent, look.accent) >= 4.5
    assert contrast(look.on_accent, look.accent_hover) >= 4.5
    assert contrast(look.accent, look.soft) >= 4.5
    assert contrast(look.text, look.soft) >= 4.5
    assert contrast(look.text, look.hover) >= 4.5


@BOTH
@pytest.mark.parametrize("colour", [*SERIES, *PHASES])
def test_marks_can_be_seen(look: Tokens, colour: str) -> None:
    assert contrast(colour, look.panel) >= 3.0


def test_series_colours_differ() -> None:
    assert len(set(SERIES)) == len(SERIES)
    assert len(set(PHASES)) == 5


def test_switch_tells_once_and_changes_palette_and_sheet(qapp: QApplication, qtbot: QtBot) -> None:
    with qtbot.waitSignal(theme().changed):
        theme().set_mode("dark")
    assert tokens() is DARK
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(DARK.bg)
    assert DARK.panel in qapp.styleSheet()
    with qtbot.assertNotEmitted(theme().changed):
        theme().set_mode("dark")


def test_system_mode_follows_the_hint(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    theme().set_mode("system")
    dark = qapp.styleHints().colorScheme() == Qt.ColorScheme.Dark
    assert tokens() is (DARK if dark else LIGHT)


def test_font_grows_with_the_users_choice(qapp: QApplication, qtbot: QtBot) -> None:
    assert qapp.font().pixelSize() == 13
    with qtbot.waitSignal(theme().changed):
        theme().set_scale(1.5)
    assert qapp.font().pixelSize() == 20
    assert theme().px(12) == 18
    assert "font-size: 18px" in qapp.styleSheet()
    theme().set_scale(40)
    assert theme().scale == 2.0
    theme().set_scale(1.0)


def test_scale_survives_a_new_theme(qapp: QApplication) -> None:
    theme().set_scale(1.25)
    theme().set_mode("dark")
    assert qapp.font().pixelSize() == 16
    assert "font-size: 15px" in qapp.styleSheet()  # captions
    theme().set_scale(1.0)


def test_first_family_exists_and_fallbacks_hold_chinese(qapp: QApplication) -> None:
    families = system_font(13).families()
    assert len(families) > 2
    assert families[0] != "Sans Serif"


@BOTH
def test_sheet_is_complete(look: Tokens) -> None:
    text = style.sheet(look)
    assert "$" not in text
    for name in re.findall(r"url\(theme:([^)]+)\)", text):
        assert any((QDir(path).exists(name)) for path in QDir.searchPaths("theme")), name


def test_marks_are_written_once(qapp: QApplication) -> None:
    folder = style.marks(LIGHT)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert style.marks(LIGHT) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert style.marks(DARK) != folder


def test_marks_without_a_writable_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(style.QStandardPaths, "writableLocation", lambda _: "/proc/nowhere")
    monkeypatch.setattr(style.tempfile, "gettempdir", lambda: str(tmp_path))
    assert str(style.marks(LIGHT)).startswith(str(tmp_path))


def test_switch_repaints_widgets(qtbot: QtBot) -> None:
    button = QPushButton("Run")
    button.setProperty("primary", True)
    qtbot.addWidget(button)
    button.resize(120, 34)
    button.show()
    assert button.grab().toImage().pixelColor(60, 4) == QColor(LIGHT.accent)
    theme().set_mode("dark")
    assert button.grab().toImage().pixelColor(60, 4) == QColor(DARK.accent)


def test_labels_take_role_colours(qtbot: QtBot) -> None:
    label = QLabel("██████")
    label.setProperty("role", "bad")
    qtbot.addWidget(label)
    label.show()
    image = label.grab().toImage()
    colours = {image.pixelColor(x, image.height() // 2).name() for x in range(image.width())}
    assert LIGHT.bad in colours


def test_theme_without_an_application_keeps_still() -> None:
    loose = Theme()
    loose.set_mode("dark")
    assert loose.tokens is DARK
    assert loose.mode == "dark"


def test_colour_of_roles_and_codes() -> None:
    assert LIGHT.colour("accent").name() == LIGHT.accent
    assert LIGHT.colour("#123456", 0.5).alphaF() == pytest.approx(0.5, abs=0.01)
    assert LIGHT.level("info").name() == LIGHT.accent
    assert DARK.level("bad").name() == DARK.bad
    assert DARK.dark and not LIGHT.dark
    with pytest.raises(AttributeError):
        LIGHT.colour("no such role")


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_check_boxes_in_views_look_like_all_others(qapp: QApplication, qtbot: QtBot, mode: str) -> None:
    install(qapp, mode)  # type: ignore[arg-type]
    table, tree = QTableWidget(3, 1), QTreeWidget()
    for view in (table, tree):
        qtbot.addWidget(view)
        view.resize(200, 160)
    states = (Qt.CheckState.Checked, Qt.CheckState.Unchecked, Qt.CheckState.PartiallyChecked)
    for row, state in enumerate(states):
        cell, branch = QTableWidgetItem("row"), QTreeWidgetItem(["row"])
        cell.setCheckState(state)
        branch.setCheckState(0, state)
        table.setItem(row, 0, cell)
        tree.addTopLevelItem(branch)
    tree.setCurrentItem(None)
    look = tokens()
    for view in (table, tree):
        view.show()
        image = view.viewport().grab().toImage()
        for row, ground in enumerate((look.accent, look.field, look.accent)):
            index = view.model().index(row, 0)
            option = QStyleOptionViewItem()
            option.initFrom(view)
            option.rect = view.visualRect(index)
            view.itemDelegate().initStyleOption(option, index)
            box = view.style().subElementRect(QStyle.SubElement.SE_ItemViewItemCheckIndicator, option, view)
            assert image.pixelColor(box.left() + 5, box.top() + 5) == QColor(ground)
