import csv
import io

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetricsF, QGuiApplication
from PySide6.QtWidgets import QLabel, QMenu, QToolButton
from pytestqt.qtbot import QtBot

from app.shell.theme import LIGHT, theme
from app.widgets.numbers import Number, NumbersPanel
from engine.studies.contract import Measure
from tests.app.widgets.pixels import count

LAMBDA = Measure(
    "lambda_max", "λ max", "λ₁", "", "Largest eigenvalue of the Hessian.", "Yang et al. 2021, sec. 3", digits=3
)
ACCURACY = Measure("accuracy", "Accuracy", "a", "%", "Share that is right.", "own", digits=3)
NUMBERS = [
    Number(ACCURACY, 97.1, (96.3, 97.9), n=5, dims=(("split", "test"),), group="Accuracy"),
    Number(ACCURACY, None, dims=(("split", "train"),), group="Accuracy"),
    Number(LAMBDA, 14.23, warning="One run did not converge.", group="Curvature"),
]


@pytest.fixture
def panel(qtbot: QtBot) -> NumbersPanel:
    made = NumbersPanel()
    qtbot.addWidget(made)
    made.resize(280, 420)
    made.show()
    made.set_numbers(NUMBERS)
    return made


def texts(panel: NumbersPanel) -> str:
    return "\n".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def test_numbers_are_worded() -> None:
    first = NUMBERS[0]
    assert first.title() == "Accuracy (test)"
    assert str(first.quantity()) == "97.1 ± 0.8 %"
    assert str(NUMBERS[1].quantity()) == "— %"
    assert first.definition() == "Accuracy, a: Share that is right.\nown\nn = 5"
    assert Number(LAMBDA, 1.0, dims=(("chain", "2"),)).title() == "λ max (chain 2)"


def test_short_of_room_names_keep_what_tells_them_apart(qtbot: QtBot) -> None:
    metrics = QFontMetricsF(theme().font())
    stability = Measure("jaccard", "Stability of a cluster", "J", "", "d", "s", digits=3)
    rows = [Number(stability, 0.9, dims=(("cluster", str(k)),)) for k in (1, 2)]
    whole = metrics.horizontalAdvance(rows[0].title())
    for share in (0.3, 0.5, 0.8):
        said = [row.fitted(metrics, share * whole) for row in rows]
        assert said[0] != said[1] and said[1].endswith("2)") and "…" in said[1]
        assert max(metrics.horizontalAdvance(text) for text in said) <= share * whole + 1
    assert rows[0].fitted(metrics, whole + 1) == rows[0].title() == "Stability of a cluster (cluster 1)"
    assert NUMBERS[2].fitted(metrics, 500) == "λ max"


def test_a_wide_interval_takes_room_of_its_own_line_only(panel: NumbersPanel) -> None:
    entropy = Number(Measure("entropy", "Entropy", "", "nat", "d", "s", digits=3), 0.02)
    odd = Number(LAMBDA, 0.76, (0.42, 0.981))  # told as [0.42, 0.981]
    panel.set_numbers([entropy, odd])
    lines = [panel.model.aside_width(number, 240) for number in (entropy, odd)]
    assert lines[0] < 0.15 * 240 < 0.27 * 240 < lines[1] <= 0.4 * 240
    assert len({panel.model.aside_width(number, 900) for number in (entropy, odd)}) == 1


def test_rows_tell_screen_readers_everything(panel: NumbersPanel) -> None:
    model = panel.model
    said = [model.data(model.index(row), Qt.ItemDataRole.AccessibleTextRole) for row in range(3)]
    assert said[0] == "Accuracy (test): 97.1 ± 0.8 %"
    assert said[2] == "λ max: 14.2. Warning: One run did not converge."
    tip = model.data(model.index(2), Qt.ItemDataRole.ToolTipRole)
    assert "λ₁" in tip and "Yang et al. 2021" in tip and "did not converge" in tip


