"""All that the program can do, registered once; menus, shortcuts and the command palette are made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from app.shell.icons import icon
from app.shell.text import language, tr


@dataclass(frozen=True)
class Command:
    """One thing that can be done.

    Attributes:
        id: stable, "run.start". text: English words for menus and the palette. handler: does it.
        shortcut: "Ctrl+R" or "". icon: a line icon's name or "". enabled: whether it can be done now; None: always.
        menu: English title of the menu it belongs to, "" for the palette alone.
        checked: state of a switch; None: no switch.
    """

    id: str
    text: str
    handler: Callable[[], object]
    shortcut: str = ""
    icon: str = ""
    enabled: Callable[[], bool] | None = None
    menu: str = ""
    checked: Callable[[], bool] | None = None


class Actions(QObject):
    """The registry.

    Signals:
        triggered: the id of the command that was just done.
    """

    triggered = Signal(str)

    def __init__(self, window: QWidget) -> None:
        """``window`` gets the shortcuts."""
        super().__init__(window)
        self._window = window
        self._commands: dict[str, Command] = {}
        self._actions: dict[str, QAction] = {}
        language().changed.connect(self.refresh)

    def add(self, command: Command) -> QAction:
        """Register a command.

        Raises:
            ValueError: the id, or the shortcut, is taken.
        """
        if command.id in self._commands:
            raise ValueError(f"{command.id} is registered already")
        other = self._holder(command.shortcut)
        if other:
            raise ValueError(f"{command.shortcut} belongs to {other}, {command.id} cannot have it")
        action = QAction(self._window)
        action.setObjectName(command.id)
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.triggered.connect(lambda _=False: self.trigger(command.id))
        if command.icon:
            action.setIcon(icon(command.icon))
        action.setCheckable(command.checked is not None)
        self._window.addAction(action)
        self._commands[command.id], self._actions[command.id] = command, action
        self._dress(command.id)
        return action

    def add_all(self, commands: Iterable[Command]) -> None:
        """Register several."""
        for command in commands:
            self.add(command)

    def remove(self, command_id: str) -> None:
        """Forget a command and its shortcut; an unknown id is ignored."""
        if self._commands.pop(command_id, None) is not None:
            action = self._actions.pop(command_id)
            self._window.removeAction(action)
            action.deleteLater()

    def set_shortcut(self, command_id: str, shortcut: str) -> None:
        """Give a command another shortcut, or none.

        Raises:
            KeyError: there is no such command. ValueError: another command has the shortcut.
        """
        command = self._commands[command_id]
        other = self._holder(shortcut)
        if other and other != command_id:
            raise ValueError(f"{shortcut} belongs to {other}")
        self._commands[command_id] = replace(command, shortcut=shortcut)
        self._dress(command_id)

    def _holder(self, shortcut: str) -> str:
        wanted = QKeySequence(shortcut)
        held = (c.id for c in self._commands.values() if shortcut and QKeySequence(c.shortcut) == wanted)
        return next(held, "")

    def commands(self) -> list[Command]:
        """All commands in the order in which they were registered."""
        return list(self._commands.values())

    def action(self, command_id: str) -> QAction:
        """The QAction of a command; KeyError for an unknown id."""
        return self._actions[command_id]

    def can(self, command_id: str) -> bool:
        """Whether a command can be done now."""
        command = self._commands[command_id]
        return command.enabled is None or bool(command.enabled())

    def trigger(self, command_id: str) -> bool:
        """Do a command if it can be done now; returns whether it was done."""
        if not self.can(command_id):
            self.refresh()
            return False
        self._commands[command_id].handler()
        self.refresh()
        self.triggered.emit(command_id)
        return True

    def refresh(self) -> None:
        """Look anew at what can be done; call it when the window's state changed."""
        for command_id in self._commands:
            self._dress(command_id)

    def _dress(self, command_id: str) -> None:
        command, action = self._commands[command_id], self._actions[command_id]
        action.setText(tr(command.text))
        action.setToolTip(f"{tr(command.text)} ({command.shortcut})" if command.shortcut else tr(command.text))
        if action.shortcut() != QKeySequence(command.shortcut):
            action.setShortcut(QKeySequence(command.shortcut))
        action.setEnabled(self.can(command_id))
        if command.checked is not None:
            action.setChecked(bool(command.checked()))

    def menu(self, title: str, parent: QWidget | None = None, order: Sequence[str] = ()) -> QMenu:
        """The menu of this English title with its commands; ``order`` names ids to come first, "-" for a line."""
        menu = QMenu(tr(title), parent or self._window)
        rest = [c.id for c in self._commands.values() if c.menu == title and c.id not in order]
        for command_id in [*order, *rest]:
            if command_id == "-":
                menu.addSeparator()
            else:
                menu.addAction(self._actions[command_id])
        menu.aboutToShow.connect(self.refresh)
        return menu
