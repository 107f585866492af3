"""Finds the tabs by scanning their folders; a tab's code is imported when it is first shown."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import app.tabs

if TYPE_CHECKING:
    from app.tabs.base import TabView

GROUPS = ("Training", "Data", "Language", "All runs")


@dataclass(frozen=True)
class TabInfo:
    """What the rail needs to know of a tab.

    Attributes:
        id: the folder's name. title, group: for people (translation ids). icon: name in the icon set.
        order: place in its group. view: "module:Class" of the TabView.
        summary: two sentences for the empty tab. accepts: artifact kinds it opens. suffixes: files it opens.
    """

    id: str
    title: str
    group: str
    icon: str
    order: int
    view: str
    summary: str
    accepts: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()

    def load(self) -> type[TabView]:
        """Import the view's class."""
        module, _, name = self.view.partition(":")
        return getattr(importlib.import_module(module), name)


def tabs() -> list[TabInfo]:
    """All tabs, in the order of the rail: each tab folder's __init__ has one TAB."""
    names = (item.name for item in pkgutil.iter_modules(app.tabs.__path__) if item.ispkg)
    found = [importlib.import_module(f"app.tabs.{name}").TAB for name in names]
    return sorted(found, key=lambda tab: (GROUPS.index(tab.group), tab.order))