def test_selected_number_shows_its_definition(panel: NumbersPanel, qtbot: QtBot) -> None:
    assert "Share that is right." in texts(panel)
    rect = panel.view.visualRect(panel.model.index(2))
    with qtbot.waitSignal(panel.selected, check_params_cb=lambda number: number.measure is LAMBDA):
        qtbot.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert "Largest eigenvalue of the Hessian." in texts(panel)
    qtbot.keyClick(panel.view, Qt.Key.Key_Up)
    assert "Share that is right." in texts(panel)


def test_new_values_keep_the_selection(panel: NumbersPanel) -> None:
    panel.view.setCurrentIndex(panel.model.index(2))
    resets: list[int] = []
    panel.model.modelReset.connect(lambda: resets.append(1))
    newer = [*NUMBERS[:2], Number(LAMBDA, 15.0, warning="One run did not converge.", group="Curvature")]
    panel.set_numbers(newer)
    assert resets == [] and panel.view.currentIndex().row() == 2
    panel.set_numbers(NUMBERS[:1])
    assert resets == [1]


def test_headings_and_warnings_take_room(panel: NumbersPanel) -> None:
    heights = [panel.view.sizeHintForRow(row) for row in range(3)]
    assert heights[0] > heights[1] < heights[2]
    assert panel.model.starts_group(0) and not panel.model.starts_group(1) and panel.model.starts_group(2)


def test_warned_value_is_coloured_and_worded(panel: NumbersPanel) -> None:
    rect = panel.view.visualRect(panel.model.index(2))
    image = panel.view.viewport().grab(rect).toImage()
    assert count(image, LIGHT.warn) > 20
    calm = panel.view.viewport().grab(panel.view.visualRect(panel.model.index(1))).toImage()
    assert count(calm, LIGHT.warn) == 0


def test_empty_panel_says_what_will_appear(qtbot: QtBot) -> None:
    panel = NumbersPanel()
    qtbot.addWidget(panel)
    panel.show()
    assert "The run's numbers appear here" in texts(panel)
    panel.set_numbers(NUMBERS)
    assert "appear here" not in texts(panel)
    panel.set_numbers([])
    assert "appear here" in texts(panel) and "Share" not in texts(panel)


def test_callout(panel: NumbersPanel) -> None:
    panel.set_callout("Phase IV-B  ·  flat, connected, similar")
    assert "Phase IV-B" in texts(panel)
    panel.set_callout("")
    assert "Phase" not in texts(panel)


def test_copy_as_csv_and_markdown(panel: NumbersPanel, qtbot: QtBot) -> None:
    qtbot.keyClick(panel.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    rows = list(csv.reader(io.StringIO(QGuiApplication.clipboard().text())))
    assert rows[0] == ["measure", "title", "value", "lower", "upper", "unit", "n", "warning"]
    assert rows[1] == ["accuracy.split=test", "Accuracy (test)", "97.1", "96.3", "97.9", "%", "5", ""]
    assert rows[2][2] == "nan" and rows[3][7] == "One run did not converge."
    panel.copy_markdown()
    assert "| accuracy.split=test | Accuracy (test) | 97.1 |" in QGuiApplication.clipboard().text()


@pytest.mark.qt_log_ignore(r"does not support (raise|grabbing)", extend=True)  # the offscreen platform, of any popup
def test_copy_button_offers_both(panel: NumbersPanel, qtbot: QtBot) -> None:
    button = next(found for found in panel.findChildren(QToolButton) if found.accessibleName() == "Copy the numbers")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    menu = next(found for found in panel.findChildren(QMenu) if found.isVisible())
    assert [action.text() for action in menu.actions()] == ["Copy as CSV", "Copy as Markdown"]
    menu.actions()[0].trigger()
    assert QGuiApplication.clipboard().text().startswith("measure,title")
    menu.close()


def test_paints_when_narrow(panel: NumbersPanel) -> None:
    panel.resize(120, 200)
    panel.grab()
