"""Tables that are there at once: one click each, before the first run and from a menu later."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from app.shell.icons import icon
from app.shell.text import live, tr
from app.shell.theme import SPACE_2
from app.tabs.mixtures import TAB
from app.tabs.mixtures.model import preset
from app.widgets.empty import EmptyState
from app.widgets.labels import Label
from engine.studies.mixture.config import BuiltinTable, MixtureConfig

EXAMPLES = {
    "iris": ("Iris", "150 flowers, 4 columns, 3 species"),
    "wine": ("Wine", "178 wines, 13 columns, 3 growers"),
    "breast_cancer": ("Breast cancer", "569 tumours, 30 columns, 2 kinds"),
    "digits": ("Digits", "1797 images, 64 columns, 10 digits"),
    "faithful": ("Old Faithful", "272 eruptions, 2 columns"),
    "generated": ("Generated", "1000 rows drawn from 4 known clusters"),
}


def example(name: str) -> MixtureConfig:
    """The quick preset on a built-in table."""
    table = BuiltinTable.model_validate({"name": name})
    return preset("quick").model_copy(update={"data": table})


class Beginning(EmptyState):
    """What the tab shows before its first run, with a button for each table.

    Signals:
        chosen: the table whose button was pressed.
    """

    chosen = Signal(str)

    def __init__(self) -> None:
        self.buttons: dict[str, QPushButton] = {}
        self._or = Label("", "muted")
        super().__init__(TAB.title, TAB.summary, TAB.icon)
        row = QHBoxLayout()
        row.setSpacing(SPACE_2)
        row.addStretch(1)
        for name in EXAMPLES:
            button = QPushButton()
            button.setProperty("flat", True)
            button.clicked.connect(lambda _checked=False, name=name: self.chosen.emit(name))
            self.buttons[name] = button
            row.addWidget(button)
        row.addStretch(1)
        column = self.layout()
        assert isinstance(column, QVBoxLayout)
        column.insertSpacing(column.count() - 1, SPACE_2)
        column.insertWidget(column.count() - 1, self._or, 0, Qt.AlignmentFlag.AlignHCenter)
        column.insertLayout(column.count() - 1, row)
        live(self._name)

    def _name(self) -> None:
        self._or.setText(tr("or cluster another table that is here already:"))
        for name, button in self.buttons.items():
            title, words = EXAMPLES[name]
            button.setText(tr(title))
            button.setToolTip(tr(words))

    def set_missing(self, reason: str) -> None:
        """Switch the buttons off, for this reason; "" switches them on."""
        for button in (self.button, *self.buttons.values()):
            button.setEnabled(not reason)
        self.button.setToolTip(reason)


class ExamplesButton(QToolButton):
    """A menu of the same tables.

    Signals:
        chosen: the table that was chosen.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        for name in EXAMPLES:
            self._menu.addAction("").triggered.connect(lambda _on=False, name=name: self.chosen.emit(name))
        self.setMenu(self._menu)
        self.setIcon(icon("down"))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the arrow stands behind the word
        live(self._say)

    def _say(self) -> None:
        self.setText(tr("Examples"))
        self.setToolTip(tr("Cluster a table that is here already"))
        for action, (title, words) in zip(self._menu.actions(), EXAMPLES.values(), strict=True):
            action.setText(f"{tr(title)}: {tr(words)}")
