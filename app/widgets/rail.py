"""The rail of tabs at the left, and the bar of a tab's pages."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QButtonGroup, QPushButton, QSizePolicy, QTabBar, QVBoxLayout, QWidget

from app.shell.icons import icon
from app.shell.text import live, tr
from app.shell.theme import SPACE_1, SPACE_2, theme
from app.widgets.labels import Label


class NavRail(QWidget):
    """Groups of tabs, an icon and a name each; only icons while the window is narrow.

    Signals:
        chosen: the id of the tab that the user wants.
    """

    chosen = Signal(str)

    def __init__(self, brand: str = "Theodolite", narrow: int = 1100, parent: QWidget | None = None) -> None:
        """Below ``narrow`` px of its window's width the rail shows icons only; ``brand`` is not translated."""
        super().__init__(parent)
        self.setObjectName("rail")
        self._narrow, self._compact, self._width = narrow, False, 0
        self._brand = Label(brand, "title")
        self._brand.setContentsMargins(SPACE_1, 0, 0, SPACE_2)
        self._titles: dict[str, Label] = {}
        self._buttons: dict[str, QPushButton] = {}
        self._texts: dict[str, str] = {}
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(SPACE_2, SPACE_2, SPACE_2, SPACE_2)
        self._column.setSpacing(2)
        self._column.addWidget(self._brand)
        self._column.addStretch(1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        theme().changed.connect(self._say)
        live(self._say)

    def add(self, key: str, text: str, icon_name: str, group: str = "") -> None:
        """Add a tab to a group (both texts in English); groups and tabs stand in the order in which they come."""
        if group not in self._titles:
            title = Label("", "group")
            title.setContentsMargins(SPACE_2, SPACE_2, 0, 2)
            title.setVisible(bool(group))
            self._column.insertWidget(self._column.count() - 1, title)
            self._titles[group] = title
        button = QPushButton()
        button.setCheckable(True)
        button.setIcon(icon(icon_name, "text", "accent"))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda _=False: self.chosen.emit(key))
        button.installEventFilter(self)
        groups = list(self._titles)
        following = groups[groups.index(group) + 1 :]
        at = self._column.indexOf(self._titles[following[0]]) if following else self._column.count() - 1
        self._column.insertWidget(at, button)
        self._group.addButton(button)
        self._buttons[key], self._texts[key] = button, text
        self._say()

    def set_current(self, key: str) -> None:
        """Mark a tab as the one that is shown, silently; KeyError for an unknown id."""
        self._buttons[key].setChecked(True)

    def current(self) -> str:
        """The id of the marked tab, or ""."""
        return next((key for key, button in self._buttons.items() if button.isChecked()), "")

    def ids(self) -> list[str]:
        """The tabs' ids from top to bottom."""
        return sorted(self._buttons, key=lambda key: self._column.indexOf(self._buttons[key]))

    def button(self, key: str) -> QPushButton:
        """The button of a tab."""
        return self._buttons[key]

    def compact(self) -> bool:
        """Whether only icons are shown."""
        return self._compact

    def set_compact(self, compact: bool) -> None:
        """Show icons only, or names as well."""
        if compact != self._compact:
            self._compact = compact
            self._say()

    def _say(self) -> None:
        self.setAccessibleName(tr("Tabs"))
        self._brand.setVisible(not self._compact)
        for group, title in self._titles.items():
            title.setText(tr(group).upper())
            title.setVisible(bool(group) and not self._compact)
        for key, button in self._buttons.items():
            text = tr(self._texts[key])
            button.setIconSize(QSize(theme().px(18), theme().px(18)))
            button.setText("" if self._compact else text)
            button.setToolTip(text if self._compact else "")
            button.setAccessibleName(text)
        widths = [self.fontMetrics().horizontalAdvance(tr(text)) for text in self._texts.values()]
        narrow = theme().px(36) + 2 * SPACE_2
        names = max(widths, default=0) + theme().px(58) + 8
        wide = max(theme().px(150), names, self._brand.sizeHint().width() + 2 * SPACE_2)
        self._width = narrow if self._compact else wide
        # The window may shrink below the names' width: that is when they go.
        self.setMinimumWidth(narrow)
        self.setMaximumWidth(self._width)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(self._width, super().sizeHint().height())

    def showEvent(self, event: QShowEvent) -> None:
        self.window().installEventFilter(self)
        self.set_compact(self.window().width() < self._narrow)
        super().showEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QResizeEvent) and watched is self.window():
            self.set_compact(event.size().width() < self._narrow)
        elif (
            isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and watched in self._buttons.values()
        ):
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step:
                order = [self._buttons[key] for key in self.ids()]
                at = next(index for index, button in enumerate(order) if button is watched)
                target = order[(at + step) % len(order)]
                target.setFocus(Qt.FocusReason.TabFocusReason)
                target.click()
                return True
        return super().eventFilter(watched, event)


class PageBar(QTabBar):
    """The named pages of a tab.

    Signals:
        chosen: the id of the page that the user wants.
    """

    chosen = Signal(str)

    def __init__(self, pages: list[tuple[str, str]], parent: QWidget | None = None) -> None:
        """``pages``: id and English name of each."""
        super().__init__(parent)
        self._pages = pages
        self.setDrawBase(False)
        self.setExpanding(False)
        self.setDocumentMode(True)
        self.setUsesScrollButtons(True)
        for _ in pages:
            self.addTab("")
        live(self._say)
        self.currentChanged.connect(lambda index: self.chosen.emit(self._pages[index][0]))

    def _say(self) -> None:
        self.setAccessibleName(tr("Pages"))
        for index, (_, text) in enumerate(self._pages):
            self.setTabText(index, tr(text))
            self.setAccessibleTabName(index, tr(text))

    def set_current(self, key: str) -> None:
        """Show a page as chosen; KeyError for an unknown id."""
        self.setCurrentIndex({name: index for index, (name, _) in enumerate(self._pages)}[key])

    def current(self) -> str:
        """The id of the chosen page."""
        return self._pages[self.currentIndex()][0]
