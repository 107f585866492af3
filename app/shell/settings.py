"""What the window remembers between starts."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSettings

from app.shell.theme import Mode
from app.shell.translation import LANGUAGES


class Settings:
    """A few named values in the platform's own store; with ``persistent`` false nothing is read or kept."""

    def __init__(self, persistent: bool = True) -> None:
        self._store = QSettings("Theodolite", "Theodolite") if persistent else None
        self._kept: dict[str, object] = {}

    def _get(self, key: str, default: object) -> object:
        return self._store.value(key, default) if self._store is not None else self._kept.get(key, default)

    def _set(self, key: str, value: object) -> None:
        if self._store is not None:
            self._store.setValue(key, value)
        self._kept[key] = value

    @property
    def theme(self) -> Mode:
        """light, dark or system."""
        value = self._get("theme", "system")
        return "light" if value == "light" else "dark" if value == "dark" else "system"

    @theme.setter
    def theme(self, value: Mode) -> None:
        self._set("theme", value)

    @property
    def language(self) -> str:
        """One of the window's languages, or system."""
        value = self._get("language", "system")
        return str(value) if value in LANGUAGES else "system"

    @language.setter
    def language(self, value: str) -> None:
        self._set("language", value)

    @property
    def geometry(self) -> QByteArray:
        """The window's size and place."""
        value = self._get("geometry", QByteArray())
        return value if isinstance(value, QByteArray) else QByteArray()

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._set("geometry", value)

    @property
    def dock_height(self) -> int:
        """Height of the runs dock in pixels; 0 when collapsed."""
        try:
            return int(str(self._get("dock_height", 190)))
        except ValueError:
            return 190

    @dock_height.setter
    def dock_height(self, value: int) -> None:
        self._set("dock_height", value)
